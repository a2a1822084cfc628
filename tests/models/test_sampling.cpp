// Sampling, corruption, loss and accuracy of T2M-GPT's transformer by hand-computed values.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/sampling.h"
#include "models/t2m_gpt/gpt.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

// Probabilities 0.15, 0.5, 0.05, 0.3 of ids 0, 1, 2, 3; by size: 1, 3, 0, 2.
Tensor logits() { return Tensor::from<double>({std::log(0.15), std::log(0.5), std::log(0.05), std::log(0.3)}, {4}); }
int32_t drawn_token(double u, const SampleOptions& options = {}) { return draw_token(logits(), options, u); }

TEST(DrawToken, ByProbability) {
  EXPECT_EQ(drawn_token(0), 1);
  EXPECT_EQ(drawn_token(0.499), 1);
  EXPECT_EQ(drawn_token(0.501), 3);
  EXPECT_EQ(drawn_token(0.799), 3);
  EXPECT_EQ(drawn_token(0.801), 0);
  EXPECT_EQ(drawn_token(0.949), 0);
  EXPECT_EQ(drawn_token(0.951), 2);
  EXPECT_EQ(drawn_token(0.9999999), 2);
}
TEST(DrawToken, Greedy) {
  SampleOptions greedy;
  greedy.greedy = true;
  for (double u : {0.0, 0.6, 0.99}) EXPECT_EQ(drawn_token(u, greedy), 1);
  EXPECT_EQ(draw_token(Tensor::from<float>({1, 3, 3}, {3}), greedy, 0.5), 1) << "the first of equals";
}
TEST(DrawToken, TopK) {
  SampleOptions two;
  two.top_k = 2;  // 0.5 and 0.3 of 0.8: the border is at 0.625
  EXPECT_EQ(drawn_token(0.624, two), 1);
  EXPECT_EQ(drawn_token(0.626, two), 3);
  EXPECT_EQ(drawn_token(0.9999999, two), 3);
  two.top_k = 1;
  EXPECT_EQ(drawn_token(0.9999999, two), 1);
  two.top_k = 100;
  EXPECT_EQ(drawn_token(0.951, two), 2);
}
TEST(DrawToken, TopP) {
  SampleOptions nucleus;
  nucleus.top_p = 0.75;  // 0.5 is not enough, 0.5 + 0.3 is
  EXPECT_EQ(drawn_token(0.626, nucleus), 3);
  EXPECT_EQ(drawn_token(0.9999999, nucleus), 3);
  nucleus.top_p = 0.45;
  EXPECT_EQ(drawn_token(0.9999999, nucleus), 1);
  nucleus.top_p = 1e-9;  // never empty
  EXPECT_EQ(drawn_token(0.9999999, nucleus), 1);
}
TEST(DrawToken, TopPOfTopK) {
  SampleOptions both;
  both.top_k = 2, both.top_p = 0.6;  // of 0.5 / 0.8 and 0.3 / 0.8 the first is enough
  EXPECT_EQ(drawn_token(0.9999999, both), 1);
}
TEST(DrawToken, Temperature) {
  SampleOptions hot;
  hot.temperature = 2;  // square roots: 0.7071, 0.5477, 0.3873, 0.2236, in all 1.8657: borders 0.3790, 0.6726, 0.8801
  EXPECT_EQ(drawn_token(0.378, hot), 1);
  EXPECT_EQ(drawn_token(0.380, hot), 3);
  EXPECT_EQ(drawn_token(0.672, hot), 3);
  EXPECT_EQ(drawn_token(0.673, hot), 0);
  EXPECT_EQ(drawn_token(0.880, hot), 0);
  EXPECT_EQ(drawn_token(0.881, hot), 2);
  hot.temperature = 0.01;
  EXPECT_EQ(drawn_token(0.9999999, hot), 1);
}
TEST(DrawToken, WhatIsImpossibleIsNotDrawn) {
  const float none = -std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>({none, 800, none, 801}, {4});
  for (double u : {0.0, 0.5, 0.9999999}) EXPECT_EQ(draw_token(x, {}, u) % 2, 1) << u;
}

GptConfig small() {
  GptConfig config;
  config.codes = 37, config.condition = 13, config.width = 48, config.heads = 3, config.layers = 4;
  config.feedforward = 96, config.context = 21;
  return config;
}
struct Model {
  Model() {
    default_generator() = {51, 0};
    gpt = std::make_unique<Gpt>(small());
    for (auto& [name, parameter] : gpt->named_parameters())
      if (parameter->rank() == 2) scale_(parameter->value, 8);  // logits that differ
    gpt->eval();
    condition = Tensor::empty({5, 13});
    fill_normal(condition, 0, 1, {52, 1});
  }
  std::unique_ptr<Gpt> gpt;
  Tensor condition;
};

