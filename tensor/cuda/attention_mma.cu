// Attention of bf16 on tensor cores: forward, gradient of queries and scores, gradient of keys and values. Shapes are
// those of attention.cu, which has the same structure in f32; products and layouts stand in attention_mma.h. Sums and
// the softmax are f32. What goes into a product is rounded to bf16: the weights, which are stored so as well, and the
// gradients of the scores.
#include "tensor/cuda/attention_mma.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

// The 16 queries of a warp in a grid of (B H, blocks of rows). A lane's sums belong to rows g and g + 8.
template <class G>
struct WarpQueries {
  int warp, g, t;
  int64_t plane, b, h;          // place in (B H), (B), (H)
  int64_t block, first, tiles;  // first query of the block and of the warp; tiles of keys that the block must see
  bool active;                  // the warp has a query
  Philox random;

  __device__ WarpQueries(const AttentionProblem& o, Ptr<const uint64_t> stream_offset)
      : warp(int(threadIdx.x) / kWarp),
        g(int(threadIdx.x) % kWarp / 4),
        t(int(threadIdx.x) % 4),
        plane(blockIdx.x),
        b(plane / o.heads),
        h(plane % o.heads),
        block(int64_t(blockIdx.y) * G::kBlockRows),
        first(block + warp * G::kRows),
        active(first < o.queries),
        random{o.random.seed, o.random.stream + *stream_offset} {
    const int64_t end = block + G::kBlockRows;
    tiles = (o.visible((end < o.queries ? end : o.queries) - 1) + G::kTile - 1) / G::kTile;
  }
  // How many keys of the tile that begins at key `at` query `row` sees.
  __device__ int seen(const AttentionProblem& o, int64_t row, int64_t at) const {
    const int64_t n = row < o.queries ? o.visible(row) - at : 0;
    return int(n < 0 ? 0 : (n > G::kTile ? G::kTile : n));
  }
  // How many of them any query of the warp sees.
  __device__ int any(const AttentionProblem& o, int64_t at) const {
    const int64_t last = first + G::kRows - 1;
    return seen(o, last < o.queries ? last : o.queries - 1, at);
  }
};

// Products to scores, hidden where a query must not see the key.
template <class G>
__device__ inline void finish_scores(Sums (&s)[2 * G::kGroups], const WarpQueries<G>& my, const AttentionProblem& o,
                                     const Terms<bf16>& terms, int64_t at) {
  const int64_t row = my.first + my.g;
  const int n[2] = {my.seen(o, row, at), my.seen(o, row + 8, at)};
  const int64_t bias = my.b * terms.batch + my.h * terms.head + row * terms.row + at, mask = my.b * o.keys + at;
  unrolled<2 * G::kGroups>([&](auto j) {
    for (int c = 0; c < 2; ++c) {
      const int key = 8 * j + 2 * my.t + c;
      const bool open = key < (n[0] > n[1] ? n[0] : n[1]) && (terms.mask == nullptr || terms.mask[mask + key]);
      for (int r = 0; r < 2; ++r) {
        const bool seen = open && key < n[r];
        float score = s[j][2 * r + c] * o.scale;
        if (seen && terms.bias != nullptr) score += float(terms.bias[bias + 8 * r * terms.row + key]);
        s[j][2 * r + c] = seen ? score : kHidden;
      }
    }
  });
}

// Maximum and sum of exp(s - maximum) of the lane's two rows, moved on by one tile.
template <class G>
__device__ inline void update_rows(float (&top)[2], float (&sum)[2], const Sums (&s)[2 * G::kGroups]) {
  unrolled<2>([&](auto r) {
    float best = top[r], part = 0;
    for (int j = 0; j < 2 * G::kGroups; ++j)
      for (int c = 0; c < 2; ++c) best = s[j][2 * r + c] > best ? s[j][2 * r + c] : best;
    best = quad_max(best);
    for (int j = 0; j < 2 * G::kGroups; ++j)
      for (int c = 0; c < 2; ++c) part += std::exp(s[j][2 * r + c] - best);
    part = quad_sum(part);
    if (best > kHidden) sum[r] = (top[r] > kHidden ? sum[r] * std::exp(top[r] - best) : 0) + part;
    top[r] = best;
  });
}

