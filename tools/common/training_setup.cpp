#include "tools/common/training_setup.h"

#include <algorithm>
#include <cstdio>

#include "models/tokenizer/presets.h"

namespace kg {

std::vector<std::string> preset_names() { return {std::begin(kPresets), std::end(kPresets)}; }

void add_data_option(Cli& cli, std::filesystem::path& data) {
  cli.group("Data and run");
  cli.add("data,dataname,data-root,dataset-name", &data, "data set folder in HumanML3D's layout")
      .required()
      .value_name("DIR");
}

void say(bool quiet, const std::string& text) {
  if (!quiet && leads()) std::fprintf(stderr, "%s\n", text.c_str());
}

void report(const Dataset& set, bool quiet) {
  constexpr size_t kShown = 5;
  say(quiet, "train: " + set.summary());
  for (size_t i = 0; i < std::min(kShown, set.bad_captions.size()); ++i) say(quiet, "  " + set.bad_captions[i]);
}

Dataset load_validation(const std::filesystem::path& data, LoadOptions options) {
  options.may_be_empty = true;
  Dataset set = load_humanml3d(data, "val", options);
  if (set.items.empty())  // said even when quiet: training without it is not the same
    say(false, "no validation: " + (data / "val.txt").string() + " gives " + set.summary());
  return set;
}

Dtype compute_dtype(const RunOptions& run) { return run.precision == "bf16" ? Dtype::bf16 : Dtype::f32; }

Part part_of_batch(int64_t batch) {
  if (batch < world().size())
    fail(ErrorCode::usage, "--batch-size ", batch, " cannot be shared by ", world().size(),
         " processes: give at least one item to each, or start fewer");
  return part_of(batch);
}

RunOptions stage_run(const RunOptions& all, const char* folder) {
  RunOptions run = all;
  run.out = all.out / folder;
  if (run.resume && !std::filesystem::exists(run.out / "last.safetensors")) run.resume = false, run.force = true;
  return run;
}

}  // namespace kg
