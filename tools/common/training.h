// The training loop that every program shares: resume, progress line, CSV, evaluation, checkpoints, Ctrl-C.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/common/cli.h"
#include "tools/common/model_files.h"
#include "tools/common/run_folder.h"

namespace kg {

struct TrainingLoop {
  std::string title;  // of the progress line
  int64_t max_iters = 0, eval_every = 0, save_every = 0;
  int64_t samples = 0;                    // a step, for the rate shown
  std::vector<std::string> step_columns;  // what step() returns, shown and logged
  std::vector<std::string> eval_columns;  // what evaluate() returns, logged where it ran; the first is to be lowest
  std::vector<std::string> units;         // of the eval columns, "" or " mm"

  std::function<std::vector<double>(int64_t iteration)> step;
  std::function<std::vector<double>()> evaluate;
  std::function<TensorFile()> model_file;  // the model without training state
  std::string kind;                        // of the checkpoint
};

// Runs to the end (exit code 0), or until Ctrl-C, having saved (6). `state` is where to begin. The random numbers of
// step() come from default_generator(), whose place is part of the state; those of evaluate() must not.
// A loss that is not finite ends the run as diverged (5), the last checkpoint untouched.
// With several processes rank 0 alone evaluates, writes and shows; step() returns the same figures on all of them.
// The folder of this run, which rank 0 makes and checks.
RunFolder open_run_folder(const RunOptions& run);

int run_training(const TrainingLoop& loop, const RunFolder& folder, AdamW& optimizer, TrainingState state, bool quiet);

}  // namespace kg
