// The device side of tensors: copies, memory pools, captured graphs.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tensor/device.h"
#include "tensor/device_group.h"
#include "tensor/memory_pool.h"
#include "tensor/ops.h"
#include "tests/cuda/device_test.h"
#include "tests/error_of.h"
#include "tests/tools/run_program.h"

namespace kg {
namespace {

using CudaRuntime = DeviceTest;

bool exact_allocations() {
  const char* value = std::getenv("KG_EXACT_ALLOCATIONS");
  return value && value == std::string("1");
}

TEST_F(CudaRuntime, TensorsGoOverAndComeBack) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor there = x.to(Device::cuda);
  EXPECT_EQ(there.device(), Device::cuda);
  EXPECT_EQ(there.to(Device::cpu).to_vector(), x.to_vector());
  EXPECT_EQ(there.transpose(0, 1).to_vector(), x.transpose(0, 1).to_vector());
  EXPECT_EQ(there.slice(1, 1, 3).to(Dtype::bf16).to(Dtype::f32).to_vector(), (std::vector<double>{2, 3, 5, 6}));
  EXPECT_EQ(there.select(0, 1).select(0, 2).item(), 6);
  const Tensor window = Tensor::zeros({3, 4}, Dtype::f32, Device::cuda);
  window.slice(0, 1, 3).slice(1, 1, 4).copy_from(x);
  EXPECT_EQ(window.to_vector(), (std::vector<double>{0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6}));
}

TEST_F(CudaRuntime, HostAccessIsRefused) {
  const Tensor x = Tensor::zeros({2}, Dtype::f32, Device::cuda);
  try {
    x.data<float>();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("to(Device::cpu)"), std::string::npos) << e.what();
  }
}

TEST_F(CudaRuntime, MemoryIsKeptForReuse) {
  { const Tensor warm = Tensor::empty({1000}, Dtype::f32, Device::cuda); }
  const int64_t before = allocator_stats(Device::cuda).system_calls;
  for (int i = 0; i < 10; ++i) Tensor::empty({1000}, Dtype::f32, Device::cuda);
  EXPECT_EQ(allocator_stats(Device::cuda).system_calls, before + (exact_allocations() ? 10 : 0));
}

// The switch is read once, so this runs as a program of its own with it.
TEST_F(CudaRuntime, ExactAllocationsAreAsLargeAsAskedAndFreedAtOnce) {
  if (!std::getenv("KG_EXACT_ALLOCATIONS")) {
    const auto own = [](const std::string& value) {
      return test::run_command("KG_EXACT_ALLOCATIONS=" + value + " timeout 60 /proc/" + std::to_string(::getpid()) +
                               "/exe --gtest_filter=CudaRuntime.ExactAllocations*");
    };
    const test::RunResult exact = own("1"), wrong = own("yes");
    EXPECT_EQ(exact.code, 0) << exact.output;
    EXPECT_NE(exact.output.find("[  PASSED  ] 1 test."), std::string::npos) << exact.output;
    EXPECT_NE(wrong.code, 0);
    EXPECT_NE(wrong.output.find("KG_EXACT_ALLOCATIONS is \"yes\"; use 1"), std::string::npos) << wrong.output;
    return;
  }
  for (const auto& [device, bytes] : {std::pair(Device::cpu, 4032), std::pair(Device::cuda, 4004)}) {
    const AllocatorStats before = allocator_stats(device);
    {
      const Tensor t = Tensor::empty({1001}, Dtype::f32, device);
      EXPECT_EQ(allocator_stats(device).in_use - before.in_use, bytes) << name_of(device);
    }
    EXPECT_EQ(allocator_stats(device).in_use, before.in_use);
    EXPECT_EQ(allocator_stats(device).cached, 0);
  }
  // A graph keeps its memory all the same: it is used after it was freed.
  const Tensor x = Tensor::full({5}, 2, Dtype::f32, Device::cuda), y = Tensor::zeros({5}, Dtype::f32, Device::cuda);
  const auto step = [&] { y.copy_from(add(mul(x, x), y)); };
  step();
  Graph graph;
  graph.capture(step);
  EXPECT_EQ(y.to_vector(), std::vector<double>(5, 8));
}

TEST_F(CudaRuntime, TheDeviceIsChosenBeforeItsFirstUse) {
  const Tensor used = Tensor::zeros({1}, Dtype::f32, Device::cuda);
  EXPECT_EQ(error_of(ErrorCode::runtime, [] { choose_cuda_device(1); }),
            "[cuda] GPU 0 is in use already; choose one before the first use of CUDA");
}

