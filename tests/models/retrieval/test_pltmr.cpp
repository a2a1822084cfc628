// PL-TMR: sizes of the paper, values, losses, gradients and steps of PyTorch (tests/golden/retrieval.safetensors).
#include "models/retrieval/pltmr.h"

#include "data/motion/features.h"
#include "models/retrieval/contrastive.h"
#include "models/retrieval/presets.h"
#include "tests/models/golden_model.h"
#include "tests/models/retrieval/toys.h"

namespace kg {
namespace {

PlTmrConfig pltmr_toy() {
  PlTmrConfig c;
  c.network.part = {.width = 4, .layers = 2, .heads = 2, .feedforward = 6, .dropout = 0};
  c.network.frames = 5, c.network.projection = 3, c.network.head_dropout = 0;
  return c;
}

TEST(PlTmr, HasThePapersParameters) {
  const init::SkipRandom skip;
  const int64_t text = Bert(bert_preset("distilbert-base")).parameter_count();
  EXPECT_EQ(text, 66362880);
  const PlTmrConfig paper = pltmr_preset("paper").model;
  const PlTmrNetwork humans(paper, humanml3d(), 768);
  EXPECT_EQ(text + humans.parameter_count(), 118098944 + 1);  // and the scale
  EXPECT_EQ(text + PlTmrNetwork(paper, kit_ml(), 768).parameter_count(), 118092800 + 1);
}

TEST(PlTmr, PartsAreThoseOfTheSpecification) {
  const auto widths = [](const Skeleton& body) {
    std::vector<size_t> w;
    for (const auto& part : part_features(body)) w.push_back(part.size());
    return w;
  };
  EXPECT_EQ(widths(humanml3d()), (std::vector<size_t>{7, 50, 50, 60, 60, 60}));
  EXPECT_EQ(widths(kit_ml()), (std::vector<size_t>{7, 62, 62, 48, 48, 48}));
  EXPECT_EQ(widths(six_joints()), (std::vector<size_t>{7, 14, 14, 12, 12, 12}));
}

TEST(PlTmr, FeaturesLossesAndGradientsAreThoseOfPyTorch) {
  struct Way {
    const char* name;
    bool masked, hidden;
  };
  for (const Tolerance& t : kTolerances)
    for (const Way& way : {Way{"plain", false, false}, {"masked", true, false}, {"hidden", false, true}}) {
      SCOPED_TRACE(std::string(name_of(t.dtype)) + " " + way.name);
      PlTmrConfig config = pltmr_toy();
      config.network.mask_padding = way.hidden;
      if (way.hidden) config.network.pool = TextPool::mean;
      PlTmr model(config, std::make_unique<BertText>(toy_distilbert()), six_joints());
      model.to(t.dtype);
      const auto parameters = golden_names(model.network(), model.text.get());
      load_golden_weights(parameters, "pltmr");
      RetrievalBatch batch = golden_batch(t.dtype);
      if (way.masked) batch.mask = retrieval_golden().get("mask.pairs");
      if (!way.hidden) {
        EXPECT_LT(relative_error(model.network().motion(batch.motion).value, retrieval_golden().get("pltmr.y.motion")),
                  t.forward);
        const Var states = model.text->states(batch.text);
        EXPECT_LT(
            relative_error(model.network().text(states, batch.text.mask).value, retrieval_golden().get("pltmr.y.text")),
            t.forward);
      }
      const LossTerms terms = model.loss(batch);
      expect_golden_terms(terms, std::string("pltmr.") + way.name + ".loss", t.forward);
      EXPECT_EQ(terms.back().first, "scale");
      EXPECT_NEAR(terms.back().second.item(), 1 / 0.07, 1e-4);
      backward(terms[0].second);
      expect_golden_gradients(parameters, std::string("pltmr.") + way.name + ".g", t.gradient);
    }
}

TEST(PlTmr, ThreeStepsAreThoseOfPyTorch) {
  PlTmr model(pltmr_toy(), std::make_unique<BertText>(toy_distilbert()), six_joints());
  model.to(Dtype::f64);
  const auto parameters = golden_names(model.network(), model.text.get());
  load_golden_weights(parameters, "pltmr");
  const auto start = values_of(parameters);
  constexpr double kLr = 0.02;
  AdamOptions options;
  options.lr = kLr;
  AdamW optimizer(model.groups(0, 0.1), options);
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    backward(model.loss(golden_batch(Dtype::f64))[0].second);
    optimizer.step();
    expect_golden_deltas(parameters, start, "pltmr.delta." + std::to_string(step), kLr);
  }
}

TEST(PlTmr, ScaleIsTrainedOnlyWhereItShould) {
  for (const bool learned : {true, false}) {
    PlTmrConfig config = pltmr_toy();
    config.learn_scale = learned;
    PlTmr model(config, std::make_unique<BertText>(toy_distilbert()), six_joints());
    EXPECT_EQ(model.network().logit_scale.requires_grad(), learned);
    backward(model.loss(golden_batch(Dtype::f32))[0].second);
    EXPECT_EQ(model.network().logit_scale.grad().defined(), learned);
    const auto groups = model.groups(0.5, 0.1);
    ASSERT_EQ(groups.size(), 2u);
    EXPECT_EQ(groups[1].lr_scale, 0.1);
    EXPECT_EQ(groups[1].weight_decay, 0.5);
    EXPECT_TRUE(groups[1].parameters[0].first.starts_with("text.model."));
  }
  EXPECT_FALSE(pltmr_preset("paper").model.learn_scale);
  EXPECT_TRUE(pltmr_preset("tiny").model.learn_scale);
}

TEST(PlTmr, LayersOfAPartStartAlikeAndPartsDoNot) {
  const PlTmr model(pltmr_toy(), std::make_unique<BertText>(toy_distilbert()), six_joints());
  const auto p = golden_names(model.network(), nullptr);
  const auto weight = [&](int part, int layer) {
    return p
        .at("motion_encoder.parts." + std::to_string(part) + ".seqTransEncoder.layers." + std::to_string(layer) +
            ".linear1.weight")
        ->value.to_vector();
  };
  EXPECT_EQ(weight(0, 0), weight(0, 1));
  EXPECT_NE(weight(0, 0), weight(1, 0));
}

// By hand: two pairs that are all alike share the probability evenly; a third is certain of its own.
TEST(ContrastiveLoss, ByHand) {
  const Var logits(Tensor::from<double>({2, 2, -50, 2, 2, -50, -50, -50, 9}, {3, 3}));
  const PairLogits both{logits, contiguous(transpose(logits, 0, 1))};
  const ContrastiveLoss all = contrastive_loss(both, places(3));
  EXPECT_NEAR(all.total.item(), 2 * std::log(2) / 3, 1e-12);
  const Tensor mask = same_item_mask({7, 7, 3});
  EXPECT_EQ(mask.to_vector(), (std::vector<double>{0, 1, 0, 1, 0, 0, 0, 0, 0}));
  EXPECT_NEAR(contrastive_loss(both, places(3), mask).total.item(), 0, 1e-12);
  EXPECT_THROW(contrastive_loss(both, places(2)), Error);
  EXPECT_THROW(contrastive_loss(both, places(3), Tensor::zeros({2, 2}, Dtype::u8)), Error);
}

// cos > 2 threshold - 1, of vectors of any length: (1, 0) and (2, 1) have 0.894, (1, 0) and (0, 1) have 0.
TEST(ContrastiveLoss, FalseNegativesByHand) {
  const Tensor vectors = Tensor::from<float>({1, 0, 2, 1, 0, 5}, {3, 2});
  EXPECT_EQ(false_negative_mask(vectors, 0.9).to_vector(), (std::vector<double>{0, 1, 0, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(false_negative_mask(vectors, 0.95).to_vector(), std::vector<double>(9, 0));
  EXPECT_EQ(false_negative_mask(vectors, 0.7).to_vector(), (std::vector<double>{0, 1, 0, 1, 0, 1, 0, 1, 0}));
  EXPECT_THROW(false_negative_mask(vectors, 0), Error);
  EXPECT_THROW(false_negative_mask(Tensor::zeros({3}), 0.8), Error);
}

}  // namespace
}  // namespace kg
