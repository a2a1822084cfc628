// Layer norm in four steps, from the plain loop to the kernel of tensor/cuda/norm.cu. All compute the same rows (R, n);
// what changes is how often memory is touched and by whom. A GPU reads 32 bytes at a time and at its best 128 in a row
// for a warp; the work here is a few operations an element, so a kernel is as fast as its reads and writes.
#include <gtest/gtest.h>

#include "tensor/cuda/kernel.h"
#include "tests/cuda/compare.h"

namespace kg::cuda {
namespace {

// Step 1, a thread a row: the formula as it is written. Neighbouring threads read addresses n apart, so every 4 bytes
// that are used bring 32 over the bus, and R threads are too few to hide it. The row is read three times.
__global__ void thread_a_row(int64_t rows, int64_t n, float eps, Ptr<float> y, Ptr<const float> x, Ptr<const float> w,
                             Ptr<const float> b) {
  const int64_t r = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  float mean = 0, var = 0;
  for (int64_t c = 0; c < n; ++c) mean += x[r * n + c];
  mean /= float(n);
  for (int64_t c = 0; c < n; ++c) var += (x[r * n + c] - mean) * (x[r * n + c] - mean);
  const float rstd = 1 / std::sqrt(var / float(n) + eps);
  for (int64_t c = 0; c < n; ++c) y[r * n + c] = (x[r * n + c] - mean) * rstd * w[c] + b[c];
}

// Step 2, a block a row: neighbouring threads read neighbouring elements, every byte that comes over is used. Sums go
// through shared memory, one value a thread, halving the threads that add: a barrier after each of 8 halvings, in which
// most threads wait.
constexpr int kTree = 256;
__global__ void block_a_row(int64_t n, float eps, Ptr<float> y, Ptr<const float> x, Ptr<const float> w,
                            Ptr<const float> b) {
  KG_SHARED(float, tree, kTree);
  const int64_t row = int64_t(blockIdx.x) * n;
  auto total = [&](float value) {
    __syncthreads();  // the last sum has been read
    tree[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = kTree / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) tree[threadIdx.x] += tree[threadIdx.x + half];
      __syncthreads();
    }
    return float(tree[0]);
  };
  float sum = 0, squares = 0;
  for (int64_t c = threadIdx.x; c < n; c += kTree) sum += x[row + c];
  const float mean = total(sum) / float(n);
  for (int64_t c = threadIdx.x; c < n; c += kTree) squares += (x[row + c] - mean) * (x[row + c] - mean);
  const float rstd = 1 / std::sqrt(total(squares) / float(n) + eps);
  for (int64_t c = threadIdx.x; c < n; c += kTree) y[row + c] = (x[row + c] - mean) * rstd * w[c] + b[c];
}

// Step 3, a warp a row: 32 lanes exchange registers by shuffles, five for a sum, and never wait for anyone else. A row
// of 512 keeps 32 lanes as busy as 256 threads, and rows no longer share barriers: an SM has 64 of them on their way.
__global__ void warp_a_row(int64_t rows, int64_t n, float eps, Ptr<float> y, Ptr<const float> x, Ptr<const float> w,
                           Ptr<const float> b) {
  const int64_t r = int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp, row = r * n;
  if (r >= rows) return;  // the whole warp goes
  const int lane = threadIdx.x % kWarp;
  float sum = 0, squares = 0;
  for (int64_t c = lane; c < n; c += kWarp) sum += x[row + c];
  const float mean = warp_sum(sum) / float(n);
  for (int64_t c = lane; c < n; c += kWarp) squares += (x[row + c] - mean) * (x[row + c] - mean);
  const float rstd = 1 / std::sqrt(warp_sum(squares) / float(n) + eps);
  for (int64_t c = lane; c < n; c += kWarp) y[row + c] = (x[row + c] - mean) * rstd * w[c] + b[c];
}

// Step 4, the row in registers: K loads of 16 bytes a lane, all on their way before the first is used, and nothing is
// read again. Memory sees one read and one write of each element, the least there is. K is a template parameter because
// only an array whose places are known to the compiler lives in registers. tensor/cuda/norm.cu is this for both dtypes,
// with a block for rows that 32 lanes cannot hold.
template <int K>
__global__ void row_in_registers(int64_t rows, int64_t n, float eps, Ptr<float> y, Ptr<const float> x,
                                 Ptr<const float> w, Ptr<const float> b) {
  const int64_t r = int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp, row = r * n;
  if (r >= rows) return;
  const int64_t first = int64_t(threadIdx.x % kWarp) * 4;
  Pack<float, 4> held[K];
  float sum = 0, squares = 0;
  for (int k = 0; k < K; ++k) {
    held[k] = first + k * 128 < n ? load_pack<4>(x + (row + first + k * 128)) : Pack<float, 4>{};
    for (int j = 0; j < 4; ++j) sum += held[k][j];
  }
  const float mean = warp_sum(sum) / float(n);
  for (int k = 0; k < K; ++k)
    for (int j = 0; j < 4; ++j)
      if (first + k * 128 < n) squares += (held[k][j] - mean) * (held[k][j] - mean);
  const float rstd = 1 / std::sqrt(warp_sum(squares) / float(n) + eps);
  for (int k = 0; k < K; ++k) {
    const int64_t c = first + k * 128;
    if (c >= n) continue;
    const Pack<float, 4> scale = load_pack<4>(w + c), shift = load_pack<4>(b + c);
    for (int j = 0; j < 4; ++j) held[k][j] = (held[k][j] - mean) * rstd * scale[j] + shift[j];
    store_pack(y + (row + c), held[k]);
  }
}

TEST(LadderLayerNorm, EveryStepIsTheCpuOp) {
  constexpr int64_t kRows = 37;
  constexpr float kEps = 1e-5f;
  for (const int64_t n : {4, 64, 300, 512}) {
    const Twin x = random_twin({kRows, n}, Dtype::f32, 1), w = random_twin({n}, Dtype::f32, 2);
    const Twin b = random_twin({n}, Dtype::f32, 3);
    const Tensor want = layer_norm(x.cpu, w.cpu, b.cpu, kEps).y;
    const auto px = pointer<const float>(x.cuda), pw = pointer<const float>(w.cuda), pb = pointer<const float>(b.cuda);
    auto check = [&](const char* step, auto&& run) {
      const Tensor y = Tensor::empty({kRows, n}, Dtype::f32, Device::cuda);
      run(pointer<float>(y));
      expect_close(y, want, 4e-6, std::string(step) + " at n = " + std::to_string(n));
    };
    check("thread a row", [&](Ptr<float> y) {
      launch("step 1", thread_a_row, {2, 1, 1}, 32, kRows, n, kEps, y, px, pw, pb);
    });
    check("block a row", [&](Ptr<float> y) {
      launch("step 2", block_a_row, {kRows, 1, 1}, kTree, n, kEps, y, px, pw, pb);
    });
    check("warp a row", [&](Ptr<float> y) {
      launch("step 3", warp_a_row, {10, 1, 1}, 128, kRows, n, kEps, y, px, pw, pb);
    });
    check("row in registers", [&](Ptr<float> y) {
      launch("step 4", row_in_registers<4>, {10, 1, 1}, 128, kRows, n, kEps, y, px, pw, pb);
    });
  }
}

}  // namespace
}  // namespace kg::cuda