// Scores to weights, rounded, in the warp's rows of shared memory.
template <class G, class S>
__device__ inline void finish_weights(S& shared, const Sums (&s)[2 * G::kGroups], const WarpQueries<G>& my,
                                      const AttentionProblem& o, const float (&top)[2], const float (&sum)[2],
                                      int64_t at) {
  unrolled<2>([&](auto r) {
    const int n = my.seen(o, my.first + my.g + 8 * r, at);
    const int to = (G::kRows * my.warp + my.g + 8 * r) * (G::kTile + 8);
    const float factor = 1 / sum[r];
    unrolled<2 * G::kGroups>([&](auto j) {
      Pack<float, 2> p;
      const int key = 8 * j + 2 * my.t;
      for (int c = 0; c < 2; ++c) {
        const float x = s[j][2 * r + c];
        p[c] = top[r] > kHidden ? std::exp(x - top[r]) * factor : (x == kHidden ? 0 : x);
        if (key + c >= n) p[c] = 0;  // but a NaN that is not hidden stays to be seen
      }
      const Pack<bf16, 2> pair = rounded<bf16>(p);
      shared[to + key] = pair[0], shared[to + key + 1] = pair[1];
    });
  });
}

// The warp's rows of weights from shared memory to (B, H, Tq, Tk), then the dropped ones to 0 in shared memory. A lane
// takes what shares a block of random numbers, as in load_weights().
template <class G, class S>
__device__ inline void store_weights(S& shared, const WarpQueries<G>& my, const AttentionProblem& o, Ptr<bf16> weights,
                                     int64_t at) {
  constexpr int kBlocks = G::kTile / 4 + 1;
  const int n = my.any(o, at);
  for (int i = int(threadIdx.x) % kWarp; i < G::kRows * kBlocks; i += kWarp) {
    const int64_t row = my.first + i / kBlocks, start = (my.plane * o.queries + row) * o.keys + at;
    if (row >= o.queries) continue;
    const int begin = 4 * (i % kBlocks) - int(start % 4), from = (G::kRows * my.warp + i / kBlocks) * (G::kTile + 8);
    const uint32_t kept = o.drops && begin < n ? kept_bits(o, my.random, start / 4 + i % kBlocks) : 15;
    for (int e = 0; e < 4; ++e) {
      const int c = begin + e;
      if (c < 0 || c >= G::kTile || at + c >= o.keys) continue;
      weights[start + c] = shared[from + c];
      if (!(kept >> e & 1)) shared[from + c] = bf16{};
    }
  }
}

// Pass 1 finds maximum and sum of every row over the tiles of keys, pass 2 has the final weights tile by tile and mixes
// the values; with one tile its scores stay in registers (see attention.cu). The weights go through shared memory: it
// turns them from the layout of sums into rows, in which they are stored and dropped, and back into a left factor.
template <class G>
__global__ void __launch_bounds__(G::kThreads, G::kWidth <= 64 ? 3 : 2)
    attention_mma_kernel(AttentionProblem o, Terms<bf16> terms, WideHeads<bf16> y, Ptr<bf16> weights,
                         WideHeads<const bf16> q, WideHeads<const bf16> k, WideHeads<const bf16> v,
                         Ptr<const uint64_t> stream_offset) {
  KG_SHARED(Pack8, query, G::kBlockRows * G::kStride);
  KG_SHARED(Pack8, key, G::kTile * G::kStride);
  KG_SHARED(Pack8, value, G::kTile * G::kStride);
  KG_SHARED(bf16, mixed, G::kBlockRows * (G::kTile + 8));
  const WarpQueries<G> my(o, stream_offset);
  const bool single = my.tiles == 1;
  Sums s[2 * G::kGroups], held[2 * G::kSteps] = {};
  float top[2] = {kHidden, kHidden}, sum[2] = {};
  auto scores = [&](int64_t at, bool with_values) {
    __syncthreads();
    load_tile<G, G::kTile>(key, k, my.b, my.h, at, o.keys);
    if (with_values) load_tile<G, G::kTile>(value, v, my.b, my.h, at, o.keys);
    __syncthreads();
    if (!my.active) return;
    products<G>(s, query, G::kRows * my.warp, key, my.any(o, at), o.width);
    finish_scores<G>(s, my, o, terms, at);
  };
  load_tile<G, G::kBlockRows>(query, q, my.b, my.h, my.block, o.queries);
  for (int64_t tile = 0; tile < my.tiles; ++tile) {
    scores(tile * G::kTile, single);
    if (my.active) update_rows<G>(top, sum, s);
  }
  for (int64_t tile = 0; tile < my.tiles; ++tile) {
    const int64_t at = tile * G::kTile;
    if (!single) scores(at, true);
    if (!my.active) continue;
    finish_weights<G>(mixed, s, my, o, top, sum, at);
    __syncwarp();
    store_weights<G>(mixed, my, o, weights, at);
    __syncwarp();
    for (int j = 0; j < G::kGroups && 16 * j < my.any(o, at); ++j)
      mix_block<G>(held, load_block<G::kTile + 8, 8>(mixed, G::kRows * my.warp, 16 * j, false), value, j, o.width);
    __syncwarp();
  }
  store_rows<G>(y, my.b, my.h, my.first, o.queries, held, o.keep_scale);
  clear_rest(weights, o, my.plane, my.first, G::kRows, my.tiles * G::kTile, int(threadIdx.x) % kWarp);
}