TEST_F(CudaRuntime, GraphRepeatsWhatWasCaptured) {
  const Tensor x = Tensor::full({5}, 2, Dtype::f32, Device::cuda), y = Tensor::zeros({5}, Dtype::f32, Device::cuda);
  const auto step = [&] { y.copy_from(add(mul(x, x), y)); };
  step();  // what a graph holds has been launched before
  y.copy_from(Tensor::zeros({5}).to(Device::cuda));
  Graph graph;
  graph.capture(step);
  EXPECT_EQ(y.to_vector(), std::vector<double>(5, 4)) << "capture() runs the step once";
  x.copy_from(Tensor::full({5}, 3).to(Device::cuda));
  const Tensor other = Tensor::full({5}, 7, Dtype::f32, Device::cuda);  // must not get the graph's memory
  graph.replay();
  EXPECT_EQ(y.to_vector(), std::vector<double>(5, 13));
  EXPECT_EQ(other.to_vector(), std::vector<double>(5, 7));
}

TEST_F(CudaRuntime, GraphDrawsNewRandomNumbersAsTheStepWould) {
  const Tensor x = Tensor::ones({64}, Dtype::f32, Device::cuda), y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  const auto step = [&] {
    y.copy_from(dropout(dropout(x, 0.5, default_generator().next()), 0.25, default_generator().next()));
  };
  std::vector<std::vector<double>> eager, replayed;
  default_generator() = {5, 100};
  for (int i = 0; i < 3; ++i) step(), eager.push_back(y.to_vector());
  default_generator() = {5, 100};
  Graph graph;
  graph.capture(step);
  replayed.push_back(y.to_vector());
  for (int i = 1; i < 3; ++i) graph.replay(), replayed.push_back(y.to_vector());
  EXPECT_EQ(replayed, eager);
  EXPECT_NE(eager[0], eager[1]);
  EXPECT_EQ(default_generator().position, 106u);
}

// Blocks of several graphs in one pool are powers of two: what one step has used serves others of about its size.
TEST_F(CudaRuntime, GraphsThatTakeTurnsShareTheirMemory) {
  if (exact_allocations()) GTEST_SKIP() << "KG_EXACT_ALLOCATIONS=1 rounds no block up";
  const std::shared_ptr<MemoryPool> pool = make_graph_pool(Device::cuda, true);
  const Tensor one = Tensor::ones({4}, Dtype::f32, Device::cuda);
  const auto held = [&] { return allocator_stats(*pool).in_use + allocator_stats(*pool).cached; };
  const auto record = [&](Graph& graph, int64_t megabytes, Tensor& result) {
    graph.record([&] {
      const MemoryPoolScope scope(pool);
      const Tensor a = Tensor::empty({megabytes << 18}, Dtype::f32, Device::cuda), b = zeros_like(one);
      b.copy_from(one);
      const Tensor c = Tensor::empty({megabytes << 18}, Dtype::f32, Device::cuda);
      result = affine(b, double(megabytes), 0);
    });
  };
  Graph five, six, eight, three;
  Tensor of_five, of_six, of_eight, of_three;
  record(five, 5, of_five);
  const int64_t first = held();
  EXPECT_NEAR(double(first), double(2 * (8 << 20)), 1 << 16);
  record(six, 6, of_six), record(eight, 8, of_eight);
  EXPECT_NEAR(double(held()), double(first), 1 << 16);
  record(three, 3, of_three);  // half as large: the blocks of the others are too good for it
  EXPECT_LE(held(), first + first / 2 + (1 << 16));
  for (int round = 0; round < 2; ++round) {  // each result is read before the next graph runs
    five.replay();
    EXPECT_EQ(of_five.to_vector()[0], 5);
    six.replay();
    EXPECT_EQ(of_six.to_vector()[0], 6);
    three.replay();
    EXPECT_EQ(of_three.to_vector()[0], 3);
  }
}

TEST_F(CudaRuntime, NamesOfDevices) {
  EXPECT_EQ(device_from("cpu"), Device::cpu);
  EXPECT_EQ(device_from("auto"), Device::cuda);
  EXPECT_THROW(device_from("gpu"), Error);
}

}  // namespace
}  // namespace kg