Sequences sample(const Gpt& gpt, const Tensor& condition, const std::vector<uint64_t>& streams,
                 const SampleOptions& options) {
  Decoder decoder(gpt);
  return write(decoder, gpt.start(condition), streams, options);
}

TEST(Sample, CachedLogitsAreThoseOfTheWholeSequence) {
  const Model m;
  const int64_t context = m.gpt->config().context;
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < 5 * (context - 1); ++i) tokens.push_back(int32_t(Philox{53, 0}.below(uint64_t(i), 37)));
  const Tensor ids = Tensor::from(tokens, {5, context - 1});
  NoGrad guard;
  const Tensor whole = (*m.gpt)(m.condition, ids).value;
  ASSERT_EQ(whole.shape(), (Shape{5, context, 38}));
  double scale = 0;
  for (double x : whole.to_vector()) scale = std::max(scale, std::fabs(x));
  EXPECT_GT(scale, 1);
  const DecodeState state = m.gpt->start(m.condition, context);
  for (int64_t position = 0; position < context; ++position) {
    const Tensor last = ids.select(1, std::max<int64_t>(0, position - 1)).contiguous();  // not read at 0
    state.position.fill(double(position));
    const Tensor step = m.gpt->step(last, state);
    EXPECT_LT(max_abs_difference(step, whole.select(1, position)) / scale, 1e-5) << "position " << position;
  }
}

TEST(Sample, DoesNotDependOnTheBatch) {
  const Model m;
  SampleOptions options;
  options.seed = 9;
  const std::vector<uint64_t> streams = {4, 8, 15, 16, 23};
  const auto all = sample(*m.gpt, m.condition, streams, options);
  for (size_t b = 0; b < 5; ++b) {
    const Tensor alone = m.condition.slice(0, int64_t(b), int64_t(b) + 1);
    EXPECT_EQ(sample(*m.gpt, alone, {streams[b]}, options)[0], all[b]) << "sequence " << b;
  }
  const auto last_three = sample(*m.gpt, m.condition.slice(0, 2, 5), {15, 16, 23}, options);
  for (size_t b = 0; b < 3; ++b) EXPECT_EQ(last_three[b], all[b + 2]);
  // Another seed or stream gives something else.
  options.seed = 10;
  EXPECT_NE(sample(*m.gpt, m.condition, streams, options), all);
  options.seed = 9;
  EXPECT_NE(sample(*m.gpt, m.condition, {5, 9, 16, 17, 24}, options), all);
}

TEST(Sample, LengthsStayWithinTheirBounds) {
  const Model m;
  const std::vector<uint64_t> streams = {0, 1, 2, 3, 4};
  SampleOptions options;
  options.max_tokens = 3;
  for (const auto& tokens : sample(*m.gpt, m.condition, streams, options)) {
    EXPECT_GE(tokens.size(), 1u);
    EXPECT_LE(tokens.size(), 3u);
  }
  options.max_tokens = 0;
  options.min_tokens = 1000;  // the end never comes
  for (const auto& tokens : sample(*m.gpt, m.condition, streams, options)) {
    EXPECT_EQ(tokens.size(), 20u);  // context - 1
    for (int32_t id : tokens) EXPECT_TRUE(id >= 0 && id < 37) << id;
  }
}
// Row b goes through ids 10 b + 2, 10 b + 3, ..., and ends (0) after its condition's number of them.
class Counter : public TokenWriter {
 public:
  DecodeState start(const std::vector<float>& lengths) const {
    DecodeState state;
    state.condition = Tensor::from<float>(lengths, {int64_t(lengths.size())});
    state.make_room(1, int64_t(lengths.size()), 8, 1, 1, state.condition);
    return state;
  }
  Tensor step(const Tensor& ids, const DecodeState& s) const override {
    const int64_t position = int64_t(s.position.item());
    ++steps;
    const Tensor logits = Tensor::zeros({ids.size(0), 40});
    for (int64_t b = 0; b < ids.size(0); ++b) {
      const double last = ids.to_vector()[size_t(b)];
      if (position == 0) {
        EXPECT_EQ(last, 1);
      }
      const bool end = double(position) >= s.condition.to_vector()[size_t(b)];
      logits.data<float>()[b * 40 + (position == 0 ? 10 * b + 2 : int64_t(last) + 1) % 40] = 50;
      if (end) logits.data<float>()[b * 40] = 100;
    }
    return logits;
  }
  int32_t first_id() const override { return 1; }
  int32_t end_id() const override { return 0; }
  mutable int steps = 0;
};

