// Times ops, training steps and generation on a GPU (or, to try it, on the CPU or the emulation) and writes a table:
// what each takes, TF/s or GB/s, what share of the device's copy bandwidth it reaches, and the ratio to PyTorch's times
// of the same names and arithmetic when a file of them is given (tools/compare_pytorch.py --device cuda --json FILE).
// tools/gpu_report runs it all.
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/formats/file.h"
#include "tools/common/bench/gpu_table.h"
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

int run(const Options& o) {
  GpuTableOptions options{.device = start(o.run), .seconds = o.seconds, .once = o.tiny};
  if (!o.pytorch.empty()) {
    options.pytorch = nlohmann::json::parse(read_file(o.pytorch, 1 << 20), nullptr, false);
    CHECK_INPUT(options.pytorch.is_object(), o.pytorch.string(),
                " is not a JSON object; make it by tools/compare_pytorch.py --device cuda --json FILE");
  }
  std::vector<Arithmetic> arithmetics{Arithmetic::f32};
  if (options.device == Device::cuda) arithmetics = {Arithmetic::f32, Arithmetic::tf32, Arithmetic::bf16};
  GpuTable table(options);
  const std::vector<Benchmark> benchmarks = gpu_benchmarks(o.tiny);
  for (const Arithmetic arithmetic : arithmetics)
    for (const Benchmark& b : benchmarks) {
      if (arithmetic != Arithmetic::f32 && b.f32_only) continue;
      const bool products = b.flops > 0 || !b.kernel;  // without them tf32 is f32
      if (arithmetic != Arithmetic::tf32 || products) table.add(b, arithmetic);
    }
  const std::string text = "Device: " + describe(options.device) + "\n\n" + table.text();
  if (o.out.empty())
    std::cout << text;
  else
    write_file_atomically(o.out, text);
  if (table.failed() > 0) std::cerr << table.failed() << " of " << table.rows() << " rows failed; the table says why\n";
  return table.failed() < table.rows() ? 0 : int(ErrorCode::runtime);
}

}  // namespace
}  // namespace kg

int main(int argc, char** argv) {
  return kg::run_main(argc, argv, [](int count, char** arguments) {
    kg::Options o;
    kg::Cli cli("gpu_bench", "Times ops, training steps and generation on a GPU and writes a Markdown table.",
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
