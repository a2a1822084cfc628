// The codebook search and the codebook's update on CUDA.
#include <cstring>

#include "models/tokenizer/quantizer.h"
#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaQuantize = DeviceTest;

double distance(const Tensor& x, const Tensor& codebook, int64_t row, int64_t code) {
  return squared_norm(sub(x.select(0, row), codebook.select(0, code)));
}

// Codes that are as near as one can tell in f32 are as good.
TEST_F(CudaQuantize, NearestCodes) {
  for (Dtype dtype : kDeviceFloats)
    for (auto [n, k, c] :
         {std::array<int64_t, 3>{1, 1, 1}, {33, 65, 31}, {129, 64, 33}, {257, 130, 40}, {40, 1025, 5}}) {
      const Tensor x = random_values({n, c}, 1, dtype), codebook = random_values({k, c}, 2, dtype);
      const std::vector<double> want = nearest_code(x, codebook).to_vector();
      const Tensor ids = nearest_code(on_device(x, dtype, 1), on_device(codebook, dtype));
      EXPECT_EQ(ids.dtype(), Dtype::i32);
      const std::vector<double> got = ids.to_vector();
      for (int64_t i = 0; i < n; ++i) {
        if (got[size_t(i)] == want[size_t(i)]) continue;
        ASSERT_TRUE(got[size_t(i)] >= 0 && got[size_t(i)] < double(k)) << got[size_t(i)];
        const double best = distance(x, codebook, i, int64_t(want[size_t(i)]));
        EXPECT_NEAR(distance(x, codebook, i, int64_t(got[size_t(i)])), best, 1e-5 * best) << i;
      }
    }
}
TEST_F(CudaQuantize, TheFirstOfEqualsIsTaken) {
  // every code stands three times: at i, i + 100 and i + 200
  const Tensor one = random_values({100, 6}, 3, Dtype::bf16), codebook = concat({one, one, one}, 0);
  for (Dtype dtype : kDeviceFloats) {
    std::vector<double> want(100);
    for (size_t i = 0; i < want.size(); ++i) want[i] = double(i);
    EXPECT_EQ(nearest_code(on_device(one, dtype), on_device(codebook, dtype)).to_vector(), want);
  }
  const Tensor x = Tensor::from<float>({0, 10, 4, 6, 5}, {5, 1}).to(Device::cuda);
  EXPECT_EQ(nearest_code(x, Tensor::from<float>({10, 0}, {2, 1}).to(Device::cuda)).to_vector(),
            (std::vector<double>{1, 0, 1, 0, 0}));
  EXPECT_EQ(nearest_code(Tensor::full({2, 3}, std::nan(""), Dtype::f32, Device::cuda),
                         codebook.slice(1, 0, 3).contiguous().to(Dtype::f32).to(Device::cuda))
                .to_vector(),
            (std::vector<double>{0, 0}));
  EXPECT_EQ(nearest_code(Tensor::zeros({0, 6}, Dtype::f32, Device::cuda), on_device(codebook, Dtype::f32)).numel(), 0);
}

TEST_F(CudaQuantize, StatisticsOfABatch) {
  for (Dtype dtype : kDeviceFloats) {
    const Tensor x = random_values({700, 33}, 4, dtype), ids = random_ids(700, 20, 5);
    const CodeStatistics want = code_statistics(ids, x, 24),
                         got = code_statistics(ids.to(Device::cuda), on_device(x, dtype), 24);
    EXPECT_EQ(got.counts.to_vector(), want.counts.to_vector()) << "also beyond 256, where bf16 cannot count";
    EXPECT_EQ(got.sums.dtype(), Dtype::f32);
    expect_within(got.sums, want.sums, 2e-6, "sums");
    const Tensor use = code_use(got.counts);
    expect_within(use, code_use(want.counts), 1e-12, "use");
    EXPECT_EQ(use.to_vector()[1], 20);
  }
  const Tensor many = Tensor::zeros({600}, Dtype::i32, Device::cuda);
  EXPECT_EQ(code_statistics(many, Tensor::ones({600, 1}, Dtype::bf16, Device::cuda), 2).counts.to_vector(),
            (std::vector<double>{600, 0}));
  EXPECT_EQ(code_use(Tensor::zeros({3}, Dtype::f32, Device::cuda)).to_vector(), (std::vector<double>{0, 0}));
  // two codes, used equally: log 2 but for the 1e-7
  EXPECT_NEAR(code_use(Tensor::full({2}, 3, Dtype::f32, Device::cuda)).to_vector()[0], std::log(2), 1e-6);
}