// The gradient of a kept weight P' = P / (1 - p), 0 for a dropped one, of the two weights in `word`.
__device__ inline float undropped(float g, uint32_t word, int which, float keep_scale) {
  return dropped_in(word, which) ? 0 : g * keep_scale;
}
// P times x, where a weight of 0 hides whatever x is.
__device__ inline float weighted(float p, float x) { return p == 0 ? 0 : p * x; }

// gS of the warp's rows in one tile to memory.
template <class G>
__device__ inline void store_scores(Ptr<bf16> out, const Sums (&s)[2 * G::kGroups], const WarpQueries<G>& my,
                                    const AttentionProblem& o, int64_t at) {
  unrolled<2>([&](auto r) {
    const int64_t row = my.first + my.g + 8 * r;
    if (row >= o.queries) return;
    unrolled<2 * G::kGroups>([&](auto j) {
      for (int c = 0; c < 2; ++c) {
        const int64_t key = at + 8 * j + 2 * my.t + c;
        if (key < o.keys) out[(my.plane * o.queries + row) * o.keys + key] = bf16(s[j][2 * r + c]);
      }
    });
  });
}

// gS and gq as in tensor/ops.h, by two passes over the tiles as in the forward. The row sums of P gP go to `dots`
// (B, H, Tq), for the gradient of keys; gS to `gscores`, where a bias wants it.
template <class G>
__global__ void __launch_bounds__(G::kThreads, G::kWidth <= 64 ? 3 : 2)
    attention_mma_queries_kernel(AttentionProblem o, WideHeads<bf16> gq, Ptr<bf16> gscores, Ptr<float> dots,
                                 WideHeads<const bf16> gy, WideHeads<const bf16> k, WideHeads<const bf16> v,
                                 Ptr<const bf16> weights, Ptr<const uint64_t> stream_offset) {
  KG_SHARED(Pack8, query, G::kBlockRows * G::kStride);
  KG_SHARED(Pack8, key, G::kTile * G::kStride);
  KG_SHARED(Pack8, value, G::kTile * G::kStride);
  KG_SHARED(bf16, mixed, G::kBlockRows * (G::kTile + 8));
  constexpr int kStride = G::kTile + 8;
  const WarpQueries<G> my(o, stream_offset);
  const int lane = int(threadIdx.x) % kWarp, own = G::kRows * my.warp;
  const bool single = my.tiles == 1;
  Sums s[2 * G::kGroups] = {}, held[2 * G::kSteps] = {};
  float dot[2] = {};
  auto gradient = [&](int64_t at, bool with_keys) {  // gP before dropout to s
    __syncthreads();
    load_tile<G, G::kTile>(value, v, my.b, my.h, at, o.keys);
    if (with_keys) load_tile<G, G::kTile>(key, k, my.b, my.h, at, o.keys);
    load_weights<G::kRows, G::kTile>(mixed, own * kStride, o, my.random, weights, my.plane, my.first, at, lane, kWarp);
    __syncthreads();
    if (!my.active) return;
    products<G>(s, query, own, value, my.any(o, at), o.width);
  };
  load_tile<G, G::kBlockRows>(query, gy, my.b, my.h, my.block, o.queries);
  for (int64_t tile = 0; tile < my.tiles; ++tile) {
    gradient(tile * G::kTile, single);
    if (!my.active) continue;
    unrolled<G::kGroups>([&](auto j) {
      const Block p = load_block<kStride, 8>(mixed, own, 16 * j, false);
      unrolled<8>([&](auto i) {  // piece i / 2 of the block, column i % 2
        const float g = undropped(s[2 * j + i / 4][i / 2 % 2 * 2 + i % 2], p[i / 2], i % 2, o.keep_scale);
        dot[i / 2 % 2] += weighted(weight_in(p[i / 2], i % 2), g);
      });
    });
  }
  for (float& d : dot) d = quad_sum(d);
  for (int64_t tile = 0; tile < my.tiles; ++tile) {
    const int64_t at = tile * G::kTile;
    if (!single) gradient(at, true);
    if (!my.active) continue;
    unrolled<G::kGroups>([&](auto j) {
      const Block p = load_block<kStride, 8>(mixed, own, 16 * j, false);
      unrolled<8>([&](auto i) {
        float& x = s[2 * j + i / 4][i / 2 % 2 * 2 + i % 2];
        x = undropped(x, p[i / 2], i % 2, o.keep_scale) - dot[i / 2 % 2];
        x = weighted(weight_in(p[i / 2], i % 2), x);
      });
      if (16 * j < my.any(o, at)) mix_block<G>(held, as_left(s[2 * j], s[2 * j + 1]), key, j, o.width);
    });
    if (gscores != nullptr) store_scores<G>(gscores, s, my, o, at);
  }
  store_rows<G>(gq, my.b, my.h, my.first, o.queries, held, o.scale);
  for (int r = 0; r < 2; ++r)
    if (const int64_t row = my.first + my.g + 8 * r; my.t == 0 && row < o.queries)
      dots[my.plane * o.queries + row] = dot[r];
  if (gscores != nullptr) clear_rest(gscores, o, my.plane, my.first, G::kRows, my.tiles * G::kTile, lane);
}

