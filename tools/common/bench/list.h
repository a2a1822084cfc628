// The benchmarks, once: `bench` times them on the CPU by Google Benchmark, `gpu_bench` on a GPU in a table. A name gives
// the sizes, as linear/ROWSxINxOUT or vqvae_step/PRESET/BATCH; tools/compare_pytorch.py times PyTorch under the same.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace kg {
struct TokenizerRecipe;
struct GptRecipe;
struct GptConfig;
struct VqVaeConfig;
struct MotionGptRecipe;
}  // namespace kg

namespace kg::tools {

// Does it once and gives the results: who times several calls at once keeps them, so that no two write the same memory.
using Run = std::function<std::vector<Tensor>()>;

// Where a benchmark runs, and in what.
struct Target {
  Device device = Device::cpu;
  Dtype dtype = Dtype::f32;
  Tensor normal(const Shape& shape, double deviation = 0.1) const;  // random values
};

struct Benchmark {
  std::string name;
  double flops = 0;   // of one run where arithmetic is its bound, else 0
  double values = 0;  // read and written, each of size_of(dtype) bytes, where memory is its bound, else 0
  std::function<Run(const Target& target)> prepare;  // makes the function to time, which may leave work in flight
  Dtype dtype = Dtype::f32;                          // what `bench` computes in
  bool f32_only = false;
  bool kernel = true;  // an op on inputs of its own, which can be captured as a graph; else a whole step or more

  double bytes(Dtype of) const { return values * double(size_of(of)); }
};

// At the sizes of the presets, and at further ones where a kernel has several ways.
std::vector<Benchmark> cpu_benchmarks();
// Preset paper at its own batches; a name is what stands before the sizes. `tiny`: toy sizes, to test the program.
std::vector<Benchmark> gpu_benchmarks(bool tiny);

// ---- whole models: steps as the recipes have them (gradients set to zero, forward, loss, backward, AdamW) from text
// features, generation of motions that run to the last position, text encoders from token ids
// `sizes` ends the name: vqvae_step/PRESET/BATCH. The batch is the recipe's.
// `read`: the loss and the gradient's norm are read after each step, as training reads its figures; the name says so.
Benchmark vqvae_step(const std::string& sizes, const TokenizerRecipe& recipe, bool read = false);
Benchmark gpt_step(const std::string& sizes, const GptRecipe& recipe, bool read = false);
// In bf16 the weights of the transformer are rounded.
Benchmark generate(const std::string& name, const GptConfig& gpt, const VqVaeConfig& vqvae, int64_t batch, Dtype dtype);
// A step of MotionGPT's T5 on inputs of `source` and answers of `target` tokens: t5_step/PRESET/BATCHxSOURCExTARGET.
Benchmark t5_step(const std::string& sizes, const MotionGptRecipe& recipe, int64_t source, int64_t target);
// A motion of 49 codes from a prompt of 24 tokens, drawn among the 50 most probable at each position, and decoded.
Benchmark t5_generate(const std::string& name, const MotionGptRecipe& recipe, const VqVaeConfig& vqvae);
// clip_text/1xTOKENS; clip_captions/N and minilm_captions/N: N captions of the lengths that captions have, in batches of
// 64 of about one length.
std::vector<Benchmark> text_benchmarks();

std::string sizes(std::initializer_list<int64_t> values);  // "/2x3"
Tensor cyclic_ids(const Shape& shape, int64_t k);          // 0, 1, ..., k - 1, 0, ...

}  // namespace kg::tools
