#include "tools/common/bench/gpu_table.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <vector>

#include "tensor/stopwatch.h"

namespace kg::tools {
namespace {

// tools/compare_pytorch.py has the same two numbers. Eight sets of the smallest inputs here are more than a GPU's L2.
constexpr int kSets = 8, kCallsInGraph = 16;
constexpr int kRepetitions = 5;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + int64_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

std::string number(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}
std::string milliseconds(double seconds) { return number(seconds * 1e3, seconds < 1e-3 ? 4 : 2); }

// On one line, and without what would end a cell.
std::string in_a_cell(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '|') c = ' ';
  return text;
}

// Sets TF32 for a row and takes it back.
class Tf32Scope {
 public:
  explicit Tf32Scope(bool on) { set_tf32(on); }
  ~Tf32Scope() { set_tf32(false); }
  Tf32Scope(const Tf32Scope&) = delete;
  Tf32Scope& operator=(const Tf32Scope&) = delete;
};

}  // namespace

const char* name_of(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::f32 ? "f32" : arithmetic == Arithmetic::tf32 ? "tf32" : "bf16";
}

void GpuTable::add(const Benchmark& benchmark, Arithmetic arithmetic) {
  std::string name = benchmark.name.substr(0, benchmark.name.find('/'));
  if (name != "copy") name += std::string("/") + name_of(arithmetic);  // a copy computes nothing
  const Dtype dtype = arithmetic == Arithmetic::bf16 ? Dtype::bf16 : Dtype::f32;
  ++rows_;
  try {
    const Tf32Scope tf32(arithmetic == Arithmetic::tf32);
    const double seconds = time(benchmark, {options_.device, dtype});
    text_ << row(name, benchmark, dtype, seconds);
    std::cerr << name << ": " << milliseconds(seconds) << " ms\n";
  } catch (const std::exception& error) {
    ++failed_;
    text_ << "| " << name << " | failed: " << in_a_cell(error.what()) << " | - | - | - | - | - | - | - |\n";
    std::cerr << name << ": failed: " << error.what() << "\n";
  }
}

std::string GpuTable::row(const std::string& name, const Benchmark& benchmark, Dtype dtype, double seconds) {
  const double bytes = benchmark.bytes(dtype);
  if (name == "copy") copy_rate_ = bytes / seconds;
  std::string line = "| " + name + " | " + milliseconds(seconds) + " | ";
  line += benchmark.flops > 0 ? number(benchmark.flops / seconds * 1e-12, 2) + " | " : "- | ";
  line += bytes > 0 ? number(bytes / seconds * 1e-9, 0) + " | " : "- | ";
  line += bytes > 0 && copy_rate_ > 0 ? number(100 * bytes / seconds / copy_rate_, 0) + " % | " : "- | ";
  for (const char* side : {"eager", "compiled"}) {
    const auto found = options_.pytorch.find(side);
    if (found == options_.pytorch.end() || !found->contains(name)) {
      line += "- | - | ";
      continue;
    }
    const double theirs = (*found)[name].get<double>();
    line += milliseconds(theirs) + " | " + number(theirs / seconds, 2) + " | ";
  }
  line.pop_back();
  return line + "\n";
}

std::string GpuTable::text() const {
  return "| what | ms | TF/s | GB/s | of copy bandwidth | PyTorch eager, ms | ratio | PyTorch compiled, ms | ratio |\n"
         "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n" +
         text_.str();
}

double GpuTable::time(const Benchmark& benchmark, const Target& target) const {
  return benchmark.kernel ? time_op(benchmark, target) : time_calls(benchmark.prepare(target));
}

double GpuTable::time_op(const Benchmark& benchmark, const Target& target) const {
  std::vector<Run> sets;
  for (int i = 0; i < (options_.once ? 2 : kSets); ++i) sets.push_back(benchmark.prepare(target));
  const int calls = options_.once ? 2 : kCallsInGraph;
  std::vector<std::vector<Tensor>> results;
  const std::function<void()> round = [&] {
    for (int i = 0; i < calls; ++i) results.push_back(sets[size_t(i) % sets.size()]());
  };
  round();  // what is chosen or loaded at the first call
  synchronize(options_.device);
  results.clear();
  Graph graph;
  std::function<void()> again;
  if (options_.device == Device::cuda) {
    graph.capture(round);
    again = [&] { graph.replay(); };
  } else {
    again = [&] { results.clear(), round(); };
  }
  const auto seconds_of = [&](int64_t rounds) {
    const Stopwatch watch(options_.device);
    for (int64_t i = 0; i < rounds; ++i) again();
    return watch.seconds() / double(rounds * calls);
  };
  const double first = seconds_of(1);
  if (options_.once) return first;
  const double wanted = options_.seconds / kRepetitions / (first * calls);
  const int64_t rounds = std::clamp<int64_t>(std::llround(wanted), 2, 100000);
  std::vector<double> times;
  for (int i = 0; i < kRepetitions; ++i) times.push_back(seconds_of(rounds));
  return median(times);
}

double GpuTable::time_calls(const Run& run) const {
  using Clock = std::chrono::steady_clock;
  const int warm = options_.once ? 1 : 4, group = options_.once ? 1 : 8;
  for (int i = 0; i < warm; ++i) run();
  synchronize(options_.device);
  std::vector<double> times;
  for (int repetition = 0; repetition < (options_.once ? 1 : kRepetitions); ++repetition) {
    int64_t calls = 0;
    const auto begin = Clock::now();
    double passed = 0;
    do {
      for (int i = 0; i < group; ++i, ++calls) run();
      synchronize(options_.device);
      passed = std::chrono::duration<double>(Clock::now() - begin).count();
    } while (!options_.once && passed < options_.seconds / kRepetitions);
    times.push_back(passed / double(calls));
  }
  return median(times);
}

}  // namespace kg::tools