TEST(Write, GoesOnUntilEveryRowHasEnded) {
  const Counter model;
  Decoder decoder(model);
  const std::vector<uint64_t> streams = {0, 1, 2};
  SampleOptions o;
  o.min_tokens = 0;
  EXPECT_EQ(write(decoder, model.start({2, 0, 3}), streams, o), (Sequences{{2, 3}, {}, {22, 23, 24}}));
  EXPECT_EQ(model.steps, 4);  // three tokens and an end
  o.min_tokens = 3;
  EXPECT_EQ(write(decoder, model.start({2, 0, 3}), streams, o), (Sequences{{2, 3, 4}, {12, 13, 14}, {22, 23, 24}}));
  o.min_tokens = 0, o.max_tokens = 2;
  EXPECT_EQ(write(decoder, model.start({2, 0, 3}), streams, o), (Sequences{{2, 3}, {}, {22, 23}}));
  o.max_tokens = 0;
  EXPECT_EQ(write(decoder, model.start({9, 9, 1}), streams, o)[1].size(), 8u) << "as many as there is room for";
}

TEST(Sample, BadOptionsAreNamed) {
  const Model m;
  const std::vector<uint64_t> streams = {0, 1, 2, 3, 4};
  const auto message = [&](const std::vector<uint64_t>& s, double temperature, double top_p) {
    SampleOptions options;
    options.temperature = temperature, options.top_p = top_p;
    return error_of(ErrorCode::runtime, [&] { sample(*m.gpt, m.condition, s, options); });
  };
  EXPECT_NE(message({0, 1}, 1, 1).find("2 streams for a batch of 5"), std::string::npos);
  EXPECT_NE(message(streams, 0, 1).find("temperature must be positive"), std::string::npos);
  EXPECT_NE(message(streams, 1, 0).find("top_p must be in (0, 1]"), std::string::npos);
  EXPECT_NE(message(streams, 1, 1.5).find("is 1.5"), std::string::npos);
}

TEST(Corrupt, ReplacesTheShareThatIsNotKept) {
  const int64_t n = 20000;
  const Tensor ids = Tensor::full({100, n / 100}, 513, Dtype::i32);  // pads: a replaced one differs for sure
  const auto changed = [&](double keep) {
    const std::vector<double> out = corrupt(ids, keep, 512, {61, 1}).to_vector();
    double count = 0;
    for (double id : out) {
      if (id != 513) ++count;
      EXPECT_TRUE((id >= 0 && id < 512) || id == 513) << id;
    }
    return count / double(n);
  };
  EXPECT_EQ(changed(1), 0);
  EXPECT_EQ(changed(0), 1);
  EXPECT_NEAR(changed(0.5), 0.5, 0.0142);  // four standard deviations
  EXPECT_NEAR(changed(0.9), 0.1, 0.0085);
  EXPECT_EQ(ids.to_vector()[77], 513) << "the original has changed";
  // Codes are uniform: mean 255.5, deviation 147.8.
  double total = 0;
  for (double id : corrupt(ids, 0, 512, {61, 1}).to_vector()) total += id;
  EXPECT_NEAR(total / double(n), 255.5, 4 * 147.8 / std::sqrt(double(n)));
  EXPECT_EQ(corrupt(ids, 0.5, 512, {61, 1}).to_vector(), corrupt(ids, 0.5, 512, {61, 1}).to_vector());
  EXPECT_NE(corrupt(ids, 0.5, 512, {61, 1}).to_vector(), corrupt(ids, 0.5, 512, {61, 2}).to_vector());
}

// Probabilities 0.1, 0.2, 0.3, 0.4 everywhere but at positions that do not count.
TEST(GptLoss, MeanOverPositionsThenOverSamples) {
  const Tensor row = Tensor::from<double>({0, std::log(2), std::log(3), std::log(4)}, {4});
  const Tensor x = Tensor::empty({2, 3, 4}, Dtype::f64);
  x.copy_from(row.expand({2, 3, 4}));
  x.select(0, 0).slice(0, 1, 3).copy_from(Tensor::from<double>({900, 0, 0, 0}, {4}));
  // Sample 0: the end (3) at once. Sample 1: token 0, then the end.
  const GptBatch batch{Tensor::from<int32_t>({3, 4, 4, 0, 3, 4}, {2, 3}), {0, 1}};
  const double want = (-std::log(0.4) + (-std::log(0.1) - std::log(0.4)) / 2) / 2;
  EXPECT_NEAR(gpt_loss(x, batch).item(), want, 1e-12);
  EXPECT_DOUBLE_EQ(gpt_accuracy(x, batch), 2.0 / 3);
}

}  // namespace
}  // namespace kg
