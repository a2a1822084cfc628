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
#include "models/sampling.h"
#include "models/t2m_gpt/presets.h"
#include "models/tokenizer/presets.h"
#include "nn/optim.h"
#include "tools/common/cli/cli.h"
#include "tools/common/train/captured_step.h"

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

Tensor normal(const Shape& shape, Dtype dtype, Device device) {
  const Tensor t = Tensor::empty(shape);
  fill_normal(t, 0, 1, default_generator().next());
  return t.to(dtype).to(device);
}

// Rows of the transformer of preset paper: batch 128, 51 positions, width 1024, 513 classes.
void kernels(Report& report, const Options& o, Device device, Dtype dtype) {
  const int64_t rows = o.tiny ? 16 : 6528, width = o.tiny ? 32 : 1024, classes = o.tiny ? 17 : 513;
  const int64_t batch = o.tiny ? 2 : 128, time = o.tiny ? 5 : 51, heads = o.tiny ? 2 : 16, head = o.tiny ? 8 : 64;
  const double size = double(size_of(dtype)), wide = size * double(rows * width),
               narrow = size * double(rows * classes);
  const std::string of = std::string("/") + name_of(dtype);
  const Tensor x = normal({rows, width}, dtype, device), y = normal({rows, width}, dtype, device);
  const Tensor w = normal({width}, dtype, device), logits = normal({rows, classes}, dtype, device);
  const Tensor target = Tensor::zeros({rows}, Dtype::i32, device);
  report.row("gelu" + of, 2 * wide, [&] { gelu(x); });
  report.row("add" + of, 3 * wide, [&] { add(x, y); });
  report.row("layer_norm" + of, 2 * wide, [&] { layer_norm(x, w, w, 1e-5); });
  const NormResult norm = layer_norm(x, w, w, 1e-5);
  report.row("layer_norm_backward" + of, 3 * wide, [&] { layer_norm_backward(y, x, w, norm.mean, norm.rstd); });
  report.row("softmax" + of, 2 * narrow, [&] { softmax(logits); });
  report.row("cross_entropy" + of, narrow, [&] { cross_entropy(logits, target, -100, 0); });
  const Tensor q = normal({batch, time, heads, head}, dtype, device);
  AttentionOptions attention_options;
  attention_options.causal = true, attention_options.dropout = 0.1, attention_options.random = {1, 1};
  report.row("attention" + of, 0, [&] { attention(q, q, q, attention_options); });
  const AttentionResult result = attention(q, q, q, attention_options);
  report.row("attention_backward" + of, 0, [&] { attention_backward(q, q, q, q, result.weights, attention_options); });
  const Tensor big = normal({4 * width, width}, dtype, device);
  report.row("linear" + of, 0, [&] { linear(x, big, {}); });
  const Tensor codes = normal({o.tiny ? 8 : 512, o.tiny ? 8 : 512}, Dtype::f32, device);
  const Tensor found = normal({o.tiny ? 16 : 4096, codes.size(1)}, Dtype::f32, device);
  if (dtype == Dtype::f32) report.row("nearest_code/f32", 0, [&] { nearest_code(found, codes); });
}

template <class Model>
AdamW optimizer_for(Model& model, const AdamOptions& options, Dtype compute) {
  return AdamW({ParameterGroup{model.named_parameters(), options.weight_decay, 1}}, options, compute);
}

void vqvae_step(Report& report, const Options& o, Device device, Dtype compute) {
  TokenizerRecipe recipe = tokenizer_preset(o.tiny ? "tiny" : "paper");
  if (o.tiny) recipe.model.width = 8, recipe.model.codes = 8, recipe.training.batch = 2, recipe.window = 16;
  VqVae model(recipe.model);
  model.to(device);
  AdamW optimizer = optimizer_for(model, {.lr = recipe.training.schedule.lr}, compute);
  CapturedStep step(device, true, "vqvae", true);
  const Tensor x = normal({recipe.training.batch, recipe.window, recipe.model.features}, Dtype::f32, device);
  report.row(std::string("vqvae_step/") + name_of(compute), 0, [&] {
    step.run({x}, [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
      optimizer.zero_grad();
      const VqVae::Loss loss = model.loss(model(Var(in[0])), in[0]);
      backward(loss.total);
      return {loss.total.value};
    });
    optimizer.step(recipe.training.schedule.lr);
  });
}

GptConfig gpt_config(const Options& o) {
  GptConfig config = gpt_preset(o.tiny ? "tiny" : "paper").model;
  if (o.tiny) config.width = 16, config.heads = 2, config.layers = 2, config.feedforward = 32, config.codes = 8;
  if (o.tiny) config.context = 7, config.condition = 8;
  return config;
}

void gpt_step(Report& report, const Options& o, Device device, Dtype compute) {
  const GptConfig config = gpt_config(o);
  const int64_t batch = o.tiny ? 2 : 128;
  Gpt model(config);
  model.to(device);
  AdamW optimizer = optimizer_for(model, {.lr = 1e-4, .beta1 = 0.5, .beta2 = 0.9, .weight_decay = 1e-6}, compute);
  CapturedStep step(device, true, "gpt", true);
  const Tensor condition = normal({batch, config.condition}, compute, device);
  const GptBatch rows{Tensor::zeros({batch, config.context}, Dtype::i32),
                      std::vector<int64_t>(size_t(batch), config.context - 2)};
  const SampleTargets targets = gpt_targets(rows, compute, device);
  const Tensor ids = rows.ids.slice(1, 0, config.context - 1).contiguous().to(device);
  report.row(std::string("gpt_step/") + name_of(compute), 0, [&] {
    const auto& results = step.run({condition, ids}, [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
      optimizer.zero_grad();
      const Var loss = gpt_loss(model(Var(in[0]), in[1]), targets);
      backward(loss);
      return {loss.value, optimizer.clip_grad_norm_on_device(1).scale};
    });
    optimizer.step(1e-4, results[1]);
  });
}

void generation(Report& report, const Options& o, Device device, Dtype compute, int64_t batch) {
  Gpt gpt(gpt_config(o));
  gpt.eval();
  gpt.to(device);
  if (compute == Dtype::bf16) gpt.to(Dtype::bf16);
  SampleOptions sampling;
  sampling.min_tokens = gpt.config().context;  // no end
  const Tensor condition = normal({batch, gpt.config().condition}, compute, device);
  std::vector<uint64_t> streams(static_cast<size_t>(batch));
  for (size_t i = 0; i < streams.size(); ++i) streams[i] = i;
  Decoder decoder(gpt);
  report.row("generate_" + std::to_string(batch) + "/" + name_of(compute), 0,
             [&] { write(decoder, gpt.start(condition), streams, sampling); });
}

int run(const Options& o) {
  const Device device = start(o.run);
  Report report(o, device);
  const int64_t n = o.tiny ? 4096 : int64_t(1) << 28;
  const Tensor from = Tensor::zeros({n}, Dtype::f32, device), to = Tensor::zeros({n}, Dtype::f32, device);
  report.row("copy", 8.0 * double(n), [&] { to.copy_from(from); });
  std::vector<Dtype> dtypes{Dtype::f32};
  if (device == Device::cuda) dtypes.push_back(Dtype::bf16);
  for (Dtype dtype : dtypes) {
    kernels(report, o, device, dtype);
    vqvae_step(report, o, device, dtype);
    gpt_step(report, o, device, dtype);
    generation(report, o, device, dtype, 1);
    generation(report, o, device, dtype, o.tiny ? 3 : 64);
  }
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
