// Trains MotionGPT's language model on the tokens of a trained motion tokenizer (Jiang et al. 2023, sections 3.2, 3.3):
// --stage pretrain, then --stage instruct from its run.
#include <algorithm>
#include <cmath>

#include "data/formats/checkpoint.h"
#include "data/text/vocabulary_file.h"
#include "models/motiongpt/batches.h"
#include "models/motiongpt/motiongpt.h"
#include "models/text/public_config.h"
#include "tools/common/train/processes.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/stage.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::filesystem::path data, tokenizer, from, t5, spiece, templates;
  std::string preset = "small", stage = "pretrain";
  MotionGptRecipe recipe;
  bool pretrain() const { return stage == "pretrain"; }
};

constexpr int64_t kHeldOutBatches = 16;  // or an epoch of held-out pairs, where that is less

Templates templates_of(const Options& o) {
  if (o.pretrain()) return pretraining_templates();
  return o.templates.empty() ? instruction_templates() : read_templates(o.templates.string());
}

// The first stage's model: around a tokenizer, with a vocabulary of Google's or one made for the captions.
std::unique_ptr<MotionGpt> new_model(const Options& o, const std::vector<std::string>& captions) {
  const auto tokenizer = open_tokenizer(o.tokenizer);
  MotionGptConfig config = o.recipe.model;
  config.language.codes = tokenizer->model.config().codes;
  MotionLanguage language =
      o.spiece.empty()
          ? MotionLanguage::train(captions, {pretraining_templates(), instruction_templates()}, config.language)
          : MotionLanguage(read_vocabulary(o.spiece.string()), config.language);
  config.language = language.config();
  config.t5.vocabulary = language.size();
  config.t5.end = language.end();
  seed_everything(o.run);
  auto model = std::make_unique<MotionGpt>(tokenizer->model.config(), config, std::move(language), tokenizer->body);
  model->tokenizer.model.load_state_dict(tokenizer->model.state_dict(), o.tokenizer.string());
  model->tokenizer.statistics = tokenizer->statistics;
  if (o.t5.empty())
    scale_new_head(model->t5);
  else
    take_public_weights(model->t5, *open_t5(o.t5), o.t5.string());
  return model;
}

std::unique_ptr<MotionGpt> made_model(const Options& o, const std::vector<std::string>& captions) {
  if (o.from.empty()) {
    if (o.tokenizer.empty())
      fail(ErrorCode::usage, "give --tokenizer RUN to begin, or --from RUN to go on from a stage before");
    return new_model(o, captions);
  }
  const std::filesystem::path file = find_checkpoint(o.from);
  return MotionGpt::open(read_checkpoint(file, MotionGpt::kKind), {}, file.string());
}

// What a step reads: prompt, its mask, the answer moved right, the answer, and its weight in the mean: one divided by
// the targets that the whole batch has for as many items.
StepBatch step_inputs(const LanguageBatch& batch, double targets) {
  const Tensor weight = Tensor::from<float>({float(1.0 / targets)}, {1});
  return {{batch.ids, batch.mask, t5_decoder_ids(batch.labels), batch.labels, weight}, double(batch.targets)};
}

Terms loss_of(const MotionGpt& model, const std::vector<Tensor>& in) {
  const Var logits = model.t5(in[0], in[1], in[2]);
  return {{"loss", language_loss(logits, in[3], in[4])},
          {"accuracy", Var(language_accuracy(logits.value, in[3])), Mean::targets}};
}

// Means over the targets of the first batches of held-out pairs.
std::vector<Figure> validate(MotionGpt& model, LanguageBatches& held_out, int64_t batches) {
  double loss = 0, right = 0, targets = 0;
  for (int64_t i = 0; i < batches; ++i) {
    StepBatch batch = step_inputs(held_out.batch(i), 1);
    for (Tensor& t : batch.inputs) t = t.to(model.t5.device());
    const Terms terms = loss_of(model, batch.inputs);
    loss += terms[0].value.item();
    right += terms[1].value.item() * batch.targets;
    targets += batch.targets;
  }
  return {{"val_loss", loss / targets}, {"val_accuracy", right / targets}};
}

LanguageTask task_of(const Options& o, MotionGpt& model, const Dataset& set, const Templates& templates) {
  return {.items = tokenize(model.tokenizer, set, o.recipe.model.written - 1, o.run.seed),
          .tasks = templates.tasks,
          .pretraining = o.pretrain(),
          .fps = set.skeleton.fps,
          .config = o.recipe.sequences};
}

