// Trains a retriever, which puts motions and sentences into one space: TMR (Petrovich et al. 2023), PL-TMR (Yu et al.,
// "ReMoGPT") or BMM (ReMoMask).
#include <algorithm>
#include <climits>

#include "models/metrics/retrieval.h"
#include "models/retrieval/batches.h"
#include "models/retrieval/presets.h"
#include "models/t2m_gpt/batches.h"
#include "models/text/stored_text.h"
#include "tools/common/cli/early.h"
#include "tools/common/train/processes.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/stage.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::filesystem::path data;
  std::string model, preset = "small";
  TextEncoderChoice text{.source = "builtin", .vocabulary = {}};
  bool freeze_text = false;
  std::filesystem::path text_features = "out/text_features";  // where states of frozen text encoders are kept
};

constexpr size_t kHeldOut = 2048;  // pairs of the validation set that are looked at

// Recall among held-out pairs in percent, where the same caption of another motion is right as well. The first figure
// is what is missed on average over both directions and 1, 2, 3, 5 and 10 candidates.
const std::vector<std::string> kFigures = {"val_missed",  "val_t2m_r1",   "val_m2t_r1",  "val_t2m_r10",
                                           "val_m2t_r10", "val_t2m_rank", "val_m2t_rank"};
std::vector<Figure> validate(const Retriever& model, const Dataset& held_out) {
  std::vector<Tensor> motions;
  std::vector<std::string> captions;
  for (size_t i = 0; i < std::min(held_out.items.size(), kHeldOut); ++i) {
    motions.push_back(held_out.items[i].features);
    captions.push_back(held_out.items[i].captions.at(0).text);
  }
  const Tensor similarity = cosine_similarity(model.text_features(captions), model.motion_features(motions));
  const auto [to_motion, to_text] = retrieve_same_caption(similarity, captions);
  double missed = 100;
  for (size_t k = 0; k < kRecallAt.size(); ++k)
    missed -= (to_motion.recall[k] + to_text.recall[k]) / double(2 * kRecallAt.size());
  const double values[] = {missed,
                           to_motion.recall.front(),
                           to_text.recall.front(),
                           to_motion.recall.back(),
                           to_text.recall.back(),
                           to_motion.median_rank,
                           to_text.median_rank};
  std::vector<Figure> figures;
  for (size_t i = 0; i < kFigures.size(); ++i) figures.push_back({kFigures[i], values[i]});
  return figures;
}

// Every clip for models that crop; the set's usual lengths for TMR, as published.
Dataset load(const Options& o, const char* split, bool crops) {
  const LoadOptions options = crops ? LoadOptions{.min_frames = 1, .max_frames = INT_MAX} : LoadOptions{};
  return std::string(split) == "val" ? load_validation(o.data, options) : load_humanml3d(o.data, split, options);
}

template <class Model, class Config>
std::unique_ptr<Model> make_model(const Options& o, RetrieverRecipe<Config> recipe, const Dataset& set) {
  seed_everything(o.run);
  const auto make_text = [&] {
    auto text = make_text_encoder(o.text, recipe.text, captions_of(set));
    if (o.text.pretrained()) text->set_trainable(!o.freeze_text);
    return text;
  };
  if constexpr (requires { recipe.model.network.pool; }) recipe.model.network.pool = pool_for(o.text);
  auto model = std::make_unique<Model>(recipe.model, make_text(), set.skeleton);
  if constexpr (std::is_same_v<Model, Bmm>) model->start(model->text->frozen() ? nullptr : make_text());
  model->statistics = set.statistics;
  model->to(device_from(o.run.device));
  say(o.run.quiet, o.model + " " + o.preset + ": " + std::to_string(model->network().parameter_count()) +
                       " parameters, text encoder " + std::to_string(model->text->parameter_count()) +
                       (model->text->frozen() ? ", frozen" : ""));
  return model;
}

// For a filter: a frozen encoder's features say how alike captions are, else their words do.
CaptionVectors caption_vectors(const Options& o, const Retriever& model, const Dataset& set) {
  if (model.text->frozen()) return feature_vectors(*model.text, captions_of(set), o.text_features);
  say(o.run.quiet, "captions are compared by their words; a frozen sentence encoder compares what they mean");
  return word_vectors(captions_of(set));
}

