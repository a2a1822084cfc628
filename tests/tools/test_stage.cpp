// A stage that uses everything that a system may need at once: two optimizers, groups with rates and decays of their
// own, a moving average of the weights, a momentum copy, a queue of features, clipping, terms of every kind, validation.
#include "tools/common/train/stage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/formats/checkpoint.h"
#include "models/model_file.h"
#include "nn/linear.h"
#include "nn/momentum.h"
#include "nn/queue.h"
#include "tests/error_of.h"
#include "tests/tools/run_program.h"
#include "tools/common/train/csv.h"

namespace kg::tools {
namespace {

namespace fs = std::filesystem;
using test::slurp;
using test::TemporaryFolder;

constexpr const char* kKind = "everything";

struct Body : Module {
  Body() { reg("body", body), reg("head", head); }
  Linear body{3, 2}, head{2, 1};
};

// Built as a program builds it: at the seed of the run, the same each time.
struct Everything {
  explicit Everything(const Recipe& recipe) : seeded(seed()) {
    copy.load_state_dict(body.state_dict(), "the network");
    copy.set_requires_grad(false);
    stage.name = "everything";
    stage.kind = kKind;
    stage.recipe = recipe;
    stage.optimizers = {{"", {{body.body.named_parameters(), 0.1}, {body.head.named_parameters(), 0, 0.5}}},
                        {"critic", {{critic.named_parameters(), 0}}, 2}};
    // An optimizer's parameters need names of their own.
    for (auto& [name, parameter] : stage.optimizers[0].groups[0].parameters) name = "body." + name;
    for (auto& [name, parameter] : stage.optimizers[0].groups[1].parameters) name = "head." + name;
    stage.batches_per_epoch = 4;
    stage.training = [this](bool on) { body.train(on); };
    stage.batch = [](int64_t i) -> Prefetch::Rest { return [i] { return StepBatch{{input(i)}, 3}; }; };
    stage.loss = [this](const std::vector<Tensor>& in) { return loss(in[0]); };
    stage.validation = {"val_fit"};
    stage.validate = [this]() -> std::vector<Figure> {
      const Tensor x = input(1000);
      return {{"val_fit", fit(x).value.item(), "mm"}};
    };
    stage.save = [this] {
      TensorFile file;
      append(file, "net.", body.state_dict());
      append(file, "critic.", critic.state_dict());
      return file;
    };
    stage.load = [this](const TensorFile& file, const std::string& source) {
      body.load_state_dict(extract(file, "net."), source);
      critic.load_state_dict(extract(file, "critic."), source);
    };
    stage.state = [this] {
      NamedTensors state;
      for (auto& [name, tensor] : copy.state_dict()) state.emplace_back("copy." + name, tensor);
      for (auto& [name, tensor] : queue.state()) state.emplace_back("queue." + name, tensor);
      return state;
    };
    stage.after = [this](int64_t i) {
      NoGrad guard;
      follow(copy, body, 0.9);
      queue.push(copy.body(Var(input(i - 1))).value);
    };
  }
  static bool seed() { return seed_everything({}), true; }
  static Tensor input(int64_t i) {
    const Tensor x = Tensor::empty({4, 3});
    fill_normal(x, 0, 1, {7, uint64_t(i)});
    return x;
  }
  static Var target(const Tensor& x) { return sum(Var(x), {1}, true); }
  Var fit(const Tensor& x) const {
    const Var off = body.head(body.body(Var(x))) - target(x);
    return mean(off * off);
  }
  Terms loss(const Tensor& x) const {
    const Var judged = critic(Var(x)) - target(x), near = matmul(body.body(Var(x)), transpose(Var(queue.rows()), 0, 1));
    const Var a = fit(x), b = mean(judged * judged), c = mean(near * near);
    return {{"loss", a + b + 0.1 * c}, {"fit", a}, {"critic", b, Mean::targets}, {"near", c, Mean::none, std::exp}};
  }
  int run(const fs::path& out, int64_t until = 0, bool resume = false) {
    RunOptions options;
    options.out = out, options.device = "cpu", options.quiet = true, options.until = until, options.resume = resume;
    return train(stage, options, open_run_folder(options), {{"stage", "everything"}});
  }

