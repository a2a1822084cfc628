// The codebook search built up in four steps, each a kernel with what it buys over the one before; the last has the
// idea of tensor/cuda/quantize.cu, which adds a third tiling, of the codes over blocks. x (N, C), codebook (K, C),
// ids (N): argmin_k |x - c_k|^2, first of equals. All must find the same codes.
#include <array>
#include <limits>

#include "tensor/cuda/kernel.h"
#include "tests/cuda/compare.h"

namespace kg {
namespace cuda {
namespace {

struct Sizes {
  int64_t rows, codes, width;
};

// Step 1. A thread a row. Plain, and slow for three reasons: N threads are too few for a device with tens of thousands;
// neighbouring threads read addresses that are C apart, so each load brings a line of memory for four bytes of it; and
// every thread reads the whole codebook, K C values, for one subtraction and one multiplication each.
__global__ void search_naive(Sizes s, Ptr<const float> x, Ptr<const float> codebook, Ptr<int32_t> ids) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= s.rows) return;
  float best = std::numeric_limits<float>::infinity();
  for (int64_t k = 0; k < s.codes; ++k) {
    float distance = 0;
    for (int64_t c = 0; c < s.width; ++c) {
      const float d = x[row * s.width + c] - codebook[k * s.width + c];
      distance += d * d;
    }
    if (distance < best) best = distance, ids[row] = int32_t(k);
  }
}

// Step 2. A warp a row: lane l takes the channels l, l + 32, ..., so that a warp's load is one run of 128 bytes, and
// there are 32 times as many threads. The price is a sum over the warp for every code, and the codebook is still read
// from the cache once a row.
__global__ void search_warp(Sizes s, Ptr<const float> x, Ptr<const float> codebook, Ptr<int32_t> ids) {
  const int64_t row = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  if (row >= s.rows) return;  // the whole warp leaves
  float best = std::numeric_limits<float>::infinity();
  for (int64_t k = 0; k < s.codes; ++k) {
    float distance = 0;
    for (int64_t c = lane; c < s.width; c += kWarp) {
      const float d = x[row * s.width + c] - codebook[k * s.width + c];
      distance += d * d;
    }
    distance = warp_sum(distance);
    if (distance < best) {
      best = distance;
      if (lane == 0) ids[row] = int32_t(k);
    }
  }
}

// Copies `lines` rows of 32 channels from `first`, `depth` on into shared memory. A line has 33 places: with 32, the 16
// threads that read one channel of 16 lines would all ask the same bank of shared memory and wait for each other.
constexpr int kDepth = 32, kLine = kDepth + 1;
template <class S>
__device__ inline void load_lines(S& tile, int lines, int64_t first, int64_t depth, int64_t rows, int64_t width,
                                  Ptr<const float> x) {
  for (int i = int(threadIdx.x); i < lines * kDepth; i += int(blockDim.x)) {
    const int64_t row = first + i / kDepth, c = depth + i % kDepth;
    tile[i / kDepth * kLine + i % kDepth] = row < rows && c < width ? x[row * width + c] : 0.0f;
  }
}

// Steps 3 and 4. A block of 16 x 16 threads compares 16 P rows with 16 P codes at a time, both in shared memory: a
// value that was loaded once serves 16 P times.
// Step 3, P = 1: a thread has one distance, and each of its subtractions waits for two loads from shared memory. That
// is now the limit: shared memory gives 32 values a clock, while 128 subtractions could run.
// Step 4, P = 4: a thread keeps 4 x 4 distances in registers. 8 loads serve 16 distances, a quarter of the loads each.
template <int P>
__global__ void search_tiled(Sizes s, Ptr<const float> x, Ptr<const float> codebook, Ptr<int32_t> ids) {
  constexpr int kSide = 16, kTile = kSide * P;
  KG_SHARED(float, tile_x, kTile* kLine);
  KG_SHARED(float, tile_c, kTile* kLine);
  const int across = int(threadIdx.x) % kSide, down = int(threadIdx.x) / kSide;
  const int64_t first_row = int64_t(blockIdx.x) * kTile;
  float best[P];
  int at[P];
  for (int r = 0; r < P; ++r) best[r] = std::numeric_limits<float>::infinity(), at[r] = 0;
  for (int64_t first = 0; first < s.codes; first += kTile) {
    float distance[P][P] = {};
    for (int64_t depth = 0; depth < s.width; depth += kDepth) {
      __syncthreads();  // nobody reads the tiles of the last round any more
      load_lines(tile_x, kTile, first_row, depth, s.rows, s.width, x);
      load_lines(tile_c, kTile, first, depth, s.codes, s.width, codebook);
      __syncthreads();  // the tiles are complete
      for (int d = 0; d < kDepth; ++d) {
        float a[P], b[P];
        for (int i = 0; i < P; ++i) a[i] = tile_x[(down + kSide * i) * kLine + d];
        for (int i = 0; i < P; ++i) b[i] = tile_c[(across + kSide * i) * kLine + d];
        for (int r = 0; r < P; ++r)
          for (int k = 0; k < P; ++k) distance[r][k] += (a[r] - b[k]) * (a[r] - b[k]);
      }
    }
    for (int r = 0; r < P; ++r)
      for (int k = 0; k < P; ++k)
        if (const int64_t code = first + across + kSide * k; code < s.codes && distance[r][k] < best[r])
          best[r] = distance[r][k], at[r] = int(code);
  }
  // The 16 threads of a row are half a warp: they agree on the smallest distance, and on the first code that has it.
  for (int r = 0; r < P; ++r) {
    for (int lanes = kSide / 2; lanes > 0; lanes /= 2) {
      const float d = __shfl_xor_sync(kAllLanes, best[r], lanes);
      const int code = __shfl_xor_sync(kAllLanes, at[r], lanes);
      if (d < best[r] || (d == best[r] && code < at[r])) best[r] = d, at[r] = code;
    }
    if (const int64_t row = first_row + down + kSide * r; across == 0 && row < s.rows) ids[row] = at[r];
  }
}

}  // namespace
}  // namespace cuda

