// AdamW and averages over flat buffers: hand-computed steps, shared storage, groups, state, errors.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "nn/conv1d.h"
#include "nn/ema.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/optim.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

struct ConvAndLinear : Module {
  ConvAndLinear() { reg("conv", conv), reg("linear", linear); }
  Conv1d conv{3, 2, 4};
  Linear linear{2, 5};
};

TEST(Flat, ParametersShareOneBufferAndKeepTheirLayout) {
  ConvAndLinear m;
  const auto weight = m.conv.weight.value.to_vector(), bias = m.linear.bias.value.to_vector();
  AdamW adam(m, {});
  const FlatParameters& flat = adam.parameters();
  for (const auto& [name, parameter] : m.named_parameters()) {
    EXPECT_EQ(parameter->value.storage(), flat.values().storage()) << name;
    EXPECT_EQ(parameter->grad().storage(), flat.gradients().storage()) << name;
    EXPECT_EQ(parameter->grad().strides(), parameter->value.strides()) << name;
    EXPECT_EQ(parameter->value.offset() % 16, 0) << name;
  }
  EXPECT_EQ(m.conv.weight.value.strides(), (Shape{1, 2, 6}));
  EXPECT_EQ(m.conv.weight.value.to_vector(), weight);
  EXPECT_EQ(m.linear.bias.value.to_vector(), bias);
  EXPECT_EQ(flat.values().shape(), (Shape{32 + 16 + 16 + 16}));  // 24, 2, 10 and 5 elements, each padded to 16
  m.linear.bias.meta->grad.fill(2);
  EXPECT_EQ(squared_norm(flat.gradients()), 20);
  adam.zero_grad();
  EXPECT_EQ(m.linear.bias.grad().to_vector(), std::vector<double>(5, 0));
}

TEST(Flat, BackwardAccumulatesInPlace) {
  ConvAndLinear m;
  AdamW adam(m, {});
  const Var x = Tensor::ones({1, 6, 3});
  for (int pass = 1; pass <= 2; ++pass) {
    backward(sum(m.conv(x)));  // 3 output positions, every input 1: each tap of each weight gets 3
    EXPECT_EQ(m.conv.weight.grad().to_vector(), std::vector<double>(24, 3 * pass));
    EXPECT_EQ(m.conv.bias.grad().to_vector(), std::vector<double>(2, 3 * pass));
    EXPECT_EQ(m.conv.weight.grad().storage(), adam.parameters().gradients().storage());
    EXPECT_EQ(squared_norm(adam.parameters().gradients()), 26 * 9 * pass * pass);
  }
  adam.step();  // checks that nothing left the buffers
}

