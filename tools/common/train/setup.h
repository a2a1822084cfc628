// What training programs do before they train: options that they share, data with what was left out of it, folders of
// stages.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/sets/humanml3d.h"
#include "tools/common/cli/cli.h"

namespace kg::tools {

void add_data_option(Cli& cli, std::filesystem::path& data);
// --preset paper|small|tiny
void add_preset(Cli& cli, std::string* preset, std::function<void(const std::string&)> apply);

void say(bool quiet, const std::string& text);  // a line on stderr, by rank 0
// What was loaded and what was left out, with the places of the first caption lines that cannot be used.
void report(const Dataset& set, bool quiet);
// The validation set; small data sets have none, and then its items are empty.
Dataset load_validation(const std::filesystem::path& data, LoadOptions options, bool quiet = false);

// The run of one stage in its own folder. --resume goes on with a stage that has a checkpoint
// and begins one that has none.
RunOptions stage_run(const RunOptions& all, const char* folder);

}  // namespace kg::tools
