// Trains the evaluator networks, in whose space the metrics of generated motions are computed (Guo et al. 2022):
// movements by an autoencoder, then texts and motions pulled together and apart.
#include <algorithm>

#include "data/formats/checkpoint.h"
#include "data/formats/file.h"
#include "models/evaluator/batches.h"
#include "models/evaluator/evaluator_file.h"
#include "models/evaluator/presets.h"
#include "models/metrics/generation.h"
#include "tools/common/train/processes.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/stage.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;  // the stages' folders stand in run.out
  std::filesystem::path data;
  std::filesystem::path vectors;  // of the published word vectors; empty: vectors are trained
  std::string preset = "small";
  EvaluatorRecipe recipe = evaluator_preset("small");
};

constexpr int kPool = 32;             // of R-Precision
constexpr size_t kHeldOutClips = 64;  // that the first stage is validated on
constexpr int64_t kHeldOutPairs = 1024;

// What both stages need to know.
struct Job {
  const Options& o;
  const nlohmann::ordered_json& config;
  EvaluatorConfig sizes;
  const Skeleton& skeleton;
  Statistics statistics;
  Device device;
};

TensorFile with_skeleton(TensorFile file, const Job& job) {
  append_skeleton(file, job.skeleton);
  return file;
}

// ---- stage one: 4-frame movements
Stage movement_stage(const Job& job, MovementAutoencoder& model, WindowSampler& windows, const Part& part) {
  const Recipe& recipe = job.o.recipe.movement;
  Stage stage;
  stage.name = stage.kind = kMovementKind;
  stage.recipe = recipe;
  stage.optimizers = {{"", {{model.named_parameters(), recipe.weight_decay}}}};
  stage.batches_per_epoch = windows.batches_per_epoch();
  stage.training = [&](bool on) { model.train(on); };
  stage.batch = [&](int64_t i) -> Prefetch::Rest {
    return [x = windows.batch(i, int(part.begin), int(part.end))]() -> StepBatch { return {{x}}; };
  };
  stage.loss = [&](const std::vector<Tensor>& in) -> Terms {
    const MovementAutoencoder::Loss loss = model.loss(in_dtype(Var(in[0]), model.dtype()).value);
    return {{"loss", loss.total},
            {"reconstruction", loss.reconstruction},
            {"sparsity", loss.sparsity},
            {"smoothness", loss.smoothness}};
  };
  stage.save = [&] { return with_skeleton(movement_file(model, job.sizes, job.statistics), job); };
  stage.load = [&](const TensorFile& file, const std::string& source) {
    check_same_skeleton(job.skeleton, read_skeleton(file, job.sizes.features, source), source);
    load_movement_weights(model, job.sizes, job.statistics, file, source);
  };
  return stage;
}

int train_movements(const Job& job, const Dataset& train_set, const Dataset& held_out, const RunFolder& folder) {
  const Recipe& recipe = job.o.recipe.movement;
  const int window = int(job.o.recipe.window);
  const Part part = part_of_batch(recipe);
  seed_everything(job.o.run);
  MovementAutoencoder model(job.sizes);
  model.to(job.device);
  WindowSampler windows(normalized_clips(train_set, job.statistics), window, int(recipe.batch), job.o.run.seed,
                        Windows::of_places);
  Stage stage = movement_stage(job, model, windows, part);
  std::vector<Tensor> clips = normalized_clips(held_out, job.statistics);
  clips.resize(std::min(clips.size(), kHeldOutClips));
  if (!clips.empty()) {
    stage.validation = {"val_loss"};
    stage.validate = [&]() -> std::vector<Figure> {  // the first window of each
      std::vector<Tensor> windows_of;
      for (const Tensor& clip : clips) windows_of.push_back(clip.slice(0, 0, window));
      const Tensor x = stack(windows_of, 0).to(job.device);
      return {{"val_loss", model.loss(in_dtype(Var(x), model.dtype()).value).total.item()}};
    };
  }
  return train(stage, job.o.run, folder, job.config);
}