// gk and gv: a warp owns 16 keys, the queries come by in tiles, from the first that sees a key of the block. All is
// turned over: the sums are gP^T = v . gy^T, with a row for a key, so that gS^T and P'^T are left factors as they come,
// and the weights are read from their rows of queries as turned pieces, 1 and 2 exchanged.
template <class G>
__global__ void __launch_bounds__(G::kThreads, G::kWidth <= 64 ? 3 : 2)
    attention_mma_keys_kernel(AttentionProblem o, WideHeads<bf16> gk, WideHeads<bf16> gv, Ptr<const float> dots,
                              WideHeads<const bf16> gy, WideHeads<const bf16> q, WideHeads<const bf16> v,
                              Ptr<const bf16> weights, Ptr<const uint64_t> stream_offset) {
  KG_SHARED(Pack8, value, G::kBlockRows * G::kStride);
  KG_SHARED(Pack8, query, G::kTile * G::kStride);
  KG_SHARED(Pack8, slope, G::kTile * G::kStride);
  KG_SHARED(bf16, mixed, G::kTile * (G::kBlockRows + 8));
  KG_SHARED(float, dot, G::kTile);
  const int warp = int(threadIdx.x) / kWarp, t = int(threadIdx.x) % 4, own = G::kRows * warp;
  const int64_t plane = blockIdx.x, b = plane / o.heads, h = plane % o.heads;
  const int64_t block = int64_t(blockIdx.y) * G::kBlockRows;
  const Philox random{o.random.seed, o.random.stream + *stream_offset};
  int64_t begin = o.causal ? block - (o.keys - o.queries) : 0;
  if (begin < 0) begin = 0;
  Sums s[2 * G::kGroups], held_key[2 * G::kSteps] = {}, held_value[2 * G::kSteps] = {};
  load_tile<G, G::kBlockRows>(value, v, b, h, block, o.keys);
  for (int64_t at = begin; at < o.queries; at += G::kTile) {
    __syncthreads();
    load_tile<G, G::kTile>(query, q, b, h, at, o.queries);
    load_tile<G, G::kTile>(slope, gy, b, h, at, o.queries);
    load_weights<G::kTile, G::kBlockRows>(mixed, 0, o, random, weights, plane, at, block, int(threadIdx.x),
                                          G::kThreads);
    for (int i = threadIdx.x; i < G::kTile; i += G::kThreads)
      dot[i] = at + i < o.queries ? float(dots[plane * o.queries + at + i]) : 0;
    __syncthreads();
    if (block + own >= o.keys) continue;
    const int n = int(o.queries - at < G::kTile ? o.queries - at : G::kTile);
    products<G>(s, value, own, slope, n, o.width);
    unrolled<G::kGroups>([&](auto j) {
      if (16 * j >= n) return;
      const Block turned = load_block<G::kBlockRows + 8, 8>(mixed, 16 * j, own, true);
      const Block p{{turned[0], turned[2], turned[1], turned[3]}};
      const Block kept{{kept_in(p[0]), kept_in(p[1]), kept_in(p[2]), kept_in(p[3])}};
      mix_block<G>(held_value, kept, slope, j, o.width);
      unrolled<8>([&](auto i) {  // piece i / 2 of the block, query i % 2 of the lane's two in it
        float& x = s[2 * j + i / 4][i / 2 % 2 * 2 + i % 2];
        x = undropped(x, p[i / 2], i % 2, o.keep_scale) - dot[16 * j + i / 4 * 8 + 2 * t + i % 2];
        x = weighted(weight_in(p[i / 2], i % 2), x);
      });
      mix_block<G>(held_key, as_left(s[2 * j], s[2 * j + 1]), query, j, o.width);
    });
  }
  store_rows<G>(gk, b, h, block + own, o.keys, held_key, o.scale);
  store_rows<G>(gv, b, h, block + own, o.keys, held_value, o.keep_scale);
}

