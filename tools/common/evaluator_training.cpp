#include "tools/common/evaluator_training.h"

#include <algorithm>
#include <cmath>

#include "data/formats/file.h"
#include "data/sets/humanml3d.h"
#include "data/sets/sampling.h"
#include "models/metrics/generation.h"
#include "tools/common/captured_step.h"
#include "tools/common/evaluator_files.h"
#include "tools/common/training_setup.h"

namespace kg {
namespace {

constexpr int kPool = 32;  // of R-Precision

// What both stages need to know.
struct Job {
  const EvaluatorTraining& training;
  const nlohmann::ordered_json& config;
  EvaluatorRecipe recipe;
  Device device;
  Statistics statistics;
};

// A run in a folder that may hold a checkpoint of it.
template <class Load>
TrainingState begin(const Job& job, const RunFolder& folder, const char* kind, AdamW& optimizer, Load load) {
  TrainingState state;
  state.random = default_generator();
  if (folder.resuming()) {
    const TensorFile file = read_checkpoint(folder.last(), kind);
    optimizer.parameters().use_values(true);
    load(file, folder.last().string());
    optimizer.parameters().use_values(false);
    state = load_training(file, optimizer, folder.last().string());
  }
  folder.write_config(job.config);
  return state;
}

int64_t steps_of(const Recipe& stage, int64_t batches_per_epoch) {
  return stage.max_iters > 0 ? stage.max_iters : stage.epochs * batches_per_epoch;
}
double rate(const Recipe& stage, int64_t i, int64_t steps) { return stage.schedule.at(i, steps); }

TrainingLoop loop_of(const Job& job, const Recipe& stage, const char* kind, int64_t steps) {
  TrainingLoop loop;
  loop.title = kind;
  loop.kind = kind;
  loop.max_iters = steps, loop.eval_every = job.training.eval_every, loop.save_every = job.training.save_every;
  loop.samples = stage.batch;
  return loop;
}

// ---- stage one
std::vector<Tensor> normalized_clips(const Dataset& set, const Statistics& statistics) {
  std::vector<Tensor> clips;
  for (const Item& item : set.items) clips.push_back(normalize_features(item.features, statistics));
  return clips;
}

int train_movements(const Job& job, const Dataset& train, const Dataset& validation, const RunFolder& folder) {
  const Recipe& stage = job.recipe.movement;
  default_generator() = {job.training.run.seed, 0};
  MovementAutoencoder model(job.recipe.model);
  model.to(job.device);
  AdamW optimizer({ParameterGroup{model.named_parameters()}}, {.lr = stage.schedule.lr},
                  compute_dtype(job.training.run));
  TrainingState state =
      begin(job, folder, kMovementKind, optimizer, [&](const TensorFile& file, const std::string& at) {
        load_movement_weights(model, job.recipe.model, job.statistics, file, at);
      });

  const int window = int(job.recipe.window);
  WindowSampler windows(normalized_clips(train, job.statistics), window, int(stage.batch), job.training.run.seed,
                        Windows::of_places);
  TrainingLoop loop = loop_of(job, stage, kMovementKind, steps_of(stage, windows.batches_per_epoch()));
  CapturedStep step(job.device, true, loop.title, job.training.run.quiet);
  loop.step_columns = {"loss", "reconstruction", "sparsity", "smoothness", "lr"};
  loop.step = [&](int64_t i) -> std::vector<double> {
    model.train();
    const double lr = rate(stage, i, loop.max_iters);
    const std::vector<Tensor>& results =
        step.run({windows.batch(i)}, [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
          optimizer.zero_grad();
          const MovementAutoencoder::Loss loss = model.loss(in[0]);
          backward(loss.total);
          return {loss.total.value, loss.reconstruction.value, loss.sparsity.value, loss.smoothness.value,
                  optimizer.clip_grad_norm_on_device(kNoClip).scale};
        });
    optimizer.step(lr, results.back());
    const std::vector<double> read = read_scalars(results);
    if (std::isfinite(read[0]) && !std::isfinite(read.back())) optimizer.fail_diverged();
    return {read[0], read[1], read[2], read[3], lr};
  };
  std::vector<Tensor> held_out = normalized_clips(validation, job.statistics);
  held_out.resize(std::min<size_t>(held_out.size(), 64));
  if (!held_out.empty()) {
    loop.eval_columns = {"val_loss"};
    loop.evaluate = [&]() -> std::vector<double> {  // the first window of each
      model.eval();
      const Tensor x = Tensor::empty({int64_t(held_out.size()), window, kFeatures});
      for (size_t i = 0; i < held_out.size(); ++i) x.select(0, int64_t(i)).copy_from(held_out[i].slice(0, 0, window));
      return {model.loss(x.to(job.device)).total.item()};
    };
  }
  loop.model_file = [&] { return movement_file(model, job.recipe.model, job.statistics); };
  return run_training(loop, folder, optimizer, state, job.training.run.quiet);
}

// ---- stage two
struct Pairs {
  Tensor motions;  // (B, 196, D), normalised, padded
  std::vector<int64_t> frames;
  std::vector<std::vector<std::string>> tokens;
};

// Items with the caption and the crop of a place in training; without one, the first caption and all whole units.
class PairSource {
 public:
  PairSource(const Dataset& set, const Statistics& statistics, uint64_t seed)
      : set_(set), clips_(normalized_clips(set, statistics)), seed_(seed) {}
  int64_t size() const { return int64_t(clips_.size()); }

