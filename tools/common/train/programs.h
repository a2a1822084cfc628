// Training all stages of a system by their programs, each of which stands beside the running one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/text_to_motion.h"
#include "tools/common/cli/cli.h"

namespace kg::tools {

// Starts a program of the same folder with the same terminal, waits, and gives its exit code (128 + signal where one
// ended it).
int run_program(const std::string& name, const std::vector<std::string>& arguments);

// What all stages of a run have in common; run.out holds a folder a stage.
struct StagesRun {
  const SystemInfo& system;
  RunOptions run;
  std::filesystem::path data;
  std::string preset;
  std::vector<int64_t> iters = {};  // a stage; 0, or missing: the preset's
};
// The folder of a stage's run; of the last one, which holds the system, without a number.
std::filesystem::path stage_folder(const StagesRun& stages, int stage = -1);
// Trains one stage, up to `until` steps where that is above 0. A stage that has a checkpoint is gone on with where
// run.resume says so, and where it is called again.
int train_stage(const StagesRun& stages, int stage, int64_t until = 0, bool resume = false);
// All of them; the exit code of the first that fails.
int train_stages(const StagesRun& stages);

}  // namespace kg::tools
