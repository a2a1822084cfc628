// Layers: hand-computed values, evaluation mode, and gradients of every layer against central differences in f64.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "nn/conv1d.h"
#include "nn/embedding.h"
#include "nn/positions.h"
#include "nn/transformer.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

Tensor normals(const Shape& shape, uint64_t stream) {
  const Tensor t = Tensor::empty(shape, Dtype::f64);
  fill_normal(t, 0, 1, {11, stream});
  return t;
}

// Gradients of forward() with respect to all parameters, made random, and to `inputs`.
void check_gradients(Module& module, const std::function<Var()>& forward, std::vector<Var*> inputs) {
  uint64_t stream = 100;
  for (const auto& [name, parameter] : module.named_parameters()) {
    const Tensor values = normals(parameter->shape(), stream++);
    scale_(values, 0.5);
    parameter->value.copy_from(values);
    inputs.push_back(parameter);
  }
  const GradcheckResult result = gradcheck(forward, inputs);
  EXPECT_TRUE(result.ok) << result.message;
}

TEST(Linear, ByHand) {
  Linear l(2, 2);
  l.weight.value.copy_from(Tensor::from<float>({1, 2, 3, 4}, {2, 2}));
  l.bias.value.copy_from(Tensor::from<float>({10, 20}, {2}));
  EXPECT_EQ(l(Tensor::from<float>({1, -1}, {1, 1, 2})).value.to_vector(), (std::vector<double>{9, 19}));
  Linear free(2, 2, false);
  EXPECT_FALSE(free.bias.defined());
  free.weight.value.copy_from(l.weight.value);
  EXPECT_EQ(free(Tensor::from<float>({1, -1}, {1, 1, 2})).value.to_vector(), (std::vector<double>{-1, -1}));
  EXPECT_THROW(l(Tensor::zeros({1, 3})), Error);
}

TEST(Conv1d, ByHandAndStoredByTap) {
  Conv1d c(2, 1, 3, 2, 1);
  EXPECT_EQ(c.weight.shape(), (Shape{1, 2, 3}));
  EXPECT_TRUE(c.weight.value.permute({2, 1, 0}).is_contiguous());
  // channel 0: taps 1 2 3, channel 1: taps 0 0 10
  c.weight.value.copy_from(Tensor::from<float>({1, 2, 3, 0, 0, 10}, {1, 2, 3}));
  c.bias.value.fill(100);
  // x: channel 0 is 1 2 3 4, channel 1 is 1 0 0 1; stride 2, padding 1
  const Tensor x = Tensor::from<float>({1, 1, 2, 0, 3, 0, 4, 1}, {1, 4, 2});
  // position 0: 2*1 + 3*2 + 10*0, position 1: 1*2 + 2*3 + 3*4 + 10*1
  EXPECT_EQ(c(x).value.to_vector(), (std::vector<double>{108, 130}));
  EXPECT_EQ(c(x).shape(), (Shape{1, 2, 1}));
}

TEST(Embedding, PicksRowsAndRefusesOthers) {
  Embedding e(3, 2);
  e.weight.value.copy_from(Tensor::from<float>({0, 1, 2, 3, 4, 5}, {3, 2}));
  EXPECT_EQ(e(Tensor::from<int32_t>({2, 0}, {1, 2})).value.to_vector(), (std::vector<double>{4, 5, 0, 1}));
  EXPECT_THROW(e(Tensor::from<int32_t>({3}, {1})), Error);
  EXPECT_THROW(e(Tensor::from<int32_t>({-1}, {1})), Error);
}

TEST(Norm, ByHand) {
  LayerNorm layer(2, 0x1p-40);
  layer.weight.value.fill(2), layer.bias.value.fill(1);
  expect_near(layer(Tensor::from<float>({3, 7}, {1, 2})).value, {-1, 3}, 1e-6);
  RMSNorm rms(2, 0x1p-40);
  rms.weight.value.fill(5);
  expect_near(rms(Tensor::from<float>({1, 7}, {1, 2})).value, {1, 7}, 1e-6);  // root of mean square 5
}

TEST(Dropout, OnInTrainingOffInEvaluation) {
  default_generator() = {6, 0};
  Dropout dropout(0.25);
  const Var x = Tensor::ones({20000});
  const auto values = dropout(x).value.to_vector();
  int64_t kept = 0;
  for (double value : values) {
    EXPECT_TRUE(value == 0 || std::fabs(value - 4.0 / 3) < 1e-6) << value;
    kept += value != 0;
  }
  EXPECT_NEAR(double(kept) / 20000, 0.75, 0.015);  // five standard deviations
  dropout.eval();
  EXPECT_EQ(dropout(x).value.to_vector(), x.value.to_vector());
  EXPECT_THROW(Dropout(1), Error);
}

TEST(Dropout, OfATransformerIsOffInEvaluation) {
  default_generator() = {6, 0};
  TransformerEncoder m(1, {.width = 4, .heads = 2, .feedforward = 6, .dropout = 0.5});
  const Var x = normals({1, 3, 4}, 1).to(Dtype::f32);
  EXPECT_NE(m(x).value.to_vector(), m(x).value.to_vector());
  m.eval();
  EXPECT_EQ(m(x).value.to_vector(), m(x).value.to_vector());
}

