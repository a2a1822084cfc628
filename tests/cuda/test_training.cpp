// Whole training steps of tiny models on CUDA, beside the same steps on the CPU from
// the same weights and random numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/t2m_gpt/t2m_gpt.h"
#include "models/text/t5.h"
#include "nn/attention.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/norm.h"
#include "nn/optim.h"
#include "tests/cuda/device_test.h"
#include "tools/common/train/captured_step.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

using CudaTraining = DeviceTest;

VqVaeConfig tiny_tokenizer() {
  VqVaeConfig c;
  c.width = 16, c.codes = 12;
  return c;
}
GptConfig tiny_gpt() {
  GptConfig c;
  c.codes = 12, c.condition = 16, c.width = 32, c.heads = 4, c.layers = 2, c.feedforward = 64, c.context = 9;
  c.dropout = 0.1;
  return c;
}

Tensor random_features(const Shape& shape, uint64_t stream) {
  const Tensor x = Tensor::empty(shape);
  fill_normal(x, 0, 1, {9, stream});
  return x;
}

std::vector<double> train_tokenizer(Device device, int steps) {
  default_generator() = {1, 0};
  VqVae model(tiny_tokenizer());
  model.to(device);
  AdamW optimizer(model, {.lr = 1e-3});
  std::vector<double> figures;
  for (int i = 0; i < steps; ++i) {
    const Tensor x = random_features({3, 16, 263}, uint64_t(i)).to(device);
    optimizer.zero_grad();
    const VqVae::Output out = model(Var(x));
    const VqVae::Loss loss = model.loss(out, x);
    backward(loss.total);
    figures.push_back(loss.total.item());
    figures.push_back(optimizer.clip_grad_norm(1e9));
    optimizer.step(1e-3);
  }
  return figures;
}

