// Losses: hand-computed values, gradients against central differences, bad targets. PyTorch's: test_nn_golden.cpp.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "nn/losses.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

TEST(Losses, RegressionByHand) {
  const Var x = Tensor::from<double>({0, 1, 2, 5}, {2, 2}), y = Tensor::from<double>({0.5, 1, 4, 2}, {2, 2});
  // differences -0.5 0 -2 3
  EXPECT_DOUBLE_EQ(mse_loss(x, y).item(), (0.25 + 4 + 9) / 4);
  EXPECT_DOUBLE_EQ(l1_loss(x, y).item(), 5.5 / 4);
  EXPECT_DOUBLE_EQ(smooth_l1_loss(x, y).item(), (0.125 + 1.5 + 2.5) / 4);
  EXPECT_DOUBLE_EQ(smooth_l1_loss(x, y, 2).item(), (0.0625 + 1 + 2) / 4);
  EXPECT_THROW(mse_loss(x, Tensor::zeros({2, 1}, Dtype::f64)), Error);
  EXPECT_THROW(smooth_l1_loss(x, y, 0), Error);
}

// Two classes with logits (0, log 3): probabilities 1/4 and 3/4.
Tensor quarters(const Shape& rows) {
  Tensor t = Tensor::zeros({rows.numel(), 2}, Dtype::f64);
  t.select(1, 1).fill(std::log(3.0));
  Shape shape = rows;
  shape.push_back(2);
  return t.reshape(shape);
}

TEST(Losses, CrossEntropyIsTheMeanOverCountedTargets) {
  const Var logits = quarters({2, 2});
  const double rare = std::log(4.0), often = std::log(4.0 / 3);
  EXPECT_NEAR(cross_entropy_loss(logits, Tensor::from<int32_t>({0, 1, 1, 1}, {2, 2})).item(), (rare + 3 * often) / 4,
              1e-14);
  EXPECT_NEAR(cross_entropy_loss(logits, Tensor::from<int32_t>({0, 7, 7, 1}, {2, 2}), 7).item(), (rare + often) / 2,
              1e-14);
  EXPECT_NEAR(cross_entropy_loss(logits, Tensor::full({2, 2}, 0, Dtype::i32), -100, 0.5).item(),
              0.5 * rare + 0.5 * (rare + often) / 2, 1e-14);
  EXPECT_TRUE(std::isnan(cross_entropy_loss(logits, Tensor::full({2, 2}, -100, Dtype::i32)).item()));
  EXPECT_THROW(cross_entropy_loss(logits, Tensor::full({2, 2}, 2, Dtype::i32)), Error);
  EXPECT_THROW(cross_entropy_loss(logits, Tensor::zeros({4}, Dtype::i32)), Error);
  EXPECT_THROW(cross_entropy_loss(logits, Tensor::zeros({2, 2})), Error);
}

TEST(Losses, EverySampleWeighsTheSame) {
  const Var logits = quarters({2, 3});
  const Tensor target = Tensor::from<int32_t>({1, 1, 0, 0, 513, 513}, {2, 3});
  const double rare = std::log(4.0), often = std::log(4.0 / 3);
  EXPECT_NEAR(sample_mean_cross_entropy(logits, target, {3, 1}).item(), ((2 * often + rare) / 3 + rare) / 2, 1e-14);
  EXPECT_THROW(sample_mean_cross_entropy(logits, target, {3, 2}), Error);  // 513 has no logit
  EXPECT_THROW(sample_mean_cross_entropy(logits, target, {3, 0}), Error);
  EXPECT_THROW(sample_mean_cross_entropy(logits, target, {4, 1}), Error);
  EXPECT_THROW(sample_mean_cross_entropy(logits, target, {3}), Error);
}

TEST(Losses, Gradients) {
  const Tensor x = Tensor::empty({2, 3, 4}, Dtype::f64), y = Tensor::empty({2, 3, 4}, Dtype::f64);
  fill_normal(x, 0, 2, {1, 1}), fill_normal(y, 0, 2, {1, 2});
  const Tensor target = Tensor::from<int32_t>({1, 3, 0, 2, -100, -100}, {2, 3});
  using Fn = std::function<Var(const std::vector<Var>&)>;
  for (const Fn& pair :
       {Fn([](const auto& v) { return mse_loss(v[0], v[1]); }), Fn([](const auto& v) { return l1_loss(v[0], v[1]); }),
        Fn([](const auto& v) { return smooth_l1_loss(v[0], v[1], 0.7); })}) {
    const auto result = gradcheck(pair, {x, y});
    EXPECT_TRUE(result.ok) << result.message;
  }
  for (const Fn& of_logits :
       {Fn([&](const auto& v) { return cross_entropy_loss(v[0], target, -100, 0.1); }), Fn([&](const auto& v) {
          return sample_mean_cross_entropy(v[0], target, {2, 1});
        })}) {
    const auto result = gradcheck(of_logits, {x});
    EXPECT_TRUE(result.ok) << result.message;
  }
}

}  // namespace
}  // namespace kg
