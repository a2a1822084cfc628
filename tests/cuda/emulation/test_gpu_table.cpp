// gpu_bench's timing and its table: ops captured over several sets of inputs, rows that fail, PyTorch's times beside.
#include "tools/common/bench/gpu_table.h"

#include <gtest/gtest.h>

#include "tensor/ops.h"
#include "tensor/stopwatch.h"

namespace kg::test {
namespace {

using namespace tools;

GpuTable small_table(const nlohmann::json& pytorch = nlohmann::json::object()) {
  return GpuTable({.device = Device::cuda, .seconds = 0.01, .once = true, .pytorch = pytorch});
}
std::vector<std::string> cells(const std::string& text, const std::string& name) {
  const size_t begin = text.find("| " + name + " |");
  if (begin == std::string::npos) return {"no row " + name + " in " + text};
  std::istringstream line(text.substr(begin, text.find('\n', begin) - begin));
  std::vector<std::string> all;
  for (std::string cell; std::getline(line, cell, '|');)
    if (!cell.empty()) all.push_back(cell.substr(1, cell.size() - 2));
  return all;
}
Benchmark doubling(std::vector<Tensor>& made) {
  return {"add/8", 0, 24, [&made](const Target& t) -> tools::Run {
            const Tensor x = Tensor::full({8}, double(made.size() + 1), t.dtype, t.device);
            made.push_back(Tensor::zeros({8}, t.dtype, t.device));
            return [x, y = made.back()] {
              const Tensor sum = add(x, x);
              y.copy_from(sum);
              return std::vector<Tensor>{sum};
            };
          }};
}

TEST(GpuTable, CapturesAnOpOverSeveralSetsOfInputs) {
  std::vector<Tensor> made;
  GpuTable table = small_table();
  table.add(doubling(made), Arithmetic::f32);
  EXPECT_EQ(table.failed(), 0) << table.text();
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[0].to_vector(), std::vector<double>(8, 2));
  EXPECT_EQ(made[1].to_vector(), std::vector<double>(8, 4));
  EXPECT_EQ(cells(table.text(), "add/f32").size(), 9u);
}

TEST(GpuTable, ARowThatFailsSaysWhyAndDoesNotEndIt) {
  std::vector<Tensor> made;
  GpuTable table = small_table();
  table.add({"unmade", 1, 0, [](const Target&) -> tools::Run { fail(ErrorCode::runtime, "[conv1d] no\nalgorithm"); }},
            Arithmetic::tf32);
  // Copying to the host is refused in a capture: it ran before, and fails there.
  table.add({"waiting", 0, 8,
             [](const Target& t) -> tools::Run {
               return [x = Tensor::ones({2}, t.dtype, t.device)] { return std::vector<Tensor>{x.to(Device::cpu)}; };
             }},
            Arithmetic::f32);
  table.add(doubling(made), Arithmetic::bf16);
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(table.failed(), 2);
  EXPECT_EQ(cells(table.text(), "unmade/tf32")[1], "failed: [conv1d] no algorithm");
  EXPECT_EQ(cells(table.text(), "waiting/f32")[1].rfind("failed: [cuda] a copy to the host", 0), 0u) << table.text();
  EXPECT_EQ(cells(table.text(), "add/bf16").size(), 9u) << table.text();
  EXPECT_EQ(made[1].to_vector(), std::vector<double>(8, 4)) << "the row after a broken capture computes";
}

TEST(GpuTable, ComparesWithTheSameArithmetic) {
  Benchmark sleeping{"copy", 0, 1e6, [](const Target&) -> tools::Run {
                       return [] {
                         for (const Stopwatch watch(Device::cpu); watch.seconds() < 2e-3;) {
                         }
                         return std::vector<Tensor>{};
                       };
                     }};
  sleeping.kernel = false;
  Benchmark step = sleeping;
  step.name = "step/paper/2", step.flops = 1e12, step.values = 0;
  GpuTable table =
      small_table({{"eager", {{"step/f32", 1.0}, {"step/tf32", 2.0}}}, {"compiled", {{"step/bf16", 3.0}}}});
  table.add(sleeping, Arithmetic::f32);
  for (const Arithmetic a : {Arithmetic::f32, Arithmetic::tf32, Arithmetic::bf16}) table.add(step, a);
  const std::string text = table.text();
  EXPECT_EQ(cells(text, "copy")[4], "100 %") << text;
  const std::vector<std::string> f32 = cells(text, "step/f32");
  EXPECT_GT(std::stod(f32[2]), 0) << text;
  EXPECT_EQ(f32[3], "-") << text;
  EXPECT_EQ(f32[5], "1000.00") << text;
  EXPECT_GT(std::stod(f32[6]), 1) << text;
  EXPECT_EQ(f32[7], "-") << text;
  EXPECT_EQ(cells(text, "step/tf32")[5], "2000.00") << text;
  EXPECT_EQ(cells(text, "step/bf16")[5], "-") << text;
  EXPECT_EQ(cells(text, "step/bf16")[7], "3000.00") << text;
}

TEST(GpuTable, StopwatchMeasuresTheStream) {
  const Tensor x = Tensor::ones({4096}, Dtype::f32, Device::cuda);
  const Stopwatch watch(Device::cuda);
  add(x, x);
  const double first = watch.seconds();
  EXPECT_GT(first, 0);
  add(x, x);
  EXPECT_GT(watch.seconds(), first);
}

}  // namespace
}  // namespace kg::test
