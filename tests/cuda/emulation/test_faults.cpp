// Planted faults: what a GPU leaves undefined, the emulation reports.
#include <gtest/gtest.h>

#include "tensor/cuda/kernel.h"

namespace kg::cuda {
namespace {

__global__ void reads_beyond(Ptr<const float> x, Ptr<float> y) { y[threadIdx.x] = x[threadIdx.x + 1]; }

__global__ void reads_unwritten_shared(Ptr<float> y) {
  KG_SHARED(float, tile, 64);
  if (threadIdx.x < 63) tile[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void reads_beyond_shared(Ptr<float> y) {
  KG_SHARED(float, tile, 63);
  tile[threadIdx.x] = 1;
  y[threadIdx.x] = 1;
}

__global__ void half_waits(Ptr<float> y) {
  if (threadIdx.x < 32) __syncthreads();
  y[threadIdx.x] = 1;
}
__global__ void waits_at_two_places(Ptr<float> y) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
  y[threadIdx.x] = 1;
}
__global__ void shuffles_in_a_branch(Ptr<float> y) {
  float value = 1;
  if (threadIdx.x % 2 == 0) value += __shfl_xor_sync(kAllLanes, value, 2);
  y[threadIdx.x] = value;
}
__global__ void loads_unaligned(Ptr<const float> x, Ptr<float> y) {
  const Pack<float, 4> four = load_pack<4>(x + 1);
  y[threadIdx.x] = four[0];
}
__global__ void right(Ptr<const float> x, Ptr<float> y) {
  KG_SHARED(float, tile, 64);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = warp_sum(float(tile[63 - threadIdx.x]));
}

std::string fault_of(void (*kernel)(Ptr<float>)) {
  const Tensor y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  try {
    launch("planted", kernel, {2}, 64, pointer<float>(y));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
std::string fault_of(void (*kernel)(Ptr<const float>, Ptr<float>)) {
  const Tensor x = Tensor::ones({64}, Dtype::f32, Device::cuda), y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  try {
    launch("planted", kernel, {1}, 64, pointer<const float>(x), pointer<float>(y));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Emulation, ReportsAccessOutsideATensor) {
  const std::string text = fault_of(reads_beyond);
  EXPECT_TRUE(says(text, "[planted] thread 63 of block (0, 0, 0) element 64 is outside a tensor of elements 0 to 63"))
      << text;
}
TEST(Emulation, BoundsAreThoseOfTheView) {
  const Tensor x = Tensor::ones({128}, Dtype::f32, Device::cuda), y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  EXPECT_THROW(launch("planted", reads_beyond, {1}, 64, pointer<const float>(x.slice(0, 64, 128)), pointer<float>(y)),
               Error);
  EXPECT_NO_THROW(launch("planted", reads_beyond, {1}, 64, pointer<const float>(x.slice(0, 0, 65)), pointer<float>(y)));
}
TEST(Emulation, ReportsUninitialisedSharedMemory) {
  const std::string text = fault_of(reads_unwritten_shared);
  EXPECT_TRUE(says(text, "thread 63 of block (0, 0, 0) reads element 63 of shared memory")) << text;
}
TEST(Emulation, ReportsAccessOutsideSharedMemory) {
  EXPECT_TRUE(says(fault_of(reads_beyond_shared), "element 63 is outside shared memory of 63"));
}
TEST(Emulation, ReportsDivergentBarriers) {
  EXPECT_TRUE(says(fault_of(half_waits), "divergent barrier")) << fault_of(half_waits);
  EXPECT_TRUE(says(fault_of(waits_at_two_places), "divergent barrier")) << fault_of(waits_at_two_places);
  EXPECT_TRUE(says(fault_of(shuffles_in_a_branch), "divergent warp")) << fault_of(shuffles_in_a_branch);
}
TEST(Emulation, ReportsUnalignedPacks) { EXPECT_TRUE(says(fault_of(loads_unaligned), "unaligned")); }
TEST(Emulation, RightKernelsRunAfterAFault) {
  EXPECT_EQ(fault_of(right), "");
  const Tensor x = Tensor::from<float>(std::vector<float>(64, 0.5f), {64}).to(Device::cuda);
  const Tensor y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  launch("right", right, {1}, 64, pointer<const float>(x), pointer<float>(y));
  EXPECT_EQ(y.to_vector(), std::vector<double>(64, 16));
}
TEST(Emulation, DeviceMemoryBeginsAsNan) {
  const Tensor x = Tensor::empty({3}, Dtype::f32, Device::cuda);
  for (double v : x.to_vector()) EXPECT_TRUE(std::isnan(v));
}
TEST(Emulation, RefusesBlocksThatAreNoMultipleOfAWarp) {
  const Tensor y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  EXPECT_THROW(launch("planted", reads_unwritten_shared, {1}, 33, pointer<float>(y)), Error);
}

}  // namespace
}  // namespace kg::cuda
