// Trains T2M-GPT's transformer: a sentence to the tokens of a motion, one after another (Zhang et al. 2023, section
// 3.2), over the tokens of a trained motion tokenizer.
#include <algorithm>

#include "models/t2m_gpt/batches.h"
#include "models/t2m_gpt/t2m_gpt.h"
#include "models/text/features.h"
#include "models/text/stored_text.h"
#include "tools/common/train/processes.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/stage.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::filesystem::path data, tokenizer;
  std::string preset = "small";
  GptRecipe recipe = gpt_preset("small");
  TextEncoderChoice text{.source = "builtin", .vocabulary = {}};
  std::filesystem::path text_features = "out/text_features";  // where features of frozen text encoders are kept
};

constexpr int64_t kHeldOut = 512;  // motions of the validation set that are looked at

// Means over the first captions of held-out motions, without corruption.
std::vector<Figure> validate(T2mGpt& model, const TokenSet& set, const TextCondition& condition, int64_t batch_size) {
  const Device device = model.gpt.device();
  const GptConfig& config = model.gpt.config();
  double loss = 0, accuracy = 0;
  const int64_t count = std::min(set.size(), kHeldOut);
  for (int64_t first = 0; first < count; first += batch_size) {
    std::vector<int64_t> items;
    for (int64_t i = first; i < std::min(count, first + batch_size); ++i) items.push_back(i);
    const CaptionedBatch batch = make_batch(set, items, model.gpt, 0, first, false);
    std::vector<Tensor> words = condition.inputs(batch.captions, model.gpt.dtype());
    for (Tensor& t : words) t = t.to(device);
    const Tensor inputs = batch.tokens.ids.slice(1, 0, config.context - 1).contiguous();
    const Var logits = model.gpt(condition(words.data()), inputs.to(device));
    const double share = double(items.size()) / double(count);
    loss += gpt_loss(logits, batch.tokens).item() * share;
    accuracy += gpt_accuracy(logits.value, batch.tokens) * share;
  }
  return {{"val_loss", loss}, {"val_accuracy", accuracy}};
}

// With the trained tokenizer in it, and a text encoder whose feature the transformer then takes.
std::unique_ptr<T2mGpt> make_model(const Options& o, GptRecipe& recipe, const MotionTokenizer& tokenizer,
                                   const std::vector<std::string>& captions) {
  seed_everything(o.run);
  auto text = make_text_encoder(o.text, recipe.text, captions);
  recipe.model.condition = text->width();
  auto model = std::make_unique<T2mGpt>(tokenizer.model.config(), recipe.model, std::move(text), tokenizer.body);
  model->tokenizer.model.load_state_dict(tokenizer.model.state_dict(), o.tokenizer.string());
  model->tokenizer.statistics = tokenizer.statistics;
  say(o.run.quiet, "t2m_gpt " + o.preset + ": " + std::to_string(model->gpt.parameter_count()) +
                       " parameters, text encoder " + std::to_string(model->text->parameter_count()) +
                       (model->text->frozen() ? ", frozen" : ""));
  return model;
}

// Corrupted tokens, and targets with their weights.
std::vector<Tensor> token_inputs(const CaptionedBatch& batch, const Tensor& inputs, Dtype compute) {
  const SampleTargets targets = gpt_targets(batch.tokens, compute, Device::cpu);
  return {inputs.contiguous(), targets.ids, targets.weights};
}
// And what is read of the captions.
StepBatch with_captions(std::vector<Tensor> inputs, const CaptionedBatch& batch, const TextCondition& condition,
                        Dtype compute) {
  for (const Tensor& words : condition.inputs(batch.captions, compute)) inputs.push_back(words);
  return {std::move(inputs), double(batch.targets())};
}

