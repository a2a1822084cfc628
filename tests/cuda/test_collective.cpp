// A group of one GPU: it is joined, its sum is the tensor itself, and what cannot be summed is an error. Sums over
// several GPUs need several GPUs.
#include <gtest/gtest.h>

#include "tensor/device_group.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

using CudaCollective = DeviceTest;

TEST_F(CudaCollective, OneGpuSumsToItself) {
  if (const std::string problem = DeviceGroup::problem(); !problem.empty()) GTEST_SKIP() << problem;
  const DeviceGroup group(DeviceGroup::make_id(), 0, 1);
  const Tensor x = Tensor::from<float>({1, -2, 3.5}, {3});
  for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    const Tensor there = x.to(dtype).to(Device::cuda);
    group.all_reduce_sum(there);
    EXPECT_EQ(there.to_vector(), x.to_vector());
  }
  EXPECT_THROW(group.all_reduce_sum(x), Error);
  EXPECT_THROW(group.all_reduce_sum(Tensor::zeros({2, 3}, Dtype::f32, Device::cuda).transpose(0, 1)), Error);
}

}  // namespace
}  // namespace kg
