// BMM: sizes of the paper, losses, gradients, copies and queues of PyTorch (tests/golden/retrieval.safetensors), the
// queue's turns and the mask of keys of one item by hand.
#include "models/retrieval/bmm.h"

#include <algorithm>

#include "models/retrieval/presets.h"
#include "tests/models/golden_model.h"
#include "tests/models/retrieval/toys.h"

namespace kg {
namespace {

BmmConfig bmm_toy() {
  BmmConfig c;
  c.network.part = {.width = 4, .layers = 2, .heads = 2, .feedforward = 6, .dropout = 0};
  c.network.frames = 5, c.network.projection = 3, c.network.head_dropout = 0;
  c.queue = 7, c.momentum = 0.9;
  return c;
}
RetrievalBatch batch_of_items(Dtype dtype) {
  RetrievalBatch batch = golden_batch(dtype);
  batch.ids = retrieval_golden().get("bmm.ids");
  return batch;
}

// With the weights and the queue of the golden file.
struct GoldenBmm {
  GoldenBmm(const BmmConfig& config, Dtype dtype)
      : model(config, std::make_unique<BertText>(toy_distilbert()), six_joints()) {
    parameters = golden_names(model.network(), model.text.get());
    load_golden_weights(parameters, "bmm");
    model.start(std::make_unique<BertText>(toy_distilbert()));
    model.to(dtype);
    const Golden& g = retrieval_golden();
    model.queue().motion.rows().copy_from(g.get("bmm.queue.motion"));
    model.queue().text.rows().copy_from(g.get("bmm.queue.text"));
    model.queue().ids.rows().copy_from(g.get("bmm.queue.ids").reshape({7, 1}));
  }
  Bmm model;
  std::map<std::string, Var*> parameters;
};

TEST(Bmm, HasThePapersParameters) {
  const init::SkipRandom skip;
  const PartNetworkConfig paper = bmm_preset("paper").model.network;
  const int64_t text = Bert(bert_preset("distilbert-base")).parameter_count();
  const PartNetwork humans(paper, humanml3d(), 768);
  const auto count = [&](const std::string& prefix) {
    int64_t n = 0;
    for (const auto& [name, parameter] : humans.named_parameters())
      if (name.starts_with(prefix)) n += parameter->numel();
    return n;
  };
  EXPECT_EQ(count("motion_encoder."), 50619904);
  EXPECT_EQ(count("motion_projection."), 1837056);
  EXPECT_EQ(count("text_projection."), 657408);
  EXPECT_EQ(text + humans.parameter_count(), 119477248);
  EXPECT_EQ(2 * (text + humans.parameter_count()), 238954496);
  EXPECT_EQ(2 * (text + PartNetwork(paper, kit_ml(), 768).parameter_count()), 238942208);
}
TEST(Bmm, CopiesAreAllFourModules) {
  Bmm model(bmm_toy(), std::make_unique<BertText>(toy_distilbert()), six_joints());
  model.start(std::make_unique<BertText>(toy_distilbert()));
  EXPECT_EQ(model.trained_and_copied_parameters(),
            2 * (model.network().parameter_count() + model.text->parameter_count()));
  size_t copied = 0;
  for (const auto& [name, tensor] : model.state()) copied += name.starts_with("copy.");
  EXPECT_EQ(copied, model.network().state_dict().size() + model.text->state_dict().size());
}

TEST(Bmm, LossesAndGradientsAreThoseOfPyTorch) {
  struct Way {
    const char* name;
    bool normalize, same;
  };
  for (const Tolerance& t : kTolerances)
    for (const Way& way : {Way{"plain", false, false}, {"normalized", true, false}, {"same", false, true}}) {
      SCOPED_TRACE(std::string(name_of(t.dtype)) + " " + way.name);
      BmmConfig config = bmm_toy();
      config.normalize = way.normalize, config.mask_same = way.same;
      GoldenBmm g(config, t.dtype);
      const LossTerms terms = g.model.loss(batch_of_items(t.dtype));
      expect_golden_terms(terms, std::string("bmm.") + way.name + ".loss", t.forward);
      backward(terms[0].second);
      // Without normalisation f32 rounds logits of up to a hundred, and that rounding is in the probabilities.
      const double tolerance = t.dtype == Dtype::f32 && !way.normalize ? 10 * t.gradient : t.gradient;
      expect_golden_gradients(g.parameters, std::string("bmm.") + way.name + ".g", tolerance);
    }
}

// Nine keys into a queue of seven: it comes around.
TEST(Bmm, ThreeStepsCopiesAndQueueAreThoseOfPyTorch) {
  GoldenBmm g(bmm_toy(), Dtype::f64);
  const auto start = values_of(g.parameters);
  constexpr double kLr = 0.02;
  AdamOptions options;
  options.lr = kLr;
  AdamW optimizer(g.model.groups(0, 0.1), options);
  for (int step = 0; step < 3; ++step) {
    g.model.before_step();
    optimizer.zero_grad();
    backward(g.model.loss(batch_of_items(Dtype::f64))[0].second);
    optimizer.step();
    g.model.after_step();
    expect_golden_deltas(g.parameters, start, "bmm.delta." + std::to_string(step), kLr);
  }
  std::map<std::string, Tensor> copies;
  for (const auto& [name, tensor] : g.model.state()) {
    const std::string text = "copy.text.model.";
    if (name.starts_with(text))
      copies["text." + name.substr(text.size())] = tensor;
    else if (name.starts_with("copy."))
      copies[name.substr(5)] = tensor;
  }
  expect_golden_flat(g.parameters, "bmm.copy", 1e-6, kLr,
                     [&](const std::string& name, const Var&) { return sub(copies.at(name), start.at(name)); });
  const KeyQueue& queue = g.model.queue();
  EXPECT_LT(relative_error(queue.motion.rows(), retrieval_golden().get("bmm.after.motion")), 1e-8);
  EXPECT_LT(relative_error(queue.text.rows(), retrieval_golden().get("bmm.after.text")), 1e-8);
  EXPECT_EQ(queue.ids.rows().to_vector(), retrieval_golden().get("bmm.after.ids").to_vector());
  EXPECT_EQ(queue.motion.place(), 2);
}

TEST(KeyQueue, StartsAtRandomDirectionsAndTurns) {
  default_generator() = {5, 0};
  KeyQueue queue(5, 2);
  for (const Tensor& rows : {queue.motion.rows(), queue.text.rows()}) {
    const std::vector<double> r = rows.to_vector();
    for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(r[2 * i] * r[2 * i] + r[2 * i + 1] * r[2 * i + 1], 1, 1e-6);
  }
  EXPECT_NE(queue.motion.rows().to_vector(), queue.text.rows().to_vector());
  EXPECT_EQ(queue.ids.rows().to_vector(), std::vector<double>(5, -1));
  const auto keys = [](float from) { return Tensor::from<float>({from, from, from + 1, from + 1}, {2, 2}); };
  for (const int first : {10, 20, 30})
    queue.push(keys(float(first)), keys(float(first + 100)), Tensor::from<int32_t>({first, first + 1}, {2}));
  EXPECT_EQ(queue.ids.rows().to_vector(), (std::vector<double>{31, 11, 20, 21, 30}));
  EXPECT_EQ(queue.motion.rows().to_vector(), (std::vector<double>{31, 31, 11, 11, 20, 20, 21, 21, 30, 30}));
  EXPECT_EQ(queue.text.rows().to_vector(), (std::vector<double>{131, 131, 111, 111, 120, 120, 121, 121, 130, 130}));
  for (const RingQueue* part : {&queue.motion, &queue.text, &queue.ids}) EXPECT_EQ(part->place(), 1);
  EXPECT_THROW(queue.push(Tensor::zeros({6, 2}), Tensor::zeros({6, 2}), Tensor::zeros({6}, Dtype::i32)), Error);
  EXPECT_THROW(queue.push(Tensor::zeros({2, 3}), Tensor::zeros({2, 2}), Tensor::zeros({2}, Dtype::i32)), Error);
}

// ids 4, 9, 4 in the batch and -1, 4, -1, 9, 9, -1, 5 in the queue: these places (row, column) and no others.
TEST(Bmm, MaskingKeysOfOneItemChangesExactlyThose) {
  BmmConfig masked = bmm_toy();
  masked.mask_same = true;
  GoldenBmm with(masked, Dtype::f64), without(bmm_toy(), Dtype::f64);
  const auto a = with.model.logits(batch_of_items(Dtype::f64)), b = without.model.logits(batch_of_items(Dtype::f64));
  const std::vector<std::vector<int64_t>> hidden = {{2, 4}, {6, 7}, {0, 4}};
  for (const auto& [got, plain] :
       {std::pair{a.text_to_motion, b.text_to_motion}, {a.motion_to_text, b.motion_to_text}}) {
    ASSERT_EQ(got.shape(), (Shape{3, 10}));
    const std::vector<double> x = got.value.to_vector(), y = plain.value.to_vector();
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 10; ++j) {
        const auto& row = hidden[size_t(i)];
        const size_t at = size_t(i * 10 + j);
        if (std::find(row.begin(), row.end(), j) != row.end())
          EXPECT_LT(x[at], -1e6) << i << " " << j;
        else
          EXPECT_EQ(x[at], y[at]) << i << " " << j;
      }
  }
}

TEST(Bmm, FollowsWithItsMomentumAndTrainsNothingElse) {
  GoldenBmm g(bmm_toy(), Dtype::f64);
  const auto find = [&](const std::string& name) {
    for (const auto& [own, tensor] : g.model.state())
      if (own == name) return tensor;
    return Tensor();
  };
  const std::string name = "text_projection.fc.weight";
  const double before = find("copy." + name).to_vector()[0];
  g.parameters[name]->value.fill(before + 1);
  g.model.before_step();
  EXPECT_NEAR(find("copy." + name).to_vector()[0], before + 0.1, 1e-12);
  g.model.before_step();
  EXPECT_NEAR(find("copy." + name).to_vector()[0], before + 0.19, 1e-12);
  size_t trained = 0;
  for (const auto& group : g.model.groups(0, 1)) trained += group.parameters.size();
  EXPECT_EQ(trained, g.parameters.size());
}

TEST(Bmm, FrozenTextServesBothSides) {
  Bmm model(bmm_toy(), std::make_unique<BertText>(toy_distilbert(), true), six_joints());
  EXPECT_THROW(model.start(std::make_unique<BertText>(toy_distilbert())), Error);
  model.start(nullptr);
  RetrievalBatch batch = batch_of_items(Dtype::f32);
  batch.states = normals({3, 5, 6}, 1);
  const LossTerms terms = model.loss(batch);
  EXPECT_TRUE(std::isfinite(terms[0].second.item()));
  EXPECT_EQ(model.groups(0, 1).size(), 1u);
}

TEST(Bmm, BadInput) {
  Bmm model(bmm_toy(), std::make_unique<BertText>(toy_distilbert()), six_joints());
  const auto says = [](const std::function<void()>& call, const std::string& part) {
    try {
      call();
      ADD_FAILURE() << "no error about " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  says([&] { model.loss(golden_batch(Dtype::f32)); }, "call start() before training");
  says([&] { model.start(nullptr); }, "needs a copy");
  model.start(std::make_unique<BertText>(toy_distilbert()));
  says([&] { model.after_step(); }, "there are no keys yet");
  RetrievalBatch batch = golden_batch(Dtype::f32);
  batch.motion.frames = batch.motion.frames.slice(1, 0, 4).contiguous();
  says([&] { model.loss(batch); }, "motions must be (batch, 5, features)");
  BmmConfig masked = bmm_toy();
  masked.mask_same = true;
  Bmm needs_ids(masked, std::make_unique<BertText>(toy_distilbert()), six_joints());
  needs_ids.start(std::make_unique<BertText>(toy_distilbert()));
  says([&] { needs_ids.loss(golden_batch(Dtype::f32)); }, "needs the ids of the batch");
}

}  // namespace
}  // namespace kg
