// Products of attention on tensor cores. A block of four warps works on one head of one batch entry; each warp owns 16
// rows (queries, or keys in the gradient of keys), and the other side comes by in tiles in shared memory.
//
// One instruction is D (16 x 8, f32) += A (16 x 16) B (16 x 8), the factors bf16: mma_16x8x16(d, a, b0, b1). The warp
// has the matrices together. With g = lane / 4 and t = lane % 4, a lane's part is, in 8 x 8 pieces (PTX ISA, "Matrix
// fragments for mma.m16n8k16"):
//
//        D                                A                      B
//     columns 0-7                     k 0-7   k 8-15
//    +---------------+               +-------+-------+         k 0-7  | b0 |
//    | d[0]   d[1]   |  rows 0-7     | a[0]  | a[2]  |         k 8-15 | b1 |
//    | d[2]   d[3]   |  rows 8-15    | a[1]  | a[3]  |
//    +---------------+               +-------+-------+
//     row g, columns                  row g, columns 2t and     column g, rows 2t and 2t + 1
//     2t and 2t + 1                   2t + 1 in one word
//
// So a piece of B is a piece of A turned over, and sums D, rounded in pairs, are a piece of A for the next product: the
// weights become the left factor of P V where they are. load_matrices() brings four pieces from shared memory at once:
// lane l names row l % 8 of piece l / 8, eight elements of 16 bytes, and each lane receives its words of all four.
// load_block() always names a 16 x 16 block, pieces numbered as in A:
//     as A                              the words as they are
//     as B, rows are columns of B       (0, 2) for its rows 0-7, (1, 3) for 8-15        scores: q . k
//     as B, rows are k, turned          (0, 1) for its columns 0-7, (2, 3) for 8-15     P V: a key is a step of the sum
#pragma once

#include "tensor/cuda/attention_tiles.h"