  bool seeded;
  Body body, copy;
  Linear critic{3, 1};
  RingQueue queue{6, 2};
  Stage stage;
};

Recipe recipe_of_twelve_steps() {
  Recipe r;
  r.batch = 4, r.max_iters = 0, r.epochs = 3;
  r.schedule.lr = 0.05;
  r.clip = 1, r.clip_groups = true, r.average = 0.8;
  r.eval_every = 2, r.save_every = 5;
  return r;
}

TEST(Stage, EverythingAtOnceResumesByteForByte) {
  TemporaryFolder folder;
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "whole"), 0);
  const CsvTable log = read_csv(folder / "whole/log.csv");
  EXPECT_EQ(log.values[0].size(), 12u);  // three epochs of four batches
  const std::string text = slurp(folder / "whole/log.csv");
  EXPECT_TRUE(text.starts_with("iteration,loss,fit,critic,near,gradient,gradient_critic,lr,val_fit\n")) << text;
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "parts", 3), 0);
  EXPECT_EQ(read_csv(folder / "parts/log.csv").values[0].size(), 3u);
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "parts", 7, true), 0);
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "parts", 0, true), 0);
  // A stop validates where the whole run does not: that column aside, the course is the same.
  EXPECT_TRUE(slurp(folder / "whole/last.safetensors") == slurp(folder / "parts/last.safetensors"));
  EXPECT_TRUE(slurp(folder / "whole/best.safetensors") == slurp(folder / "parts/best.safetensors"));
  const CsvTable other = read_csv(folder / "parts/log.csv");
  for (size_t c = 0; c + 1 < log.columns.size(); ++c) EXPECT_EQ(other.values[c], log.values[c]) << log.columns[c];
}

TEST(Stage, LogAndBestAreThoseOfOneRunWhereItStopsAtAValidation) {
  TemporaryFolder folder;
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "whole"), 0);
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "parts", 4), 0);
  ASSERT_EQ(Everything(recipe_of_twelve_steps()).run(folder / "parts", 0, true), 0);
  for (const char* file : {"log.csv", "last.safetensors", "best.safetensors"})
    EXPECT_TRUE(slurp(folder / "whole" / file) == slurp(folder / "parts" / file)) << file;
}

TEST(Stage, CheckpointHoldsAveragesRawWeightsAndState) {
  TemporaryFolder folder;
  Everything all(recipe_of_twelve_steps());
  ASSERT_EQ(all.run(folder / "run"), 0);
  const TensorFile file = read_checkpoint(folder / "run/last.safetensors", kKind);
  for (const char* name : {"net.body.weight", "critic.bias", "optim.m.body.weight", "optim.v.head.bias", "optim.step",
                           "optim.raw.body.weight", "optim.critic.m.weight", "optim.critic.raw.weight",
                           "optim.state.copy.body.weight", "optim.state.queue.rows", "optim.state.queue.place"})
    EXPECT_TRUE(file.find(name)) << name;
  ASSERT_TRUE(file.find("optim.raw.body.weight") && file.find("net.body.weight"));
  EXPECT_EQ(file.find("optim.raw.body.weight")->to_vector(), all.body.body.weight.value.to_vector());
  EXPECT_NE(file.find("net.body.weight")->to_vector(), all.body.body.weight.value.to_vector());
  EXPECT_EQ(all.queue.place(), 12 * 4 % 6);
  EXPECT_EQ(all.queue.filled(), 6);
  // The best checkpoint is of the lowest validation, which its weights give again.
  double lowest = INFINITY;
  const CsvTable log = read_csv(folder / "run/log.csv");
  for (const double val_fit : log.values.back())
    if (std::isfinite(val_fit)) lowest = std::min(lowest, val_fit);
  Everything best(recipe_of_twelve_steps());
  best.stage.load(read_checkpoint(folder / "run/best.safetensors", kKind), "best");
  EXPECT_NEAR(best.stage.validate()[0].value, lowest, 1e-6);
}