// Every op that writes to a leaf's buffer itself, leaves that several of them write to, and leaves that none reaches.
struct Mixed : Module {
  Mixed() {
    reg("unused_first", unused_first), reg("conv", conv), reg("up", up), reg("between", between);
    reg("layer", layer), reg("norm", norm), reg("rms", rms), reg("words", words), reg("factor", factor);
    reg("last", last);
  }
  Var operator()(const Tensor& x, const Tensor& ids) const {
    const Var h = norm(layer(conv(Var(x)))), z = up(h);
    const Var again = layer(rms(norm.residual(h, layer(h), 0).norm));  // the layer three times, the norm twice
    const Var logits = linear(again + words(ids), words.weight, {});   // a tied embedding
    return sum(square(logits) * factor) + sum(square(z)) + sum(factor * factor);
  }
  Linear unused_first{3, 2};
  Conv1d conv{4, 5, 3};
  ConvTranspose1d up{5, 3, 3};
  Linear between{2, 2}, layer{5, 5};
  LayerNorm norm{5};
  RMSNorm rms{5};
  Embedding words{7, 5};
  Var factor{Tensor::full({7}, 0.5)};
  Linear last{2, 3};
};
std::vector<std::vector<double>> gradients_of(Mixed& m, const std::function<void()>& between) {
  const Tensor x = Tensor::empty({2, 6, 4}, Dtype::f64), ids = Tensor::from<int32_t>({0, 3, 3, 6, 1, 2, 4, 3}, {2, 4});
  fill_normal(x, 0, 1, {4, 4});
  backward(m(x, ids));
  between();
  backward(m(affine(x, 0.5), ids));
  std::vector<std::vector<double>> values;
  for (const auto& [name, parameter] : m.named_parameters())
    values.push_back(parameter->grad().defined() ? parameter->grad().to_vector()
                                                 : std::vector<double>(size_t(parameter->numel()), 0));
  return values;
}
TEST(Flat, GradientsAreThoseOfFreeLeavesWhoeverWritesFirst) {
  for (const bool twice : {false, true}) {  // sum over two backwards, or only the second
    std::vector<std::vector<double>> want, got;
    for (const bool flat : {false, true}) {
      default_generator() = {3, 0};
      Mixed m;
      m.to(Dtype::f64);
      std::optional<AdamW> adam;
      const auto poison = [&] {
        for (const auto& [name, parameter] : m.named_parameters()) parameter->grad().fill(std::nan(""));
        adam->zero_grad();
      };
      if (flat) adam.emplace(m, AdamOptions{}), poison();
      (flat ? got : want) = gradients_of(m, [&] {
        if (twice) return;
        if (flat) return poison();
        for (const auto& [name, parameter] : m.named_parameters()) parameter->meta->drop_grad();
      });
      if (!flat) continue;
      EXPECT_TRUE(std::isfinite(squared_norm(adam->parameters().gradients()))) << "gaps and unused ones are 0";
    }
    const std::vector<std::string> names = names_of(Mixed().named_parameters());
    for (size_t k = 0; k < want.size(); ++k)
      for (size_t i = 0; i < want[k].size(); ++i)
        ASSERT_NEAR(got[k][i], want[k][i], 1e-12 * (1 + std::fabs(want[k][i]))) << names[k] << " at " << i;
  }
}
TEST(Flat, WhatBackwardDoesNotReachIsZeroForAllWhoRead) {
  ConvAndLinear m;
  AdamW adam(m, {.lr = 1, .weight_decay = 0});
  const std::vector<double> before = m.conv.weight.value.to_vector();
  const auto one_layer = [&] {
    for (const auto& [name, parameter] : m.named_parameters()) parameter->grad().fill(1e6);
    adam.zero_grad();
    backward(sum(m.linear(Var(Tensor::ones({1, 2})))));
  };
  one_layer();
  EXPECT_EQ(squared_norm(adam.parameters().gradients()), 15);
  one_layer();
  EXPECT_EQ(m.conv.bias.grad().to_vector(), std::vector<double>(2, 0));
  one_layer();
  EXPECT_DOUBLE_EQ(adam.clip_grad_norm(1), std::sqrt(15));
  one_layer();
  adam.step();
  EXPECT_EQ(m.conv.weight.value.to_vector(), before) << "a gradient of 0 and no decay: nothing moves";
  one_layer();
  adam.zero_grad();  // nothing at all
  EXPECT_EQ(squared_norm(adam.parameters().gradients()), 0);
  // Another optimizer takes over what counts, not what lies in memory.
  one_layer();
  const AdamW other(m, {});
  EXPECT_EQ(squared_norm(other.parameters().gradients()), 15);
}

TEST(Flat, KeepsAGradientThatWasThereAndLeavesOutFrozenOnes) {
  ConvAndLinear m;
  m.conv.set_requires_grad(false);
  m.linear.bias.meta->grad = Tensor::full({5}, 3);
  const AdamW adam(m, {});
  EXPECT_EQ(adam.parameters().values().shape(), (Shape{32}));
  EXPECT_EQ(m.linear.bias.grad().to_vector(), std::vector<double>(5, 3));
  EXPECT_NE(m.conv.weight.value.storage(), adam.parameters().values().storage());
  EXPECT_EQ(names_of(adam.state()),
            (std::vector<std::string>{"m.linear.weight", "m.linear.bias", "v.linear.weight", "v.linear.bias", "step"}));
}

