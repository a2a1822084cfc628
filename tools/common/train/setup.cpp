#include "tools/common/train/setup.h"

#include <algorithm>
#include <cstdio>

#include "nn/distributed.h"
#include "nn/recipe.h"

namespace kg::tools {

void add_data_option(Cli& cli, std::filesystem::path& data) {
  cli.group("Data and run");
  cli.add("data,dataname,data-root,dataset-name", &data, "data set folder in HumanML3D's layout")
      .required()
      .value_name("DIR");
}

void add_preset(Cli& cli, std::string* preset, std::function<void(const std::string&)> apply) {
  cli.preset("preset", preset, {std::begin(kPresets), std::end(kPresets)}, "sizes and recipe", std::move(apply));
}

void say(bool quiet, const std::string& text) {
  if (!quiet && leads()) std::fprintf(stderr, "%s\n", text.c_str());
}

void report(const Dataset& set, bool quiet) {
  constexpr size_t kShown = 5;
  say(quiet, "train: " + set.summary());
  for (size_t i = 0; i < std::min(kShown, set.bad_captions.size()); ++i) say(quiet, "  " + set.bad_captions[i]);
}

Dataset load_validation(const std::filesystem::path& data, LoadOptions options, bool quiet) {
  options.may_be_empty = true;
  Dataset set = load_humanml3d(data, "val", options);
  if (set.items.empty() && !quiet)  // said by programs that are quiet, too: training without it is not the same
    say(false, "no validation: " + (data / "val.txt").string() + " gives " + set.summary());
  return set;
}

RunOptions stage_run(const RunOptions& all, const char* folder) {
  RunOptions run = all;
  run.out = all.out / folder;
  if (run.resume && !std::filesystem::exists(run.out / "last.safetensors")) run.resume = false, run.force = true;
  return run;
}

}  // namespace kg::tools
