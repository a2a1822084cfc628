// Softmax, log-softmax and cross-entropy on the device against the CPU in f64: rows around the sizes of packs, warps
// and blocks, rows that begin anywhere, NaN and infinities, targets that are ignored or do not exist.
#include <cmath>
#include <limits>

#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaSoftmax = DeviceTest;

const std::vector<int64_t> kWidths{1, 2, 7, 8, 31, 32, 33, 255, 256, 257, 513, 1023, 1025, 2047, 2048, 2051};

template <class Fn>
void for_cases(Fn&& fn) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (const int64_t n : kWidths)
      for (const bool misaligned : {false, true}) {
        const int64_t rows = n < 300 ? 9 : 3;
        fn(dtype, rows, n, misaligned,
           std::string(name_of(dtype)) + " (" + std::to_string(rows) + ", " + std::to_string(n) + ")" +
               (misaligned ? " misaligned" : ""));
        if (testing::Test::HasFailure()) return;
      }
}

TEST_F(CudaSoftmax, MatchesTheCpu) {
  for_cases([](Dtype dtype, int64_t rows, int64_t n, bool misaligned, const std::string& what) {
    const Twin x = random_twin({rows, n}, dtype, 1, misaligned), g = random_twin({rows, n}, dtype, 2, misaligned);
    expect_close(softmax(x.cuda), softmax(x.cpu), 1e-6, "softmax " + what);
    expect_close(log_softmax(x.cuda), log_softmax(x.cpu), 1e-6, "log_softmax " + what);
    const Twin p = twin_of(softmax(x.cpu), dtype, misaligned), l = twin_of(log_softmax(x.cpu), dtype, misaligned);
    expect_close(softmax_backward(g.cuda, p.cuda), softmax_backward(g.cpu, p.cpu), 2e-6, "softmax_backward " + what);
    expect_close(log_softmax_backward(g.cuda, l.cuda), log_softmax_backward(g.cpu, l.cpu), 2e-5,
                 "log_softmax_backward " + what);
  });
}

TEST_F(CudaSoftmax, CrossEntropyMatchesTheCpu) {
  for_cases([](Dtype dtype, int64_t rows, int64_t n, bool misaligned, const std::string& what) {
    const Twin x = random_twin({rows, n}, dtype, 3, misaligned), g = random_twin({rows}, Dtype::f32, 4);
    std::vector<int32_t> ids;
    for (int64_t r = 0; r < rows; ++r) ids.push_back(r % 3 == 1 ? -7 : int32_t((r * 5 + n - 1) % n));
    const Tensor target = Tensor::from(ids, {rows}), there = target.to(Device::cuda);
    for (const double smoothing : {0.0, 0.1}) {
      const auto [loss, lse] = cross_entropy(x.cuda, there, -7, smoothing);
      const auto [loss_cpu, lse_cpu] = cross_entropy(x.cpu, target, -7, smoothing);
      EXPECT_EQ(loss.dtype(), Dtype::f32);
      expect_close(loss, loss_cpu, 2e-6, "loss " + what);
      expect_close(lse, lse_cpu, 2e-6, "logsumexp " + what);
      expect_close(cross_entropy_backward(g.cuda, x.cuda, there, lse, -7, smoothing),
                   cross_entropy_backward(g.cpu, x.cpu, target, lse_cpu, -7, smoothing), 2e-6,
                   "cross_entropy_backward " + what);
    }
  });
}

TEST_F(CudaSoftmax, KnownValues) {
  const Tensor x = Tensor::from<float>({0, std::log(2.0f), std::log(5.0f)}, {1, 3}).to(Device::cuda);
  const std::vector<double> p = softmax(x).to_vector();
  EXPECT_NEAR(p[0], 0.125, 1e-7);
  EXPECT_NEAR(p[1], 0.25, 1e-7);
  EXPECT_NEAR(p[2], 0.625, 1e-7);
  const auto [loss, lse] = cross_entropy(x, Tensor::from<int32_t>({1}, {1}).to(Device::cuda), -1, 0);
  EXPECT_NEAR(loss.item(), std::log(4.0), 1e-6);
  EXPECT_NEAR(lse.item(), std::log(8.0), 1e-6);
}

TEST_F(CudaSoftmax, LargeLogitsLoseNothing) {
  const Tensor x = Tensor::from<float>({100000, 100001, 99999.5f, -3e38f}, {1, 4});
  expect_close(softmax(x.to(Device::cuda)), softmax(x.to(Dtype::f64)), 1e-6, "softmax");
  const Tensor target = Tensor::from<int32_t>({0}, {1});
  expect_close(cross_entropy(x.to(Device::cuda), target.to(Device::cuda), -1, 0).first,
               cross_entropy(x.to(Dtype::f64), target, -1, 0).first, 1e-6, "loss");
}

TEST_F(CudaSoftmax, InfinitiesAndNansAsOnTheCpu) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = Tensor::from<float>({-kInf, 1, -kInf, 2,  // hidden elements are 0
                                        kNan, 1, 2, 3, -kInf, -kInf, -kInf, -kInf},
                                       {3, 4});
  const Tensor y = softmax(x.to(Device::cuda));
  expect_close(y, softmax(x.to(Dtype::f64)), 1e-6, "softmax");
  EXPECT_EQ(y.to_vector()[0], 0);
  for (int i = 4; i < 12; ++i) EXPECT_TRUE(std::isnan(y.to_vector()[size_t(i)])) << i;
}

TEST_F(CudaSoftmax, TargetsOutsideTheClassesGiveNan) {
  const Tensor x = Tensor::ones({3, 5}, Dtype::f32, Device::cuda), g = Tensor::ones({3}, Dtype::f32, Device::cuda);
  const Tensor target = Tensor::from<int32_t>({5, -2, 4}, {3}).to(Device::cuda);
  const auto [loss, lse] = cross_entropy(x, target, -1, 0);
  const std::vector<double> values = loss.to_vector();
  const std::vector<double> gx = cross_entropy_backward(g, x, target, lse, -1, 0).to_vector();
  EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
  EXPECT_NEAR(values[2], std::log(5.0), 1e-6);
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(std::isnan(gx[i]), i < 10) << i;
}

TEST_F(CudaSoftmax, EmptyTensors) {
  EXPECT_EQ(softmax(Tensor::empty({0, 5}, Dtype::f32, Device::cuda)).numel(), 0);
  EXPECT_EQ(log_softmax(Tensor::empty({4, 0}, Dtype::bf16, Device::cuda)).numel(), 0);
}

}  // namespace
}  // namespace kg