  Pairs take(const std::vector<int64_t>& items, int64_t position = -1) const {
    Pairs p;
    p.motions = Tensor::zeros({int64_t(items.size()), kEvaluatorFrames, kFeatures});
    for (size_t b = 0; b < items.size(); ++b) {
      const Tensor& clip = clips_[size_t(items[b])];
      const std::vector<Caption>& captions = set_.items[size_t(items[b])].captions;
      const int length = int(clip.size(0)), whole = length / int(kMovementFrames) * int(kMovementFrames);
      const int64_t place = position + int64_t(b);
      const Crop crop = position < 0 ? Crop{0, whole} : random_crop(length, draw(seed_, place, 21));
      const uint32_t caption = position < 0 ? 0 : draw(seed_, place, 22).below(0, uint32_t(captions.size()));
      p.motions.select(0, int64_t(b))
          .slice(0, 0, crop.frames)
          .copy_from(clip.slice(0, crop.begin, crop.begin + crop.frames));
      p.frames.push_back(crop.frames);
      p.tokens.push_back(captions[caption].tokens);
    }
    return p;
  }

 private:
  const Dataset& set_;
  std::vector<Tensor> clips_;
  uint64_t seed_;
};

// Text i is held against the motion `shift` places further on, 0 < shift < count.
Tensor partners(int64_t count, int64_t shift) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(int32_t((i + shift) % count));
  return Tensor::from(ids, {count});
}

// Scales the gradients of each group down to a norm of `max_norm`, without waiting for the device.
void clip_groups(const FlatParameters& parameters, double max_norm) {
  for (const FlatParameters::Range& group : parameters.groups()) {
    const Tensor g = parameters.gradients().slice(0, group.begin, group.end);
    g.copy_from(mul(g, clip_scale(squared_norm_on_device(g), max_norm)));
  }
}

EvaluatorWords words_of(const Dataset& set, int64_t min_count) {
  std::vector<std::vector<std::string>> tokens;
  for (const Item& item : set.items)
    for (const Caption& c : item.captions) tokens.push_back(c.tokens);
  return EvaluatorWords::build(tokens, int(min_count));
}

// Loss, and R-Precision in pools of 32 where there are as many pairs.
std::vector<double> validate(const Evaluator& model, const PairSource& pairs) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < std::min<int64_t>(pairs.size(), 1024); ++i) all.push_back(i);
  const Pairs p = pairs.take(all);
  const Tensor text = model.embed_text(p.tokens), motion = model.embed_motion(p.motions, p.frames);
  const int64_t count = int64_t(all.size());
  // Neighbours may be a motion and its mirror image under one caption.
  std::vector<double> values{matching_loss(text, motion, partners(count, count / 2)).total.item()};
  if (count < kPool) return values;
  const Matching match = matching_score(text, motion, all, kPool);
  values.insert(values.end(), {match.r_precision[0], match.r_precision[2], match.mm_dist});
  return values;
}

