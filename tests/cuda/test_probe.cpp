// The first look at a machine: does its device compute at all? tools/gpu_report begins with it.
#include "tensor/cuda/runtime.h"
#include "tensor/ops.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

using CudaProbe = DeviceTest;

TEST_F(CudaProbe, TheDeviceComputes) {
  std::printf("device: %s; %s\n", describe(Device::cuda).c_str(), cuda::versions().c_str());
  const Tensor x = Tensor::from<float>({1, 2, 3}, {3}).to(Device::cuda);
  EXPECT_EQ(add(x, x).to_vector(), (std::vector<double>{2, 4, 6}));
}

}  // namespace
}  // namespace kg