TEST(Flat, RefusesWhatItCannotHold) {
  ConvAndLinear m;
  m.linear.to(Dtype::f64);
  EXPECT_NE(error_of(ErrorCode::runtime, [&] { AdamW(m, {}); }).find("'linear.weight' is f64"), std::string::npos);
  m.set_requires_grad(false);
  error_of(ErrorCode::runtime, [&] { AdamW(m, {}); });
  Linear l(2, 2);
  auto twice = l.named_parameters();
  twice.push_back(twice[0]);
  error_of(ErrorCode::runtime, [&] { AdamW({{.parameters = twice}}, {}); });
}

TEST(AdamW, FirstStepsByHand) {
  // p = 1, g = 0.5 then -1; lr 0.1, betas 0.9 0.99, decay 0.5.
  // Step 1: m = 0.05, v = 0.0025, m^ = 0.5, v^ = 0.25: p = 1 (1 - 0.05) - 0.1 = 0.85
  // Step 2: m = -0.055, v = 0.012475, m^ = -0.055 / 0.19, v^ = 0.012475 / 0.0199
  Linear l(1, 1, false);
  l.to(Dtype::f64);
  l.weight.value.fill(1);
  AdamW adam(l, {.beta1 = 0.9, .beta2 = 0.99, .eps = 0x1p-60, .weight_decay = 0.5});
  l.weight.meta->grad.fill(0.5);
  adam.step(0.1);
  EXPECT_NEAR(l.weight.item(), 0.85, 1e-14);
  l.weight.meta->grad.fill(-1);
  adam.step(0.1);
  EXPECT_NEAR(l.weight.item(), 0.85 * 0.95 + 0.1 * (0.055 / 0.19) / std::sqrt(0.012475 / 0.0199), 1e-14);
  EXPECT_EQ(adam.steps_done(), 2);
}

TEST(AdamW, CoupledDecayGoesThroughTheMoments) {
  // g = 0: Adam sees the gradient decay * weight and takes a full step of lr, AdamW scales the weight by 1 - lr decay.
  for (const bool decoupled : {true, false}) {
    Linear l(1, 1, false);
    l.to(Dtype::f64);
    l.weight.value.fill(4);
    const AdamOptions options{.eps = 0x1p-60, .weight_decay = 0.5};
    if (decoupled)
      AdamW(l, options).step(0.1);
    else
      Adam(l, options).step(0.1);
    EXPECT_NEAR(l.weight.item(), decoupled ? 4 * 0.95 : 3.9, 1e-14);
  }
}

TEST(AdamW, GroupsHaveTheirOwnDecayAndRate) {
  Linear l(1, 1);
  l.to(Dtype::f64);
  l.weight.value.fill(1), l.bias.value.fill(1);
  AdamW adam(
      {{.parameters = {{"w", &l.weight}}, .weight_decay = 0.5}, {.parameters = {{"b", &l.bias}}, .lr_scale = 0.1}},
      {.lr = 0.2, .eps = 0x1p-60, .weight_decay = 9});
  l.weight.meta->grad.fill(3), l.bias.meta->grad.fill(3);
  adam.step();
  EXPECT_NEAR(l.weight.item(), 1 - 0.1 - 0.2, 1e-14);
  EXPECT_NEAR(l.bias.item(), 1 - 0.02, 1e-14);
}

TEST(AdamW, ClippingScalesTheNextStepOnly) {
  // Gradient (3, 4), norm 5: the first moment shows by what it was scaled.
  Linear l(2, 1, false);
  l.to(Dtype::f64);
  AdamW adam(l, {});
  const auto put = [&] { l.weight.grad().copy_from(Tensor::from<double>({3, 4}, {1, 2})); };
  put();
  EXPECT_DOUBLE_EQ(adam.clip_grad_norm(1), 5);
  adam.step(0);
  expect_near(adam.state()[0].second, {0.3 / 5.000001, 0.4 / 5.000001}, 1e-15);
  adam.zero_grad(), put();
  EXPECT_DOUBLE_EQ(adam.clip_grad_norm(10), 5);
  adam.step(0);
  expect_near(adam.state()[0].second, {0.9 * 0.3 / 5.000001 + 0.3, 0.9 * 0.4 / 5.000001 + 0.4}, 1e-15);
}

