// Tiny CLIP, BERT, DistilBERT and T5 on CUDA, forward, backward and decoding, beside the same on the CPU: f32 within
// rounding, bf16 within its own.
#include <gtest/gtest.h>

#include <cmath>

#include "models/beam_search.h"
#include "models/text/bert.h"
#include "models/text/clip.h"
#include "models/text/pooling.h"
#include "models/text/t5.h"
#include "nn/losses.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

using CudaTextEncoders = DeviceTest;

constexpr int64_t kBatch = 3, kLength = 9, kVocabulary = 40;

Tensor ids() {
  const Tensor ids = Tensor::empty({kBatch, kLength}, Dtype::i32);
  for (int64_t i = 0; i < ids.numel(); ++i) ids.data<int32_t>()[i] = int32_t((i * 7 + 3) % (kVocabulary - 1));
  return ids;
}
// Row b has 9, 7, 5 tokens.
Tensor mask() {
  const Tensor mask = Tensor::ones({kBatch, kLength}, Dtype::u8);
  for (int64_t b = 0; b < kBatch; ++b) mask.select(0, b).slice(0, kLength - 2 * b, kLength).fill(0);
  return mask;
}

// The value that a loss has, and the gradient of each parameter.
struct Run {
  double loss;
  std::vector<std::pair<std::string, Tensor>> gradients;
};
// Builds the model anew from one seed, with weights that `rounding` can hold; `loss` reads its inputs from the device
// and in the dtype of the model.
template <class Model, class Config, class Loss>
Run run(const Config& config, Device device, Dtype rounding, Dtype dtype, const Loss& loss) {
  default_generator() = {11, 0};
  Model model(config);
  model.to(rounding);
  model.to(dtype);
  model.to(device);
  const Var value = loss(model);
  backward(value);
  Run result{value.item(), {}};
  for (auto& [name, parameter] : model.named_parameters())
    result.gradients.emplace_back(name, parameter->grad().to(Device::cpu).to(Dtype::f64));
  return result;
}
double norm(const Tensor& x) { return std::sqrt(squared_norm(x)); }

struct Bounds {
  Dtype dtype;
  double loss, whole, each;  // relative: the loss, all gradients together, the gradient of one parameter
};
// Loss and gradients on CUDA against the CPU in f64. A gradient that is zero but for rounding counts nothing.
template <class Model, class Config, class Loss>
void compare(const Config& config, const Loss& loss) {
  for (const Bounds& bounds : {Bounds{Dtype::f32, 1e-5, 1e-5, 1e-4}, Bounds{Dtype::bf16, 0.02, 0.06, 0.25}}) {
    SCOPED_TRACE(name_of(bounds.dtype));
    const Run want = run<Model>(config, Device::cpu, bounds.dtype, Dtype::f64, loss);
    const Run got = run<Model>(config, Device::cuda, bounds.dtype, bounds.dtype, loss);
    EXPECT_NEAR(got.loss, want.loss, bounds.loss * std::fabs(want.loss));
    ASSERT_EQ(got.gradients.size(), want.gradients.size());
    double largest = 0, wrong = 0, whole = 0;
    for (const auto& [name, gradient] : want.gradients) largest = std::max(largest, norm(gradient));
    for (size_t i = 0; i < want.gradients.size(); ++i) {
      const auto& [name, gradient] = want.gradients[i];
      const double size = norm(gradient), error = norm(sub(got.gradients[i].second, gradient));
      EXPECT_LE(error, bounds.each * (size + 1e-3 * largest)) << name;
      wrong += error * error, whole += size * size;
    }
    EXPECT_LE(std::sqrt(wrong / whole), bounds.whole);
  }
}

// Something that every feature has a part in.
Var score(const Var& features) {
  const Tensor weights = Tensor::empty(features.shape());
  fill_normal(weights, 0.3, 1, {12, 0});
  return sum(features * Var(weights.to(features.dtype()).to(features.value.device())));
}

TEST_F(CudaTextEncoders, Clip) {
  ClipTextConfig c;
  c.vocabulary = kVocabulary, c.width = 32, c.layers = 2, c.heads = 4, c.feedforward = 64, c.positions = kLength;
  c.projection = 24;
  compare<ClipText>(c, [](const ClipText& model) {
    const Device device = model.device();
    return score(model(ids().to(device), clip_end(ids()).to(model.dtype()).to(device)));
  });
}