// With the movement encoder of stage one, frozen, and the vocabulary of --vectors or of the captions.
std::unique_ptr<Evaluator> make_evaluator(const Job& job, const Dataset& train,
                                          const std::filesystem::path& movements) {
  default_generator() = {job.training.run.seed, 0};
  MovementAutoencoder autoencoder(job.recipe.model);
  load_movement_weights(autoencoder, job.recipe.model, job.statistics, read_checkpoint(movements, kMovementKind),
                        movements.string());
  EvaluatorConfig sizes = job.recipe.model;
  WordVectors given;
  if (job.training.vectors.empty())
    given.words = words_of(train, job.recipe.min_count);
  else
    given = read_word_vectors(job.training.vectors), sizes.words = given.vectors.size(1);
  auto model = std::make_unique<Evaluator>(sizes, std::move(given.words), given.vectors);
  model->movement_encoder.load_state_dict(autoencoder.movement_encoder.state_dict(), movements.string());
  model->movement_encoder.set_requires_grad(false);
  model->eval();  // the frozen encoder draws no dropout, and nothing else has any
  model->to(job.device);
  say(job.training.run.quiet,
      "evaluator " + job.training.preset + ": " + std::to_string(model->parameter_count()) +
          " parameters, vocabulary of " + std::to_string(model->words().size()) + " words, " +
          (model->trains_words() ? "trained with it" : "from " + job.training.vectors.string()));
  return model;
}

int train_matching(const Job& job, const Dataset& train, const Dataset& validation, const RunFolder& folder,
                   const std::filesystem::path& movements) {
  const Recipe& stage = job.recipe.matching;
  const uint64_t seed = job.training.run.seed;
  const std::unique_ptr<Evaluator> made = make_evaluator(job, train, movements);
  Evaluator& model = *made;
  NamedParameters text = model.text_encoder.named_parameters();
  if (model.trains_words()) text.emplace_back("word_vectors.weight", &model.word_vectors.weight);
  NamedParameters motion = model.motion_encoder.named_parameters();
  for (auto& [name, parameter] : motion) name = "motion." + name;
  AdamW optimizer({ParameterGroup{text}, ParameterGroup{motion}}, {.lr = stage.schedule.lr},
                  compute_dtype(job.training.run));
  TrainingState state = begin(
      job, folder, kEvaluatorKind, optimizer,
      [&](const TensorFile& file, const std::string& at) { load_evaluator_weights(model, job.statistics, file, at); });

  const PairSource pairs(train, job.statistics, seed), held_out(validation, job.statistics, 0);
  ShuffledOrder order(pairs.size(), stage.batch, seed);
  TrainingLoop loop = loop_of(job, stage, kEvaluatorKind, steps_of(stage, order.batches_per_epoch()));
  CapturedStep step(job.device, true, loop.title, job.training.run.quiet);
  const bool captured = job.device != Device::cpu;  // a captured step needs inputs of one shape
  loop.step_columns = {"loss", "positive", "negative", "lr"};
  loop.step = [&](int64_t i) -> std::vector<double> {
    std::vector<int64_t> items;
    for (int64_t b = 0; b < stage.batch; ++b) items.push_back(order.at(i * stage.batch + b));
    const Pairs p = pairs.take(items, i * stage.batch);
    const int64_t shift = 1 + draw(seed, i, 23).below(0, uint32_t(stage.batch - 1));
    const MotionBatch motions = model.prepare_motion(p.motions, p.frames, captured ? kEvaluatorFrames : 0);
    const SentenceBatch texts = model.prepare_text(p.tokens, captured ? kSentence : 0);
    const double lr = rate(stage, i, loop.max_iters);
    const std::vector<Tensor>& results = step.run(
        {motions.frames, motions.units, texts.words, texts.classes, texts.lengths, partners(stage.batch, shift)},
        [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
          optimizer.zero_grad();
          const Var motion_rows = model.encode(MotionBatch{in[0], in[1]});
          const Var text_rows = model.encode(SentenceBatch{in[2], in[3], in[4]});
          const MatchingLoss loss = matching_loss(text_rows, motion_rows, in[5]);
          backward(loss.total);
          clip_groups(optimizer.parameters(), job.recipe.matching.clip);
          return {loss.total.value, loss.positive.value, loss.negative.value,
                  optimizer.clip_grad_norm_on_device(kNoClip).scale};
        });
    optimizer.step(lr, results.back());
    const std::vector<double> read = read_scalars(results);
    if (std::isfinite(read[0]) && !std::isfinite(read.back())) optimizer.fail_diverged();
    return {read[0], read[1], read[2], lr};
  };
  if (held_out.size() > 0) {
    loop.eval_columns = {"val_loss"};
    if (held_out.size() >= kPool)
      loop.eval_columns.insert(loop.eval_columns.end(), {"val_r1", "val_r3", "val_mm_dist"});
    loop.evaluate = [&] { return validate(model, held_out); };
  }
  loop.model_file = [&] { return evaluator_file(model, job.statistics); };
  return run_training(loop, folder, optimizer, state, job.training.run.quiet);
}

}  // namespace

