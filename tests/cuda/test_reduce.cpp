// Reductions on CUDA: sizes at the edges of warps, blocks and packs, unaligned views, NaN and ties.
#include <limits>

#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaReduce = DeviceTest;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

std::string name(const char* op, const Shape& shape, Dtype dtype, int64_t shift) {
  std::ostringstream s;
  s << op << " of " << shape << " " << name_of(dtype) << ", shifted by " << shift;
  return s.str();
}

TEST_F(CudaReduce, SumsOfRowsColumnsAndAll) {
  for (Dtype dtype : kDeviceFloats)
    for (int64_t shift : {0, 1})
      for (int64_t rows : {1, 3, 70})
        for (int64_t n : kEdges) {
          const Tensor x = random_values({rows, n}, uint64_t(n), dtype), there = on_device(x, dtype, shift);
          const std::string what = name("sum", x.shape(), dtype, shift);
          expect_within(sum(there, {1}), sum(x, {1}), tolerance_of(dtype), what);
          expect_within(sum(there, {0}), sum(x, {0}), tolerance_of(dtype), what);
          expect_within(mean(there, {0}), mean(x, {0}), tolerance_of(dtype), what);
          expect_within(sum(there), sum(x), tolerance_of(dtype), what);
          const Tensor accumulated = sum_accumulated(there, {0});
          EXPECT_EQ(accumulated.dtype(), Dtype::f32);
          expect_within(accumulated, sum(x, {0}), 1e-6, what);
          expect_within(sum_accumulated(there, {1}), sum(x, {1}), 1e-6, what);
        }
}
TEST_F(CudaReduce, LongSumsTakeSeveralBlocks) {
  for (Dtype dtype : kDeviceFloats) {
    const Tensor line = random_values({70001}, 3, dtype), tall = random_values({1500, 67}, 4, dtype);
    expect_within(sum_accumulated(on_device(line, dtype), {0}), sum(line), 1e-6, "line");
    expect_within(sum_accumulated(on_device(tall, dtype), {0}), sum(tall, {0}), 1e-6, "columns");
    const Tensor wide = random_values({700, 512}, 5, dtype);
    expect_within(sum_accumulated(on_device(wide, dtype), {0}), sum(wide, {0}), 1e-6, "packed columns");
  }
  EXPECT_EQ(sum(Tensor::ones({70001}, Dtype::f32, Device::cuda)).item(), 70001);
  EXPECT_EQ(sum(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}).to(Device::cuda), {0}).to_vector(),
            (std::vector<double>{5, 7, 9}));
}
TEST_F(CudaReduce, EverySumHasTheSameBytesAgain) {
  const Tensor x = on_device(random_values({300, 515}, 6, Dtype::f32), Dtype::f32);
  for (const std::vector<int>& axes : {std::vector<int>{0}, {1}, {0, 1}})
    EXPECT_EQ(sum(x, axes).to_vector(), sum(x, axes).to_vector());
}

TEST_F(CudaReduce, NormAndFiniteness) {
  for (Dtype dtype : kDeviceFloats)
    for (int64_t n : {1, 1025, 5000}) {
      const Tensor x = random_values({n}, uint64_t(n), dtype), there = on_device(x, dtype, n % 2);
      EXPECT_NEAR(squared_norm(there), squared_norm(x), 1e-12 * squared_norm(x));
      const Tensor norm = squared_norm_on_device(there);
      EXPECT_EQ(norm.device(), Device::cuda);
      EXPECT_EQ(norm.dtype(), Dtype::f32);
      EXPECT_NEAR(norm.item(), squared_norm(x), 1e-6 * squared_norm(x));
      EXPECT_TRUE(all_finite(there));
      for (double bad : {kNan, kInf, -kInf}) {
        const Tensor broken = there.clone();
        broken.select(0, n - 1).fill(bad);
        EXPECT_FALSE(all_finite(broken)) << bad << " at the end of " << n;
      }
    }
  EXPECT_EQ(squared_norm(Tensor::from<float>({3, 4}, {2}).to(Device::cuda)), 25);
  EXPECT_EQ(squared_norm_on_device(Tensor::zeros({0}, Dtype::f32, Device::cuda)).item(), 0);
}
TEST_F(CudaReduce, ClipScale) {
  for (Device device : {Device::cpu, Device::cuda}) {
    const auto scale = [&](double squared, double most) {
      const Tensor s = clip_scale(Tensor::scalar(squared, Dtype::f32, device), most);
      EXPECT_EQ(s.device(), device);
      EXPECT_EQ(s.rank(), 0);
      return s.item();
    };
    EXPECT_NEAR(scale(25, 1), 1 / (5 + 1e-6), 1e-7);
    EXPECT_EQ(scale(25, 6), 1);
    EXPECT_EQ(scale(0, 1), 1);
    EXPECT_TRUE(std::isnan(scale(kInf, 1)));
    EXPECT_TRUE(std::isnan(scale(kNan, 1)));
  }
}