// ---- stage two: texts and motions
EvaluatorWords words_of(const Dataset& set, int64_t min_count) {
  std::vector<std::vector<std::string>> tokens;
  for (const Item& item : set.items)
    for (const Caption& c : item.captions) tokens.push_back(c.tokens);
  return EvaluatorWords::build(tokens, int(min_count));
}

// With the movement encoder of stage one, frozen, and the vocabulary of --vectors or of the captions.
std::unique_ptr<Evaluator> make_evaluator(const Job& job, const Dataset& train_set,
                                          const std::filesystem::path& movements) {
  seed_everything(job.o.run);
  MovementAutoencoder autoencoder(job.sizes);
  load_movement_weights(autoencoder, job.sizes, job.statistics, read_checkpoint(movements, kMovementKind),
                        movements.string());
  EvaluatorConfig sizes = job.sizes;
  WordVectors given;
  if (job.o.vectors.empty())
    given.words = words_of(train_set, job.o.recipe.min_count);
  else
    given = read_word_vectors(job.o.vectors), sizes.words = given.vectors.size(1);
  auto model = std::make_unique<Evaluator>(sizes, std::move(given.words), given.vectors);
  model->movement_encoder.load_state_dict(autoencoder.movement_encoder.state_dict(), movements.string());
  model->movement_encoder.set_requires_grad(false);
  model->eval();  // the frozen encoder draws no dropout, and nothing else has any
  model->to(job.device);
  say(job.o.run.quiet, "evaluator " + job.o.preset + ": " + std::to_string(model->parameter_count()) +
                           " parameters, vocabulary of " + std::to_string(model->words().size()) + " words, " +
                           (model->trains_words() ? "trained with it" : "from " + job.o.vectors.string()));
  return model;
}

// Loss, and R-Precision in pools of 32 where there are as many pairs.
std::vector<Figure> validate(const Evaluator& model, const PairSource& pairs) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < std::min(pairs.size(), kHeldOutPairs); ++i) all.push_back(i);
  const MotionTextPairs p = pairs.take(all);
  const Tensor text = model.embed_text(p.tokens), motion = model.embed_motion(p.motions, p.frames);
  const int64_t count = int64_t(all.size());
  // Neighbours may be a motion and its mirror image under one caption.
  std::vector<Figure> figures{{"val_loss", matching_loss(text, motion, partners(count, count / 2)).total.item()}};
  if (count < kPool) return figures;
  const Matching match = matching_score(text, motion, all, kPool);
  figures.insert(figures.end(),
                 {{"val_r1", match.r_precision[0]}, {"val_r3", match.r_precision[2]}, {"val_mm_dist", match.mm_dist}});
  return figures;
}

Stage matching_stage(const Job& job, Evaluator& model, const PairSource& pairs, ShuffledOrder& order,
                     const Part& part) {
  const Recipe& recipe = job.o.recipe.matching;
  Stage stage;
  stage.name = stage.kind = kEvaluatorKind;
  stage.recipe = recipe;
  NamedParameters text = model.text_encoder.named_parameters(), motion = model.motion_encoder.named_parameters();
  if (model.trains_words()) text.emplace_back("word_vectors.weight", &model.word_vectors.weight);
  for (auto& [name, parameter] : motion) name = "motion." + name;
  stage.optimizers = {{"", {{text, recipe.weight_decay}, {motion, recipe.weight_decay}}}};
  stage.batches_per_epoch = order.batches_per_epoch();
  stage.training = [](bool) {};
  stage.batch = [&](int64_t i) -> Prefetch::Rest {
    const int64_t shift = 1 + draw(job.o.run.seed, i, Draw::partner).below(0, uint32_t(recipe.batch - 1));
    return [&, batch = matching_batch(pairs, order.batch(i), i, shift, part.begin, part.end)]() -> StepBatch {
      const bool captured = job.device != Device::cpu;  // a captured step needs inputs of one shape
      const MotionTextPairs& p = batch.pairs;
      const MotionBatch motions = model.prepare_motion(p.motions, p.frames, captured ? kEvaluatorFrames : 0);
      const SentenceBatch texts = model.prepare_text(p.tokens, captured ? kSentence : 0);
      return {{motions.frames, motions.units, texts.words, texts.classes, texts.lengths, batch.partner}};
    };
  };
  stage.loss = [&](const std::vector<Tensor>& in) -> Terms {
    const Var motion_rows = model.encode(MotionBatch{in[0], in[1]});
    const Var text_rows = model.encode(SentenceBatch{in[2], in[3], in[4]});
    const MatchingLoss loss = matching_loss(text_rows, motion_rows, in[5]);
    return {{"loss", loss.total}, {"positive", loss.positive}, {"negative", loss.negative}};
  };
  stage.save = [&] { return with_skeleton(evaluator_file(model, job.statistics), job); };
  stage.load = [&](const TensorFile& file, const std::string& source) {
    check_same_skeleton(job.skeleton, read_skeleton(file, job.sizes.features, source), source);
    load_evaluator_weights(model, job.statistics, file, source);
  };
  return stage;
}

