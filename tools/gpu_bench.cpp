// Times kernels, training steps and generation on a GPU (or, to try it, on the CPU or the emulation) and writes a
// table: what each takes, what share of the device's copy bandwidth it reaches, and the ratio to PyTorch's times of the
// same names when a file of them is given (tools/compare_pytorch.py --device cuda --json FILE). tools/gpu_report runs
// it all.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/formats/file.h"
#include "tools/common/bench/list.h"
#include "tools/common/cli/cli.h"

namespace kg {
using namespace tools;
namespace {

struct Options {
  RunOptions run;
  bool tiny = false;
  double seconds = 0.5;
  std::filesystem::path pytorch, out;
};

class Report {
 public:
  Report(const Options& o, Device device) : options_(o), device_(device) {
    if (!o.pytorch.empty()) pytorch_ = nlohmann::json::parse(read_file(o.pytorch, 1 << 20));
  }

  // `bytes` moved or 0; `run` starts the work without waiting for it.
  void row(const std::string& name, double bytes, const std::function<void()>& run) {
    const double time = median_time(run);
    if (name == "copy") copy_rate_ = bytes / time;
    text_ << "| " << name << " | " << milliseconds(time) << " | ";
    if (bytes > 0)
      text_ << std::lround(bytes / time / 1e9) << " | " << std::lround(100 * bytes / time / copy_rate_) << " % | ";
    else
      text_ << "- | - | ";
    for (const char* mode : {"eager_f32", "compiled_bf16"}) {
      const auto found = pytorch_.find(mode);
      const bool known = found != pytorch_.end() && found->contains(name);
      if (known)
        text_ << milliseconds((*found)[name]) << " | " << ratio((*found)[name].get<double>() / time) << " | ";
      else
        text_ << "- | - | ";
    }
    text_ << "\n";
    std::cerr << name << ": " << milliseconds(time) << " ms\n";
  }
  std::string text() const {
    return "| what | ms | GB/s | of copy bandwidth | PyTorch eager f32, ms | ratio | PyTorch compiled bf16, ms | ratio "
           "|\n"
           "|---|---:|---:|---:|---:|---:|---:|---:|\n" +
           text_.str();
  }

 private:
  static std::string milliseconds(double seconds) { return rounded(seconds * 1e3, seconds < 1e-3 ? 4 : 2); }
  static std::string ratio(double value) { return rounded(value, 2); }
  static std::string rounded(double value, int digits) {
    char text[40];
    std::snprintf(text, sizeof(text), "%.*f", digits, value);
    return text;
  }
  double median_time(const std::function<void()>& run) {
    for (int i = 0; i < (options_.tiny ? 1 : 4); ++i) run();
    synchronize(device_);
    std::vector<double> times;
    for (int repetition = 0; repetition < (options_.tiny ? 1 : 5); ++repetition) {
      int64_t calls = 0;
      const auto begin = std::chrono::steady_clock::now();
      double passed = 0;
      do {
        for (int i = 0; i < (options_.tiny ? 1 : 8); ++i, ++calls) run();
        synchronize(device_);
        passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      } while (!options_.tiny && passed < options_.seconds / 5);
      times.push_back(passed / double(calls));
    }
    std::nth_element(times.begin(), times.begin() + int64_t(times.size() / 2), times.end());
    return times[times.size() / 2];
  }

  const Options& options_;
  Device device_;
  double copy_rate_ = 1;
  nlohmann::json pytorch_;
  std::ostringstream text_;
};

int run(const Options& o) {
  const Device device = start(o.run);
  Report report(o, device);
  const int64_t n = o.tiny ? 4096 : int64_t(1) << 28;
  const Tensor from = Tensor::zeros({n}, Dtype::f32, device), to = Tensor::zeros({n}, Dtype::f32, device);
  report.row("copy", 8.0 * double(n), [&] { to.copy_from(from); });
  std::vector<Dtype> dtypes{Dtype::f32};
  if (device == Device::cuda) dtypes.push_back(Dtype::bf16);
  const std::vector<Benchmark> benchmarks = gpu_benchmarks(o.tiny);
  for (Dtype dtype : dtypes)
    for (const Benchmark& b : benchmarks)
      if (dtype == Dtype::f32 || !b.f32_only)
        report.row(b.name + "/" + name_of(dtype), b.bytes(dtype), b.prepare({device, dtype}));
  const std::string text = "Device: " + describe(device) + "\n\n" + report.text();
  if (o.out.empty())
    std::cout << text;
  else
    write_file_atomically(o.out, text);
  return 0;
}

}  // namespace
}  // namespace kg

int main(int argc, char** argv) {
  return kg::run_main(argc, argv, [](int count, char** arguments) {
    kg::Options o;
    kg::Cli cli("gpu_bench", "Times kernels, training steps and generation on a GPU and writes a Markdown table.",
                "gpu_bench --device cuda --pytorch pytorch.json --out report.md");
    cli.group("Report");
    cli.add("out", &o.out, "Markdown file to write; without it, standard output").value_name("FILE");
    cli.add("pytorch", &o.pytorch, "times of PyTorch, from compare_pytorch.py --json").value_name("FILE");
    cli.add("seconds", &o.seconds, "for each measurement").range(0.01, 60);
    cli.add("tiny", &o.tiny, "toy sizes, once each: a test of the program");
    cli.group("Run");
    kg::add_run_options(cli, o.run);
    if (!cli.parse(count, arguments)) return 0;
    return kg::run(o);
  });
}