// Counts 4, 0.5, 0: a mean, a code to reset, and one with nothing to average.
TEST_F(CudaQuantize, CodesAreAveragedOrReset) {
  struct Case {
    bool average, reset;
    std::vector<double> want;
  };
  for (const Case& c : {Case{true, true, {2, 2, 7, 7, 8, 8}}, Case{true, false, {2, 2, 6, 6, 1, 1}},
                        Case{false, true, {6, 6, 1, 1, 8, 8}}})
    for (Device device : {Device::cpu, Device::cuda}) {
      const Tensor codebook = Tensor::full({3, 2}, 1, Dtype::f32, device);
      const auto there = [&](const std::vector<float>& values, const Shape& shape) {
        return Tensor::from<float>(values, shape).to(device);
      };
      update_codebook(codebook, there({8, 8, 3, 3, 5, 5}, {3, 2}), there({4, 0.5, 0}, {3}), there({0, 2, 0}, {3}),
                      there({6, 6, 7, 7, 8, 8}, {3, 2}), c.average, c.reset, 1);
      EXPECT_EQ(codebook.to_vector(), c.want) << c.average << c.reset << " " << name_of(device);
    }
}

TEST(UpdateCodebook, OnTheCpuMeansHaveTheBytesOfAffine) {
  for (Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Tensor codebook = Tensor::zeros({50, 7}, dtype), sums = random_values({50, 7}, 30, dtype).to(dtype);
    const Tensor counts = add(random_ids(50, 30, 31).to(dtype), Tensor::full({50}, 0.3, dtype));
    sums.select(0, 0).fill(-0.0);
    update_codebook(codebook, sums, counts, counts, {}, true, false, 1);
    for (int64_t i = 0; i < 50; ++i) {
      const std::vector<double> got = codebook.select(0, i).to_vector(),
                                want = affine(sums.select(0, i), 1 / counts.select(0, i).item(), 0).to_vector();
      EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(double)), 0) << "code " << i;
    }
  }
}

// Training steps of each kind of quantiser leave the same codebook as on the CPU.
TEST_F(CudaQuantize, QuantizerStepsAreThoseOfTheCpu) {
  for (CodebookUpdate update :
       {CodebookUpdate::ema_reset, CodebookUpdate::ema, CodebookUpdate::reset, CodebookUpdate::learned}) {
    Quantizer cpu(20, 6, update, 0.9), cuda(20, 6, update, 0.9);
    cuda.to(Device::cuda);
    for (uint64_t step = 0; step < 3; ++step) {
      const Tensor x = random_values({50, 6}, 10 + step, Dtype::f32).to(Dtype::f32);
      const Quantizer::Output want = cpu(Var(x)), got = cuda(Var(x.to(Device::cuda)));
      EXPECT_EQ(got.ids.to_vector(), want.ids.to_vector());
      EXPECT_EQ(got.used(), want.used());
      EXPECT_NEAR(got.perplexity(), want.perplexity(), 1e-9 * want.perplexity());
      EXPECT_EQ(got.use.device(), Device::cuda);
      expect_within(cuda.codebook.value, cpu.codebook.value, 1e-6, name_of_value(update));
      expect_within(cuda.code_sum, cpu.code_sum, 1e-6, "sums");
      expect_within(cuda.code_count, cpu.code_count, 1e-6, "counts");
    }
  }
}

}  // namespace
}  // namespace kg