namespace {

using Search = void (*)(cuda::Sizes, cuda::Ptr<const float>, cuda::Ptr<const float>, cuda::Ptr<int32_t>);
struct Step {
  const char* name;
  Search kernel;
  int64_t rows_of_block;
};
const Step kSteps[] = {{"a thread a row", cuda::search_naive, 256},
                       {"a warp a row", cuda::search_warp, 8},
                       {"tiles", cuda::search_tiled<1>, 16},
                       {"tiles in registers", cuda::search_tiled<4>, 64}};

// Small integers, so that every order of addition gives the same distances, and equal distances are common.
TEST(CodebookLadder, EveryStepFindsTheSameCodes) {
  for (auto [n, k, c] : {std::array<int64_t, 3>{1, 1, 1}, {37, 65, 31}, {130, 70, 33}, {20, 300, 70}}) {
    const Tensor x = random_ids(n * c, 4, 1).to(Dtype::f32).reshape({n, c});
    const Tensor codebook = random_ids(k * c, 4, 2).to(Dtype::f32).reshape({k, c});
    const std::vector<double> want = nearest_code(x, codebook).to_vector();
    const Tensor x_there = x.to(Device::cuda), codebook_there = codebook.to(Device::cuda);
    for (const Step& step : kSteps) {
      const Tensor ids = Tensor::full({n}, -1, Dtype::i32, Device::cuda);
      cuda::launch(step.name, step.kernel, {cuda::ceil_div(n, step.rows_of_block)}, 256, cuda::Sizes{n, k, c},
                   cuda::pointer<const float>(x_there), cuda::pointer<const float>(codebook_there),
                   cuda::pointer<int32_t>(ids));
      EXPECT_EQ(ids.to_vector(), want) << step.name << ": " << n << " rows, " << k << " codes, " << c << " channels";
    }
    EXPECT_EQ(nearest_code(x_there, codebook_there).to_vector(), want) << "the library's";
  }
}

}  // namespace
}  // namespace kg
