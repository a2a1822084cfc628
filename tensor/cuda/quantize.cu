// The nearest code of every row, argmin_k |x - c_k|^2, and the update of the codebook. x (N, C), codebook (K, C),
// ids (N). A block holds 128 rows of x against a share of the codes, 64 codes at a time, both by slices of 32 channels
// in shared memory: each value that was loaded is used 64 or 128 times. Distances are summed as squares of differences,
// not as |c|^2 - 2 x c, which loses the digits that tell close codes apart.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256, kRows = 128, kCodes = 64, kDepth = 32;
// A thread's share of the 128 x 64 distances, every 16th of each: 12 loads from shared memory for 32 distances.
constexpr int kSide = 16, kRowsOfThread = kRows / kSide, kCodesOfThread = kCodes / kSide;
constexpr int kLine = kDepth + 1;  // + 1: a column of a tile does not fall on one bank
constexpr int64_t kBlocks = 264;   // two for each processor of an H200

// Rows first.. of x (rows, width), channels depth.., into a tile of `n` lines; 0 beyond the edges.
template <class T, class S>
__device__ inline void load_tile(S& tile, int n, int64_t first, int64_t depth, int64_t rows, int64_t width,
                                 Ptr<const T> x) {
  for (int i = int(threadIdx.x); i < n * kDepth; i += kThreads) {
    const int64_t row = first + i / kDepth, c = depth + i % kDepth;
    tile[i / kDepth * kLine + i % kDepth] = row < rows && c < width ? float(x[row * width + c]) : 0.0f;
  }
}

// Codes in shares of `share` for each blockIdx.y: found (gridDim.y, N) and their distances.
template <class T>
__global__ void nearest(int64_t rows, int64_t codes, int64_t width, int64_t share, Ptr<const T> x,
                        Ptr<const T> codebook, Ptr<float> distances, Ptr<int32_t> found) {
  KG_SHARED(float, tile_x, kRows* kLine);
  KG_SHARED(float, tile_c, kCodes* kLine);
  const int across = int(threadIdx.x) % kSide, down = int(threadIdx.x) / kSide;
  const int64_t first_row = int64_t(blockIdx.x) * kRows, first_share = blockIdx.y * share;
  const int64_t last_code = first_share + share < codes ? first_share + share : codes;
  float best[kRowsOfThread];
  int at[kRowsOfThread];
  for (int r = 0; r < kRowsOfThread; ++r) best[r] = std::numeric_limits<float>::infinity(), at[r] = 0;

  for (int64_t first_code = first_share; first_code < last_code; first_code += kCodes) {
    float distance[kRowsOfThread][kCodesOfThread] = {};
    for (int64_t depth = 0; depth < width; depth += kDepth) {
      __syncthreads();
      load_tile(tile_x, kRows, first_row, depth, rows, width, x);
      load_tile(tile_c, kCodes, first_code, depth, codes, width, codebook);
      __syncthreads();
      for (int d = 0; d < kDepth; ++d) {
        float a[kRowsOfThread], b[kCodesOfThread];
        for (int r = 0; r < kRowsOfThread; ++r) a[r] = tile_x[(down + kSide * r) * kLine + d];
        for (int k = 0; k < kCodesOfThread; ++k) b[k] = tile_c[(across + kSide * k) * kLine + d];
        for (int r = 0; r < kRowsOfThread; ++r)
          for (int k = 0; k < kCodesOfThread; ++k) distance[r][k] += (a[r] - b[k]) * (a[r] - b[k]);
      }
    }
    for (int r = 0; r < kRowsOfThread; ++r)
      for (int k = 0; k < kCodesOfThread; ++k) {
        // The code's number rises with k and from tile to tile, so the first of equals stays.
        const int64_t code = first_code + across + kSide * k;
        if (code < last_code && distance[r][k] < best[r]) best[r] = distance[r][k], at[r] = int(code);
      }
  }
  // The 16 threads of a row are half a warp.
  for (int r = 0; r < kRowsOfThread; ++r) {
    for (int lanes = kSide / 2; lanes > 0; lanes /= 2) {
      const float d = __shfl_xor_sync(kAllLanes, best[r], lanes);
      const int code = __shfl_xor_sync(kAllLanes, at[r], lanes);
      if (d < best[r] || (d == best[r] && code < at[r])) best[r] = d, at[r] = code;
    }
    const int64_t row = first_row + down + kSide * r;
    if (across == 0 && row < rows) distances[blockIdx.y * rows + row] = best[r], found[blockIdx.y * rows + row] = at[r];
  }
}