// ---- one step of single weights, by hand
struct Weights {
  explicit Weights(const Recipe& recipe) {
    stage.name = "weights", stage.kind = kKind, stage.recipe = recipe;
    stage.optimizers = {{"", {{{{"a", &a}}, 0.5, 1}, {{{"b", &b}}, 0, 0.25}}}, {"second", {{{{"c", &c}}, 0}}, 3}};
    stage.training = [](bool) {};
    stage.batch = [](int64_t) -> Prefetch::Rest { return [] { return StepBatch{{Tensor::zeros({1})}}; }; };
    stage.loss = [this](const std::vector<Tensor>&) -> Terms {
      return {{"loss", sum(3 * a + 4 * b + c)}, {"shape", Var(Tensor::scalar(shape)), Mean::none}};
    };
    stage.save = [this] {
      return TensorFile{{{"a", a.value.clone()}, {"b", b.value.clone()}, {"c", c.value.clone()}}, {}};
    };
    stage.load = [this](const TensorFile& file, const std::string& source) {
      load_strict({{"a", a.value}, {"b", b.value}, {"c", c.value}}, without(file, {"optim."}), source);
    };
  }
  TensorFile run(const fs::path& out, bool resume = false) {
    RunOptions options;
    options.out = out, options.device = "cpu", options.quiet = true, options.resume = resume;
    EXPECT_EQ(train(stage, options, open_run_folder(options), nlohmann::ordered_json::object()), 0);
    return read_checkpoint(out / "last.safetensors", kKind);
  }
  Var a{Tensor::ones({1}), true}, b{Tensor::ones({1}), true}, c{Tensor::ones({1}), true};
  double shape = 0;
  Stage stage;
};
double value(const TensorFile& file, const std::string& name) {
  return file.find(name) ? file.find(name)->item() : NAN;
}

// AdamW's first step goes the rate against the sign of the gradient, after the decay.
TEST(Stage, RatesDecaysAndAverageByHand) {
  TemporaryFolder folder;
  Recipe r;
  r.batch = 1, r.max_iters = 1, r.schedule.lr = 0.1, r.average = 0.9;
  const TensorFile file = Weights(r).run(folder / "run");
  const double a = 1 - 0.1 * 0.5 - 0.1, b = 1 - 0.1 * 0.25, c = 1 - 0.1 * 3;
  EXPECT_NEAR(value(file, "optim.raw.a"), a, 1e-6);
  EXPECT_NEAR(value(file, "optim.raw.b"), b, 1e-6);
  EXPECT_NEAR(value(file, "optim.second.raw.c"), c, 1e-6);
  EXPECT_NEAR(value(file, "a"), 1 + 0.1 * (a - 1), 1e-6);
  EXPECT_NEAR(value(file, "b"), 1 + 0.1 * (b - 1), 1e-6);
  EXPECT_NEAR(value(file, "c"), 1 + 0.1 * (c - 1), 1e-6);
}

// m = (1 - beta1) g after one step; g = (3, 4) and 1.
TEST(Stage, ClipsTheNormOfAllOrOfEachGroup) {
  TemporaryFolder folder;
  Recipe r;
  r.batch = 1, r.max_iters = 1, r.clip = 0.5;
  const TensorFile all = Weights(r).run(folder / "all");
  EXPECT_NEAR(value(all, "optim.m.a"), 0.03, 1e-6);
  EXPECT_NEAR(value(all, "optim.m.b"), 0.04, 1e-6);
  EXPECT_NEAR(value(all, "optim.second.m.c"), 0.05, 1e-6);
  EXPECT_NEAR(read_csv(folder / "all/log.csv").values[3][0], 5, 1e-5);  // before clipping
  r.clip_groups = true;
  const TensorFile each = Weights(r).run(folder / "each");
  EXPECT_NEAR(value(each, "optim.m.a"), 0.05, 1e-6);
  EXPECT_NEAR(value(each, "optim.m.b"), 0.05, 1e-6);
  r.clip = 0;
  EXPECT_NEAR(value(Weights(r).run(folder / "none"), "optim.m.a"), 0.3, 1e-6);
}

TEST(Stage, DivergenceNamesTheTermAndKeepsTheCheckpoint) {
  TemporaryFolder folder;
  Recipe r;
  r.batch = 1, r.max_iters = 3;
  Weights(r).run(folder / "run");
  const std::string before = slurp(folder / "run/last.safetensors");
  r.max_iters = 6;
  Weights on(r);
  on.shape = NAN;
  const std::string message = error_of(ErrorCode::diverged, [&] { on.run(folder / "run", true); });
  EXPECT_NE(message.find("shape is nan at iteration 4"), std::string::npos) << message;
  EXPECT_TRUE(slurp(folder / "run/last.safetensors") == before);
}
static_assert(int(ErrorCode::diverged) == 5);

}  // namespace
}  // namespace kg::tools
