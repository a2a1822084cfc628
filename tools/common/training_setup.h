// What training programs do before their loop: options they share, data with what was left out of it, parts of batches,
// folders of stages.
#pragma once

#include <string>
#include <vector>

#include "data/sets/humanml3d.h"
#include "nn/distributed.h"
#include "tools/common/cli.h"

namespace kg {

inline constexpr double kNoClip = 1e30;  // above any norm that is finite

std::vector<std::string> preset_names();
void add_data_option(Cli& cli, std::filesystem::path& data);

void say(bool quiet, const std::string& text);  // a line on stderr, by rank 0
// What was loaded and what was left out, with the places of the first caption lines that cannot be used.
void report(const Dataset& set, bool quiet);
// The validation set; small data sets have none, and then its items are empty.
Dataset load_validation(const std::filesystem::path& data, LoadOptions options);

Dtype compute_dtype(const RunOptions& run);  // of activations and products
Part part_of_batch(int64_t batch);           // this process's part of each batch

// The run of one stage in its own folder. --resume goes on with a stage that has a checkpoint
// and begins one that has none.
RunOptions stage_run(const RunOptions& all, const char* folder);

}  // namespace kg