// The nearest of the `shares` that were found for each row; the first of equals is in the first share.
__global__ void nearest_of_shares(int64_t rows, int64_t shares, Ptr<const float> distances, Ptr<const int32_t> found,
                                  Ptr<int32_t> ids) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float best = distances[row];
  int32_t code = found[row];
  for (int64_t s = 1; s < shares; ++s) {
    const float d = distances[s * rows + row];
    if (d < best) best = d, code = found[s * rows + row];
  }
  ids[row] = code;
}

// code_use of tensor/ops.h, where a sum of 0 counts as 1; one block.
__global__ void use_of_codes(int64_t codes, Ptr<const float> counts, Ptr<double> use) {
  KG_SHARED(double, part, 32);
  double rows = 0, entropy = 0, used = 0;
  for (int64_t k = threadIdx.x; k < codes; k += kThreads) rows += double(counts[k]);
  rows = std::max(1.0, block_sum(rows, part));
  for (int64_t k = threadIdx.x; k < codes; k += kThreads) {
    const double p = double(counts[k]) / rows;
    entropy -= p * std::log(p + 1e-7);
    used += counts[k] > 0.0f ? 1 : 0;
  }
  entropy = block_sum(entropy, part), used = block_sum(used, part);
  if (threadIdx.x == 0) use[0] = entropy, use[1] = used;
}

// update_codebook of tensor/ops.h: a thread an element.
template <class T>
__global__ void update_codes(int64_t total, int64_t width, bool average, bool reset, float reset_below,
                             Ptr<const float> sums, Ptr<const float> counts, Ptr<const T> spare, Ptr<T> codebook) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    const float count = counts[i / width];
    if (reset && !(count >= reset_below))
      codebook[i] = spare[i];
    else if (average && count > 1e-6f)
      codebook[i] = T(sums[i] / count);
  }
}

}  // namespace

void nearest_code_forward(const Tensor& ids, const Tensor& x, const Tensor& codebook) {
  const int64_t rows = x.size(0), codes = codebook.size(0), width = x.size(1);
  if (rows == 0) return;
  // Few rows: the codes are shared among several blocks, so that the device is filled.
  const int64_t down = ceil_div(rows, kRows), tiles = ceil_div(codes, kCodes);
  const int64_t share = ceil_div(tiles, std::clamp<int64_t>(ceil_div(kBlocks, down), 1, tiles)) * kCodes;
  const int64_t shares = ceil_div(codes, share);
  const Tensor distances = Tensor::empty({shares, rows}, Dtype::f32, x.device());
  const Tensor found = shares == 1 ? ids : Tensor::empty({shares, rows}, Dtype::i32, x.device());
  for_device_float(x.dtype(), "nearest_code", [&](auto zero) {
    using T = decltype(zero);
    launch("nearest_code", nearest<T>, {down, shares}, kThreads, rows, codes, width, share, pointer<const T>(x),
           pointer<const T>(codebook), pointer<float>(distances), pointer<int32_t>(found));
  });
  if (shares == 1) return;
  launch("nearest_code", nearest_of_shares, {ceil_div(rows, kThreads)}, kThreads, rows, shares,
         pointer<const float>(distances), pointer<const int32_t>(found), pointer<int32_t>(ids));
}

void code_use_forward(const Tensor& use, const Tensor& counts) {
  launch("code_use", use_of_codes, {1}, kThreads, counts.numel(), pointer<const float>(counts), pointer<double>(use));
}

void update_codebook(const Tensor& codebook, const Tensor& code_sum, const Tensor& code_count, const Tensor& counts,
                     const Tensor& spare, bool average, bool reset, double reset_below) {
  for_device_float(codebook.dtype(), "update_codebook", [&](auto zero) {
    using T = decltype(zero);
    const int64_t total = codebook.numel();
    launch("update_codebook", update_codes<T>, blocks_for(total, kThreads), kThreads, total, codebook.size(1), average,
           reset, float(reset_below), pointer<const float>(code_sum),
           pointer<const float>(average ? code_count : counts), pointer<const T>(spare), pointer<T>(codebook));
  });
}

}  // namespace kg::cuda
