// Attention in five steps, from three plain kernels to the ideas of tensor/cuda/attention.cu and attention_mma.cu. One
// head at a time: q, k, v, y (heads, T, 64) and the weights (heads, T, T) that the backward needs; softmax(q k^T / 8) v.
// The arithmetic is the same in all steps; what changes is how many loads there are for each multiply-add, and in the
// last one what multiplies.
#include <gtest/gtest.h>

#include <limits>

#include "tensor/cuda/attention_mma.h"
#include "tests/cuda/compare.h"

namespace kg::cuda {
namespace {

constexpr int D = 64;
constexpr float kScale = 0.125f;

// Step 1, the formula as three kernels, a thread an element. Scores go to memory and back twice, and each multiply-add
// of the products loads both of its factors: two loads an operation, where a GPU can do some 50 operations for each
// number that comes from memory.
__global__ void scores_of_elements(int64_t t, Ptr<float> s, Ptr<const float> q, Ptr<const float> k) {
  const int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, head = blockIdx.y;
  if (e >= t * t) return;
  float sum = 0;
  for (int d = 0; d < D; ++d) sum += q[(head * t + e / t) * D + d] * k[(head * t + e % t) * D + d];
  s[head * t * t + e] = sum * kScale;
}
__global__ void softmax_of_rows(int64_t rows, int64_t t, Ptr<float> s) {
  const int64_t r = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  float top = s[r * t], sum = 0;
  for (int64_t j = 1; j < t; ++j) top = s[r * t + j] > top ? s[r * t + j] : top;
  for (int64_t j = 0; j < t; ++j) sum += std::exp(s[r * t + j] - top);
  for (int64_t j = 0; j < t; ++j) s[r * t + j] = std::exp(s[r * t + j] - top) / sum;
}
__global__ void mix_of_elements(int64_t t, Ptr<float> y, Ptr<const float> w, Ptr<const float> v) {
  const int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, head = blockIdx.y;
  if (e >= t * D) return;
  float sum = 0;
  for (int64_t j = 0; j < t; ++j) sum += w[(head * t + e / D) * t + j] * v[(head * t + j) * D + e % D];
  y[head * t * D + e] = sum;
}

// Step 2, one kernel, a warp a query: lane l has keys l and l + 32, so a row of scores lives in registers, softmax is
// ten shuffles, and only the weights that the backward wants are written. For the mix the roles change: lane l has
// columns l and l + 32, and the weight of key j comes from the lane that has it. T is at most 64 here. But the lanes of
// the first product read keys 64 apart, and every query reads all of k and v again.
__global__ void warp_a_query(int64_t t, Ptr<float> y, Ptr<float> w, Ptr<const float> q, Ptr<const float> k,
                             Ptr<const float> v) {
  const int lane = threadIdx.x % kWarp;
  const int64_t i = int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp, head = blockIdx.y * t;
  if (i >= t) return;
  float s[2];
  for (int u = 0; u < 2; ++u) {
    const int64_t j = lane + 32 * u;
    s[u] = 0;
    for (int d = 0; d < D && j < t; ++d) s[u] += q[(head + i) * D + d] * k[(head + j) * D + d];
    s[u] = j < t ? s[u] * kScale : -std::numeric_limits<float>::infinity();
  }
  const float top = warp_max(s[0] > s[1] ? s[0] : s[1]);
  for (float& x : s) x = std::exp(x - top);
  const float sum = warp_sum(s[0] + s[1]);
  float mixed[2] = {};
  for (int u = 0; u < 2; ++u) {
    s[u] /= sum;
    if (lane + 32 * u < t) w[(head + i) * t + lane + 32 * u] = s[u];
  }
  for (int64_t j = 0; j < t; ++j) {
    const float weight = __shfl_sync(kAllLanes, j < 32 ? s[0] : s[1], int(j));
    for (int c = 0; c < 2; ++c) mixed[c] += weight * v[(head + j) * D + lane + 32 * c];
  }
  for (int c = 0; c < 2; ++c) y[(head + i) * D + lane + 32 * c] = mixed[c];
}

// Step 3, keys in shared memory: a block of 8 queries reads k and v once, in order, and its warps read them from there.
// Lanes that read keys 64 floats apart would all hit the same of the 32 banks and take turns; a row of 65 puts lane l
// at bank l. Still one load from shared memory for each multiply-add of the product, and an SM does four multiply-adds
// in the time of one such load.
__global__ void keys_in_shared(int64_t t, Ptr<float> y, Ptr<float> w, Ptr<const float> q, Ptr<const float> k,
                               Ptr<const float> v) {
  KG_SHARED(float, tile, 64 * (D + 1));
  KG_SHARED(float, query, 8 * D);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t i = int64_t(blockIdx.x) * 8 + warp, head = blockIdx.y * t;
  auto load = [&](Ptr<const float> rows) {
    __syncthreads();  // nobody reads the last tile any more
    for (int e = threadIdx.x; e < t * D; e += 256) tile[e / D * (D + 1) + e % D] = rows[head * D + e];
    __syncthreads();
  };
  for (int d = lane; d < D; d += kWarp) query[warp * D + d] = i < t ? float(q[(head + i) * D + d]) : 0;
  load(k);  // its barriers are for the whole block, so a warp without a query goes on with the others
  float s[2], mixed[2] = {};
  for (int u = 0; u < 2; ++u) {
    const int j = lane + 32 * u;
    s[u] = 0;
    for (int d = 0; d < D && j < t; ++d) s[u] += query[warp * D + d] * tile[j * (D + 1) + d];
    s[u] = j < t ? s[u] * kScale : -std::numeric_limits<float>::infinity();
  }
  const float top = warp_max(s[0] > s[1] ? s[0] : s[1]);
  for (float& x : s) x = std::exp(x - top);
  const float sum = warp_sum(s[0] + s[1]);
  for (int u = 0; u < 2; ++u) {
    s[u] /= sum;
    if (i < t && lane + 32 * u < t) w[(head + i) * t + lane + 32 * u] = s[u];
  }
  load(v);
  for (int j = 0; j < t; ++j) {
    const float weight = __shfl_sync(kAllLanes, j < 32 ? s[0] : s[1], j);
    for (int c = 0; c < 2; ++c) mixed[c] += weight * tile[j * (D + 1) + lane + 32 * c];
  }
  for (int c = 0; c < 2 && i < t; ++c) y[(head + i) * D + lane + 32 * c] = mixed[c];
}

// Step 4, R queries a warp, 16 bytes a load: what a lane has loaded of its two keys serves R queries, and four columns
// come at once (rows of 17 packs keep 8 lanes at 8 places of the banks). R + 2 loads for 8 R multiply-adds: with R = 4,
// 6 for 32, and arithmetic is the bound. The mix does the same: a lane takes four columns of half of the queries, and
// the weights of all R queries for a key lie side by side. This is products() and mix() of
// tensor/cuda/attention_tiles.h with R = 8, where tiles of keys follow each other and mask, bias and dropout stand
// between the two products.
using Four = Pack<float, 4>;
constexpr int R = 4, kQueryWarps = 4, kStride = D / 4 + 1;
__global__ void queries_share_keys(int64_t t, Ptr<float> y, Ptr<float> w, Ptr<const float> q, Ptr<const float> k,
                                   Ptr<const float> v) {
  KG_SHARED(Four, tile, 64 * kStride);
  KG_SHARED(Four, query, kQueryWarps * R * D / 4);
  KG_SHARED(Four, weight, kQueryWarps * 64);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t first = (int64_t(blockIdx.x) * kQueryWarps + warp) * R, head = blockIdx.y * t;
  auto load = [&](Ptr<const float> rows) {
    __syncthreads();
    for (int e = threadIdx.x; e < 64 * D / 4; e += kQueryWarps * kWarp)
      tile[e / 16 * kStride + e % 16] = e / 16 < t ? load_pack<4>(rows + (head * D + e * 4)) : Four{};
    __syncthreads();
  };
  for (int e = lane; e < R * 16; e += kWarp)
    query[warp * R * 16 + e] = first + e / 16 < t ? load_pack<4>(q + ((head + first) * D + e * 4)) : Four{};
  load(k);
  float s[R][2] = {};
  for (int c = 0; c < D / 4; ++c) {
    const Four key[2] = {tile[lane * kStride + c], tile[(lane + 32) * kStride + c]};
    for (int r = 0; r < R; ++r) {
      const Four x = query[(warp * R + r) * 16 + c];
      for (int u = 0; u < 2; ++u)
        for (int d = 0; d < 4; ++d) s[r][u] += x[d] * key[u][d];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int u = 0; u < 2; ++u) s[r][u] = lane + 32 * u < t ? s[r][u] * kScale : -1e30f;
    const float top = warp_max(s[r][0] > s[r][1] ? s[r][0] : s[r][1]);
    for (float& x : s[r]) x = std::exp(x - top);
    const float sum = warp_sum(s[r][0] + s[r][1]);
    for (int u = 0; u < 2; ++u) {
      s[r][u] /= sum;
      if (first + r < t && lane + 32 * u < t) w[(head + first + r) * t + lane + 32 * u] = s[r][u];
    }
  }
  for (int u = 0; u < 2; ++u) weight[warp * 64 + lane + 32 * u] = Four{{s[0][u], s[1][u], s[2][u], s[3][u]}};
  load(v);
  const int half = lane / 16, column = lane % 16;
  Four mixed[2] = {};
  for (int j = 0; j < t; ++j) {
    const Four value = tile[j * kStride + column], all = weight[warp * 64 + j];
    for (int d = 0; d < 4; ++d) {
      mixed[0][d] += (half ? all[2] : all[0]) * value[d];
      mixed[1][d] += (half ? all[3] : all[1]) * value[d];
    }
  }
  for (int r = 0; r < 2; ++r)
    if (first + 2 * half + r < t) store_pack(y + ((head + first + 2 * half + r) * D + column * 4), mixed[r]);
}

// Step 5, tensor cores: one instruction of a warp is a product of 16 x 16 with 16 x 8, 64 multiply-adds a lane, from six
// words that a lane has of the factors. Those are bf16, sums stay f32. The matrices are spread over the lanes as
// tensor/cuda/attention_mma.h draws them; load_block() brings 16 x 16 of them from shared memory in one load of 16
// bytes a lane. A row of scores has four lanes now, so softmax takes two shuffles, and the weights, rounded in pairs,
// are the left factor of the second product in the registers where they are. A block of four warps is 64 queries.
constexpr int kPackStride = D / 8 + 1;
__global__ void on_tensor_cores(int64_t t, Ptr<float> y, Ptr<float> w, Ptr<const bf16> q, Ptr<const bf16> k,
                                Ptr<const bf16> v) {
  KG_SHARED(Pack8, query, 64 * kPackStride);
  KG_SHARED(Pack8, key, 64 * kPackStride);
  KG_SHARED(Pack8, value, 64 * kPackStride);
  const int lane = threadIdx.x % kWarp, first = 16 * (int(threadIdx.x) / kWarp), pair = 2 * (lane % 4);
  const int64_t head = blockIdx.x * t;
  auto load = [&](auto& tile, Ptr<const bf16> rows) {
    for (int e = threadIdx.x; e < 64 * D / 8; e += 4 * kWarp)
      tile[e / 8 * kPackStride + e % 8] = e / 8 < t ? load_pack<8>(rows + (head * D + e * 8)) : Pack8{};
  };
  load(query, q), load(key, k), load(value, v);
  __syncthreads();
  Sums s[8] = {}, mixed[8] = {};  // columns 8 j ... 8 j + 7 of the warp's 16 rows
  unrolled<D / 16>([&](auto d) {
    const Block rows = load_block<kPackStride, 1>(query, first, 16 * d, false);
    unrolled<4>([&](auto j) {
      const Block keys = load_block<kPackStride, 1>(key, 16 * j, 16 * d, false);
      mma_16x8x16(s[2 * j], rows, keys[0], keys[2]);
      mma_16x8x16(s[2 * j + 1], rows, keys[1], keys[3]);
    });
  });
  for (int r = 0; r < 2; ++r) {  // the lane's two rows
    const int64_t i = first + lane / 4 + 8 * r;
    float top = -1e30f, sum = 0;
    for (int j = 0; j < 8; ++j)
      for (int c = 0; c < 2; ++c) {
        float& x = s[j][2 * r + c];
        x = 8 * j + pair + c < t ? x * kScale : -1e30f;
        top = x > top ? x : top;
      }
    top = quad_max(top);
    for (int j = 0; j < 8; ++j)
      for (int c = 0; c < 2; ++c) sum += s[j][2 * r + c] = std::exp(s[j][2 * r + c] - top);
    sum = quad_sum(sum);
    for (int j = 0; j < 8; ++j)
      for (int c = 0; c < 2; ++c) {
        s[j][2 * r + c] /= sum;
        if (i < t && 8 * j + pair + c < t) w[(head + i) * t + 8 * j + pair + c] = s[j][2 * r + c];
      }
  }
  unrolled<4>([&](auto j) {
    const Block weights = as_left(s[2 * j], s[2 * j + 1]);
    unrolled<D / 16>([&](auto d) {
      const Block values = load_block<kPackStride, 1>(value, 16 * j, 16 * d, true);
      mma_16x8x16(mixed[2 * d], weights, values[0], values[1]);
      mma_16x8x16(mixed[2 * d + 1], weights, values[2], values[3]);
    });
  });
  for (int e = 0; e < 8 * 4; ++e)
    if (const int64_t i = first + lane / 4 + e % 4 / 2 * 8; i < t)
      y[(head + i) * D + e / 4 * 8 + pair + e % 2] = mixed[e / 4][e % 4];
}

TEST(LadderAttention, EveryStepIsTheCpuOp) {
  constexpr int64_t kHeads = 2;
  for (const int64_t t : {1, 31, 51, 64}) {
    const Twin q = random_twin({kHeads, t, D}, Dtype::f32, 1), k = random_twin({kHeads, t, D}, Dtype::f32, 2);
    const Twin v = random_twin({kHeads, t, D}, Dtype::f32, 3);
    const AttentionResult want = attention(q.cpu.unsqueeze(2), k.cpu.unsqueeze(2), v.cpu.unsqueeze(2), {});
    const auto pq = pointer<const float>(q.cuda), pk = pointer<const float>(k.cuda), pv = pointer<const float>(v.cuda);
    auto check = [&](const char* step, auto&& run) {
      const Tensor y = Tensor::empty({kHeads, t, D}, Dtype::f32, Device::cuda);
      const Tensor w = Tensor::empty({kHeads, t, t}, Dtype::f32, Device::cuda);
      run(pointer<float>(y), pointer<float>(w));
      expect_close(y, want.y.squeeze(2), 8e-6, std::string(step) + " at T = " + std::to_string(t));
      expect_close(w, want.weights.squeeze(1), 4e-6, std::string(step) + " weights at T = " + std::to_string(t));
    };
    check("three kernels", [&](Ptr<float> y, Ptr<float> w) {
      launch("scores", scores_of_elements, {ceil_div(t * t, 128), kHeads, 1}, 128, t, w, pq, pk);
      launch("softmax", softmax_of_rows, {ceil_div(kHeads * t, 128), 1, 1}, 128, kHeads * t, t, w);
      launch("mix", mix_of_elements, {ceil_div(t * D, 128), kHeads, 1}, 128, t, y, w, pv);
    });
    check("warp a query", [&](Ptr<float> y, Ptr<float> w) {
      launch("step 2", warp_a_query, {ceil_div(t, 4), kHeads, 1}, 128, t, y, w, pq, pk, pv);
    });
    check("keys in shared memory", [&](Ptr<float> y, Ptr<float> w) {
      launch("step 3", keys_in_shared, {ceil_div(t, 8), kHeads, 1}, 256, t, y, w, pq, pk, pv);
    });
    check("queries share keys", [&](Ptr<float> y, Ptr<float> w) {
      launch("step 4", queries_share_keys, {ceil_div(t, kQueryWarps * R), kHeads, 1}, kQueryWarps * kWarp, t, y, w, pq,
             pk, pv);
    });
  }
}

// The weights are rounded for their second use, each by 2^-8 of itself at most: y by 2^-8 of the mix of |v|.
TEST(LadderAttention, OnTensorCoresItIsTheCpuOpOfRoundedValues) {
  constexpr int64_t kHeads = 2;
  for (const int64_t t : {1, 31, 51, 64}) {
    const Twin q = random_twin({kHeads, t, D}, Dtype::bf16, 1), k = random_twin({kHeads, t, D}, Dtype::bf16, 2);
    const Twin v = random_twin({kHeads, t, D}, Dtype::bf16, 3);
    const AttentionResult want = attention(q.cpu.unsqueeze(2), k.cpu.unsqueeze(2), v.cpu.unsqueeze(2), {});
    const Tensor y = Tensor::empty({kHeads, t, D}, Dtype::f32, Device::cuda);
    const Tensor w = Tensor::empty({kHeads, t, t}, Dtype::f32, Device::cuda);
    launch("step 5", on_tensor_cores, {kHeads, 1, 1}, 4 * kWarp, t, pointer<float>(y), pointer<float>(w),
           pointer<const bf16>(q.cuda), pointer<const bf16>(k.cuda), pointer<const bf16>(v.cuda));
    expect_close(w, want.weights.squeeze(1), 4e-6, "tensor cores, weights at T = " + std::to_string(t));
    expect_close(y, want.y.squeeze(2), 0x1p-7, "tensor cores at T = " + std::to_string(t));
  }
}

}  // namespace
}  // namespace kg::cuda