template <class Model, class Config>
int run(const Options& o, const RetrieverRecipe<Config>& recipe, const nlohmann::ordered_json& config) {
  const Recipe& training = recipe.training;
  const Part part = part_of_batch(training);
  const Device device = device_from(o.run.device);
  const Dtype compute = compute_dtype(o.run);
  if (training.batch < 2)
    fail(ErrorCode::usage, "--batch-size ", training.batch, ": a pair needs another one to be told from");
  if constexpr (std::is_same_v<Model, Bmm>)
    if (recipe.model.queue < training.batch)
      fail(ErrorCode::usage, "--queue ", recipe.model.queue, " must hold a batch, of ", training.batch);
  // The data.
  constexpr bool kCrops = !std::is_same_v<Model, Tmr>;
  const Dataset train_set = load(o, "train", kCrops), held_out = load(o, "val", kCrops);
  report(train_set, o.run.quiet);
  // The model.
  const auto model = make_model<Model>(o, recipe, train_set);
  const RunFolder folder = open_run_folder(o.run);
  const TextCondition text(*model->text, captions_of(train_set), device, o.text_features, TextCondition::Kind::states,
                           [&](const std::string& line) { say(o.run.quiet, line); });
  RetrievalBatches batches(train_set, model->statistics,
                           {.batch = training.batch,
                            .seed = o.run.seed,
                            .window = kCrops ? model->max_frames() : 0,
                            .noise = kCrops ? 0 : model->width(),
                            .filter = recipe.filter,
                            .vectors = recipe.filter > 0 ? caption_vectors(o, *model, train_set) : CaptionVectors{}});
  int64_t longest = 0;  // a step that is captured needs inputs of one shape
  for (const Item& item : train_set.items)
    if (device != Device::cpu) longest = std::max(longest, item.features.size(0));
  // The stage.
  Stage stage;
  stage.name = stage.kind = Model::kKind;
  stage.recipe = training;
  stage.optimizers = {{"", model->groups(training.weight_decay, o.text.pretrained() ? recipe.text_lr : 1)}};
  stage.batches_per_epoch = batches.batches_per_epoch();
  stage.training = [&](bool on) { model->train(on); };
  stage.batch = [&](int64_t i) -> Prefetch::Rest {
    return [&, pairs = batches.pairs(i, part)]() -> StepBatch {
      return {batches.inputs(pairs, *model, text, compute, longest)};
    };
  };
  stage.loss = [&](const std::vector<Tensor>& in) {
    Terms terms;
    for (const auto& [name, value] : model->loss(batches.batch(in, *model))) terms.push_back({name, value});
    return terms;
  };
  stage.before = [&](int64_t) { model->before_step(); };
  stage.after = [&](int64_t) { model->after_step(); };
  stage.state = [&] { return model->state(); };
  if (!held_out.items.empty()) {
    stage.validation = kFigures;
    stage.validate = [&] { return validate(*model, held_out); };
  }
  stage.save = [&] { return model->save(); };
  stage.load = [&](const TensorFile& file, const std::string& source) { model->load(file, source); };
  return train(stage, o.run, folder, config);
}

// KIT-ML has a recipe of its own, so the skeleton of --data is looked at first; what is wrong there is said later.
Skeleton early_skeleton(const std::filesystem::path& data) {
  try {
    return read_set_skeleton(data, read_statistics(data));
  } catch (const Error&) {
    return humanml3d();
  }
}

template <class Model, class Config>
int program(int count, char** arguments, const std::string& name,
            RetrieverRecipe<Config> (*preset)(const std::string&, const Skeleton&)) {
  const std::string data = early_value(count, arguments, {"data", "dataname", "data-root", "dataset-name"});
  const Skeleton body = data.empty() ? humanml3d() : early_skeleton(data);
  Options o;
  o.model = name;
  o.freeze_text = name == Tmr::kKind;
  RetrieverRecipe<Config> recipe = preset(o.preset, body);
  Cli cli("train_retriever", "Trains a retriever: motions and sentences in one space.",
          "train_retriever --model pltmr --data out/set --preset small --out runs/pltmr");
  add_data_option(cli, o.data);
  cli.add("model", &o.model, "which; --help shows the options of the one that is named")
      .choices({Tmr::kKind, PlTmr::kKind, Bmm::kKind});
  add_training_options(cli, o.run);
  add_run_options(cli, o.run);
  add_preset(cli, &o.preset, [&](const std::string& chosen) { recipe = preset(chosen, body); });
  cli.group("Model and training");
  cli.add_fields(recipe);
  cli.add_fields(o.text);
  cli.group("Pretrained text encoders", true);
  cli.add("freeze-text", &o.freeze_text, "leave the encoder as it is");
  cli.add("text-features", &o.text_features, "folder where states of frozen ones are kept").value_name("DIR");
  if (!cli.parse(count, arguments)) return 0;
  CHECK(o.model == name, "[train_retriever] the options are those of ", name, ", --model is ", o.model);
  start(o.run);
  return run<Model>(o, recipe, cli.config());
}

}  // namespace

int main(int argc, char** argv) {
  return run_parallel_main(argc, argv, [](int count, char** arguments) {
    const std::string model = early_value(count, arguments, {"model"});
    if (model == Tmr::kKind) return program<Tmr>(count, arguments, Tmr::kKind, tmr_preset);
    if (model == Bmm::kKind) return program<Bmm>(count, arguments, Bmm::kKind, bmm_preset);
    return program<PlTmr>(count, arguments, PlTmr::kKind, pltmr_preset);
  });
}
