// Trains the motion tokenizer (VQ-VAE): windows of motion to codes and back. It is the first stage of every system that
// writes motions as tokens.
#include <algorithm>
#include <cmath>

#include "data/motion/features.h"
#include "data/sets/sampling.h"
#include "models/tokenizer/motion_tokenizer.h"
#include "models/tokenizer/presets.h"
#include "tools/common/train/processes.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/stage.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::filesystem::path data;
  std::string preset = "small";
  TokenizerRecipe recipe = tokenizer_preset("small");
};

constexpr size_t kHeldOut = 64;  // clips of the validation set that are looked at

// Loss, and over whole clips the distance of joints from the root (pose) and of the root's path.
std::vector<Figure> validate(MotionTokenizer& tokenizer, const std::vector<Tensor>& clips, const Skeleton& skeleton) {
  double loss = 0, pose = 0, root = 0, frames = 0;
  for (const Tensor& clip : clips) {
    const Tensor whole = clip.slice(0, 0, clip.size(0) / kFramesPerToken * kFramesPerToken);
    const Tensor x = normalize_features(whole, tokenizer.statistics).unsqueeze(0).to(tokenizer.model.device());
    loss += tokenizer.model.loss(tokenizer.model(Var(x)), x).total.item() / double(clips.size());
    const Joints made = features_to_joints(tokenizer.reconstruct(clip), skeleton),
                 truth = features_to_joints(whole, skeleton);
    for (size_t t = 0; t < made.size(); ++t, ++frames) {
      root += length(made[t][0] - truth[t][0]);
      for (size_t j = 0; j < made[t].size(); ++j)
        pose += length((made[t][j] - made[t][0]) - (truth[t][j] - truth[t][0])) / double(made[t].size());
    }
  }
  const double scale = 1000 * skeleton.metres_per_unit / std::max(frames, 1.);
  return {{"val_loss", loss}, {"val_mpjpe", pose * scale, "mm"}, {"val_root", root * scale, "mm"}};
}

int run(const Options& o, const nlohmann::ordered_json& config) {
  const TokenizerRecipe& recipe = o.recipe;
  if (recipe.window % kFramesPerToken != 0)
    fail(ErrorCode::usage, "--window-size must be a multiple of ", kFramesPerToken, ", is ", recipe.window);
  const Part part = part_of_batch(recipe.training);

  // The data: whole clips that have a window.
  const LoadOptions options = whole_clips(int(recipe.window));
  const Dataset train_set = load_humanml3d(o.data, "train", options);
  const Dataset held_out = load_validation(o.data, options);
  report(train_set, o.run.quiet);
  const RunFolder folder = open_run_folder(o.run);

  // The model.
  seed_everything(o.run);
  VqVaeConfig sizes = recipe.model;
  sizes.features = train_set.skeleton.features();
  MotionTokenizer tokenizer(sizes, train_set.skeleton);
  tokenizer.statistics = eval_statistics(train_set.statistics, recipe.root_weight);
  tokenizer.to(device_from(o.run.device));
  say(o.run.quiet, "tokenizer " + o.preset + ": " + std::to_string(tokenizer.model.parameter_count()) + " parameters");

  std::vector<Tensor> clips, held_out_clips;
  for (const Item& item : train_set.items) clips.push_back(normalize_features(item.features, tokenizer.statistics));
  for (const Item& item : held_out.items)
    if (held_out_clips.size() < kHeldOut) held_out_clips.push_back(item.features);
  WindowSampler windows(std::move(clips), int(recipe.window), int(recipe.training.batch), o.run.seed);

  // The stage.
  Stage stage;
  stage.name = "tokenizer";
  stage.kind = MotionTokenizer::kKind;
  stage.recipe = recipe.training;
  stage.optimizers = {{"", {{tokenizer.model.named_parameters(), recipe.training.weight_decay}}}};
  stage.batches_per_epoch = windows.batches_per_epoch();
  stage.training = [&](bool on) { tokenizer.model.train(on); };
  stage.batch = [&](int64_t i) -> Prefetch::Rest {
    return [x = windows.batch(i, int(part.begin), int(part.end))]() -> StepBatch { return {{x}}; };
  };
  stage.loss = [&](const std::vector<Tensor>& in) -> Terms {
    const VqVae::Output out = tokenizer.model(Var(in[0]));
    const VqVae::Loss loss = tokenizer.model.loss(out, in[0]);
    const Tensor& use = out.quantized.use;  // of all processes' batch
    return {{"loss", loss.total},
            {"reconstruction", loss.reconstruction},
            {"commitment", loss.commitment},
            {"position", loss.position},
            {"perplexity", use.select(0, 0), Mean::none, std::exp},
            {"codes", use.select(0, 1), Mean::none}};
  };
  if (!held_out_clips.empty()) {
    stage.validation = {"val_loss", "val_mpjpe", "val_root"};
    stage.validate = [&] { return validate(tokenizer, held_out_clips, train_set.skeleton); };
  }
  stage.save = [&] { return tokenizer.save(); };
  stage.load = [&](const TensorFile& file, const std::string& source) { tokenizer.load(file, source); };
  return train(stage, o.run, folder, config);
}

}  // namespace

int main(int argc, char** argv) {
  return run_parallel_main(argc, argv, [](int count, char** arguments) {
    Options o;
    Cli cli("train_tokenizer", "Trains the motion tokenizer (VQ-VAE), the first stage of systems that write tokens.",
            "train_tokenizer --data out/set --preset tiny --out runs/tokenizer");
    add_data_option(cli, o.data);
    add_training_options(cli, o.run);
    add_run_options(cli, o.run);
    add_preset(cli, &o.preset, [&o](const std::string& name) { o.recipe = tokenizer_preset(name); });
    cli.group("Model and training");
    cli.add_fields(o.recipe);
    if (!cli.parse(count, arguments)) return 0;
    start(o.run);
    return run(o, cli.config());
  });
}
