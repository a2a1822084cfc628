// The GRU by hand-computed values: what a step does, where a direction begins and ends, what it refuses.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

Tensor lengths_of(const std::vector<int32_t>& lengths) { return Tensor::from(lengths, {int64_t(lengths.size())}); }
double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// One unit: r = s(1 + 0.5 h + 0.1), z = s(-1 - h + 0.2), n = tanh(2 + r (3 h - 0.5)).
double one_unit(double h) {
  const double r = logistic(1.1 + 0.5 * h), z = logistic(-0.8 - h), n = std::tanh(2 + r * (3 * h - 0.5));
  return (1 - z) * n + z * h;
}

TEST(Gru, ByHand) {
  for (Dtype dtype : kDtypes) {
    const Tensor gates = of({1, -1, 2, 1, -1, 2}, {1, 2, 3}, dtype);
    const GruResult r = gru(gates, of({0.5, -1, 3}, {3, 1}, dtype), of({0.1, 0.2, -0.5}, {3}, dtype),
                            of({0.25}, {1, 1}, dtype), lengths_of({2}), false);
    const double first = one_unit(0.25), second = one_unit(first);
    expect_values(r.y, {first, second, second}, rounding(dtype));
  }
}

// With a z of 1 the state stays, with a z of 0 and no recurrent weights it becomes the new gate.
TEST(Gru, EachDirectionTakesTheValidStepsOnly) {
  constexpr double kOpen = -100;
  const Tensor weight = Tensor::zeros({3, 1}), bias = Tensor::zeros({3});
  std::vector<double> x;
  for (double n : {1., 2., 3., 4., 5., 6.}) x.insert(x.end(), {0, kOpen, std::atanh(n / 10)});
  const Tensor gates = of(x, {2, 3, 3}, Dtype::f32), h0 = of({-0.5, -0.5}, {2, 1}, Dtype::f32);
  const Tensor lengths = lengths_of({3, 1});
  expect_values(gru(gates, weight, bias, h0, lengths, false).y, {0.1, 0.2, 0.3, 0.3, 0.4, 0, 0, 0.4}, 1e-6);
  expect_values(gru(gates, weight, bias, h0, lengths, true).y, {0.1, 0.2, 0.3, 0.1, 0.4, 0, 0, 0.4}, 1e-6);
  const Tensor closed = gates.clone();
  closed.slice(2, 1, 2).fill(-kOpen);
  expect_values(gru(closed, weight, bias, h0, lengths, true).y, {-0.5, -0.5, -0.5, -0.5, -0.5, 0, 0, -0.5}, 1e-6);
}

// What stands behind a sample's end means nothing, and neither do its batch mates.
TEST(Gru, PaddingChangesNothing) {
  const Tensor weight = random_tensor({48, 16}, Dtype::f32, 1, 0.3), bias = random_tensor({48}, Dtype::f32, 2);
  const Tensor gates = random_tensor({3, 7, 48}, Dtype::f32, 3), h0 = random_tensor({3, 16}, Dtype::f32, 4);
  for (bool reverse : {false, true}) {
    const Tensor y = gru(gates, weight, bias, h0, lengths_of({4, 7, 1}), reverse).y;
    const Tensor noisy = gates.clone();
    noisy.select(0, 0).slice(0, 4, 7).fill(NAN);
    EXPECT_TRUE(same_bytes(gru(noisy, weight, bias, h0, lengths_of({4, 7, 1}), reverse).y, y));
    const Tensor alone =
        gru(gates.slice(0, 0, 1).slice(1, 0, 4), weight, bias, h0.slice(0, 0, 1), lengths_of({4}), reverse).y;
    EXPECT_LT(max_abs_difference(alone.select(1, 4), y.slice(0, 0, 1).select(1, 7)), 1e-6);
  }
}

TEST(Gru, Errors) {
  const Tensor gates = Tensor::zeros({2, 4, 6}), weight = Tensor::zeros({6, 2}), bias = Tensor::zeros({6});
  const Tensor h0 = Tensor::zeros({2, 2}), lengths = lengths_of({4, 1});
  const auto call = [&](const Tensor& g, const Tensor& w, const Tensor& b, const Tensor& h, const Tensor& l) {
    return [=] { gru(g, w, b, h, l, false); };
  };
  expect_error(call(gates, weight, bias, h0, lengths_of({4, 0})), "[gru] length 0 of sample 1 is not in 1..4");
  expect_error(call(gates, weight, bias, h0, lengths_of({5, 1})), "[gru] length 5 of sample 0 is not in 1..4");
  expect_error(call(gates, weight, bias, h0, lengths_of({4})), "[gru] lengths must be i32 (2)");
  expect_error(call(gates.slice(2, 0, 5), weight, bias, h0, lengths), "[gru] gates must be (batch, time, 3 hidden)");
  expect_error(call(gates, Tensor::zeros({2, 6}), bias, h0, lengths), "[gru] weight must have shape (6, 2)");
  expect_error(call(gates, weight, bias, Tensor::zeros({1, 2}), lengths), "[gru] h0 must have shape (2, 2)");
  expect_error(call(gates, weight.to(Dtype::f64), bias, h0, lengths), "[gru] weight is f64");
}

}  // namespace
}  // namespace kg
