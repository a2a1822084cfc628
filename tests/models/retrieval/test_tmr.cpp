// TMR: sizes of the paper, values, losses, gradients and steps of PyTorch (tests/golden/retrieval.safetensors), and its
// divergence by hand.
#include "models/retrieval/tmr.h"

#include "models/retrieval/contrastive.h"
#include "models/retrieval/presets.h"
#include "tests/models/golden_model.h"
#include "tests/models/retrieval/toys.h"

namespace kg {
namespace {

TmrConfig tmr_toy() {
  TmrConfig c;
  c.network = {.width = 4, .layers = 2, .heads = 2, .feedforward = 6, .dropout = 0};
  c.frames = 9;
  c.reconstruction = 1.5, c.kl = 0.02, c.latent = 0.03, c.contrast = 0.1;
  return c;
}
RetrievalBatch tmr_batch(Dtype dtype) {
  const Golden& g = retrieval_golden();
  RetrievalBatch batch = golden_batch(dtype);
  batch.states = g.get("tmr.states", dtype);
  batch.noise = g.get("tmr.noise", dtype);
  batch.mask = false_negative_mask(g.get("tmr.vectors"), 0.8);
  return batch;
}
struct GoldenTmr {
  explicit GoldenTmr(Dtype dtype) : model(tmr_toy(), std::make_unique<BertText>(toy_distilbert(), true), six_joints()) {
    parameters = golden_names(model.network(), nullptr);
    load_golden_weights(parameters, "tmr");
    model.to(dtype);
  }
  Tmr model;
  std::map<std::string, Var*> parameters;
};

TEST(Tmr, HasThePapersParameters) {
  const init::SkipRandom skip;
  const TmrNetwork network(tmr_preset("paper").model, 263, 768, 512);
  EXPECT_EQ(network.motion_encoder.parameter_count(), 4806656);
  EXPECT_EQ(network.text_encoder.parameter_count(), 4935936);
  EXPECT_EQ(network.motion_decoder.parameter_count(), 6388231);
  EXPECT_EQ(network.parameter_count(), 16130823);
}

TEST(Tmr, LatentsLossesAndGradientsAreThoseOfPyTorch) {
  for (const Tolerance& t : kTolerances) {
    SCOPED_TRACE(name_of(t.dtype));
    GoldenTmr g(t.dtype);
    const RetrievalBatch batch = tmr_batch(t.dtype);
    const TmrNetwork& network = g.model.network();
    EXPECT_LT(relative_error(network.motion(batch.motion).mean.value, retrieval_golden().get("tmr.y.motion")),
              t.forward);
    EXPECT_LT(relative_error(network.text(Var(batch.states), batch.text.mask).mean.value,
                             retrieval_golden().get("tmr.y.text")),
              t.forward);
    const LossTerms terms = g.model.loss(batch);
    EXPECT_EQ(terms.size(), 5u);
    expect_golden_terms(terms, "tmr.loss", t.forward);
    backward(terms[0].second);
    expect_golden_gradients(g.parameters, "tmr.g", t.gradient);
  }
}

TEST(Tmr, ThreeStepsAreThoseOfPyTorch) {
  GoldenTmr g(Dtype::f64);
  const auto start = values_of(g.parameters);
  constexpr double kLr = 0.02;
  AdamOptions options;
  options.lr = kLr;
  AdamW optimizer(g.model.groups(0.01, 1), options);
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    backward(g.model.loss(tmr_batch(Dtype::f64))[0].second);
    optimizer.step();
    expect_golden_deltas(g.parameters, start, "tmr.delta." + std::to_string(step), kLr);
  }
}

// The loss is that of the batch padded to its longest motion, whatever it is padded to.
TEST(Tmr, MorePaddingChangesNothing) {
  GoldenTmr g(Dtype::f64);
  RetrievalBatch batch = tmr_batch(Dtype::f64);
  const LossTerms before = g.model.loss(batch);
  const auto longer = [](const Tensor& t) {
    Shape shape = t.shape();
    shape[1] += 4;
    const Tensor out = Tensor::zeros(shape, t.dtype());
    out.slice(1, 0, t.size(1)).copy_from(t);
    return out;
  };
  batch.motion = {longer(batch.motion.frames), longer(batch.motion.mask)};
  const LossTerms after = g.model.loss(batch);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(after[i].second.item(), before[i].second.item(), 1e-12) << before[i].first;
}

// The filter takes pairs 0 and 2, and 1 and 2, out of InfoNCE and touches nothing else.
TEST(Tmr, FilterChangesInfoNceAlone) {
  GoldenTmr g(Dtype::f64);
  RetrievalBatch batch = tmr_batch(Dtype::f64);
  EXPECT_EQ(batch.mask.to_vector(), (std::vector<double>{0, 0, 1, 0, 0, 1, 1, 1, 0}));
  const LossTerms with = g.model.loss(batch);
  batch.mask = {};
  const LossTerms without = g.model.loss(batch);
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(with[i].second.item(), without[i].second.item()) << with[i].first;
  EXPECT_LT(with[4].second.item(), without[4].second.item() - 1e-3);  // fewer negatives
}

// KL(N(0, 1) || N(1, e)) = (1/e + 1/e - 1 + 1) / 2, and 0 of a distribution and itself.
TEST(Tmr, DivergenceByHand) {
  const auto latent = [](double mean, double log_variance) {
    return Latent{Tensor::full({2, 3}, mean, Dtype::f64), Tensor::full({2, 3}, log_variance, Dtype::f64)};
  };
  EXPECT_NEAR(kl_divergence(latent(0, 0), latent(1, 1)).item(), std::exp(-1), 1e-12);
  EXPECT_NEAR(kl_divergence(latent(2, .3), latent(2, .3)).item(), 0, 1e-12);
}

TEST(Tmr, DecoderIsZeroBehindTheEnd) {
  GoldenTmr g(Dtype::f32);
  const RetrievalBatch batch = tmr_batch(Dtype::f32);
  const Tensor made = g.model.network().motion_decoder(Var(normals({3, 4}, 2)), batch.motion.mask).value;
  ASSERT_EQ(made.shape(), (Shape{3, 5, 71}));
  EXPECT_EQ(max_abs_difference(made.select(0, 1).slice(0, 3, 5), Tensor::zeros({2, 71})), 0);
  EXPECT_GT(max_abs_difference(made.select(0, 1).slice(0, 0, 3), Tensor::zeros({3, 71})), 0.1);
}

}  // namespace
}  // namespace kg
