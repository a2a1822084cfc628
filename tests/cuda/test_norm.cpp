// Layer norm and RMS norm on the device against the CPU in f64: rows that a warp holds in 1 to 8 packs a lane, rows of
// a block, rows that begin anywhere, sums over columns of few and of many rows.
#include <cmath>

#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaNorm = DeviceTest;

struct Sizes {
  int64_t rows, n;
};
const std::vector<Sizes> kSizes{{1, 1},    {5, 3},    {9, 31},   {9, 32},   {4, 33},   {7, 255},  {3, 256},  {3, 257},
                                {70, 512}, {2, 1023}, {2, 1024}, {3, 1025}, {2, 2048}, {3, 2056}, {2, 4100}, {600, 8}};

template <class Fn>
void for_cases(Fn&& fn) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (const Sizes s : kSizes)
      for (const bool misaligned : {false, true}) {
        if (misaligned && s.rows * s.n > 5000) continue;
        fn(dtype, s, misaligned,
           std::string(name_of(dtype)) + " (" + std::to_string(s.rows) + ", " + std::to_string(s.n) + ")" +
               (misaligned ? " misaligned" : ""));
        if (testing::Test::HasFailure()) return;
      }
}

TEST_F(CudaNorm, LayerNormMatchesTheCpu) {
  for_cases([](Dtype dtype, Sizes s, bool misaligned, const std::string& what) {
    const Twin x = random_twin({s.rows, s.n}, dtype, 1, misaligned),
               g = random_twin({s.rows, s.n}, dtype, 2, misaligned);
    const Twin w = random_twin({s.n}, dtype, 3), b = random_twin({s.n}, dtype, 4);
    const NormResult got = layer_norm(x.cuda, w.cuda, b.cuda, 1e-5), want = layer_norm(x.cpu, w.cpu, b.cpu, 1e-5);
    EXPECT_EQ(got.rstd.dtype(), Dtype::f32);
    expect_close(got.y, want.y, 4e-6, "y " + what);
    expect_close(got.mean, want.mean, 1e-6, "mean " + what);
    expect_close(got.rstd, want.rstd, 4e-6, "rstd " + what);
    const NormGradients gg = layer_norm_backward(g.cuda, x.cuda, w.cuda, got.mean, got.rstd);
    const NormGradients gc = layer_norm_backward(g.cpu, x.cpu, w.cpu, want.mean, want.rstd);
    EXPECT_EQ(gg.weight.dtype(), Dtype::f32);
    expect_close(gg.x, gc.x, 1e-5, "gx " + what);
    expect_close(gg.weight, gc.weight, 2e-5, "gweight " + what);
    expect_close(gg.bias, gc.bias, 2e-5, "gbias " + what);
  });
}

TEST_F(CudaNorm, ResidualNormMatchesTheCpu) {
  for_cases([](Dtype dtype, Sizes s, bool misaligned, const std::string& what) {
    const Shape shape{s.rows, s.n};
    const Twin x = random_twin(shape, dtype, 11, misaligned), branch = random_twin(shape, dtype, 12, misaligned),
               g = random_twin(shape, dtype, 13, misaligned), more = random_twin(shape, dtype, 14);
    const Twin w = random_twin({s.n}, dtype, 15), b = random_twin({s.n}, dtype, 16);
    const double p = s.rows % 2 ? 0.3 : 0;
    const Philox random{3, uint64_t(s.n)};
    const ResidualNorm got = add_dropout_norm(x.cuda, branch.cuda, p, random, w.cuda, b.cuda, 1e-5);
    expect_close(got.sum, add_dropout_norm(x.cpu, branch.cpu, p, random, w.cpu, b.cpu, 1e-5).sum, 1e-6, "sum " + what);
    // The norm is that of the sum as it was rounded.
    const Tensor sum = got.sum.to(Device::cpu).to(Dtype::f64);
    const NormResult want = layer_norm(sum, w.cpu, b.cpu, 1e-5);
    expect_close(got.norm.y, want.y, 4e-6, "y " + what);
    expect_close(got.norm.mean, want.mean, 1e-6, "mean " + what);
    expect_close(got.norm.rstd, want.rstd, 4e-6, "rstd " + what);
    for (const bool used : {false, true}) {
      const ResidualNormGradients gg = add_dropout_norm_backward(used ? more.cuda : Tensor{}, g.cuda, got.sum, p,
                                                                 random, w.cuda, got.norm.mean, got.norm.rstd);
      const ResidualNormGradients gc =
          add_dropout_norm_backward(used ? more.cpu : Tensor{}, g.cpu, sum, p, random, w.cpu, want.mean, want.rstd);
      expect_close(gg.x, gc.x, 1e-5, "gx " + what);
      expect_close(gg.branch, gc.branch, 1e-5, "gbranch " + what);
      expect_close(gg.weight, gc.weight, 2e-5, "gweight " + what);
      expect_close(gg.bias, gc.bias, 2e-5, "gbias " + what);
    }
  });
}