TEST(AdamW, NamesTheParameterThatDiverged) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    ConvAndLinear m;
    AdamW adam(m, {});
    adam.clip_grad_norm(1);
    m.linear.weight.meta->grad.select(0, 3).fill(bad);
    const auto message = error_of(ErrorCode::diverged, [&] { adam.clip_grad_norm(1); });
    EXPECT_NE(message.find("step 1: the gradient of 'linear.weight' is not finite"), std::string::npos) << message;
    adam.zero_grad();
    adam.clip_grad_norm(1);
  }
}

TEST(AdamW, StateContinuesBitExactly) {
  const auto run = [](ConvAndLinear& m, AdamW& adam, int from, int to) {
    for (int i = from; i < to; ++i) {
      fill_normal(adam.parameters().gradients(), 0, 1, {7, uint64_t(i)});
      adam.clip_grad_norm(1);
      adam.step(1e-2);
    }
    return m.conv.weight.value.to_vector();
  };
  default_generator() = {5, 0};
  ConvAndLinear whole;
  AdamW whole_adam(whole, {});
  const auto expected = run(whole, whole_adam, 0, 6);

  default_generator() = {5, 0};
  ConvAndLinear first;
  AdamW first_adam(first, {});
  run(first, first_adam, 0, 3);
  ConvAndLinear second;
  second.load_state_dict(first.state_dict(), "first");
  AdamW second_adam(second, {});
  second_adam.load_state(first_adam.state(), "first");
  EXPECT_EQ(second_adam.steps_done(), 3);
  EXPECT_EQ(second_adam.state()[0].second.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(run(second, second_adam, 3, 6), expected);

  NamedTensors cut = first_adam.state();
  cut.pop_back();
  EXPECT_NE(error_of(ErrorCode::input, [&] { second_adam.load_state(cut, "x"); }).find("missing     step"),
            std::string::npos);
}

TEST(AdamW, NoticesParametersThatLeftItsBuffer) {
  ConvAndLinear m;
  AdamW first(m, {});
  const AdamW second(m, {});
  EXPECT_NE(error_of(ErrorCode::runtime, [&] { first.step(); }).find("'conv.weight' no longer lies"),
            std::string::npos);
  EXPECT_THROW(first.zero_grad(), Error);
  m.to(Dtype::f64);
  EXPECT_THROW(Ema(second.parameters(), 0.5).update(), Error);
}

TEST(Ema, AveragesAndSwapsInAndOut) {
  Linear l(1, 2, false);
  l.weight.value.fill(8);
  AdamW adam(l, {});
  Ema ema(adam.parameters(), 0.75);
  l.weight.value.fill(4);
  ema.update();  // 8 + 0.25 (4 - 8) = 7
  l.weight.value.fill(-1);
  ema.update();  // 7 + 0.25 (-1 - 7) = 5
  const Tensor before = l.weight.value;
  {
    const Ema::Swap swap(ema);
    EXPECT_EQ(l.weight.value.to_vector(), (std::vector<double>{5, 5}));
  }
  EXPECT_EQ(l.weight.value.to_vector(), (std::vector<double>{-1, -1}));
  EXPECT_EQ(l.weight.value.storage(), before.storage());
  EXPECT_EQ(names_of(ema.state()), (std::vector<std::string>{"ema.weight"}));
  ema.load_state({{"ema.weight", Tensor::full({2, 1}, 3)}}, "x");
  EXPECT_EQ(ema.state()[0].second.to_vector(), (std::vector<double>{3, 3}));
  EXPECT_THROW(Ema(adam.parameters(), 1), Error);
}

}  // namespace
}  // namespace kg
