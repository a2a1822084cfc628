// Planted faults: what a GPU leaves undefined, the emulation reports.
#include <gtest/gtest.h>

#include "tensor/cuda/attention_mma.h"

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

__global__ void multiplies_in_a_branch(Ptr<float> y) {
  Sums d{};
  if (threadIdx.x % 32 < 16) mma_16x8x16(d, Block{}, 0u, 0u);
  y[threadIdx.x] = d[0];
}
__global__ void loads_unaligned_rows(Ptr<float> y) {
  KG_SHARED(bf16, tile, 64 * 8);
  for (int j = 0; j < 8; ++j) tile[8 * int(threadIdx.x) + j] = bf16(1.0f);
  __syncthreads();
  y[threadIdx.x] = float(load_matrices(tile, int(threadIdx.x), false)[0]);
}

// d = a b^T of 16 x 16 matrices by one warp, right or with a mistake in the layout of a factor.
enum Mistake { kNone, kTurnedLeft, kTurnedRight, kExchangedPieces, kWrongRow };
template <Mistake kMistake>
__global__ void multiplies(Ptr<const bf16> a, Ptr<const bf16> b, Ptr<float> d) {
  KG_SHARED(Pack8, left, 16 * 3);
  KG_SHARED(Pack8, right, 16 * 3);
  const int lane = threadIdx.x;
  left[lane / 2 * 3 + lane % 2] = load_pack<8>(a + lane * 8);
  right[lane / 2 * 3 + lane % 2] = load_pack<8>(b + lane * 8);
  __syncwarp();
  Block x = load_block<3, 1>(left, 0, 0, kMistake == kTurnedLeft);
  if (kMistake == kExchangedPieces) x = Block{{x[0], x[2], x[1], x[3]}};
  Block y = load_block<3, 1>(right, 0, 0, kMistake == kTurnedRight);
  if (kMistake == kWrongRow) y = load_matrices(right, (lane % 16 ^ 1) * 3 + lane / 16, false);
  Sums sums[2] = {};
  mma_16x8x16(sums[0], x, y[0], y[2]);
  mma_16x8x16(sums[1], x, y[1], y[3]);
  for (int e = 0; e < 8; ++e)
    d[(lane / 4 + e % 4 / 2 * 8) * 16 + e / 4 * 8 + lane % 4 * 2 + e % 2] = sums[e / 4][e % 4];
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
  EXPECT_TRUE(says(fault_of(multiplies_in_a_branch), "divergent warp")) << fault_of(multiplies_in_a_branch);
}
TEST(Emulation, ReportsUnalignedPacks) {
  EXPECT_TRUE(says(fault_of(loads_unaligned), "unaligned"));
  EXPECT_TRUE(says(fault_of(loads_unaligned_rows), "unaligned"));
}
// The host's meaning of the tensor cores knows the layouts of the GPU: with small integers the product is exact, and
// any exchange of rows, columns or pieces shows.
TEST(Emulation, TensorCoresWantTheirLayouts) {
  std::vector<float> a(256), b(256);
  std::vector<double> want(256);
  for (size_t i = 0; i < 256; ++i) a[i] = float(i * 7 % 13) - 6, b[i] = float(i * 5 % 11) - 5;
  for (size_t i = 0; i < 256; ++i)
    for (size_t k = 0; k < 16; ++k) want[i] += double(a[i / 16 * 16 + k]) * double(b[i % 16 * 16 + k]);
  const Tensor left = Tensor::from(a, {16, 16}).to(Dtype::bf16).to(Device::cuda);
  const Tensor right = Tensor::from(b, {16, 16}).to(Dtype::bf16).to(Device::cuda);
  auto product = [&](auto kernel) {
    const Tensor d = Tensor::zeros({16, 16}, Dtype::f32, Device::cuda);
    launch("multiplies", kernel, {1}, kWarp, pointer<const bf16>(left), pointer<const bf16>(right), pointer<float>(d));
    return d.to_vector();
  };
  EXPECT_EQ(product(multiplies<kNone>), want);
  EXPECT_NE(product(multiplies<kTurnedLeft>), want);
  EXPECT_NE(product(multiplies<kTurnedRight>), want);
  EXPECT_NE(product(multiplies<kExchangedPieces>), want);
  EXPECT_NE(product(multiplies<kWrongRow>), want);
}
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
