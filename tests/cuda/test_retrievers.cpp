// Tiny TMR, PL-TMR and BMM on CUDA beside the same on the CPU in f64: losses and gradients in f32 and bf16, and BMM's
// steps that are captured while its queue moves.
#include <gtest/gtest.h>

#include <cmath>

#include "models/retrieval/bmm.h"
#include "models/retrieval/contrastive.h"
#include "models/retrieval/pltmr.h"
#include "models/retrieval/tmr.h"
#include "models/text/word_transformer.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

using CudaRetrievers = DeviceTest;

const std::vector<std::string> kCaptions = {"a person walks", "someone jumps up", "a man turns and turns"};
const SequenceEncoderConfig kNetwork{.width = 16, .layers = 2, .heads = 2, .feedforward = 24, .dropout = 0};

std::unique_ptr<TextEncoder> words() {
  default_generator() = {3, 0};
  const WordTransformerConfig config{
      .width = 16, .layers = 1, .heads = 2, .feedforward = 16, .max_words = 8, .dropout = 0};
  return std::make_unique<WordTransformer>(WordVocabulary::build(kCaptions), config);
}
PartNetworkConfig parts() {
  PartNetworkConfig c;
  c.part = kNetwork;
  c.frames = 6, c.projection = 8, c.head_dropout = 0, c.mask_padding = true, c.pool = TextPool::mean;
  return c;
}
std::unique_ptr<Retriever> make(const std::string& kind) {
  default_generator() = {4, 0};
  if (kind == "pltmr") return std::make_unique<PlTmr>(PlTmrConfig{parts(), true}, words());
  if (kind == "tmr") {
    TmrConfig c;
    c.network = kNetwork;
    c.frames = 8, c.kl = c.latent = 0.1;
    return std::make_unique<Tmr>(c, words());
  }
  BmmConfig c;
  c.network = parts();
  c.queue = 5, c.normalize = c.mask_same = true;
  auto bmm = std::make_unique<Bmm>(c, words());
  bmm->start(words());
  return bmm;
}
RetrievalBatch batch_for(const Retriever& model, Device device) {
  std::vector<Tensor> motions;
  for (const int64_t frames : {6, 4, 5}) {
    motions.push_back(Tensor::empty({frames, 263}));
    fill_normal(motions.back(), 0, 1, {6, uint64_t(frames)});
  }
  RetrievalBatch b;
  b.motion = model.prepare(motions);
  b.text = model.text->prepare(kCaptions);
  b.targets = places(3).to(device);
  b.ids = Tensor::from<int32_t>({4, 9, 4}, {3}).to(device);
  b.mask = same_item_mask({1, 2, 1}).to(device);
  const Tensor noise = Tensor::empty({2, 3, model.width()});
  fill_normal(noise, 0, 1, {6, 0});
  b.noise = noise.to(device);
  return b;
}

// Two steps without an update of the weights: the second meets the first one's keys.
struct Outcome {
  std::vector<double> terms;
  std::vector<std::pair<std::string, Tensor>> gradients;
};
Outcome two_steps(const std::string& kind, Device device, Dtype rounding, Dtype dtype) {
  const auto model = make(kind);
  model->to(rounding);
  model->to(dtype);
  model->to(device);
  const RetrievalBatch batch = batch_for(*model, device);
  Outcome r;
  for (int step = 0; step < 2; ++step) {
    model->before_step();
    const LossTerms terms = model->loss(batch);
    for (const auto& [name, value] : terms) r.terms.push_back(value.item());
    if (step == 1) backward(terms[0].second);
    model->after_step();
  }
  for (const ParameterGroup& group : model->groups(0, 1))
    for (const auto& [name, parameter] : group.parameters)
      if (parameter->grad().defined()) r.gradients.emplace_back(name, parameter->grad().to(Device::cpu).to(Dtype::f64));
  return r;
}

TEST_F(CudaRetrievers, LossesAndGradientsAreThoseOfTheCpu) {
  struct Bounds {
    Dtype dtype;
    double term, gradients;  // relative
  };
  for (const char* kind : {"tmr", "pltmr", "bmm"})
    for (const Bounds& bounds : {Bounds{Dtype::f32, 1e-4, 1e-4}, Bounds{Dtype::bf16, 0.1, 0.2}}) {
      SCOPED_TRACE(std::string(kind) + " " + name_of(bounds.dtype));
      const Outcome want = two_steps(kind, Device::cpu, bounds.dtype, Dtype::f64),
                    got = two_steps(kind, Device::cuda, bounds.dtype, bounds.dtype);
      ASSERT_EQ(got.terms.size(), want.terms.size());
      for (size_t i = 0; i < want.terms.size(); ++i)
        EXPECT_NEAR(got.terms[i], want.terms[i], bounds.term * std::fabs(want.terms[i])) << i;
      ASSERT_EQ(got.gradients.size(), want.gradients.size());
      double wrong = 0, whole = 0;
      for (size_t i = 0; i < want.gradients.size(); ++i) {
        wrong += squared_norm(sub(got.gradients[i].second, want.gradients[i].second));
        whole += squared_norm(want.gradients[i].second);
      }
      EXPECT_LE(std::sqrt(wrong / whole), bounds.gradients);
    }
}

// The keys are read and pushed outside the graph, the loss writes them inside: replayed steps see a queue that moves.
TEST_F(CudaRetrievers, StepsOfBmmAreCaptured) {
  const auto course = [](bool captured) {
    const auto model = make("bmm");
    model->to(Device::cuda);
    const RetrievalBatch batch = batch_for(*model, Device::cuda);
    const NamedParameters parameters = model->groups(0, 1)[0].parameters;
    Tensor value;
    const auto step = [&] {
      for (const auto& [name, parameter] : parameters) parameter->meta->drop_grad();
      const LossTerms terms = model->loss(batch);
      backward(terms[0].second);
      value = terms[0].second.value;
    };
    Graph graph;
    std::vector<double> losses;
    for (int i = 0; i < 4; ++i) {
      model->before_step();
      if (!captured || i == 0)
        step();
      else if (i == 1)
        graph.capture(step);
      else
        graph.replay();
      model->after_step();
      losses.push_back(value.item());
    }
    return losses;
  };
  const std::vector<double> eager = course(false);
  EXPECT_EQ(course(true), eager);
  EXPECT_NE(eager[0], eager[1]);
}

}  // namespace
}  // namespace kg