TEST_F(CudaTraining, TokenizerStepsAreThoseOfTheCpu) {
  const std::vector<double> cpu = train_tokenizer(Device::cpu, 4), cuda = train_tokenizer(Device::cuda, 4);
  for (size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(cuda[i], cpu[i], 1e-4 * std::fabs(cpu[i])) << i;
}

GptBatch batch_of(int64_t rows, int64_t context) {
  GptBatch batch{Tensor::full({rows, context}, 13, Dtype::i32), {}};
  for (int64_t b = 0; b < rows; ++b) {
    const int64_t n = context - 3 - b % 3;
    for (int64_t t = 0; t < n; ++t) batch.ids.data<int32_t>()[b * context + t] = int32_t((b * 5 + t * 3) % 12);
    batch.ids.data<int32_t>()[b * context + n] = 12;
    batch.lengths.push_back(n);
  }
  return batch;
}

// Loss, accuracy and norm of the gradient of each step.
std::vector<double> train_gpt(Device device, int steps, bool captured = false, Dtype compute = Dtype::f32) {
  default_generator() = {2, 0};
  const WordVocabulary words = WordVocabulary::build({"a person walks", "a person jumps up twice"});
  WordTransformer text(words, {.width = 16, .layers = 1, .heads = 2, .feedforward = 32});
  Gpt gpt(tiny_gpt());
  text.to(device), gpt.to(device);
  NamedParameters parameters = gpt.named_parameters();
  for (auto& p : text.named_parameters()) parameters.push_back(p);
  AdamW optimizer({ParameterGroup{parameters, 1e-4, 1}}, {.lr = 1e-3}, compute);
  CapturedStep step(device, captured, "gpt");
  std::vector<double> figures;
  const GptBatch batch = batch_of(4, 9);
  const std::vector<std::string> captions{"a person walks", "a person jumps", "a person walks twice", "a"};
  for (int i = 0; i < steps; ++i) {
    const Tensor inputs = corrupt(batch.ids.slice(1, 0, 8).contiguous(), 0.5, 12, {3, uint64_t(i)}).to(device);
    const TextBatch words = text.prepare(captions);
    const SampleTargets targets = gpt_targets(batch, compute, device);
    const auto& results = step.run(
        {inputs, words.words, words.mask, words.share, targets.ids, targets.weights},
        [&](const std::vector<Tensor>& in) {
          optimizer.zero_grad();
          const Var logits = gpt(text.encode(TextBatch{in[1], in[2], in[3]}), in[0]);
          const SampleTargets scored{in[4], in[5]};
          const Var loss = gpt_loss(logits, scored);
          backward(loss);
          const AdamW::Clip clip = optimizer.clip_grad_norm_on_device(1.0);
          return std::vector<Tensor>{loss.value, gpt_accuracy(logits.value, scored), clip.squared_norm, clip.scale};
        });
    optimizer.step(1e-3 * (i + 1), results[3]);
    const std::vector<double> read = read_scalars(results);
    figures.insert(figures.end(), read.begin(), read.begin() + 3);
  }
  return figures;
}

TEST_F(CudaTraining, TransformerStepsAreThoseOfTheCpuWithTheSameDropout) {
  const std::vector<double> cpu = train_gpt(Device::cpu, 4), cuda = train_gpt(Device::cuda, 4);
  for (size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(cuda[i], cpu[i], 1e-4 * std::fabs(cpu[i]) + 1e-6) << i;
}

TEST_F(CudaTraining, CapturedStepsAreTheSameBytesAsEagerOnes) {
  EXPECT_EQ(train_gpt(Device::cuda, 7, true), train_gpt(Device::cuda, 7, false));
}

// A step of a T5 for each length of its inputs in turn: loss and norm of the gradient of each.
std::vector<double> train_t5(const std::vector<int64_t>& lengths, CapturedStep& step) {
  default_generator() = {6, 0};
  T5Config config;
  config.vocabulary = 24, config.width = 8, config.feedforward = 8, config.heads = 1, config.head_width = 8;
  config.layers = config.decoder_layers = 1;
  T5 model(config);
  model.to(Device::cuda);
  AdamW optimizer(model, {.lr = 1e-3});
  std::vector<double> figures;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Tensor ids = Tensor::empty({1, lengths[i]}, Dtype::i32), labels = Tensor::full({1, 4}, 5, Dtype::i32);
    for (int64_t k = 0; k < ids.numel(); ++k) ids.data<int32_t>()[k] = int32_t((k * 7 + int64_t(i)) % 24);
    const auto& results =
        step.run({ids, Tensor::ones(ids.shape(), Dtype::u8), t5_decoder_ids(labels), labels.reshape({4})},
                 [&](const std::vector<Tensor>& in) {
                   optimizer.zero_grad();
                   const Var loss = cross_entropy_loss(reshape(model(in[0], in[1], in[2]), {4, 24}), in[3]);
                   backward(loss);
                   const AdamW::Clip clip = optimizer.clip_grad_norm_on_device(1);
                   return std::vector<Tensor>{loss.value, clip.squared_norm, clip.scale};
                 });
    optimizer.step(1e-3, results[2]);
    for (const double figure : read_scalars({results[0], results[1]})) figures.push_back(figure);
  }
  return figures;
}

// Each shape is run as it is twice, then captured; what lies between its steps changes nothing in its graph.
TEST_F(CudaTraining, EachShapeHasAGraph) {
  const std::vector<int64_t> lengths{4, 6, 4, 6, 4, 6, 6, 4};
  CapturedStep eager(Device::cuda, false, "t5"), captured(Device::cuda, true, "t5");
  EXPECT_EQ(train_t5(lengths, captured), train_t5(lengths, eager));
  EXPECT_EQ(captured.captures(), 2);
  EXPECT_EQ(captured.graphs(), 2);
  EXPECT_EQ(eager.captures(), 0);
}

// Steps of inputs that are so long: random numbers, memory for a while, and sums that go on from step to step.
struct Sums {
  std::vector<double> values;
  int64_t most_graphs = 0;
};
Sums take_sums(const std::vector<int64_t>& lengths, CapturedStep& step) {
  default_generator() = {7, 100};
  const Tensor total = Tensor::zeros({1}, Dtype::f32, Device::cuda);
  Sums taken;
  for (const int64_t length : lengths) {
    const auto& results = step.run({Tensor::ones({length})}, [&](const std::vector<Tensor>& in) {
      const Tensor kept = dropout(in[0], 0.5, default_generator().next()), twice = affine(kept, 2, 1);
      add_(total, sum(mul(kept, twice)).reshape({1}));
      return std::vector<Tensor>{affine(total, 1, double(length))};
    });
    taken.values.push_back(read_scalars(results)[0]);
    taken.most_graphs = std::max(taken.most_graphs, step.graphs());
  }
  return taken;
}

// Of two that are kept, the one that was not used for longest goes, and is captured again where it comes back.
TEST_F(CudaTraining, GraphsAreBounded) {
  const std::vector<int64_t> lengths{4, 4, 4, 6, 6, 6, 4, 9, 9, 9, 4, 6, 6, 6, 6, 4};
  CapturedStep eager(Device::cuda, false, "sums"), bounded(Device::cuda, true, "sums", 2);
  const Sums got = take_sums(lengths, bounded);
  EXPECT_EQ(got.values, take_sums(lengths, eager).values);
  EXPECT_EQ(bounded.captures(), 4) << "4, 6, 9 and 6 again";
  EXPECT_EQ(got.most_graphs, 2);
  EXPECT_EQ(eager.memory(), 0);
}

TEST_F(CudaTraining, GraphsShareTheirMemory) {
  CapturedStep one(Device::cuda, true, "sums"), many(Device::cuda, true, "sums");
  std::vector<int64_t> lengths;
  for (int round = 0; round < 4; ++round)
    for (int64_t k = 0; k < 8; ++k) lengths.push_back(500 + 4 * (k * 5 % 8));
  const Sums got = take_sums(lengths, many);
  EXPECT_EQ(many.captures(), 8);
  EXPECT_EQ(got.most_graphs, 8);
  take_sums(std::vector<int64_t>(4, 528), one);
  EXPECT_GT(one.memory(), 0);
  EXPECT_LE(many.memory(), 3 * one.memory()) << "beside the results, which stay, they need what one needs";
}

TEST_F(CudaTraining, Bf16FollowsF32) {
  const std::vector<double> single = train_gpt(Device::cuda, 8), half = train_gpt(Device::cuda, 8, true, Dtype::bf16);
  for (size_t i = 0; i < single.size(); i += 3) EXPECT_NEAR(half[i], single[i], 0.02 * single[i]) << "loss " << i / 3;
  EXPECT_LT(half[21], half[0]);
}

TEST_F(CudaTraining, Bf16KeepsItsParametersInF32) {
  default_generator() = {5, 0};
  Linear layer(3, 2);
  layer.to(Device::cuda);
  AdamW optimizer({ParameterGroup{layer.named_parameters(), 0, 1}}, {.lr = 1e-5}, Dtype::bf16);
  EXPECT_EQ(layer.weight.dtype(), Dtype::bf16);
  const std::vector<double> before = optimizer.parameters().values().to_vector();
  for (int i = 0; i < 3; ++i) {  // steps that bf16 weights would not notice
    optimizer.zero_grad();
    backward(sum(layer(Var(Tensor::ones({1, 3}, Dtype::bf16, Device::cuda)))));
    optimizer.step();
  }
  const std::vector<double> after = optimizer.parameters().values().to_vector();
  EXPECT_NEAR(before[0] - after[0], 3e-5, 1e-6);
  optimizer.parameters().use_values(true);
  EXPECT_EQ(layer.weight.dtype(), Dtype::f32);
  EXPECT_EQ(layer.weight.value.to_vector()[0], after[0]);
  optimizer.parameters().use_values(false);
  EXPECT_EQ(layer.weight.value.to_vector()[0], double(float(bf16(float(after[0])))));
}

// A layer that several writers reach, query, key and value in one product, a norm, and a layer that nobody uses.
struct Reached : Module {
  Reached() { reg("unused", unused), reg("attn", attn), reg("norm", norm), reg("words", words); }
  Var operator()(const Tensor& x, const Tensor& ids) const {
    const Var h = words(ids) + Var(x), y = norm.residual(h, attn(h), 0).norm;
    return sum(square(cast(linear(attn(y), words.weight, {}), Dtype::f32)));
  }
  Linear unused{8, 8};
  ProjectedAttention attn{{.q = "q", .k = "k", .v = "v", .out = "out", .width = 8, .heads = 2, .key_first = true}};
  LayerNorm norm{8};
  Embedding words{5, 8};
};
std::vector<double> gradients_of_reached(Device device, Dtype compute, bool captured) {
  default_generator() = {7, 0};
  Reached m;
  m.to(device);
  AdamW optimizer({ParameterGroup{m.named_parameters()}}, {.lr = 1e-3}, compute);
  CapturedStep step(device, captured, "reached");
  const Tensor x = random_features({2, 3, 8}, 5).to(compute).to(device);
  const Tensor ids = Tensor::from<int32_t>({0, 3, 3, 1, 4, 0}, {2, 3}).to(device);
  std::vector<double> gradients;
  for (int i = 0; i < 5; ++i) {
    for (const auto& [name, parameter] : m.named_parameters()) parameter->grad().fill(std::nan(""));
    step.run({x, ids}, [&](const std::vector<Tensor>& in) {
      optimizer.zero_grad();
      backward(m(in[0], in[1]));
      return std::vector<Tensor>{squared_norm_on_device(optimizer.parameters().gradients())};
    });
    const std::vector<double> now = optimizer.parameters().gradients().to_vector();
    EXPECT_TRUE(i == 0 || now == gradients) << "step " << i;
    gradients = now;
  }
  return gradients;
}
TEST_F(CudaTraining, GradientsInTheBufferAreThoseOfTheCpu) {
  const std::vector<double> want = gradients_of_reached(Device::cpu, Dtype::f32, false);
  const double largest = *std::max_element(want.begin(), want.end());
  for (const bool captured : {false, true}) {
    const std::vector<double> single = gradients_of_reached(Device::cuda, Dtype::f32, captured),
                              half = gradients_of_reached(Device::cuda, Dtype::bf16, captured);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(single[i], want[i], 1e-5 * largest) << i;
      ASSERT_NEAR(half[i], want[i], 0.03 * largest) << i;
    }
  }
}

