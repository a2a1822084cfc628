// Dropout on CUDA keeps the very elements that the CPU keeps.
#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaDropout = DeviceTest;

TEST_F(CudaDropout, BitsAreThoseOfTheCpu) {
  const Philox random{0x123456789abcdef0u, 0xfedcba9876543210u};
  for (double p : {0.1, 0.5, 0.9})
    for (int64_t n : kEdges)
      for (int64_t shift : {0, 1}) {
        const Tensor x = random_values({n}, uint64_t(n), Dtype::bf16);
        const Tensor want = dropout(x.to(Dtype::f32), p, random);
        EXPECT_EQ(dropout(on_device(x, Dtype::f32, shift), p, random).to_vector(), want.to_vector()) << n;
        EXPECT_EQ(dropout(on_device(x, Dtype::bf16, shift), p, random).to_vector(), want.to(Dtype::bf16).to_vector())
            << n;
      }
}
TEST_F(CudaDropout, KeepsItsShare) {
  const Tensor kept = dropout(Tensor::ones({20000}, Dtype::f32, Device::cuda), 0.25, {5, 6});
  double ones = 0;
  for (double v : kept.to_vector()) {
    ASSERT_TRUE(v == 0 || v == double(float(1 / 0.75)));
    ones += v != 0;
  }
  EXPECT_NEAR(ones / 20000, 0.75, 0.015);  // five standard deviations
}

}  // namespace
}  // namespace kg