TEST_F(CudaNorm, RmsNormMatchesTheCpu) {
  for_cases([](Dtype dtype, Sizes s, bool misaligned, const std::string& what) {
    const Twin x = random_twin({s.rows, s.n}, dtype, 5, misaligned),
               g = random_twin({s.rows, s.n}, dtype, 6, misaligned);
    const Twin w = random_twin({s.n}, dtype, 7);
    const NormResult got = rms_norm(x.cuda, w.cuda, 1e-6), want = rms_norm(x.cpu, w.cpu, 1e-6);
    EXPECT_FALSE(got.mean.defined());
    expect_close(got.y, want.y, 4e-6, "y " + what);
    expect_close(got.rstd, want.rstd, 4e-6, "rstd " + what);
    const NormGradients gg = rms_norm_backward(g.cuda, x.cuda, w.cuda, got.rstd);
    const NormGradients gc = rms_norm_backward(g.cpu, x.cpu, w.cpu, want.rstd);
    expect_close(gg.x, gc.x, 1e-5, "gx " + what);
    expect_close(gg.weight, gc.weight, 2e-5, "gweight " + what);
    EXPECT_FALSE(gg.bias.defined());
  });
}

TEST_F(CudaNorm, KnownValues) {
  const Tensor x = Tensor::from<float>({1, 3, 5, 7}, {1, 4}).to(Device::cuda);
  const Tensor w = Tensor::full({4}, 2, Dtype::f32, Device::cuda), b = Tensor::ones({4}, Dtype::f32, Device::cuda);
  const NormResult r = layer_norm(x, w, b, 4);  // mean 4, variance 5: 1 / sqrt(9)
  const std::vector<double> y = r.y.to_vector(), want{-1, 1.0 / 3, 5.0 / 3, 3};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i], want[i], 1e-6);
  EXPECT_EQ(r.mean.item(), 4);
  EXPECT_NEAR(r.rstd.item(), 1.0 / 3, 1e-7);
  const NormResult rms = rms_norm(x, w, 4);  // mean square 21
  EXPECT_NEAR(rms.y.to_vector()[3], 2.8, 1e-6);
}

// E[x^2] - E[x]^2 in f32 would leave nothing of this variance.
TEST_F(CudaNorm, SmallVarianceOnALargeMean) {
  for (const int64_t n : {64, 8192}) {
    const Tensor x = Tensor::empty({2, n}, Dtype::f64);
    fill_normal(x, 1000, 0.01, {1, 2});
    const Twin t = twin_of(x, Dtype::f32), w = twin_of(Tensor::ones({n}, Dtype::f64), Dtype::f32);
    const NormResult got = layer_norm(t.cuda, w.cuda, {}, 0), want = layer_norm(t.cpu, w.cpu, {}, 0);
    // The mean itself rounds to 1000 x 2^-24, 0.6 % of a deviation.
    expect_close(got.rstd, want.rstd, 1e-3, "rstd");
    expect_close(got.y, want.y, 2e-2, "y");
  }
}

TEST_F(CudaNorm, SameBytesEveryTime) {
  const Twin x = random_twin({300, 96}, Dtype::f32, 8), g = random_twin({300, 96}, Dtype::f32, 9);
  const Twin w = random_twin({96}, Dtype::f32, 10);
  const NormResult r = layer_norm(x.cuda, w.cuda, {}, 1e-5);
  const NormGradients a = layer_norm_backward(g.cuda, x.cuda, w.cuda, r.mean, r.rstd);
  const NormGradients b = layer_norm_backward(g.cuda, x.cuda, w.cuda, r.mean, r.rstd);
  EXPECT_EQ(a.weight.to_vector(), b.weight.to_vector());
  EXPECT_EQ(a.bias.to_vector(), b.bias.to_vector());
  // Into what is there already, and overwriting it.
  const Tensor flat = Tensor::full({2, 96}, std::nan(""), Dtype::f32, Device::cuda);
  layer_norm_backward(g.cuda, x.cuda, w.cuda, r.mean, r.rstd, {flat.select(0, 0), flat.select(0, 1)});
  EXPECT_EQ(flat.select(0, 0).to_vector(), a.weight.to_vector());
  EXPECT_EQ(flat.select(0, 1).to_vector(), a.bias.to_vector());
}

TEST_F(CudaNorm, EmptyTensorsGiveZeroGradients) {
  const Tensor x = Tensor::empty({0, 6}, Dtype::f32, Device::cuda), w = Tensor::ones({6}, Dtype::f32, Device::cuda);
  const NormResult r = layer_norm(x, w, w, 1e-5);
  EXPECT_EQ(layer_norm_backward(x, x, w, r.mean, r.rstd).weight.to_vector(), std::vector<double>(6, 0));
}

}  // namespace
}  // namespace kg
