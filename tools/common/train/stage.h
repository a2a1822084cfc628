// One stage of a system's training as a value, and train(), which runs it. A program fills in what its stage reads,
// computes and reports; the step itself is written once (stage.cpp, Training::step), and around it resume, CUDA graphs,
// several processes, divergence, the log, progress and checkpoints, so that every training program has them.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/formats/safetensors.h"
#include "nn/distributed.h"
#include "nn/flat.h"
#include "nn/recipe.h"
#include "tensor/device.h"
#include "tools/common/cli/cli.h"
#include "tools/common/train/prefetch.h"
#include "tools/common/train/run_folder.h"

namespace kg::tools {

// Over what a figure of this process is averaged with those of the others.
enum class Mean {
  items,    // of the batch
  targets,  // StepBatch::targets
  none      // all processes have the same
};

// A named number of a step: a loss term or anything worth logging. It stays on the device until the step is done.
struct Term {
  std::string name;
  Var value;  // one element
  Mean mean = Mean::items;
  double (*shown)(double) = nullptr;  // applied on the host, such as std::exp
};
// The first term is the loss, the only one that is differentiated.
using Terms = std::vector<Term>;

struct Figure {
  std::string name;
  double value = 0;
  std::string unit = {};  // "mm"
};

// Parameters that one optimizer (AdamW) updates, in groups with rates and decays of their own.
struct OptimizerPart {
  std::string name;  // "" for the only one; part of the names in checkpoints
  std::vector<ParameterGroup> groups;
  double lr_scale = 1;  // of the recipe's rate
};

struct Stage {
  std::string name;  // opens the progress lines: "tokenizer"
  std::string kind;  // of its checkpoints
  Recipe recipe;
  std::vector<OptimizerPart> optimizers;
  int64_t batches_per_epoch = 0;  // where the recipe counts in epochs

  std::function<void(bool on)> training;  // switches dropout and the like
  // What step i reads, for this process's part of the batch: a function of the seed and i alone. It is made on a thread
  // of its own; what needs the caller's thread is left to the function that it returns.
  std::function<Prefetch::Rest(int64_t i)> batch;
  // From those tensors, on the device, to the named terms. It must not wait for the device.
  std::function<Terms(const std::vector<Tensor>& inputs)> loss;
  // What is measured on held-out data; the first figure is to be low, and decides which checkpoint is the best.
  std::vector<std::string> validation;  // the names, as validate() gives them; empty: there is no such data
  std::function<std::vector<Figure>()> validate;

  std::function<TensorFile()> save;  // the model, as its users load it
  std::function<void(const TensorFile& file, const std::string& source)> load;
  // What else changes from step to step and belongs to a checkpoint: momentum copies, queues. By name; shares memory.
  std::function<NamedTensors()> state = {};
  // Around each step, outside the captured part: i counts the steps that are complete.
  std::function<void(int64_t i)> before = {}, after = {};
};

// What a program does before it builds its model: default_generator() at the run's seed.
void seed_everything(const RunOptions& run);
// The folder of this run, which rank 0 makes and checks.
RunFolder open_run_folder(const RunOptions& run);
// This process's part of each batch.
Part part_of_batch(const Recipe& recipe);
Dtype compute_dtype(const RunOptions& run);  // of activations and products

// Runs to the end (exit code 0), to run.until steps (0), or to a signal, having saved (6). A loss that is not finite
// ends it as diverged (an Error, 5), the last checkpoint untouched. `config` is stored as config.json. With several
// processes rank 0 alone validates, writes and shows.
int train(const Stage& stage, const RunOptions& run, const RunFolder& folder, const nlohmann::ordered_json& config);

}  // namespace kg::tools