TEST_F(CudaTraining, AStepWithoutFiniteGradientsChangesNothing) {
  default_generator() = {5, 0};
  Linear layer(3, 2);
  layer.to(Device::cuda);
  AdamW optimizer(layer, {.lr = 1e-2});
  const std::vector<double> before = optimizer.parameters().values().to_vector();
  optimizer.parameters().gradients().fill(std::numeric_limits<double>::infinity());
  const AdamW::Clip clip = optimizer.clip_grad_norm_on_device(1.0);
  optimizer.step(1e-2, clip.scale);
  EXPECT_EQ(optimizer.parameters().values().to_vector(), before);
  EXPECT_FALSE(std::isfinite(clip.squared_norm.item()));
  EXPECT_THROW(optimizer.fail_diverged(), Error);
}

TEST_F(CudaTraining, DecodingByGraphsGivesTheSameLogitsInAnyBatch) {
  default_generator() = {6, 0};
  Gpt gpt(tiny_gpt());
  gpt.to(Device::cuda);
  gpt.eval();
  const Tensor condition = random_features({3, 16}, 1).to(Device::cuda);
  Decoder three(gpt), one(gpt);
  std::vector<std::vector<double>> first;
  for (int round = 0; round < 3; ++round) {  // as it is, captured, replayed
    three.start(gpt.start(condition));
    one.start(gpt.start(condition.slice(0, 2, 3).contiguous()));
    for (int32_t p = 0; p < 4; ++p) {
      const std::vector<double> all = three.step({1, 2, p}).to_vector();
      EXPECT_EQ(one.step({p}).to_vector(), (std::vector<double>{all.end() - 13, all.end()})) << p;
      if (round == 0)
        first.push_back(all);
      else
        EXPECT_EQ(all, first[size_t(p)]) << "round " << round << ", position " << p;
    }
  }
}

TEST_F(CudaTraining, SamplesAreThoseOfTheCpu) {
  const auto motions = [](Device device) {
    default_generator() = {4, 0};
    auto text = std::make_unique<WordTransformer>(
        WordVocabulary::build({"a person walks"}),
        WordTransformerConfig{.width = 16, .layers = 1, .heads = 2, .feedforward = 32});
    T2mGpt model(tiny_tokenizer(), tiny_gpt(), std::move(text));
    model.tokenizer.statistics = {Tensor::zeros({263}), Tensor::ones({263})};
    fill_normal(model.tokenizer.model.quantizer().codebook.value, 0, 1, {8, 1});
    model.to(device);
    return model.generate({{"a person walks", 0, 24}, {"a person", 1, 24}}, 3);
  };
  const std::vector<Tensor> cpu = motions(Device::cpu), cuda = motions(Device::cuda);
  ASSERT_EQ(cuda.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(cuda[i].shape(), cpu[i].shape());
    EXPECT_LE(max_abs_difference(cuda[i], cpu[i]), 1e-3);
  }
}

}  // namespace
}  // namespace kg