int run(Options& o, const nlohmann::ordered_json& config) {
  const Recipe& training = o.recipe.training;
  const Part part = part_of_batch(training);
  const Device device = device_from(o.run.device);
  o.recipe.model.read = o.recipe.sequences.max_length;
  // The data.
  const LoadOptions whole{.sub_clips = false};
  const Dataset train_set = load_humanml3d(o.data, "train", whole), held_out = load_validation(o.data, whole);
  report(train_set, o.run.quiet);
  const Templates templates = templates_of(o);
  for (const std::string& note : templates.notes) say(o.run.quiet, note);
  const RunFolder folder = open_run_folder(o.run);
  // The model.
  const auto model = made_model(o, captions_of(train_set));
  check_same_skeleton(train_set.skeleton, model->tokenizer.body, (o.from.empty() ? o.tokenizer : o.from).string());
  model->to(device);
  say(o.run.quiet, "motiongpt " + o.preset + ", " + o.stage + ": " + std::to_string(model->t5.parameter_count()) +
                       " parameters, " + std::to_string(model->language.size()) + " tokens");
  LanguageBatches batches(task_of(o, *model, train_set, templates), model->language, training.batch, o.run.seed);
  LanguageBatches checks(task_of(o, *model, held_out.items.empty() ? train_set : held_out, templates), model->language,
                         training.batch, o.run.seed + 1);
  say(o.run.quiet,
      "positions that are no padding: " + std::to_string(std::lround(100 * batches.filled(0, kHeldOutBatches))) + " %");
  // The stage.
  Stage stage;
  stage.name = o.stage;
  stage.kind = MotionGpt::kKind;
  stage.recipe = training;
  stage.optimizers = {{"", {{model->t5.named_parameters(), training.weight_decay}}}};
  stage.batches_per_epoch = std::max<int64_t>(1, batches.epoch_length() / training.batch);
  stage.training = [&](bool on) { model->train(on); };
  stage.batch = [&](int64_t i) -> Prefetch::Rest {
    const double targets = double(batches.batch(i).targets) * part.share();
    return [in = step_inputs(batches.batch(i, part.begin, part.end), targets)] { return in; };
  };
  stage.loss = [&](const std::vector<Tensor>& in) { return loss_of(*model, in); };
  if (!held_out.items.empty()) {
    stage.validation = {"val_loss", "val_accuracy"};
    const int64_t epoch = (checks.epoch_length() + training.batch - 1) / training.batch;
    stage.validate = [&, count = std::min(epoch, kHeldOutBatches)] { return validate(*model, checks, count); };
  }
  stage.save = [&] { return model->save(); };
  stage.load = [&](const TensorFile& file, const std::string& source) { model->load(file, source); };
  return train(stage, o.run, folder, config);
}

}  // namespace

int main(int argc, char** argv) {
  return run_parallel_main(argc, argv, [](int count, char** arguments) {
    Options o;
    Cli cli("train_motiongpt", "Trains MotionGPT's language model: pre-training, then instructions.",
            "train_motiongpt --data out/set --tokenizer runs/tokenizer --preset tiny --out runs/pretrain");
    add_data_option(cli, o.data);
    cli.add("tokenizer,vq-name", &o.tokenizer, "trained tokenizer, for the first stage").value_name("RUN");
    cli.add("from", &o.from, "run of the stage before, to go on from").value_name("RUN");
    add_training_options(cli, o.run);
    add_run_options(cli, o.run);
    const auto apply = [&o](const std::string& preset, const std::string& stage) {
      o.recipe = motiongpt_preset(preset, *value_named<MotionGptStage>(stage));
    };
    cli.preset("stage", &o.stage, {"pretrain", "instruct"}, "what is learned, one after the other",
               [&o, apply](const std::string& name) { apply(o.preset, name); });
    add_preset(cli, &o.preset, [&o, apply](const std::string& name) { apply(name, o.stage); });
    cli.group("Model and training");
    cli.add_fields(o.recipe);
    cli.group("Public weights and wording", true);
    cli.add("t5-model", &o.t5, "public T5 or FLAN-T5 weights to begin from").value_name("PATH");
    cli.add("spiece", &o.spiece, "spiece.model of T5; else a vocabulary is made for the captions").value_name("FILE");
    cli.add("templates", &o.templates, "wording of the instructions; else the built-in one").value_name("FILE");
    if (!cli.parse(count, arguments)) return 0;
    start(o.run);
    return run(o, cli.config());
  });
}