int run(const Options& o, const nlohmann::ordered_json& config) {
  GptRecipe recipe = o.recipe;
  const Recipe& training = recipe.training;
  if (recipe.model.width % recipe.model.heads != 0)
    fail(ErrorCode::usage, "--width ", recipe.model.width, " must be a multiple of --heads ", recipe.model.heads);
  recipe.model.feedforward = 4 * recipe.model.width;
  const Part part = part_of_batch(training);
  const Device device = device_from(o.run.device);
  const Dtype compute = compute_dtype(o.run);
  // The data.
  const auto tokenizer = open_tokenizer(o.tokenizer);
  const LoadOptions whole{.sub_clips = false};  // captions of a part take a part of the clip's tokens
  const Dataset train_set = load_humanml3d(o.data, "train", whole), held_out = load_validation(o.data, whole);
  check_same_skeleton(train_set.skeleton, tokenizer->body, o.tokenizer.string());
  report(train_set, o.run.quiet);
  std::vector<std::string> captions = captions_of(train_set);

  // The model.
  recipe.model.codes = tokenizer->model.config().codes;
  const std::unique_ptr<T2mGpt> made = make_model(o, recipe, *tokenizer, captions);
  T2mGpt& model = *made;
  const RunFolder folder = open_run_folder(o.run);  // once nothing that was asked for is refused
  model.to(device);
  for (const std::string& caption : captions_of(held_out)) captions.push_back(caption);
  const TextCondition condition(*model.text, std::move(captions), device, o.text_features, TextCondition::Kind::pooled,
                                [&](const std::string& line) { say(o.run.quiet, line); });
  const TokenSet train_tokens = tokenize(model.tokenizer, train_set, recipe.model.context, o.run.seed);
  const TokenSet held_out_tokens = tokenize(model.tokenizer, held_out, recipe.model.context, o.run.seed);
  ShuffledOrder order(train_tokens.size(), training.batch, o.run.seed);

  // The stage.
  Stage stage;
  stage.name = "t2m_gpt";
  stage.kind = T2mGpt::kKind;
  stage.recipe = training;
  stage.optimizers = {{"", {{model.trained_parameters(), training.weight_decay}}}};
  stage.batches_per_epoch = order.batches_per_epoch();
  stage.training = [&](bool on) { model.train(on); };
  stage.batch = [&](int64_t i) -> Prefetch::Rest {
    const CaptionedBatch whole =
        make_batch(train_tokens, order.batch(i), model.gpt, o.run.seed, i * training.batch, true);
    const Tensor inputs = corrupted_inputs(whole, recipe.model, recipe.keep, o.run.seed, i);
    const CaptionedBatch batch = whole.cut(part.begin, part.end);
    const std::vector<Tensor> tokens = token_inputs(batch, inputs.slice(0, part.begin, part.end), compute);
    return [&condition, batch, tokens, compute] { return with_captions(tokens, batch, condition, compute); };
  };
  stage.loss = [&](const std::vector<Tensor>& in) -> Terms {
    const SampleTargets targets{in[1], in[2]};
    const Var logits = model.gpt(condition(&in[3]), in[0]);
    return {{"loss", gpt_loss(logits, targets)}, {"accuracy", gpt_accuracy(logits.value, targets), Mean::targets}};
  };
  if (held_out_tokens.size() > 0) {
    stage.validation = {"val_loss", "val_accuracy"};
    stage.validate = [&] { return validate(model, held_out_tokens, condition, training.batch); };
  }
  stage.save = [&] { return model.save(); };
  stage.load = [&](const TensorFile& file, const std::string& source) { model.load(file, source); };
  return train(stage, o.run, folder, config);
}

}  // namespace

int main(int argc, char** argv) {
  return run_parallel_main(argc, argv, [](int count, char** arguments) {
    Options o;
    Cli cli("train_t2mgpt", "Trains T2M-GPT's transformer on the tokens of a trained tokenizer.",
            "train_t2mgpt --data out/set --tokenizer runs/tokenizer --preset tiny --out runs/gpt");
    add_data_option(cli, o.data);
    cli.add("tokenizer,resume-pth,vq-name", &o.tokenizer, "trained tokenizer, run folder or file")
        .required()
        .value_name("RUN");
    add_training_options(cli, o.run);
    add_run_options(cli, o.run);
    add_preset(cli, &o.preset, [&o](const std::string& name) { o.recipe = gpt_preset(name); });
    cli.group("Model and training");
    cli.add_fields(o.recipe);
    cli.add_fields(o.text);
    cli.add("text-features", &o.text_features, "folder where features of captions are kept").value_name("DIR");
    if (!cli.parse(count, arguments)) return 0;
    start(o.run);
    return run(o, cli.config());
  });
}