int train_matching(const Job& job, const Dataset& train_set, const Dataset& held_out, const RunFolder& folder,
                   const std::filesystem::path& movements) {
  const Recipe& recipe = job.o.recipe.matching;
  const Part part = part_of_batch(recipe);
  const auto model = make_evaluator(job, train_set, movements);
  const PairSource pairs(train_set, job.statistics, job.o.run.seed), held_out_pairs(held_out, job.statistics, 0);
  ShuffledOrder order(pairs.size(), recipe.batch, job.o.run.seed);
  Stage stage = matching_stage(job, *model, pairs, order, part);
  if (held_out_pairs.size() > 0) {
    stage.validation = {"val_loss"};
    if (held_out_pairs.size() >= kPool)
      stage.validation.insert(stage.validation.end(), {"val_r1", "val_r3", "val_mm_dist"});
    stage.validate = [&] { return validate(*model, held_out_pairs); };
  }
  return train(stage, job.o.run, folder, job.config);
}

int run(const Options& o, const nlohmann::ordered_json& config) {
  if (o.recipe.matching.batch < 2)
    fail(ErrorCode::usage, "--batch-size ", o.recipe.matching.batch,
         ": a text needs another one's motion beside its own");
  const LoadOptions windows = whole_clips(int(o.recipe.window));
  const Dataset clips = load_humanml3d(o.data, "train", windows), train_set = load_humanml3d(o.data, "train");
  const Dataset held_out_clips = load_validation(o.data, windows, true), held_out = load_validation(o.data, {});
  report(train_set, o.run.quiet);
  CHECK_INPUT(train_set.items.size() > 1, o.data.string(), ": training needs two pairs of text and motion or more");
  Job job{o,
          config,
          o.recipe.model,
          train_set.skeleton,
          eval_statistics(train_set.statistics, o.recipe.root_weight),
          device_from(o.run.device)};
  job.sizes.features = train_set.skeleton.features();

  const RunFolder movement = open_run_folder(stage_run(o.run, kMovementStage));
  const RunFolder matching = open_run_folder(stage_run(o.run, kMatchingStage));
  if (leads()) write_file_atomically(o.run.out / "config.json", config.dump(2) + "\n");  // where --resume looks for it
  if (const int code = train_movements(job, clips, held_out_clips, movement)) return code;
  world().barrier();  // until the movement encoder is written
  return train_matching(job, train_set, held_out, matching, movement.last());
}

}  // namespace

int main(int argc, char** argv) {
  return run_parallel_main(argc, argv, [](int count, char** arguments) {
    Options o;
    Cli cli("train_evaluator", "Trains the evaluator networks that metrics of motions are measured with.",
            "train_evaluator --data out/set --preset small --out runs/evaluator");
    add_data_option(cli, o.data);
    cli.add("vectors,glove", &o.vectors, "folder of our_vab_data.npy, ..._words.pkl, ..._idx.pkl; none: trained")
        .value_name("DIR");
    add_training_options(cli, o.run);
    add_run_options(cli, o.run);
    add_preset(cli, &o.preset, [&o](const std::string& name) { o.recipe = evaluator_preset(name); });
    cli.group("Model and training");
    cli.add_fields(o.recipe);
    if (!cli.parse(count, arguments)) return 0;
    start(o.run);
    return run(o, cli.config());
  });
}
