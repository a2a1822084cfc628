#include "tools/common/t2m_training.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/formats/file.h"
#include "data/motion/features.h"
#include "data/sets/humanml3d.h"
#include "data/sets/sampling.h"
#include "nn/distributed.h"
#include "tools/common/captured_step.h"
#include "tools/common/prefetch.h"
#include "tools/common/training_setup.h"

namespace kg {
namespace {

std::vector<Tensor> features_of(const Dataset& set, int64_t limit) {
  std::vector<Tensor> clips;
  for (const Item& item : set.items)
    if (int64_t(clips.size()) < limit) clips.push_back(item.features);
  return clips;
}

template <class Training>
void add_recipe_options(Cli& cli, Training& t, const char* batch) {
  cli.add("max-iters,total-iter", &t.recipe.training.max_iters, "steps").at_least(1);
  cli.add("b,batch-size,bs", &t.recipe.training.batch, batch).range(1, 65536);
  cli.add("lr,learning-rate", &t.recipe.training.schedule.lr, "learning rate").above(0);
  cli.add("warm-up,warm-up-iter", &t.recipe.training.schedule.warm_up, "steps of linear warm-up").at_least(0);
  cli.add("eval-every,eval-iter", &t.eval_every, "steps between validations").at_least(1);
  cli.add("save-every,save-iter", &t.save_every, "steps between checkpoints").at_least(1);
}

}  // namespace

void add_options(Cli& cli, TokenizerTraining& t) {
  add_data_option(cli, t.data);
  add_training_options(cli, t.run);
  add_run_options(cli, t.run);
  cli.preset("preset", &t.preset, preset_names(), "sizes and recipe",
             [&t](const std::string& name) { t.recipe = tokenizer_preset(name); });
  cli.group("Model and training");
  add_recipe_options(cli, t, "windows a step");
  cli.add("window-size", &t.recipe.window, "frames a window, a multiple of 4").range(4, 196);
  cli.add("commit", &t.recipe.model.commitment, "weight of the commitment loss").at_least(0);
  cli.add("root-weight,feat-bias", &t.recipe.root_weight, "how much more root and contact features count").above(0);
  cli.add("loss-vel", &t.recipe.model.position, "weight of the joint position loss").at_least(0);
  cli.add("width", &t.recipe.model.width, "channels, and width of a code").range(1, 8192);
  cli.add("codes,nb-code", &t.recipe.model.codes, "codebook size").range(2, 65536);
}

void add_options(Cli& cli, GptTraining& t) {
  add_data_option(cli, t.data);
  cli.add("tokenizer,resume-pth,vq-name", &t.tokenizer, "trained tokenizer, run folder or file")
      .required()
      .value_name("RUN");
  add_training_options(cli, t.run);
  add_run_options(cli, t.run);
  cli.preset("preset", &t.preset, preset_names(), "sizes and recipe",
             [&t](const std::string& name) { t.recipe = gpt_preset(name); });
  cli.group("Model and training");
  add_recipe_options(cli, t, "motions a step");
  cli.add("pkeep", &t.recipe.keep, "share of input tokens kept; -1: random").range(-1, 1);
  cli.add("weight-decay", &t.recipe.training.weight_decay, "decoupled weight decay").at_least(0);
  cli.add("drop-out-rate,dropout", &t.recipe.model.dropout, "dropout").range(0, 0.9);
  cli.add("width,embed-dim-gpt", &t.recipe.model.width, "transformer width").range(1, 16384);
  cli.add("layers,num-layers", &t.recipe.model.layers, "transformer layers").range(1, 256);
  cli.add("heads,n-head-gpt", &t.recipe.model.heads, "attention heads").range(1, 256);
  add_options(cli, t.text, "builtin, or pretrained and frozen: clip:FILE, bert:FILE");
  cli.add("text-features", &t.text_features, "folder where its features of the captions are kept").value_name("DIR");
}

ReconstructionError reconstruction_error(MotionTokenizer& tokenizer, const std::vector<Tensor>& features) {
  ReconstructionError error;
  for (const Tensor& clip : features) {
    const Tensor made = tokenizer.reconstruct(clip);
    const Joints truth = features_to_joints(clip.slice(0, 0, made.size(0))), joints = features_to_joints(made);
    for (size_t t = 0; t < joints.size(); ++t) {
      error.root += length(joints[t][0] - truth[t][0]);
      for (size_t j = 0; j < kJoints; ++j)
        error.pose += length((joints[t][j] - joints[t][0]) - (truth[t][j] - truth[t][0])) / kJoints;
    }
    error.frames += int64_t(joints.size());
  }
  const double scale = 1000.0 / double(std::max<int64_t>(error.frames, 1));
  error.pose *= scale, error.root *= scale;
  return error;
}

int train_tokenizer(const TokenizerTraining& t, const nlohmann::ordered_json& config) {
  const bool quiet = t.run.quiet;
  TokenizerRecipe recipe = t.recipe;
  if (recipe.window % kFramesPerToken != 0)
    fail(ErrorCode::usage, "--window-size must be a multiple of ", kFramesPerToken, ", is ", recipe.window);
  const LoadOptions options = whole_clips(int(recipe.window));
  const Part part = part_of_batch(recipe.training.batch);
  const Dataset train = load_humanml3d(t.data, "train", options);
  const Dataset validation = load_validation(t.data, options);
  report(train, quiet);
  const RunFolder folder = open_run_folder(t.run);

  default_generator() = {t.run.seed, 0};
  MotionTokenizer tokenizer(recipe.model);
  tokenizer.statistics = eval_statistics(train.statistics, recipe.root_weight);
  const Device device = device_from(t.run.device);
  tokenizer.model.to(device);
  say(quiet, "tokenizer " + t.preset + ": " + std::to_string(tokenizer.model.parameter_count()) + " parameters");
  AdamW optimizer({ParameterGroup{tokenizer.model.named_parameters(), recipe.training.weight_decay, 1}},
                  {.lr = recipe.training.schedule.lr, .beta1 = recipe.training.beta1, .beta2 = recipe.training.beta2},
                  compute_dtype(t.run));
  TrainingState state;
  state.random = default_generator();
  if (folder.resuming()) {
    const TensorFile file = read_checkpoint(folder.last(), kTokenizerKind);
    optimizer.parameters().use_values(true);
    load_tokenizer_weights(tokenizer, file, folder.last().string());
    optimizer.parameters().use_values(false);
    state = load_training(file, optimizer, folder.last().string());
  }
  if (leads()) folder.write_config(config);

  std::vector<Tensor> clips;
  for (const Item& item : train.items) clips.push_back(normalize_features(item.features, tokenizer.statistics));
  WindowSampler windows(std::move(clips), int(recipe.window), int(recipe.training.batch), t.run.seed);
  const std::vector<Tensor> held_out = features_of(validation, 64);

  TrainingLoop loop;
  loop.title = "tokenizer";
  loop.kind = kTokenizerKind;
  loop.max_iters = recipe.training.max_iters, loop.eval_every = t.eval_every, loop.save_every = t.save_every;
  loop.samples = recipe.training.batch;
  CapturedStep step(device, world().size() == 1, "tokenizer", quiet);
  Prefetch batches(device, recipe.training.max_iters, [&](int64_t i) -> Prefetch::Rest {
    return [x = windows.batch(i, int(part.begin), int(part.end))]() -> StepBatch { return {{x}}; };
  });
  loop.step_columns = {"loss", "reconstruction", "commitment", "position", "perplexity", "codes", "lr"};
  loop.step = [&](int64_t i) -> std::vector<double> {
    tokenizer.model.train();
    const StepBatch batch = batches.at(i);
    const double lr = recipe.training.schedule.at(i, recipe.training.max_iters);
    const std::vector<Tensor>& results =
        step.run(batch.inputs, [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
          optimizer.zero_grad();
          const VqVae::Output out = tokenizer.model(Var(in[0]));
          const VqVae::Loss loss = tokenizer.model.loss(out, in[0]);
          backward_over_ranks(loss.total, part, optimizer.parameters());
          const Tensor& use = out.quantized.use;
          return {loss.total.value,
                  loss.reconstruction.value,
                  loss.commitment.value,
                  loss.position.value,
                  use.select(0, 0),
                  use.select(0, 1),
                  optimizer.clip_grad_norm_on_device(kNoClip).scale};
        });
    optimizer.step(lr, results.back());
    batches.advance(i);
    const std::vector<double> read = read_scalars(results);
    std::vector<double> figures = mean_over_ranks({read.begin(), read.begin() + 4}, part.share());
    if (std::isfinite(figures[0]) && !std::isfinite(read.back())) optimizer.fail_diverged();
    figures.insert(figures.end(), {std::exp(read[4]), read[5], lr});
    return figures;
  };
  if (!held_out.empty()) {
    loop.eval_columns = {"val_loss", "val_mpjpe", "val_root"};
    loop.units = {"", " mm", " mm"};
    loop.evaluate = [&]() -> std::vector<double> {
      tokenizer.model.eval();
      double loss = 0;
      for (const Tensor& clip : held_out) {
        const Tensor frames = clip.slice(0, 0, clip.size(0) / 4 * 4);
        const Tensor x = normalize_features(frames, tokenizer.statistics).unsqueeze(0).to(device);
        loss += tokenizer.model.loss(tokenizer.model(Var(x)), x).total.item() / double(held_out.size());
      }
      const ReconstructionError error = reconstruction_error(tokenizer, held_out);
      return {loss, error.pose, error.root};
    };
  }
  loop.model_file = [&] { return tokenizer_file(tokenizer); };
  return run_training(loop, folder, optimizer, state, quiet);
}

namespace {

// The motions of a set as tokens with their captions.
struct TokenSet {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<std::vector<std::string>> captions;
};
TokenSet tokenize(MotionTokenizer& tokenizer, const Dataset& set, int64_t context, uint64_t seed) {
  TokenSet out;
  for (size_t i = 0; i < set.items.size(); ++i) {
    const Item& item = set.items[i];
    const Crop crop = aligned_crop(int(item.features.size(0)), draw(seed, int64_t(i), 11));
    std::vector<int32_t> ids = tokenizer.encode(item.features.slice(0, crop.begin, crop.begin + crop.frames));
    if (int64_t(ids.size()) > context - 2) ids.resize(size_t(context - 2));  // end and condition need a place each
    out.tokens.push_back(std::move(ids));
    out.captions.emplace_back();
    for (const Caption& c : item.captions) out.captions.back().push_back(c.text);
  }
  return out;
}

struct CaptionedBatch {
  GptBatch tokens;
  std::vector<std::string> captions;
  int64_t count() const { return int64_t(captions.size()); }  // of motions
  int64_t targets() const { return std::accumulate(tokens.lengths.begin(), tokens.lengths.end(), count()); }
};
CaptionedBatch cut(const CaptionedBatch& batch, const Part& part) {
  const auto some = [&](const auto& all) { return std::decay_t<decltype(all)>(&all[part.begin], &all[part.end]); };
  return {{batch.tokens.ids.slice(0, part.begin, part.end), some(batch.tokens.lengths)}, some(batch.captions)};
}
// Rows (B, context): tokens, end, pads.
CaptionedBatch make_batch(const TokenSet& set, const std::vector<int64_t>& items, const Gpt& gpt, uint64_t seed,
                          int64_t position, bool training) {
  CaptionedBatch batch;
  const int64_t context = gpt.config().context;
  batch.tokens.ids = Tensor::full({int64_t(items.size()), context}, gpt.pad_id(), Dtype::i32);
  for (size_t b = 0; b < items.size(); ++b) {
    const auto& tokens = set.tokens[size_t(items[b])];
    const auto& captions = set.captions[size_t(items[b])];
    const int64_t place = position + int64_t(b);
    const Crop crop =
        training ? jittered_tokens(int(tokens.size()), draw(seed, place, 12)) : Crop{0, int(tokens.size())};
    int32_t* row = batch.tokens.ids.data<int32_t>() + int64_t(b) * context;
    std::copy_n(tokens.data() + crop.begin, crop.frames, row);
    row[crop.frames] = gpt.end_id();
    batch.tokens.lengths.push_back(crop.frames);
    const uint32_t n = uint32_t(captions.size());
    batch.captions.push_back(captions[training ? draw(seed, place, 13).below(0, n) : 0]);
  }
  return batch;
}

std::vector<std::string> captions_of(const Dataset& set) {
  std::vector<std::string> captions;
  for (const Item& item : set.items)
    for (const Caption& c : item.captions) captions.push_back(c.text);
  return captions;
}

// The built-in encoder for these captions, or the pretrained one that is chosen; the transformer takes its features.
std::unique_ptr<TextEncoder> make_text_encoder(const TextEncoderChoice& choice, GptRecipe& recipe,
                                               const std::vector<std::string>& captions) {
  std::unique_ptr<TextEncoder> text;
  if (choice.pretrained())
    text = open_text_encoder(choice.source, choice.vocabulary);
  else
    text = std::make_unique<WordTransformer>(WordVocabulary::build(captions), recipe.text);
  recipe.model.condition = text->width();
  return text;
}
std::string text_encoder_note(const TextEncoder& text) {
  if (const auto* words = dynamic_cast<const WordTransformer*>(&text))
    return " with " + std::to_string(words->vocabulary().size()) + " words";
  return ", frozen";
}

}  // namespace

int train_t2m_gpt(const GptTraining& t, const nlohmann::ordered_json& config) {
  const bool quiet = t.run.quiet;
  GptRecipe recipe = t.recipe;
  if (recipe.model.width % recipe.model.heads != 0)
    fail(ErrorCode::usage, "--width ", recipe.model.width, " must be a multiple of --heads ", recipe.model.heads);
  recipe.model.feedforward = 4 * recipe.model.width;
  const auto tokenizer = load_tokenizer(t.tokenizer);
  recipe.model.codes = tokenizer->model.config().codes;
  const Part part = part_of_batch(recipe.training.batch);
  const Dataset train = load_humanml3d(t.data, "train");
  const Dataset validation = load_validation(t.data, {});
  report(train, quiet);
  std::vector<std::string> captions = captions_of(train);
  default_generator() = {t.run.seed, 0};
  std::unique_ptr<TextEncoder> encoder = make_text_encoder(t.text, recipe, captions);
  TextEncoder& text = *encoder;
  const RunFolder folder = open_run_folder(t.run);

  T2mGpt model(tokenizer->model.config(), recipe.model, std::move(encoder));
  model.tokenizer.model.load_state_dict(tokenizer->model.state_dict(), t.tokenizer.string());
  model.tokenizer.statistics = tokenizer->statistics;
  const Device device = device_from(t.run.device);
  model.to(device);
  say(quiet, "t2m_gpt " + t.preset + ": " + std::to_string(model.gpt.parameter_count()) + " parameters, text encoder " +
                 std::to_string(text.parameter_count()) + text_encoder_note(text));
  for (const std::string& caption : captions_of(validation)) captions.push_back(caption);
  const TextCondition condition(text, std::move(captions), device, t.text_features, quiet);

  const Dtype compute = compute_dtype(t.run);
  NamedParameters parameters = model.gpt.named_parameters();
  for (auto& [name, parameter] : text.named_parameters())
    if (!text.frozen()) parameters.emplace_back("text." + name, parameter);
  AdamW optimizer({ParameterGroup{parameters, recipe.training.weight_decay, 1}},
                  {.lr = recipe.training.schedule.lr, .beta1 = recipe.training.beta1, .beta2 = recipe.training.beta2},
                  compute);
  TrainingState state;
  state.random = default_generator();
  if (folder.resuming()) {
    const TensorFile file = read_checkpoint(folder.last(), kT2mGptKind);
    optimizer.parameters().use_values(true);
    load_t2m_gpt_weights(model, file, folder.last().string());
    optimizer.parameters().use_values(false);
    state = load_training(file, optimizer, folder.last().string());
  }
  if (leads()) folder.write_config(config);

  const TokenSet train_tokens = tokenize(model.tokenizer, train, recipe.model.context, t.run.seed);
  const TokenSet val_tokens = tokenize(model.tokenizer, validation, recipe.model.context, t.run.seed);
  ShuffledOrder order(int64_t(train_tokens.tokens.size()), recipe.training.batch, t.run.seed);
  TrainingLoop loop;
  loop.title = "t2m_gpt";
  loop.kind = kT2mGptKind;
  loop.max_iters = recipe.training.max_iters, loop.eval_every = t.eval_every, loop.save_every = t.save_every;
  loop.samples = recipe.training.batch;
  CapturedStep step(device, world().size() == 1, "t2m_gpt", quiet);
  Prefetch batches(device, recipe.training.max_iters, [&](int64_t i) -> Prefetch::Rest {
    std::vector<int64_t> items;
    for (int64_t b = 0; b < recipe.training.batch; ++b) items.push_back(order.at(i * recipe.training.batch + b));
    const CaptionedBatch whole =
        make_batch(train_tokens, items, model.gpt, t.run.seed, i * recipe.training.batch, true);
    const double keep = recipe.keep < 0 ? double(draw(t.run.seed, i, 15).uniform(0)) : recipe.keep;
    const Tensor inputs = corrupt(whole.tokens.ids.slice(1, 0, recipe.model.context - 1).contiguous(), keep,
                                  recipe.model.codes, draw(t.run.seed, i, 14));
    const CaptionedBatch batch = cut(whole, part);
    return [&, batch, own = inputs.slice(0, part.begin, part.end).contiguous(),
            targets = gpt_targets(batch.tokens, compute, Device::cpu)]() -> StepBatch {
      std::vector<Tensor> read_by_step{own, targets.ids, targets.weights};
      for (const Tensor& words : condition.inputs(batch.captions, compute)) read_by_step.push_back(words);
      return {read_by_step, double(batch.targets())};
    };
  });
  loop.step_columns = {"loss", "accuracy", "gradient", "lr"};
  loop.step = [&](int64_t i) -> std::vector<double> {
    model.train(true);
    const StepBatch batch = batches.at(i);
    const double lr = recipe.training.schedule.at(i, recipe.training.max_iters);
    const std::vector<Tensor>& results =
        step.run(batch.inputs, [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
          const SampleTargets scored{in[1], in[2]};
          optimizer.zero_grad();
          const Var logits = model.gpt(condition(&in[3]), in[0]);
          const Var loss = gpt_loss(logits, scored);
          backward_over_ranks(loss, part, optimizer.parameters());
          const AdamW::Clip clip =
              optimizer.clip_grad_norm_on_device(recipe.training.clip > 0 ? recipe.training.clip : kNoClip);
          return {loss.value, gpt_accuracy(logits.value, scored), clip.squared_norm, clip.scale};
        });
    optimizer.step(lr, results.back());
    batches.advance(i);
    const std::vector<double> read = read_scalars(results);
    const double total = mean_over_ranks({read[0]}, part.share())[0];
    const double accuracy = mean_over_ranks({read[1]}, batch.targets)[0], norm = std::sqrt(read[2]);
    if (std::isfinite(total) && !std::isfinite(norm)) optimizer.fail_diverged();
    return {total, accuracy, norm, lr};
  };
  if (!val_tokens.tokens.empty()) {
    loop.eval_columns = {"val_loss", "val_accuracy"};
    loop.evaluate = [&]() -> std::vector<double> {
      model.train(false);
      double loss = 0, accuracy = 0;
      const int64_t n = std::min<int64_t>(int64_t(val_tokens.tokens.size()), 512);
      for (int64_t first = 0; first < n; first += recipe.training.batch) {
        std::vector<int64_t> items;
        for (int64_t i = first; i < std::min(n, first + recipe.training.batch); ++i) items.push_back(i);
        const CaptionedBatch batch = make_batch(val_tokens, items, model.gpt, 0, first, false);
        std::vector<Tensor> words = condition.inputs(batch.captions, model.gpt.dtype());
        for (Tensor& t : words) t = t.to(device);
        const Tensor inputs = batch.tokens.ids.slice(1, 0, recipe.model.context - 1).contiguous();
        const Var logits = model.gpt(condition(words.data()), inputs.to(device));
        loss += gpt_loss(logits, batch.tokens).item() * double(items.size()) / double(n);
        accuracy += gpt_accuracy(logits.value, batch.tokens) * double(items.size()) / double(n);
      }
      return {loss, accuracy};
    };
  }
  loop.model_file = [&] { return t2m_gpt_file(model); };
  return run_training(loop, folder, optimizer, state, quiet);
}

int train_two_stages(const TwoStages& stages, const nlohmann::ordered_json& config) {
  make_output_folder(stages.run.out);
  write_file_atomically(stages.run.out / "config.json", config.dump(2) + "\n");  // where --resume looks for it
  TokenizerTraining t;
  t.run = stage_run(stages.run, "tokenizer");
  t.data = stages.data;
  t.preset = stages.preset;
  t.recipe = tokenizer_preset(stages.preset);
  if (stages.tokenizer_iters > 0) t.recipe.training.max_iters = stages.tokenizer_iters;
  if (const int code = train_tokenizer(t, config)) return code;
  GptTraining g;
  g.run = stage_run(stages.run, "gpt");
  g.data = stages.data;
  g.tokenizer = t.run.out / "last.safetensors";
  g.preset = stages.preset;
  g.recipe = gpt_preset(stages.preset);
  if (stages.gpt_iters > 0) g.recipe.training.max_iters = stages.gpt_iters;
  return train_t2m_gpt(g, config);
}

}  // namespace kg