TEST_F(CudaReduce, ExtremaAreTheFirstOfEqualsAndNan) {
  for (Dtype dtype : kDeviceFloats)
    for (int64_t n : kEdges)
      for (int64_t inner : {1, 3, 40}) {
        // few different values, so that equals are common
        const Tensor x = random_ids(2 * n * inner, 5, uint64_t(n)).to(Dtype::f64).reshape({2, n, inner});
        const Tensor there = on_device(x, dtype);
        EXPECT_EQ(argmax(there, 1).to_vector(), argmax(x, 1).to_vector()) << n << " " << inner;
        EXPECT_EQ(argmin(there, 1).to_vector(), argmin(x, 1).to_vector()) << n << " " << inner;
        EXPECT_EQ(max(there, 1).to_vector(), max(x, 1).to_vector());
      }
  for (int64_t inner : {1, 40}) {
    const Tensor x = random_values({2, 100, inner}, 8, Dtype::f32);
    x.slice(1, 60, 62).fill(kNan);
    const Tensor there = x.to(Dtype::f32).to(Device::cuda);
    EXPECT_EQ(argmax(there, 1).to_vector(), std::vector<double>(size_t(2 * inner), 60));
    EXPECT_EQ(argmin(there, 1).to_vector(), std::vector<double>(size_t(2 * inner), 60));
  }
  EXPECT_EQ(argmax(Tensor::full({3}, -kInf, Dtype::f32, Device::cuda), 0).item(), 0);
}

TEST_F(CudaReduce, TopOfRows) {
  for (Dtype dtype : kDeviceFloats)
    for (int64_t n : {1, 5, 33, 257, 1025, 4100}) {
      const Tensor x = random_ids(2 * n, 50, uint64_t(n)).to(Dtype::f64).reshape({2, n});
      const auto [values, index] = topk(on_device(x, dtype), std::min<int64_t>(n, 9));
      const auto [want_values, want_index] = topk(x, std::min<int64_t>(n, 9));
      EXPECT_EQ(values.to_vector(), want_values.to_vector()) << n;
      EXPECT_EQ(index.to_vector(), want_index.to_vector()) << n;
    }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = Tensor::from<float>({nan, 1, nan, -std::numeric_limits<float>::infinity(), 2}, {1, 5});
  EXPECT_EQ(topk(x.to(Device::cuda), 5).second.to_vector(), (std::vector<double>{4, 1, 3, 0, 2}));
}

TEST_F(CudaReduce, RunningSums) {
  for (Dtype dtype : kDeviceFloats)
    for (int64_t n : kEdges)
      for (int64_t inner : {1, 3, 33})
        for (bool reverse : {false, true}) {
          const Tensor x = random_values({2, n, inner}, uint64_t(n), dtype);
          expect_within(cumsum(on_device(x, dtype), 1, reverse), cumsum(x, 1, reverse), tolerance_of(dtype),
                        name("cumsum", x.shape(), dtype, 0));
        }
  EXPECT_EQ(cumsum(Tensor::from<float>({1, 2, 3}, {3}).to(Device::cuda), 0, true).to_vector(),
            (std::vector<double>{6, 5, 3}));
}

}  // namespace
}  // namespace kg
