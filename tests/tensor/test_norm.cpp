// Layer norm and RMS norm by hand-computed values and at their edges.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

TEST(LayerNorm, ByHand) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = of({1, 3, 5, 7, -4, -4, 4, 4}, {2, 4}, dtype);
    const Tensor weight = of({1, 1, 2, 1}, {4}, dtype), bias = of({0, 0, 0, 10}, {4}, dtype);
    const NormResult r = layer_norm(x, weight, bias, 0);
    const double s = std::sqrt(5);  // mean 4, variance 5; mean 0, variance 16
    expect_values(r.y, {-3 / s, -1 / s, 2 / s, 3 / s + 10, -1, -1, 2, 11}, rounding(dtype) * 4);
    expect_values(r.mean, {4, 0}, rounding(dtype));
    expect_values(r.rstd, {1 / s, 0.25}, rounding(dtype));
    // With eps = 9 the second row's variance is 25.
    expect_values(layer_norm(x, weight, bias, 9).y.select(0, 1), {-0.8, -0.8, 1.6, 10.8}, rounding(dtype) * 4);
  }
}
TEST(LayerNorm, ConstantRowsAndLargeMeans) {
  const Tensor one = Tensor::ones({3}), zero = Tensor::zeros({3});
  EXPECT_EQ(layer_norm(Tensor::full({2, 3}, 7), one, zero, 1e-5).y.to_vector(), (Values{0, 0, 0, 0, 0, 0}));
  // E[x^2] - E[x]^2 in f32 would lose all of this row's variance.
  const Tensor x = Tensor::from<float>({4095, 4096, 4097}, {1, 3});
  expect_values(layer_norm(x, one, zero, 0).y, {-std::sqrt(1.5), 0, std::sqrt(1.5)}, 1e-6);
  EXPECT_EQ(layer_norm(Tensor::empty({0, 3}), one, zero, 1e-5).y.shape(), (Shape{0, 3}));
}
TEST(RmsNorm, ByHand) {
  for (Dtype dtype : kDtypes) {
    const NormResult r = rms_norm(of({3, 4, 0, 0}, {1, 4}, dtype), of({1, 2, 1, 1}, {4}, dtype), 0);
    expect_values(r.y, {1.2, 3.2, 0, 0}, rounding(dtype));  // root mean square 2.5
    expect_values(r.rstd, {0.4}, rounding(dtype));
    EXPECT_FALSE(r.mean.defined());
  }
}
TEST(Norms, GradientsOfWeightAndBiasGoWhereTheyAreWanted) {
  for (int64_t rows : {0, 3, 200}) {  // of one block of rows and of several
    const Tensor x = random_tensor({rows, 7}, Dtype::f32, 1), gy = random_tensor({rows, 7}, Dtype::f32, 2);
    const Tensor w = random_tensor({7}, Dtype::f32, 3), b = Tensor::zeros({7});
    const NormResult r = layer_norm(x, w, b, 1e-5);
    const NormGradients made = layer_norm_backward(gy, x, w, r.mean, r.rstd);
    const NormRoom room{Tensor::full({7}, std::nan("")), Tensor::full({7}, std::nan(""))};
    const NormGradients given = layer_norm_backward(gy, x, w, r.mean, r.rstd, room);
    EXPECT_EQ(given.weight.storage(), room.weight.storage());
    EXPECT_EQ(given.bias.storage(), room.bias.storage());
    EXPECT_TRUE(same_bytes(given.weight, made.weight) && same_bytes(given.bias, made.bias)) << rows;
    expect_error(
        [&] {
          layer_norm_backward(gy, x, w, r.mean, r.rstd, {Tensor::zeros({6}), {}});
        },
        "must have 7 elements");
    expect_error(
        [&] {
          layer_norm_backward(gy, x, w, r.mean, r.rstd, {Tensor::zeros({7}, Dtype::f64), {}});
        },
        "expected f32");
  }
}
TEST(Norms, Errors) {
  const Tensor x = Tensor::zeros({2, 512}), one = Tensor::ones({512});
  expect_error([&] { layer_norm(x, Tensor::ones({256}), one, 1e-5); },
               "[layer_norm] weight must have 512 elements, has shape (256)");
  expect_error([&] { layer_norm(x, one, Tensor::ones({512, 1}), 1e-5); }, "[layer_norm] bias must have 512 elements");
  expect_error([&] { layer_norm(x, Tensor::ones({512, 2}).select(1, 0), one, 1e-5); }, "weight must be contiguous");
  expect_error([&] { rms_norm(x.transpose(0, 1), one, 1e-5); }, "[rms_norm] input must be contiguous");
}

}  // namespace
}  // namespace kg