namespace kg::cuda {

using Pack8 = Pack<bf16, 8>;
using Block = Pack<uint32_t, 4>;  // a lane's words of a 16 x 16 block of bf16
using Sums = Pack<float, 4>;      // a lane's elements of a 16 x 8 block of f32

// Sizes for heads of up to kColumns columns. Rows of tiles are an odd number of 16-byte packs apart, so that the eight
// rows of a piece lie in different banks; the same holds for rows of weights.
template <int kColumns>
struct MmaTiling {
  static constexpr int kWidth = kColumns, kWarps = 4, kThreads = kWarps * kWarp;
  static constexpr int kRows = 16, kBlockRows = kWarps * kRows;
  static constexpr int kTile = kWidth <= 64 ? 64 : 32;  // rows of a tile
  static constexpr int kStride = kWidth / 8 + 1;        // packs
  static constexpr int kSteps = kWidth / 16, kGroups = kTile / 16;
};

// As HeadsView, read eight elements at once where strides and address allow it.
template <class T>
struct WideHeads : HeadsView<T> {
  bool wide;
  explicit WideHeads(const Tensor& t) : HeadsView<T>(t) {
    wide = (this->batch | this->time | this->head | this->width) % 8 == 0 &&
           reinterpret_cast<uintptr_t>(t.raw()) % sizeof(Pack8) == 0;
  }
};

// Rows first ... first + kRows of a head to a tile, by the whole block; zeros beyond row `end` and beyond the width.
template <class G, int kRows, class S>
__device__ inline void load_tile(S& tile, const WideHeads<const bf16>& x, int64_t b, int64_t h, int64_t first,
                                 int64_t end) {
  constexpr int kPacks = G::kWidth / 8, kStep = G::kThreads / kPacks;
  const int first_row = int(threadIdx.x / kPacks), c = int(threadIdx.x % kPacks) * 8;
  const int n = int(end - first < kRows ? end - first : kRows);
  Ptr<const bf16> row = x.row(b, h, first + first_row);
  for (int round = 0; round < kRows / kStep; ++round) {
    const int r = first_row + round * kStep;
    Pack8 p{};
    if (r < n && c < x.width) {
      if (x.wide)
        p = load_pack<8>(row + c);
      else
        for (int j = 0; j < 8; ++j)
          if (c + j < x.width) p[j] = row[c + j];
    }
    tile[r * G::kStride + c / 8] = p;
    row += kStep * x.time;
  }
}

// The 16 x 16 block at (row, column) of shared memory whose rows are kStride places apart, kPlaces for eight elements.
template <int kStride, int kPlaces, class S>
__device__ inline Block load_block(S& shared, int row, int column, bool turned) {
  const int lane = threadIdx.x % kWarp;
  return load_matrices(shared, (row + lane % 16) * kStride + (column / 8 + lane / 16) * kPlaces, turned);
}

// s = left . tile^T for the 16 rows of `left` from `row` on and the first n rows of the tile: s[j] has rows
// 8 j ... 8 j + 7 of the tile as columns.
template <class G, class L, class S>
__device__ inline void products(Sums (&s)[2 * G::kGroups], L& left, int row, S& tile, int n, int width) {
  for (int j = 0; j < 2 * G::kGroups; ++j) s[j] = Sums{};
  unrolled<G::kSteps>([&](auto k) {
    if (16 * k >= width) return;
    const Block a = load_block<G::kStride, 1>(left, row, 16 * k, false);
    unrolled<G::kGroups>([&](auto j) {
      if (16 * j >= n) return;
      const Block b = load_block<G::kStride, 1>(tile, 16 * j, 16 * k, false);
      mma_16x8x16(s[2 * j], a, b[0], b[2]);
      mma_16x8x16(s[2 * j + 1], a, b[1], b[3]);
    });
  });
}

// y += weights . rows 16 j ... 16 j + 15 of the tile: y[c] has columns 8 c ... 8 c + 7.
template <class G, class S>
__device__ inline void mix_block(Sums (&y)[2 * G::kSteps], const Block& weights, S& tile, int j, int width) {
  unrolled<G::kSteps>([&](auto k) {
    if (16 * k >= width) return;
    const Block b = load_block<G::kStride, 1>(tile, 16 * j, 16 * k, true);
    mma_16x8x16(y[2 * k], weights, b[0], b[1]);
    mma_16x8x16(y[2 * k + 1], weights, b[2], b[3]);
  });
}

// Sums beside each other, columns 0-7 and 8-15, as a left factor.
__device__ inline Block as_left(const Sums& first, const Sums& second) {
  return {{bf16_pair(first[0], first[1]), bf16_pair(first[2], first[3]), bf16_pair(second[0], second[1]),
           bf16_pair(second[2], second[3])}};
}

// The warp's 16 rows of a head, times `scale`, to memory; there are `end` rows.
template <class G>
__device__ inline void store_rows(const WideHeads<bf16>& out, int64_t b, int64_t h, int64_t first, int64_t end,
                                  const Sums (&y)[2 * G::kSteps], float scale) {
  const int lane = threadIdx.x % kWarp, t = lane % 4;
  unrolled<2>([&](auto r) {
    const int64_t i = first + lane / 4 + 8 * r;
    if (i >= end) return;
    const Ptr<bf16> row = out.row(b, h, i);
    unrolled<2 * G::kSteps>([&](auto k) {
      const int c = 8 * k + 2 * t;
      const Pack<float, 2> pair{{y[k][2 * r] * scale, y[k][2 * r + 1] * scale}};
      if (out.wide && c < out.width) store_floats(row + c, pair);
      if (out.wide) return;
      for (int e = 0; e < 2; ++e)
        if (c + e < out.width) row[c + e] = bf16(pair[e]);
    });
  });
}

// Sum and maximum over the four lanes that share a row of sums.
__device__ inline float quad_sum(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}
__device__ inline float quad_max(float x) {
  for (int lanes = 1; lanes <= 2; lanes *= 2) {
    const float other = __shfl_xor_sync(kAllLanes, x, lanes);
    x = other > x ? other : x;
  }
  return x;
}

// Weights in shared memory for the backward carry their dropout as sign: weights are not negative, so the sign bit says
// that the weight is dropped. Of the two in a word:
__device__ inline float weight_in(uint32_t word, int which) {
  return std::fabs(std::bit_cast<float>(which ? word & 0xffff0000u : word << 16));
}
__device__ inline bool dropped_in(uint32_t word, int which) { return word >> (which ? 31 : 15) & 1; }
__device__ inline uint32_t kept_in(uint32_t word) { return word & ~((word >> 15 & 0x00010001u) * 0xffffu); }

// kRows x kColumns of the (B, H, Tq, Tk) weights from (first, at) of a plane on to shared memory, rows kColumns + 8
// apart. A thread takes what shares a block of random numbers: four elements that follow each other in memory, which
// begin anywhere in a row, so that kColumns / 4 + 1 blocks cover it.
template <int kRows, int kColumns, class S>
__device__ inline void load_weights(S& shared, int to, const AttentionProblem& o, const Philox& random,
                                    Ptr<const bf16> weights, int64_t plane, int64_t first, int64_t at, int thread,
                                    int threads) {
  constexpr int kBlocks = kColumns / 4 + 1, kStride = kColumns + 8;
  for (int i = thread; i < kRows * kBlocks; i += threads) {
    const int64_t row = first + i / kBlocks, start = (plane * o.queries + row) * o.keys + at;
    const int begin = 4 * (i % kBlocks) - int(start % 4);
    const int64_t n = row < o.queries ? o.visible(row) - at : 0;
    const uint32_t kept = o.drops && begin < n ? kept_bits(o, random, start / 4 + i % kBlocks) : 15;
    for (int e = 0; e < 4; ++e) {
      const int c = begin + e;
      if (c < 0 || c >= kColumns) continue;
      bf16 w{};
      if (c < n) w.bits = uint16_t((weights[start + c].bits & 0x7fff) | (~kept >> e & 1) << 15);
      shared[to + i / kBlocks * kStride + c] = w;
    }
  }
}

// As attention_forward and attention_backward, for bf16.
void attention_mma_forward(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                           const AttentionOptions& options);
void attention_mma_backward(const Tensor& gq, const Tensor& gk, const Tensor& gv, const Tensor& gscores,
                            const Tensor& gy, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& weights,
                            const AttentionOptions& options);

}  // namespace kg::cuda
