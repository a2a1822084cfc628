// Pointwise ops: accuracy of exp, log, tanh, erf, sin and cos in f32 against the C library in double over all floats,
// special values, broadcasting, selection, comparing.
#include <bit>
#include <limits>

#include "tensor/vec_math.h"
#include "tests/tensor/naive.h"

namespace kg {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

// Floats of every exponent and both signs within [low, high], every 1009th.
Tensor floats(float low, float high) {
  std::vector<float> values;
  for (uint64_t bits = 0; bits < (uint64_t(1) << 32); bits += 1009) {
    const float x = std::bit_cast<float>(uint32_t(bits));
    if (x >= low && x <= high) values.push_back(x);
  }
  return Tensor::from(values, {int64_t(values.size())});
}
struct Worst {
  double relative = 0, absolute = 0;
};
template <class Op, class Reference>
Worst worst(const Tensor& x, Op op, Reference reference) {
  const Tensor y = op(x);
  Worst w;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double want = reference(double(x.data<float>()[i])), got = double(y.data<float>()[i]);
    const double difference = std::fabs(got - want);
    w.absolute = difference <= w.absolute ? w.absolute : difference;  // a NaN is the worst
    if (want == 0) continue;
    const double share = difference / std::fabs(want);
    w.relative = share <= w.relative ? w.relative : share;
  }
  return w;
}
using UnaryOp = Tensor (*)(const Tensor&);

TEST(VecMath, Exp) {
  const UnaryOp op = exp;
  EXPECT_LT(worst(floats(-87.32f, 88.36f), op, [](double x) { return std::exp(x); }).relative, 2e-7);
  for (double y : op(floats(-3e38f, -87.34f)).to_vector()) ASSERT_EQ(y, 0);
}
TEST(VecMath, Log) {
  const UnaryOp op = log;
  EXPECT_LT(worst(floats(1.17549435e-38f, 3.4e38f), op, [](double x) { return std::log(x); }).relative, 2e-7);
}
TEST(VecMath, Tanh) {
  const UnaryOp op = tanh;
  EXPECT_LT(worst(floats(-3.4e38f, 3.4e38f), op, [](double x) { return std::tanh(x); }).relative, 2e-7);
}
TEST(VecMath, Erf) {
  const auto op = [](const Tensor& x) {
    const Tensor y = empty_like(x);
    for (int64_t i = 0; i < x.numel(); ++i) y.data<float>()[i] = vm::erf(x.data<float>()[i]);
    return y;
  };
  EXPECT_LT(worst(floats(-3.4e38f, 3.4e38f), op, [](double x) { return std::erf(x); }).absolute, 1.5e-7);
  EXPECT_EQ(vm::erf(kInf), 1);
  EXPECT_EQ(vm::erf(-kInf), -1);
  EXPECT_TRUE(std::isnan(vm::erf(kNan)));
}
TEST(VecMath, SinAndCos) {
  const UnaryOp sine = sin, cosine = cos;
  EXPECT_LT(worst(floats(-1e4f, 1e4f), sine, [](double x) { return std::sin(x); }).absolute, 3e-7);
  EXPECT_LT(worst(floats(-1e4f, 1e4f), cosine, [](double x) { return std::cos(x); }).absolute, 3e-7);
  EXPECT_LT(worst(floats(-0.75f, 0.75f), sine, [](double x) { return std::sin(x); }).relative, 2e-7);
}
TEST(VecMath, SpecialValues) {
  const Tensor x = Tensor::from<float>({kInf, -kInf, kNan, 0, -1, 1e-40f, 89}, {7});
  const auto at_specials = [&](UnaryOp op) { return op(x).to_vector(); };
  const Values e = at_specials(exp), l = at_specials(log), t = at_specials(tanh), s = at_specials(sigmoid);
  EXPECT_EQ(e[0], kInf);
  EXPECT_EQ(e[1], 0);
  EXPECT_TRUE(std::isnan(e[2]));
  EXPECT_EQ(e[3], 1);
  EXPECT_EQ(e[5], 1);
  EXPECT_EQ(e[6], kInf);
  EXPECT_EQ(l[0], kInf);
  EXPECT_TRUE(std::isnan(l[1]));
  EXPECT_TRUE(std::isnan(l[2]));
  EXPECT_EQ(l[3], -kInf);
  EXPECT_TRUE(std::isnan(l[4]));
  EXPECT_EQ(l[5], -kInf) << "denormals count as 0";
  EXPECT_EQ(t[0], 1);
  EXPECT_EQ(t[1], -1);
  EXPECT_TRUE(std::isnan(t[2]));
  EXPECT_EQ(t[3], 0);
  EXPECT_EQ(s[0], 1);
  EXPECT_EQ(s[1], 0);
  EXPECT_TRUE(std::isnan(s[2]));
  EXPECT_EQ(s[3], 0.5);
  EXPECT_TRUE(std::isnan(relu(x).to_vector()[2]));
  EXPECT_TRUE(std::isnan(clamp(x, -2, 2).to_vector()[2]));
}

TEST(Pointwise, NotANumberWinsFromEitherSide) {
  for (Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Tensor a = Tensor::from<double>({kNan, 1, kNan, kInf, kNan, -kInf}, {6}).to(dtype);
    const Tensor b = Tensor::from<double>({1, kNan, kNan, kNan, -kInf, 2}, {6}).to(dtype);
    for (const Values& y : {maximum(a, b).to_vector(), minimum(a, b).to_vector()})
      for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(std::isnan(y[i])) << i << ": " << y[i];
    EXPECT_EQ(maximum(a, b).to_vector()[5], 2);
    EXPECT_EQ(minimum(a, b).to_vector()[5], -kInf);
  }
}