TEST(Positions, SinusoidsInterleave) {
  const Tensor table = sinusoidal_positions(3, 4);
  expect_near(table.slice(0, 1, 3),
              {std::sin(1), std::cos(1), std::sin(0.01), std::cos(0.01),  //
               std::sin(2), std::cos(2), std::sin(0.02), std::cos(0.02)},
              1e-7);
  EXPECT_EQ(table.select(0, 0).to_vector(), (std::vector<double>{0, 1, 0, 1}));
  EXPECT_THROW(sinusoidal_positions(3, 5), Error);
}

TEST(Positions, OffsetContinuesASequence) {
  const FixedPositions fixed(6, 4);
  LearnedPositions learned(6, 4);
  EXPECT_TRUE(fixed.state_dict().empty());
  EXPECT_EQ(names_of(learned.state_dict()), (std::vector<std::string>{"weight"}));
  const Var x = Tensor::zeros({2, 5, 4}), step = Tensor::zeros({2, 1, 4});
  EXPECT_EQ(fixed(step, 4).value.to_vector(), fixed(x).value.slice(1, 4, 5).to_vector());
  EXPECT_EQ(learned(step, 4).value.to_vector(), learned(x).value.slice(1, 4, 5).to_vector());
  EXPECT_THROW(fixed(step, 6), Error);
  EXPECT_THROW(learned(x, 2), Error);
}

TEST(Attention, HidesMaskedKeysAndTheFuture) {
  default_generator() = {8, 0};
  const MultiHeadAttention attention(4, 2);
  const Tensor x = normals({1, 4, 4}, 2).to(Dtype::f32), changed = x.clone();
  changed.select(1, 2).fill(9);
  const auto row = [](const Var& y, int64_t i) { return y.value.select(1, i).to_vector(); };
  const Var a = attention(x, {.causal = true}), b = attention(changed, {.causal = true});
  EXPECT_EQ(row(a, 0), row(b, 0));
  EXPECT_EQ(row(a, 1), row(b, 1));
  EXPECT_NE(row(a, 3), row(b, 3));
  const AttentionOptions masked{.key_mask = Tensor::from<uint8_t>({1, 1, 0, 1}, {1, 4})};
  EXPECT_EQ(row(attention(x, masked), 3), row(attention(changed, masked), 3));
  // Cross-attention to the same sequence is self-attention.
  expect_near(attention(x, x, masked).value, attention(x, masked).value.to_vector(), 1e-6);
  EXPECT_THROW(MultiHeadAttention(5, 2), Error);
}

TEST(Gradients, OfTheSimpleLayers) {
  Var x(normals({2, 5, 3}, 3), true);
  Linear linear(3, 4);
  linear.to(Dtype::f64);
  check_gradients(linear, [&] { return linear(x); }, {&x});
  Conv1d conv(3, 2, 3, 2, 2, 2);
  conv.to(Dtype::f64);
  check_gradients(conv, [&] { return conv(x); }, {&x});
  Embedding embedding(4, 3);
  embedding.to(Dtype::f64);
  check_gradients(embedding, [&] { return embedding(Tensor::from<int32_t>({0, 3, 3}, {3})); }, {});
  LayerNorm norm(3);
  norm.to(Dtype::f64);
  check_gradients(norm, [&] { return norm(x); }, {&x});
  RMSNorm rms(3);
  rms.to(Dtype::f64);
  check_gradients(rms, [&] { return rms(x); }, {&x});
  LearnedPositions positions(6, 3);
  positions.to(Dtype::f64);
  check_gradients(positions, [&] { return square(positions(x, 1)); }, {&x});
}

TEST(Gradients, OfAttentionAndTransformers) {
  Var x(normals({2, 4, 4}, 4), true), memory(normals({2, 3, 4}, 5), true), bias(normals({2, 2, 4, 3}, 6), true);
  const AttentionOptions causal{.causal = true, .key_mask = Tensor::from<uint8_t>({1, 1, 1, 1, 1, 1, 0, 0}, {2, 4})};
  MultiHeadAttention attention(4, 2);
  attention.to(Dtype::f64);
  check_gradients(attention, [&] { return attention(x, causal); }, {&x});
  check_gradients(attention, [&] { return attention(x, memory, {}, bias); }, {&x, &memory, &bias});
  for (const bool pre_norm : {false, true}) {
    TransformerDecoder decoder(
        1,
        {.width = 4, .heads = 2, .feedforward = 5, .dropout = 0, .activation = Activation::gelu, .pre_norm = pre_norm});
    decoder.to(Dtype::f64);
    check_gradients(decoder, [&] { return decoder(x, memory, causal); }, {&x, &memory});
  }
}

TEST(Gradients, OfDropoutWithTheSameRandomNumbers) {
  TransformerEncoder m(1, {.width = 4, .heads = 2, .feedforward = 5, .dropout = 0.3, .activation = Activation::gelu});
  m.to(Dtype::f64);
  Var x(normals({2, 4, 4}, 7), true);
  const auto forward = [&] {
    default_generator() = {12, 0};
    return m(x);
  };
  check_gradients(m, forward, {&x});
}

}  // namespace
}  // namespace kg
