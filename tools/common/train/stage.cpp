#include "tools/common/train/stage.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>

#include "data/formats/checkpoint.h"
#include "models/model_file.h"
#include "nn/ema.h"
#include "nn/optim.h"
#include "tools/common/train/captured_step.h"
#include "tools/common/train/csv.h"
#include "tools/common/train/interrupt.h"
#include "tools/common/train/progress.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/training_state.h"

namespace kg::tools {
namespace {

constexpr double kNoClip = 1e30;  // above any norm that is finite

// One optimizer with what belongs to it.
struct Optimizer {
  Optimizer(const OptimizerPart& part, const Recipe& r, Dtype compute)
      : name(part.name),
        lr_scale(part.lr_scale),
        adam(part.groups, {.lr = r.schedule.lr, .beta1 = r.beta1, .beta2 = r.beta2}, compute) {
    if (r.average > 0) average.emplace(adam.parameters(), r.average);
  }
  std::string prefix() const { return name.empty() ? "optim." : "optim." + name + "."; }
  const Tensor& gradients() const { return adam.parameters().gradients(); }

  std::string name;
  double lr_scale;
  AdamW adam;
  std::optional<Ema> average;
};

// Scales the gradients of each group down to a norm of `most`, without waiting for the device.
void clip_groups(const FlatParameters& parameters, double most) {
  for (const FlatParameters::Range& group : parameters.groups()) {
    const Tensor g = parameters.gradients().slice(0, group.begin, group.end);
    g.copy_from(mul(g, clip_scale(squared_norm_on_device(g), most)));
  }
}

class Training {
 public:
  Training(const Stage& stage, const RunOptions& run, const RunFolder& folder)
      : stage_(stage),
        recipe_(stage.recipe),
        run_(run),
        folder_(folder),
        part_(part_of_batch(stage.recipe)),
        steps_(steps_of(stage)),
        end_(run.until > 0 ? std::min(run.until, steps_) : steps_),
        device_(device_from(run.device)),
        captured_(device_, true, stage.name),
        batches_(device_, end_, stage.batch) {
    for (const OptimizerPart& part : stage.optimizers)
      optimizers_.push_back(std::make_unique<Optimizer>(part, recipe_, compute_dtype(run)));
  }
  int run(const Json& config);

 private:
  static int64_t steps_of(const Stage& stage);
  std::vector<Figure> step(int64_t i);
  std::vector<Figure> read(const std::vector<Tensor>& results, const StepBatch& batch, double lr);
  void begin(const Json& config);
  void continue_log();
  std::vector<Figure> validate();
  TensorFile checkpoint();
  void save(const std::filesystem::path& path);
  void check_finite(const std::vector<Figure>& figures) const;
  void log(const std::vector<Figure>& figures, const std::vector<Figure>& validated, Progress& progress);