void add_options(Cli& cli, EvaluatorTraining& t) {
  add_data_option(cli, t.data);
  cli.add("vectors,glove", &t.vectors, "folder of our_vab_data.npy, ..._words.pkl, ..._idx.pkl; none: trained")
      .value_name("DIR");
  add_training_options(cli, t.run);
  add_run_options(cli, t.run);
  cli.preset("preset", &t.preset, preset_names(), "sizes and recipe",
             [&t](const std::string& name) { t.recipe = evaluator_preset(name); });
  cli.group("Model and training");
  cli.add("movement-iters", &t.recipe.movement.max_iters, "steps of the movement stage; 0: 270 epochs").at_least(0);
  cli.add("max-iters", &t.recipe.matching.max_iters, "steps of the matching stage; 0: 300 epochs").at_least(0);
  cli.add("movement-batch", &t.recipe.movement.batch, "windows a step, movement stage").range(1, 65536);
  cli.add("b,batch-size,bs", &t.recipe.matching.batch, "pairs a step, matching stage").range(2, 65536);
  cli.add("movement-lr", &t.recipe.movement.schedule.lr, "learning rate, movement stage").above(0);
  cli.add("lr,learning-rate", &t.recipe.matching.schedule.lr, "learning rate, matching stage").above(0);
  cli.add("root-weight,feat-bias", &t.recipe.root_weight, "how much more root and contact features count").above(0);
  cli.add("eval-every", &t.eval_every, "steps between validations").at_least(1);
  cli.add("save-every", &t.save_every, "steps between checkpoints").at_least(1);
}

int train_evaluator(const EvaluatorTraining& t, const nlohmann::ordered_json& config) {
  Job job{t, config, t.recipe, device_from(t.run.device), {}};
  const LoadOptions windows = whole_clips(int(job.recipe.window));
  const Dataset clips = load_humanml3d(t.data, "train", windows), train = load_humanml3d(t.data, "train");
  LoadOptions quiet_windows = windows;
  quiet_windows.may_be_empty = true;
  const Dataset clip_validation = load_humanml3d(t.data, "val", quiet_windows);
  const Dataset validation = load_validation(t.data, {});
  report(train, t.run.quiet);
  CHECK_INPUT(train.items.size() > 1, t.data.string(), ": training needs two pairs of text and motion or more");
  job.statistics = eval_statistics(train.statistics, job.recipe.root_weight);

  const RunFolder movement = open_run_folder(stage_run(t.run, kMovementStage));
  const RunFolder matching = open_run_folder(stage_run(t.run, kMatchingStage));
  write_file_atomically(t.run.out / "config.json", config.dump(2) + "\n");  // where --resume looks for it
  if (const int code = train_movements(job, clips, clip_validation, movement)) return code;
  return train_matching(job, train, validation, matching, movement.last());
}

}  // namespace kg