// fn(tiling) for the narrowest that holds a head.
template <class Fn>
void for_mma_tiling(const char* op, int64_t width, Fn&& fn) {
  CHECK(width <= 128, "[", op, "] heads on CUDA have at most 128 columns, these have ", width);
  if (width <= 64)
    fn(MmaTiling<64>{});
  else
    fn(MmaTiling<128>{});
}

}  // namespace

void attention_mma_forward(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                           const AttentionOptions& options) {
  for_mma_tiling("attention", q.size(3), [&](auto tiling) {
    using G = decltype(tiling);
    const AttentionProblem o(q, k, options);
    launch("attention_mma", attention_mma_kernel<G>, {q.size(0) * o.heads, ceil_div(o.queries, G::kBlockRows), 1},
           G::kThreads, o, Terms<bf16>(options), WideHeads<bf16>(y), pointer<bf16>(weights), WideHeads<const bf16>(q),
           WideHeads<const bf16>(k), WideHeads<const bf16>(v), stream_offset());
  });
}

void attention_mma_backward(const Tensor& gq, const Tensor& gk, const Tensor& gv, const Tensor& gscores,
                            const Tensor& gy, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& weights,
                            const AttentionOptions& options) {
  for_mma_tiling("attention_backward", q.size(3), [&](auto tiling) {
    using G = decltype(tiling);
    const AttentionProblem o(q, k, options);
    const Tensor dots = Tensor::empty({q.size(0), o.heads, o.queries}, Dtype::f32, q.device());
    launch("attention_mma_queries", attention_mma_queries_kernel<G>,
           {q.size(0) * o.heads, ceil_div(o.queries, G::kBlockRows), 1}, G::kThreads, o, WideHeads<bf16>(gq),
           pointer<bf16>(gscores), pointer<float>(dots), WideHeads<const bf16>(gy), WideHeads<const bf16>(k),
           WideHeads<const bf16>(v), pointer<const bf16>(weights), stream_offset());
    if (o.keys == 0) return;
    launch("attention_mma_keys", attention_mma_keys_kernel<G>,
           {q.size(0) * o.heads, ceil_div(o.keys, G::kBlockRows), 1}, G::kThreads, o, WideHeads<bf16>(gk),
           WideHeads<bf16>(gv), pointer<const float>(dots), WideHeads<const bf16>(gy), WideHeads<const bf16>(q),
           WideHeads<const bf16>(v), pointer<const bf16>(weights), stream_offset());
  });
}

}  // namespace kg::cuda