TEST(Pointwise, ByHand) {
  const Tensor x = Tensor::from<double>({-2, -0.5, 0, 0.25, 3}, {5});
  EXPECT_EQ(relu(x).to_vector(), (Values{0, 0, 0, 0.25, 3}));
  EXPECT_EQ(abs(x).to_vector(), (Values{2, 0.5, 0, 0.25, 3}));
  EXPECT_EQ(square(x).to_vector(), (Values{4, 0.25, 0, 0.0625, 9}));
  EXPECT_EQ(leaky_relu(x, 0.5).to_vector(), (Values{-1, -0.25, 0, 0.25, 3}));
  EXPECT_EQ(clamp(x, -1, 0.125).to_vector(), (Values{-1, -0.5, 0, 0.125, 0.125}));
  EXPECT_EQ(smooth_l1(x, 1).to_vector(), (Values{1.5, 0.125, 0, 0.03125, 2.5}));
  EXPECT_EQ(affine(x, 4, 1).to_vector(), (Values{-7, -1, 1, 2, 13}));
  EXPECT_EQ(pow(x, 3).to_vector(), (Values{-8, -0.125, 0, 0.015625, 27}));
  EXPECT_EQ(maximum(x, Tensor::scalar(0.25, Dtype::f64)).to_vector(), (Values{0.25, 0.25, 0.25, 0.25, 3}));
  EXPECT_EQ(minimum(x, neg(x)).to_vector(), (Values{-2, -0.5, 0, -0.25, -3}));
  // gelu(1) = Phi(1)
  EXPECT_NEAR(gelu(Tensor::scalar(1, Dtype::f64)).item(), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(silu(Tensor::scalar(1, Dtype::f64)).item(), 0.7310585786300049, 1e-15);
}

TEST(Pointwise, Broadcasting) {
  const Tensor a = Tensor::from<float>({1, 2, 3}, {3, 1}), b = Tensor::from<float>({10, 20}, {2});
  EXPECT_EQ(mul(a, b).to_vector(), (Values{10, 20, 20, 40, 30, 60}));
  EXPECT_EQ(mul(a, b).shape(), (Shape{3, 2}));
  EXPECT_EQ(sub(a.reshape({3}), Tensor::scalar(1)).to_vector(), (Values{0, 1, 2}));
  EXPECT_EQ(add(Tensor::empty({0, 2}), b).shape(), (Shape{0, 2}));
  expect_error([&] { add(a.reshape({3}), b); }, "[add] shapes (3) and (2) do not broadcast");
  expect_error([&] { add(a, b.to(Dtype::f64)); }, "[add] operands are f32 and f64; convert one with to()");
}

TEST(Pointwise, InPlace) {
  const Tensor t = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
  add_(t, Tensor::from<float>({10, 20}, {2}), 0.5);
  EXPECT_EQ(t.to_vector(), (Values{6, 12, 8, 14}));
  scale_(t.select(1, 0), 2);
  EXPECT_EQ(t.to_vector(), (Values{12, 12, 16, 14}));
  lerp_(t, Tensor::zeros({2, 2}), 0.25);
  EXPECT_EQ(t.to_vector(), (Values{9, 9, 12, 10.5}));
  const uint32_t before = t.version();
  scale_(t, 1);
  EXPECT_GT(t.version(), before);
  const uint32_t now = t.version();
  add_(t.unversioned().select(0, 0), Tensor::ones({2}));  // written, and not seen
  EXPECT_EQ(t.to_vector(), (Values{10, 10, 12, 10.5}));
  EXPECT_EQ(t.version(), now);
  expect_error([&] { add_(t, Tensor::zeros({3, 2, 2})); }, "[expand] cannot expand (3, 2, 2) to (2, 2)");
}

TEST(Pointwise, SelectionAndComparison) {
  const Tensor mask = Tensor::from<uint8_t>({1, 0}, {2}), x = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(where(mask, x, Tensor::scalar(-1)).to_vector(), (Values{1, -1, 3, -1}));
  EXPECT_EQ(masked_fill(x, mask.reshape({2, 1}), 9).to_vector(), (Values{9, 9, 3, 4}));
  EXPECT_EQ(equal(x, Tensor::from<float>({1, 4}, {2})).to_vector(), (Values{1, 0, 0, 1}));
  EXPECT_EQ(equal(Tensor::scalar(kNan), Tensor::scalar(kNan)).item(), 0);
  expect_error([&] { where(x, x, x); }, "[where] mask must be u8, is f32");
  EXPECT_TRUE(all_finite(x));
  EXPECT_TRUE(all_finite(Tensor::empty({0})));
  for (float bad : {kInf, -kInf, kNan}) {
    const Tensor t = Tensor::zeros({30000});
    t.data<float>()[29999] = bad;
    EXPECT_FALSE(all_finite(t)) << bad;
  }
  EXPECT_EQ(max_abs_difference(x, affine(x, 1, 0.5)), 0.5);
  EXPECT_TRUE(std::isnan(max_abs_difference(x, Tensor::full({2, 2}, kNan))));
  expect_error([&] { max_abs_difference(x, mask); }, "[max_abs_difference] shapes are (2, 2) and (2)");
}

}  // namespace
}  // namespace kg
