// Softmax, log-softmax and cross-entropy by hand-computed values and at their edges.
#include <limits>

#include "tests/tensor/naive.h"

namespace kg {
namespace {

TEST(Softmax, ByHand) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = of({0, std::log(2), std::log(5), 7, 7, 7}, {2, 3}, dtype);
    const double third = 1.0 / 3;
    expect_values(softmax(x), {0.125, 0.25, 0.625, third, third, third}, rounding(dtype));
    expect_values(log_softmax(x),
                  {std::log(0.125), std::log(0.25), std::log(0.625), std::log(third), std::log(third), std::log(third)},
                  rounding(dtype));
  }
}
TEST(Softmax, HugeAndImpossibleLogits) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = of({1e30, -1e30, 0, -1000, -1000, -kInf}, {2, 3}, dtype);
    expect_values(softmax(x), {1, 0, 0, 0.5, 0.5, 0}, rounding(dtype));
    const Tensor y = log_softmax(x);
    expect_values(y.select(0, 1), {std::log(0.5), std::log(0.5), -kInf}, 1e-4);
    EXPECT_EQ(y.to_vector()[0], 0);
    // The gradient at an impossible class is 0, not NaN.
    expect_values(log_softmax_backward(of({0, 0, 0, 1, 0, 0}, {2, 3}, dtype), y), {0, 0, 0, 0.5, -0.5, 0}, 1e-4);
  }
}
TEST(Softmax, ARowWithoutAnyPossibleClassIsNotANumber) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = of({-kInf, -kInf, 1, 1}, {2, 2}, dtype);
    for (const Tensor& y : {softmax(x), log_softmax(x)}) {
      const Values values = y.to_vector();
      EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
      EXPECT_TRUE(std::isfinite(values[2]) && std::isfinite(values[3])) << "other rows are not touched";
    }
  }
}
TEST(Softmax, EmptyOneColumnAndErrors) {
  EXPECT_EQ(softmax(Tensor::empty({0, 5})).shape(), (Shape{0, 5}));
  EXPECT_EQ(softmax(Tensor::empty({5, 0})).shape(), (Shape{5, 0}));
  EXPECT_EQ(softmax(Tensor::from<float>({-300, 300}, {2, 1})).to_vector(), (Values{1, 1}));
  EXPECT_EQ(log_softmax(Tensor::from<float>({-300, 300}, {2, 1})).to_vector(), (Values{0, 0}));
  expect_error([] { softmax(Tensor::scalar(1)); }, "[softmax] input must have at least one axis");
  expect_error([] { softmax(Tensor::empty({2, 3}).transpose(0, 1)); }, "[softmax] input must be contiguous");
  expect_same_for_any_threads([] { return softmax(random_tensor({513, 197}, Dtype::f32, 3, 4)); });
}

TEST(CrossEntropy, ByHand) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = of({0, std::log(2), std::log(5), 0, std::log(2), std::log(5), 7, 7, 7}, {3, 3}, dtype);
    const Tensor target = Tensor::from<int32_t>({2, -100, 0}, {3});
    const auto [loss, lse] = cross_entropy(x, target, -100, 0);
    expect_values(loss, {-std::log(0.625), 0, std::log(3)}, rounding(dtype));
    expect_values(lse, {std::log(8), std::log(8), 7 + std::log(3)}, rounding(dtype));
    expect_values(cross_entropy_backward(of({2, 3, 1}, {3}, dtype), x, target, lse, -100, 0),
                  {0.25, 0.5, -0.75, 0, 0, 0, -2.0 / 3, 1.0 / 3, 1.0 / 3}, rounding(dtype));
    // Smoothing by 0.3: 0.7 of the target's -log p and 0.3 of the mean of all.
    const double all = -(std::log(0.125) + std::log(0.25) + std::log(0.625)) / 3;
    expect_values(cross_entropy(x, target, -100, 0.3).first, {-0.7 * std::log(0.625) + 0.3 * all, 0, std::log(3)},
                  rounding(dtype));
  }
}
TEST(CrossEntropy, HugeLogits) {
  const Tensor x = of({1e4, 0, 0, 1e4}, {2, 2}, Dtype::f32), target = Tensor::from<int32_t>({0, 0}, {2});
  const auto [loss, lse] = cross_entropy(x, target, -1, 0);
  EXPECT_EQ(loss.to_vector(), (Values{0, 1e4}));
  EXPECT_EQ(cross_entropy_backward(Tensor::ones({2}), x, target, lse, -1, 0).to_vector(), (Values{0, 0, -1, 1}));
  EXPECT_EQ(cross_entropy(Tensor::empty({0, 4}), Tensor::empty({0}, Dtype::i32), -1, 0).first.numel(), 0);
}
TEST(CrossEntropy, Errors) {
  const Tensor x = Tensor::zeros({2, 3});
  const auto with = [&](const Tensor& target) { return [&x, target] { cross_entropy(x, target, -1, 0); }; };
  expect_error(with(Tensor::from<int32_t>({0, 3}, {2})), "[cross_entropy] target 3 of row 1 is outside 0..2");
  expect_error(with(Tensor::from<int32_t>({-2, 0}, {2})), "target -2 of row 0");
  expect_error(with(Tensor::from<int32_t>({0}, {1})), "target must have 2 elements, has shape (1)");
  expect_error(with(Tensor::zeros({2})), "target must be i32, is f32");
  expect_error(with(Tensor::zeros({2, 2}, Dtype::i32).select(1, 0)), "target must be contiguous, has strides (2)");
  expect_error([] { cross_entropy(Tensor::zeros({2}), Tensor::zeros({2}, Dtype::i32), -1, 0); }, "logits must be");
}

}  // namespace
}  // namespace kg
