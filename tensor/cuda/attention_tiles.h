// The two products of attention that its kernels share. A block works on one head of one batch entry; each of its warps
// owns kRows rows of the left side (queries, or keys in the gradient of keys). The right side comes by in tiles of
// kTile rows as f32 in shared memory, which all warps read:
//   products   s[r][u] = left row r . tile row (lane + 32 u)           a lane has tile rows, four columns at a time
//   mix        y[r]   += sum_j w[j][r] tile row j                      a lane has four columns of kHeld rows
// Both read 16 bytes of shared memory for 16 to 32 fused multiply-adds, so that they are bound by arithmetic.
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include "tensor/cuda/kernel.h"
#include "tensor/ops.h"

namespace kg::cuda {

using Pack4 = Pack<float, 4>;

// Sizes for heads of up to kWidth columns; what a block has in shared memory stays below 48 KiB.
template <int kWidth>
struct Tiling {
  static constexpr int kPacks = kWidth / 4;             // packs of a row
  static constexpr int kStride = kPacks + 1;            // one more, so that 8 lanes read 8 rows from different banks
  static constexpr int kTile = kWidth <= 64 ? 64 : 32;  // rows of a tile
  static constexpr int kSlots = kTile / kWarp;          // tile rows of a lane
  static constexpr int kRows = 8;                       // rows of a warp
  static constexpr int kWarps = kWidth <= 64 ? 7 : 6;   // 7: the 51 queries of a T2M-GPT sequence are one block
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kBlockRows = kWarps * kRows;
  static constexpr int kGroups = kWarp / kPacks;  // groups of lanes that share the columns
  static constexpr int kHeld = kRows / kGroups;   // rows of a lane in mix()
  static constexpr int kTileSize = kTile * kStride, kLeftSize = kBlockRows * kPacks;
  static constexpr int kMixSize = kWarps * kTile * kRows / 4;
};

// fn(0), fn(1), ... with constants, so that arrays they index stay in registers however long fn is.
template <int N, class Fn>
__device__ inline void unrolled(Fn&& fn) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (fn(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

// A (B, T, H, D) tensor of unit stride in D.
template <class T>
struct HeadsView {
  Ptr<T> at;
  int64_t batch, time, head;
  int width;
  bool packed;  // four elements can be read at once

  explicit HeadsView(const Tensor& t)
      : at(pointer<T>(t)), batch(t.strides()[0]), time(t.strides()[1]), head(t.strides()[2]), width(int(t.size(3))) {
    packed = (batch | time | head | width) % 4 == 0 && reinterpret_cast<uintptr_t>(t.raw()) % (4 * sizeof(T)) == 0;
  }
  __device__ Ptr<T> row(int64_t b, int64_t h, int64_t t) const { return at + (b * batch + h * head + t * time); }
};

// Four elements from column c on; zeros beyond the width.
template <class T>
__device__ inline Pack4 load4(const HeadsView<const T>& x, Ptr<const T> row, int c) {
  Pack4 p{};
  if (x.packed) {
    const Pack<T, 4> raw = load_pack<4>(row + c);
    for (int j = 0; j < 4; ++j) p[j] = float(raw[j]);
  } else {
    for (int j = 0; j < 4; ++j)
      if (c + j < x.width) p[j] = float(row[c + j]);
  }
  return p;
}
template <class T>
__device__ inline void store4(const HeadsView<T>& x, Ptr<T> row, int c, const Pack4& p) {
  if (x.packed) {
    store_floats(row + c, p);
  } else {
    for (int j = 0; j < 4; ++j)
      if (c + j < x.width) row[c + j] = T(p[j]);
  }
}

// Rows first .. first + kCount of a head to shared memory, kStride packs a row from place `to` on; zeros from row `end`
// on. By `threads` threads, this one being `thread`.
template <int kPacks, int kCount, int kStride, class T, class S>
__device__ inline void load_rows(S& shared, int to, const HeadsView<const T>& x, int64_t b, int64_t h, int64_t first,
                                 int64_t end, int thread, int threads) {
  const Ptr<const T> base = x.row(b, h, 0);
  for (int i = thread; i < kCount * kPacks; i += threads) {
    const int r = i / kPacks, c = i % kPacks;
    Pack4 p{};
    if (first + r < end && 4 * c < x.width) p = load4(x, base + (first + r) * x.time, 4 * c);
    shared[to + r * kStride + c] = p;
  }
}

template <class G, class L, class S>
__device__ inline void products(float (&s)[G::kRows][G::kSlots], L& left, int from, S& tile, int width, int lane) {
  for (int r = 0; r < G::kRows; ++r)
    for (int u = 0; u < G::kSlots; ++u) s[r][u] = 0;
  for (int c = 0; 4 * c < width; ++c) {
    Pack4 right[G::kSlots];
    for (int u = 0; u < G::kSlots; ++u) right[u] = tile[(lane + kWarp * u) * G::kStride + c];
    for (int r = 0; r < G::kRows; ++r) {
      const Pack4 l = left[from + r * G::kPacks + c];
      for (int u = 0; u < G::kSlots; ++u)
        for (int j = 0; j < 4; ++j) s[r][u] += l[j] * right[u][j];
    }
  }
}

// w[j][r] for this warp's rows r, at place from + j kRows / 4, over the first n rows of the tile.
template <class G, class W, class S>
__device__ inline void mix(Pack4 (&y)[G::kHeld], W& weights, int from, S& tile, int n, int lane) {
  constexpr int kQuads = G::kHeld / 4;
  const int column = lane % G::kPacks, group = lane / G::kPacks;
  for (int j = 0; j < n; ++j) {
    const Pack4 v = tile[j * G::kStride + column];
    for (int g = 0; g < kQuads; ++g) {
      const Pack4 w = weights[from + j * (G::kRows / 4) + group * kQuads + g];
      for (int r = 0; r < 4; ++r)
        for (int i = 0; i < 4; ++i) y[4 * g + r][i] += w[r] * v[i];
    }
  }
}

// A lane's results of all rows as mix() wants the weights: s[r][u] is w[lane + 32 u][r].
template <class G, class W>
__device__ inline void store_weights(const float (&s)[G::kRows][G::kSlots], W& weights, int to, int lane) {
  for (int u = 0; u < G::kSlots; ++u)
    for (int g = 0; g < G::kRows / 4; ++g)
      weights[to + (lane + kWarp * u) * (G::kRows / 4) + g] =
          Pack4{{s[4 * g][u], s[4 * g + 1][u], s[4 * g + 2][u], s[4 * g + 3][u]}};
}

// The rows of mix() to memory; `first` is the warp's first row, `end` the number of rows.
template <class G, class T>
__device__ inline void store_rows(const HeadsView<T>& out, int64_t b, int64_t h, int64_t first, int64_t end,
                                  const Pack4 (&y)[G::kHeld], float scale, int lane) {
  const int column = 4 * (lane % G::kPacks), group = lane / G::kPacks;
  if (column >= out.width) return;
  for (int r = 0; r < G::kHeld; ++r) {
    const int64_t row = first + group * G::kHeld + r;
    if (row >= end) continue;
    Pack4 p;
    for (int i = 0; i < 4; ++i) p[i] = y[r][i] * scale;
    store4(out, out.row(b, h, row), column, p);
  }
}

// What the kernels know of the problem besides the tensors.
struct AttentionProblem {
  int64_t heads, queries, keys;
  int width;
  float scale, keep_scale;  // keep_scale = 1 / (1 - dropout)
  bool causal, drops;
  uint32_t limit;  // a weight is kept if its 24 random bits are >= limit
  Philox random;

  AttentionProblem(const Tensor& q, const Tensor& k, const AttentionOptions& o)
      : heads(q.size(2)),
        queries(q.size(1)),
        keys(k.size(1)),
        width(int(q.size(3))),
        scale(float(o.scale)),
        keep_scale(float(1 / (1 - o.dropout))),
        causal(o.causal),
        drops(o.dropout > 0),
        limit(uint32_t(std::ceil(o.dropout * 0x1p24))),
        random(o.random) {}

  // Query i sees keys [0, visible(i)).
  KG_HD int64_t visible(int64_t i) const {
    if (!causal) return keys;
    const int64_t n = i + 1 + keys - queries;
    return n < 0 ? 0 : (n > keys ? keys : n);
  }
};

// Whether the four weights of one Philox block are kept, as bits: element i of the (B, H, Tq, Tk) weights is bit i % 4
// of block i / 4.
__device__ inline uint32_t kept_bits(const AttentionProblem& o, const Philox& random, int64_t block) {
  const Philox::Block words = random.block(uint64_t(block));
  uint32_t bits = 0;
  for (int j = 0; j < 4; ++j) bits |= uint32_t(words.v[j] >> 8 >= o.limit) << j;
  return bits;
}

// Dropout of a warp's kRows x kTile weights from element `start` on. The lanes draw every block once and hand the bits
// around: each element on its own would cost three times the random numbers. A row of a tile begins anywhere in a
// block, so it has kBlocks of them and the beginning of one more; those are drawn for all rows at once.
template <class G>
struct Kept {
  static constexpr int kBlocks = G::kTile / 4, kRowsAtOnce = kWarp / kBlocks, kRounds = G::kRows / kRowsAtOnce;
  int64_t start, keys;
  int lane;
  uint32_t bits[kRounds], last;

  __device__ Kept(const AttentionProblem& o, const Philox& random, int64_t start, int lane)
      : start(start), keys(o.keys), lane(lane) {
    for (int round = 0; round < kRounds; ++round) {
      const int64_t row = start + (round * kRowsAtOnce + lane / kBlocks) * keys;
      bits[round] = kept_bits(o, random, row / 4 + lane % kBlocks);
    }
    last = kept_bits(o, random, (start + lane % G::kRows * keys) / 4 + kBlocks);
  }
  // For column lane + 32 u of row r; all lanes must ask.
  __device__ bool operator()(int r, int u) const {
    const int place = int((start + r * keys) % 4) + lane + kWarp * u, block = place / 4;
    const uint32_t inner = __shfl_sync(kAllLanes, bits[r / kRowsAtOnce], r % kRowsAtOnce * kBlocks + block % kBlocks);
    const uint32_t outer = __shfl_sync(kAllLanes, last, r);
    return (block < kBlocks ? inner : outer) >> (place % 4) & 1;
  }
};

inline constexpr float kHidden = -std::numeric_limits<float>::infinity();

// What is added to the scores: bias (B or 1, H or 1, Tq, Tk), stride 0 where it has one entry, and key_mask (B, Tk).
template <class T>
struct Terms {
  Ptr<const T> bias;
  int64_t batch = 0, head = 0, row = 0;
  Ptr<const uint8_t> mask;

  explicit Terms(const AttentionOptions& o) : bias(pointer<const T>(o.bias)), mask(pointer<const uint8_t>(o.key_mask)) {
    if (!o.bias.defined()) return;
    if (o.bias.size(0) > 1) batch = o.bias.strides()[0];
    if (o.bias.size(1) > 1) head = o.bias.strides()[1];
    row = o.bias.strides()[2];
  }
};

// Columns from `begin` on of the warp's rows of a (B, H, Tq, Tk) tensor, which no query of the block sees.
template <class T>
__device__ inline void clear_rest(Ptr<T> out, const AttentionProblem& o, int64_t plane, int64_t first, int rows,
                                  int64_t begin, int lane) {
  for (int64_t i = first; i < first + rows && i < o.queries; ++i)
    for (int64_t j = begin + lane; j < o.keys; j += kWarp) out[(plane * o.queries + i) * o.keys + j] = T(0.0f);
}

}  // namespace kg::cuda