void compare_bert(bool distil) {
  BertConfig c = bert_preset(distil ? "distilbert-base" : "bert-base");
  c.vocabulary = kVocabulary, c.width = 32, c.layers = 2, c.heads = 4, c.feedforward = 64, c.positions = 12;
  c.pooler = false;
  c.dropout = 0;
  compare<Bert>(c, [](const Bert& model) {
    const Device device = model.device();
    const Tensor m = mask().to(Dtype::f64), share = div(m, sum(m, {1}, true)).unsqueeze(2);
    const Var states = model.hidden(ids().to(device), mask().to(device));
    return score(l2_normalize(pool(states, share.to(model.dtype()).to(device))));
  });
}
TEST_F(CudaTextEncoders, Bert) { compare_bert(false); }
TEST_F(CudaTextEncoders, DistilBert) { compare_bert(true); }

T5Config tiny_t5(bool gated) {
  T5Config c;
  c.vocabulary = kVocabulary, c.width = 32, c.feedforward = 48, c.heads = 4, c.head_width = 8;
  c.layers = c.decoder_layers = 2;
  c.gated = gated, c.tied = !gated, c.dropout = 0;
  return c;
}

TEST_F(CudaTextEncoders, T5) {
  for (const bool gated : {false, true}) {
    SCOPED_TRACE(gated);
    compare<T5>(tiny_t5(gated), [](const T5& model) {
      const Device device = model.device();
      const Tensor labels = ids().slice(1, 0, 6).contiguous();
      const Var logits = model(ids().to(device), mask().to(device), t5_decoder_ids(labels).to(device));
      return cross_entropy_loss(logits * 0.2, labels.to(device));  // logits of fresh weights are large
    });
  }
}

// Smaller, for what is done many times.
T5Config one_layer_t5(bool gated) {
  T5Config c = tiny_t5(gated);
  c.width = 16, c.feedforward = 16, c.heads = 2, c.layers = c.decoder_layers = 1;
  return c;
}

// Three times, so that a decoder on CUDA takes its steps as they are, captured and replayed; each time from other
// sources.
TEST_F(CudaTextEncoders, T5WritesWhatItWritesOnTheCpu) {
  for (const bool gated : {false, true}) {
    std::vector<std::vector<Sequences>> written;
    for (const Device device : {Device::cpu, Device::cuda}) {
      default_generator() = {13, 0};
      T5 model(one_layer_t5(gated));
      model.eval();
      model.to(device);
      Decoder drawing(model), searching(model);
      const SampleOptions options{.top_k = 10, .seed = 2};
      written.emplace_back();
      NoGrad guard;
      for (int32_t round = 0; round < (gated ? 3 : 1); ++round) {  // the second is captured, the third replayed
        const Tensor sources = ids();
        for (int64_t i = 0; i < sources.numel(); ++i)
          sources.data<int32_t>()[i] = (sources.data<int32_t>()[i] + round) % 39;
        const Tensor memory = model.encode(sources.to(device), mask().to(device)).value;
        const DecodeState start = model.start(memory, mask().to(device), 5);
        written.back().push_back(write(drawing, start, {0, 1, 2}, options));
        written.back().push_back(beam_search(searching, start, 2, options));
      }
    }
    EXPECT_EQ(written[0], written[1]);
    if (gated) {
      EXPECT_NE(written[0][0], written[0][2]);
    }
  }
}

// The loss counts its targets on the device: a replayed step sees that there are fewer.
TEST_F(CudaTextEncoders, StepsOfT5AreCaptured) {
  default_generator() = {14, 0};
  T5Config config = one_layer_t5(true);
  config.dropout = 0.1;
  T5 model(config);
  model.to(Device::cuda);
  const Tensor source = ids().to(Device::cuda), seen = mask().to(Device::cuda);
  const Tensor inputs = Tensor::zeros({kBatch, 5}, Dtype::i32, Device::cuda), targets = inputs.clone();
  Tensor value;
  const auto step = [&] {
    for (auto& [name, parameter] : model.named_parameters()) parameter->meta->grad = Tensor();
    const Var loss = cross_entropy_loss(model(source, seen, inputs), targets);
    backward(loss);
    value = loss.value;
  };
  const auto losses = [&](const std::function<void(int)>& run) {
    default_generator() = {15, 0};
    std::vector<double> all;
    for (int i = 0; i < 4; ++i) {
      const Tensor labels = ids().slice(1, 0, 5).contiguous();
      if (i < 3) labels.slice(1, 4 - i, 5).fill(-100);  // 4, 3, 2, then 5 positions count
      inputs.copy_from(t5_decoder_ids(labels)), targets.copy_from(labels);
      run(i);
      all.push_back(value.item());
    }
    return all;
  };
  const std::vector<double> eager = losses([&](int) { step(); });
  Graph graph;
  const std::vector<double> captured = losses([&](int i) {
    if (i == 0)
      step();
    else if (i == 1)
      graph.capture(step);
    else
      graph.replay();
  });
  EXPECT_EQ(captured, eager);
  targets.fill(-100);
  graph.replay();
  EXPECT_TRUE(std::isnan(value.item()));
}

}  // namespace
}  // namespace kg