  const Stage& stage_;
  const Recipe& recipe_;
  const RunOptions& run_;
  const RunFolder& folder_;
  const Part part_;
  const int64_t steps_, end_;
  const Device device_;
  std::vector<std::unique_ptr<Optimizer>> optimizers_;
  Terms terms_;  // of the last step, their values on the device
  CapturedStep captured_;
  Prefetch batches_;
  TrainingState state_;
  std::vector<std::string> columns_;  // of the log
  std::optional<CsvLog> csv_;
};

// ---- the step, in the order in which it happens
std::vector<Figure> Training::step(int64_t i) {
  stage_.training(true);
  if (stage_.before) stage_.before(i);
  const StepBatch batch = batches_.at(i);  // the next batch
  const double lr = recipe_.schedule.at(i, steps_);
  const std::vector<Tensor>& results = captured_.run(batch.inputs, [&](const std::vector<Tensor>& inputs) {
    for (auto& o : optimizers_) o->adam.zero_grad();
    terms_ = stage_.loss(inputs);  // forward
    const Var& loss = terms_[0].value;
    backward(loss, Tensor::full(loss.shape(), part_.share(), loss.dtype(), loss.value.device()));  // backward
    for (auto& o : optimizers_) world().all_reduce_sum(o->gradients());  // the gradient of all processes
    std::vector<Tensor> figures, clips;
    for (const Term& term : terms_) figures.push_back(term.value.value);
    for (auto& o : optimizers_) {  // clip
      const bool each = recipe_.clip_groups && recipe_.clip > 0;
      if (each) clip_groups(o->adam.parameters(), recipe_.clip);
      const AdamW::Clip clip = o->adam.clip_grad_norm_on_device(each || recipe_.clip <= 0 ? kNoClip : recipe_.clip);
      figures.push_back(clip.squared_norm);
      clips.push_back(clip.scale);
    }
    figures.insert(figures.end(), clips.begin(), clips.end());
    for (Term& term : terms_) term.value = {};  // what they were made from may go
    return figures;
  });
  for (size_t k = 0; k < optimizers_.size(); ++k) {  // update
    Optimizer& o = *optimizers_[k];
    o.adam.step(lr * o.lr_scale, results[results.size() - optimizers_.size() + k]);
    if (o.average) o.average->update();
  }
  batches_.advance(i);
  if (stage_.after) stage_.after(i + 1);
  return read(results, batch, lr);  // figures
}

// The terms, the norms of the gradients and the rate, as all processes have them.
std::vector<Figure> Training::read(const std::vector<Tensor>& results, const StepBatch& batch, double lr) {
  const std::vector<double> here = read_scalars(results);
  const size_t terms = terms_.size(), count = optimizers_.size();
  std::vector<double> items, targets;
  for (size_t k = 0; k < terms; ++k) {
    if (terms_[k].mean == Mean::items) items.push_back(here[k]);
    if (terms_[k].mean == Mean::targets) targets.push_back(here[k]);
  }
  items = mean_over_ranks(std::move(items), part_.share());
  if (!targets.empty()) targets = mean_over_ranks(std::move(targets), batch.targets);
  std::vector<Figure> figures;
  size_t item = 0, target = 0;
  for (size_t k = 0; k < terms; ++k) {
    const Term& term = terms_[k];
    double value = term.mean == Mean::items ? items[item++] : term.mean == Mean::targets ? targets[target++] : here[k];
    if (term.shown) value = term.shown(value);
    figures.push_back({term.name, value});
  }
  for (size_t k = 0; k < count; ++k) {
    const double norm = std::sqrt(here[terms + k]);
    if (std::isfinite(figures[0].value) && !std::isfinite(norm)) optimizers_[k]->adam.fail_diverged();
    const std::string& name = optimizers_[k]->name;
    figures.push_back({name.empty() ? "gradient" : "gradient_" + name, norm});
  }
  figures.push_back({"lr", lr});
  return figures;
}

void Training::check_finite(const std::vector<Figure>& figures) const {
  for (const Figure& f : figures)
    if (!std::isfinite(f.value))
      fail(ErrorCode::diverged, stage_.name, ": ", f.name, " is ", f.value, " at iteration ", state_.iteration,
           "; lower --lr. The last checkpoint is ", folder_.last().string());
}

// ---- what stands around it
int64_t Training::steps_of(const Stage& stage) {
  const Recipe& r = stage.recipe;
  return r.max_iters > 0 ? r.max_iters : r.epochs * stage.batches_per_epoch;
}

// From the beginning, or from the last checkpoint.
void Training::begin(const Json& config) {
  state_.random = default_generator();
  if (folder_.resuming()) {
    const std::string source = folder_.last().string();
    const TensorFile file = read_checkpoint(folder_.last(), stage_.kind);
    for (auto& o : optimizers_) o->adam.parameters().use_values(true);
    stage_.load(file, source);
    for (auto& o : optimizers_) {
      const FlatParameters& flat = o->adam.parameters();
      if (o->average) {  // the file's weights are the averages; those in training lie beside them
        o->average->restart();
        load_strict(flat.cut(flat.values()), extract(file, o->prefix() + "raw."), source);
      }
      flat.use_values(false);
      NamedTensors state;
      for (auto& [name, tensor] : extract(file, o->prefix()))
        if (name == "step" || name.starts_with("m.") || name.starts_with("v.")) state.emplace_back(name, tensor);
      o->adam.load_state(state, source);
    }
    if (stage_.state) load_strict(stage_.state(), extract(file, "optim.state."), source);
    state_ = unpack_training_state(file.metadata, source);
  }
  if (leads()) folder_.write_config(config);
  if (leads() && folder_.resuming()) continue_log();
  std::vector<double> alike{double(state_.iteration), double(state_.random.position)};
  for (auto& o : optimizers_) alike.push_back(sum(o->adam.parameters().values()).item());
  check_alike(alike);
  default_generator() = state_.random;
  // Each rank its own dropout; rank 0 draws what one process would, and its place is what is saved.
  if (!leads()) default_generator().seed = mix(state_.random.seed, uint64_t(world().rank()));
}

// The log of a run keeps its columns; an older one may have fewer.
void Training::continue_log() {
  columns_ = read_csv(folder_.log()).columns;
  columns_.erase(columns_.begin());  // the iteration
  std::vector<std::string> end{"lr"};
  end.insert(end.end(), stage_.validation.begin(), stage_.validation.end());
  CHECK_INPUT(columns_.size() > end.size() && std::equal(end.rbegin(), end.rend(), columns_.rbegin()),
              folder_.log().string(), " is the log of another training: its columns do not end with lr and what is ",
              "validated here");
  csv_.emplace(folder_.log(), columns_, state_.iteration);
}

// Of the averages, where there are any.
std::vector<Figure> Training::validate() {
  const Generator before = default_generator();
  NoGrad guard;
  std::vector<std::unique_ptr<Ema::Swap>> averages;
  for (auto& o : optimizers_)
    if (o->average) averages.push_back(std::make_unique<Ema::Swap>(*o->average));
  stage_.training(false);
  std::vector<Figure> figures = stage_.validate();
  CHECK(figures.size() == stage_.validation.size(), "[train] ", stage_.name, ": validate() gives ", figures.size(),
        " figures, ", stage_.validation.size(), " are announced");
  for (size_t k = 0; k < figures.size(); ++k)
    CHECK(figures[k].name == stage_.validation[k], "[train] ", stage_.name, ": validate() gives ", figures[k].name,
          ", announced is ", stage_.validation[k]);
  default_generator() = before;
  return figures;
}

TensorFile Training::checkpoint() {
  state_.random = default_generator();
  // Of parameters that are computed with in bf16, the f32 is what is kept.
  for (auto& o : optimizers_) o->adam.parameters().use_values(true);
  NamedTensors raw;
  std::vector<std::unique_ptr<Ema::Swap>> averages;
  for (auto& o : optimizers_) {
    if (!o->average) continue;
    for (auto& [name, t] : o->adam.parameters().cut(o->adam.parameters().values(), o->prefix() + "raw."))
      raw.emplace_back(name, t.clone());
    averages.push_back(std::make_unique<Ema::Swap>(*o->average));
  }
  TensorFile file = stage_.save();
  if (!averages.empty())  // the file may share memory with the weights, which now come back
    for (auto& [name, tensor] : file.tensors) tensor = tensor.clone();
  averages.clear();
  for (auto& o : optimizers_) append(file, o->prefix(), o->adam.state());
  append(file, "", raw);
  if (stage_.state) append(file, "optim.state.", stage_.state());
  pack(state_, file.metadata);
  for (auto& o : optimizers_) o->adam.parameters().use_values(false);
  return file;
}
void Training::save(const std::filesystem::path& path) {
  if (leads()) write_checkpoint(path, stage_.kind, checkpoint());
}

void Training::log(const std::vector<Figure>& figures, const std::vector<Figure>& validated, Progress& progress) {
  if (!leads()) return;
  std::map<std::string, double> values;
  std::vector<ProgressFigure> shown;
  for (const Figure& f : figures) values[f.name] = f.value, shown.push_back({f.name, f.value});
  for (const Figure& f : validated) values[f.name] = f.value;
  if (!csv_) {  // of a new run
    for (const Figure& f : figures) columns_.push_back(f.name);
    columns_.insert(columns_.end(), stage_.validation.begin(), stage_.validation.end());
    csv_.emplace(folder_.log(), columns_);
  }
  std::vector<double> row;
  for (const std::string& column : columns_) row.push_back(values.contains(column) ? values[column] : std::nan(""));
  csv_->row(state_.iteration, row);
  progress.update(state_.iteration, shown, recipe_.batch);
}

int Training::run(const Json& config) {
  begin(config);
  Progress progress(stage_.name, state_.iteration, steps_, run_.quiet || !leads());
  const InterruptGuard interrupts(!leads());
  while (state_.iteration < end_) {
    const std::vector<Figure> figures = step(state_.iteration++);
    check_finite(figures);
    const bool last = state_.iteration == end_;
    std::vector<Figure> validated;
    if (stage_.validate && leads() && (last || state_.iteration % recipe_.eval_every == 0)) {
      validated = validate();
      std::string text = "iteration " + std::to_string(state_.iteration) + ", validation:";
      for (const Figure& f : validated)
        text += "  " + f.name + " " + figure_text(f.value) + (f.unit.empty() ? "" : " " + f.unit);
      progress.note(text);
      const double first = validated.empty() ? std::nan("") : validated[0].value;
      if (std::isfinite(first) && (!state_.has_best || first < state_.best)) {
        state_.best = first;
        state_.has_best = true;
        save(folder_.best());
      }
    }
    log(figures, validated, progress);
    const bool stopped = any_rank(interrupted());
    if (stopped || last || state_.iteration % recipe_.save_every == 0) save(folder_.last());
    if (!stopped) continue;
    progress.finish();
    if (leads())
      std::fprintf(stderr, "interrupted; saved %s at iteration %lld. Go on with --resume.\n", folder_.last().c_str(),
                   static_cast<long long>(state_.iteration));
    return int(ErrorCode::interrupted);
  }
  progress.finish();
  return 0;
}

}  // namespace

void seed_everything(const RunOptions& run) { default_generator() = {run.seed, 0}; }

RunFolder open_run_folder(const RunOptions& run) {
  if (!leads()) return RunFolder(run.out, run.resume);
  return RunFolder(run.out, run.resume, run.force);
}

Part part_of_batch(const Recipe& recipe) {
  if (recipe.max_iters == 0 && recipe.epochs == 0)
    fail(ErrorCode::usage, "--max-iters 0 counts in epochs: give --epochs as well");
  if (recipe.batch < world().size())
    fail(ErrorCode::usage, "--batch-size ", recipe.batch, " cannot be shared by ", world().size(),
         " processes: give at least one item to each, or start fewer");
  return part_of(recipe.batch);
}

Dtype compute_dtype(const RunOptions& run) { return run.precision == "bf16" ? Dtype::bf16 : Dtype::f32; }

int train(const Stage& stage, const RunOptions& run, const RunFolder& folder, const Json& config) {
  return Training(stage, run, folder).run(config);
}

}  // namespace kg::tools
