// Attention: forward, the gradient of queries and scores, the gradient of keys and values. q, gy, y (B, Tq, H, D),
// k, v (B, Tk, H, D) as views of unit stride in D; weights and gradients of scores (B, H, Tq, Tk). Grids are
// (B H, blocks of rows); the products stand in attention_tiles.h. One query alone is attention_decode.cu's, and bf16 is
// attention_mma.cu's: this is f32, which tensor cores do not have.
#include "tensor/cuda/attention_decode.h"
#include "tensor/cuda/attention_mma.h"
#include "tensor/cuda/attention_tiles.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

// Products to scores, hidden where query i = first + r must not see key j = at + lane + 32 u.
template <class G, class T>
__device__ inline void finish_scores(float (&s)[G::kRows][G::kSlots], const AttentionProblem& o, const Terms<T>& terms,
                                     int64_t b, int64_t h, int64_t first, int64_t at, int lane) {
  for (int u = 0; u < G::kSlots; ++u) {
    const int64_t j = at + lane + kWarp * u;
    const bool open = j < o.keys && (terms.mask == nullptr || terms.mask[b * o.keys + j]);
    unrolled<G::kRows>([&](auto r) {
      const int64_t i = first + r;
      const bool seen = open && i < o.queries && j < o.visible(i);
      float score = s[r][u] * o.scale;
      if (seen && terms.bias != nullptr)
        score += float(terms.bias[b * terms.batch + h * terms.head + i * terms.row + j]);
      s[r][u] = seen ? score : kHidden;
    });
  }
}

// Maximum and sum of exp(s - maximum) of each row, moved on by one tile.
template <class G>
__device__ inline void update_rows(float (&top)[G::kRows], float (&sum)[G::kRows],
                                   const float (&s)[G::kRows][G::kSlots]) {
  unrolled<G::kRows>([&](auto r) {
    float best = top[r];
    for (int u = 0; u < G::kSlots; ++u) best = s[r][u] > best ? s[r][u] : best;
    best = warp_max(best);
    float part = 0;
    for (int u = 0; u < G::kSlots; ++u) part += std::exp(s[r][u] - best);
    part = warp_sum(part);
    if (best > kHidden) sum[r] = (top[r] > kHidden ? sum[r] * std::exp(top[r] - best) : 0) + part;
    top[r] = best;
  });
}

// Scores to weights, stored, then dropped out where the options say so.
template <class G, class T>
__device__ inline void finish_weights(float (&s)[G::kRows][G::kSlots], const AttentionProblem& o, const Philox& random,
                                      const float (&top)[G::kRows], const float (&sum)[G::kRows], Ptr<T> weights,
                                      int64_t plane, int64_t first, int64_t at, int lane) {
  const int64_t start = (plane * o.queries + first) * o.keys + at;
  unrolled<G::kRows>([&](auto r) {
    const int64_t i = first + r, n = i < o.queries ? o.visible(i) : 0;
    const float factor = 1 / sum[r];
    for (int u = 0; u < G::kSlots; ++u) {
      const int64_t j = at + lane + kWarp * u;
      float p = top[r] > kHidden ? std::exp(s[r][u] - top[r]) * factor : (s[r][u] == kHidden ? 0 : s[r][u]);
      if (j >= n) p = 0;  // but a NaN that is not hidden stays to be seen
      if (i < o.queries && j < o.keys) weights[start + r * o.keys + lane + kWarp * u] = T(p);
      s[r][u] = p;
    }
  });
  if (!o.drops) return;
  const Kept<G> kept(o, random, start, lane);
  unrolled<G::kRows>([&](auto r) {
    for (int u = 0; u < G::kSlots; ++u) s[r][u] = kept(r, u) ? s[r][u] * o.keep_scale : 0;
  });
}

// The queries of a warp in a grid of (B H, blocks of rows), its place in shared memory, and the tiles of keys that the
// block must see.
template <class G>
struct QueryRows {
  int lane, left_at, mix_at;
  int64_t plane, b, h;   // place in (B H), (B), (H)
  int64_t first, tiles;  // first query of the warp, tiles of the block
  bool active;           // the warp has a query
  Philox random;

  __device__ QueryRows(const AttentionProblem& o, Ptr<const uint64_t> stream_offset)
      : lane(threadIdx.x % kWarp),
        plane(blockIdx.x),
        b(plane / o.heads),
        h(plane % o.heads),
        random{o.random.seed, o.random.stream + *stream_offset} {
    const int warp = threadIdx.x / kWarp;
    left_at = warp * G::kRows * G::kPacks, mix_at = warp * G::kTile * (G::kRows / 4);
    const int64_t block = int64_t(blockIdx.y) * G::kBlockRows, end = block + G::kBlockRows;
    first = block + warp * G::kRows;
    active = first < o.queries;
    tiles = (o.visible((end < o.queries ? end : o.queries) - 1) + G::kTile - 1) / G::kTile;
  }
  // The block's next tile, number t of the head's keys or values.
  template <class S, class T>
  __device__ void load(S& tile, const HeadsView<const T>& x, int64_t t, int64_t keys) const {
    __syncthreads();
    load_rows<G::kPacks, G::kTile, G::kStride>(tile, 0, x, b, h, t * G::kTile, keys, int(threadIdx.x), G::kThreads);
    __syncthreads();
  }
};

// Pass 1 finds maximum and sum of every row over the tiles of keys, pass 2 has the final weights tile by tile and mixes
// the values. With one tile its scores stay in registers; with more they are computed again, which costs less than
// keeping them, and no partial result ever needs rescaling.
template <class T, class G>
__global__ void __launch_bounds__(G::kThreads, 2)
    attention_kernel(AttentionProblem o, Terms<T> terms, HeadsView<T> y, Ptr<T> weights, HeadsView<const T> q,
                     HeadsView<const T> k, HeadsView<const T> v, Ptr<const uint64_t> stream_offset) {
  KG_SHARED(Pack4, tile, G::kTileSize);
  KG_SHARED(Pack4, left, G::kLeftSize);
  KG_SHARED(Pack4, mixed, G::kMixSize);
  const QueryRows<G> my(o, stream_offset);
  load_rows<G::kPacks, G::kRows, G::kPacks>(left, my.left_at, q, my.b, my.h, my.first, o.queries, my.lane, kWarp);

  float s[G::kRows][G::kSlots], top[G::kRows], sum[G::kRows];
  for (int r = 0; r < G::kRows; ++r) top[r] = kHidden, sum[r] = 0;
  auto scores = [&](int64_t t) {
    my.load(tile, k, t, o.keys);
    if (!my.active) return;
    products<G>(s, left, my.left_at, tile, o.width, my.lane);
    finish_scores<G>(s, o, terms, my.b, my.h, my.first, t * G::kTile, my.lane);
  };
  for (int64_t t = 0; t < my.tiles; ++t) {
    scores(t);
    if (my.active) update_rows<G>(top, sum, s);
  }
  Pack4 held[G::kHeld] = {};
  for (int64_t t = 0; t < my.tiles; ++t) {
    if (my.tiles > 1) scores(t);
    if (my.active) {
      finish_weights<G>(s, o, my.random, top, sum, weights, my.plane, my.first, t * G::kTile, my.lane);
      store_weights<G>(s, mixed, my.mix_at, my.lane);
    }
    my.load(tile, v, t, o.keys);
    const int64_t rows = o.visible(my.first + G::kRows - 1) - t * G::kTile;
    if (my.active) mix<G>(held, mixed, my.mix_at, tile, int(rows < G::kTile ? rows : G::kTile), my.lane);
  }
  store_rows<G>(y, my.b, my.h, my.first, o.queries, held, 1.0f, my.lane);
  clear_rest(weights, o, my.plane, my.first, G::kRows, my.tiles * G::kTile, my.lane);
}

// gP to the gradient before dropout; returns P in `p`. Where P is 0, gP does not matter. P' goes to `dropped`.
template <class G, class T>
__device__ inline void weights_gradient(float (&g)[G::kRows][G::kSlots], float (&p)[G::kRows][G::kSlots],
                                        const AttentionProblem& o, const Philox& random, Ptr<const T> weights,
                                        Ptr<T> dropped, int64_t plane, int64_t first, int64_t at, int lane) {
  const int64_t start = (plane * o.queries + first) * o.keys + at;
  unrolled<G::kRows>([&](auto r) {
    const int64_t n = first + r < o.queries ? o.visible(first + r) : 0;
    for (int u = 0; u < G::kSlots; ++u) {
      const bool seen = at + lane + kWarp * u < n;
      p[r][u] = seen ? float(weights[start + r * o.keys + lane + kWarp * u]) : 0;
      if (!seen) g[r][u] = 0;
    }
  });
  if (!o.drops) return;
  const Kept<G> kept(o, random, start, lane);
  unrolled<G::kRows>([&](auto r) {
    for (int u = 0; u < G::kSlots; ++u) {
      const float factor = kept(r, u) ? o.keep_scale : 0;
      g[r][u] *= factor;
      if (dropped != nullptr && first + r < o.queries && at + lane + kWarp * u < o.keys)
        dropped[start + r * o.keys + lane + kWarp * u] = T(p[r][u] * factor);
    }
  });
}

// gS and gq as in tensor/ops.h, by two passes over the tiles as in the forward. gS goes to `gscores`, and with dropout
// P' to `dropped`, which the gradient of keys and values reads.
template <class T, class G>
__global__ void __launch_bounds__(G::kThreads, 2)
    attention_queries_kernel(AttentionProblem o, HeadsView<T> gq, Ptr<T> gscores, Ptr<T> dropped, HeadsView<const T> gy,
                             HeadsView<const T> k, HeadsView<const T> v, Ptr<const T> weights,
                             Ptr<const uint64_t> stream_offset) {
  KG_SHARED(Pack4, tile, G::kTileSize);
  KG_SHARED(Pack4, left, G::kLeftSize);
  KG_SHARED(Pack4, mixed, G::kMixSize);
  const QueryRows<G> my(o, stream_offset);
  load_rows<G::kPacks, G::kRows, G::kPacks>(left, my.left_at, gy, my.b, my.h, my.first, o.queries, my.lane, kWarp);

  float g[G::kRows][G::kSlots], p[G::kRows][G::kSlots], dot[G::kRows] = {};
  auto gradient = [&](int64_t t, Ptr<T> out) {
    my.load(tile, v, t, o.keys);
    if (!my.active) return;
    products<G>(g, left, my.left_at, tile, o.width, my.lane);
    weights_gradient<G, T>(g, p, o, my.random, weights, out, my.plane, my.first, t * G::kTile, my.lane);
  };
  for (int64_t t = 0; t < my.tiles; ++t) {
    gradient(t, dropped);
    if (!my.active) continue;
    unrolled<G::kRows>([&](auto r) {
      float part = 0;
      for (int u = 0; u < G::kSlots; ++u) part += p[r][u] * g[r][u];
      dot[r] += warp_sum(part);
    });
  }
  Pack4 held[G::kHeld] = {};
  for (int64_t t = 0; t < my.tiles; ++t) {
    if (my.tiles > 1) gradient(t, nullptr);
    if (my.active) {
      unrolled<G::kRows>([&](auto r) {
        for (int u = 0; u < G::kSlots; ++u) {
          const int64_t i = my.first + r, j = t * G::kTile + my.lane + kWarp * u;
          g[r][u] = p[r][u] * (g[r][u] - dot[r]);
          if (i < o.queries && j < o.keys) gscores[(my.plane * o.queries + i) * o.keys + j] = T(g[r][u]);
        }
      });
      store_weights<G>(g, mixed, my.mix_at, my.lane);
    }
    my.load(tile, k, t, o.keys);
    const int64_t rows = o.visible(my.first + G::kRows - 1) - t * G::kTile;
    if (my.active) mix<G>(held, mixed, my.mix_at, tile, int(rows < G::kTile ? rows : G::kTile), my.lane);
  }
  store_rows<G>(gq, my.b, my.h, my.first, o.queries, held, o.scale, my.lane);
  clear_rest(gscores, o, my.plane, my.first, G::kRows, my.tiles * G::kTile, my.lane);
  if (dropped != nullptr) clear_rest(dropped, o, my.plane, my.first, G::kRows, my.tiles * G::kTile, my.lane);
}

// y[r] += sum_i m[i][r] x[i] over a tile of queries i from `at` on, for this warp's keys r; m (B, H, Tq, Tk).
template <class G, class T, class S, class M>
__device__ inline void mix_queries(Pack4 (&held)[G::kHeld], S& tile, M& mixed, const AttentionProblem& o,
                                   Ptr<const T> m, const HeadsView<const T>& x, int64_t plane, int64_t first,
                                   int64_t at) {
  const int lane = threadIdx.x % kWarp, mix_at = int(threadIdx.x) / kWarp * G::kTile * (G::kRows / 4);
  __syncthreads();
  load_rows<G::kPacks, G::kTile, G::kStride>(tile, 0, x, plane / o.heads, plane % o.heads, at, o.queries,
                                             int(threadIdx.x), G::kThreads);
  float w[G::kRows][G::kSlots];
  for (int u = 0; u < G::kSlots; ++u) {
    const int64_t i = at + lane + kWarp * u, row = (plane * o.queries + i) * o.keys + first;
    for (int r = 0; r < G::kRows; ++r) w[r][u] = i < o.queries && first + r < o.keys ? float(m[row + r]) : 0;
  }
  store_weights<G>(w, mixed, mix_at, lane);
  __syncthreads();
  const int64_t rows = o.queries - at;
  if (first < o.keys) mix<G>(held, mixed, mix_at, tile, int(rows < G::kTile ? rows : G::kTile), lane);
}

// gk and gv: a warp owns kRows keys, the queries come by in tiles, from the first that sees a key of the block.
template <class T, class G>
__global__ void __launch_bounds__(G::kThreads, 2)
    attention_keys_kernel(AttentionProblem o, HeadsView<T> gk, HeadsView<T> gv, Ptr<const T> gscores,
                          Ptr<const T> dropped, HeadsView<const T> gy, HeadsView<const T> q) {
  KG_SHARED(Pack4, tile, G::kTileSize);
  KG_SHARED(Pack4, mixed, G::kMixSize);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t plane = blockIdx.x, block = int64_t(blockIdx.y) * G::kBlockRows, first = block + warp * G::kRows;
  int64_t begin = o.causal ? block - (o.keys - o.queries) : 0;
  if (begin < 0) begin = 0;
  Pack4 key[G::kHeld] = {}, value[G::kHeld] = {};
  for (int64_t at = begin; at < o.queries; at += G::kTile) {
    mix_queries<G, T>(key, tile, mixed, o, gscores, q, plane, first, at);
    mix_queries<G, T>(value, tile, mixed, o, dropped, gy, plane, first, at);
  }
  store_rows<G>(gk, plane / o.heads, plane % o.heads, first, o.keys, key, o.scale, lane);
  store_rows<G>(gv, plane / o.heads, plane % o.heads, first, o.keys, value, 1.0f, lane);
}

// fn(tiling) for the narrowest that holds a head.
template <class Fn>
void for_tiling(const char* op, Dtype dtype, int64_t width, Fn&& fn) {
  CHECK(dtype == Dtype::f32, "[", op, "] computes in f32 or bf16 on CUDA, got ", name_of(dtype));
  CHECK(width <= 128, "[", op, "] heads on CUDA have at most 128 columns, these have ", width);
  if (width <= 64)
    fn(Tiling<64>{});
  else
    fn(Tiling<128>{});
}

}  // namespace

void attention_forward(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options) {
  if (y.numel() == 0) return;
  if (decodes(q, k)) return attention_decode(y, weights, q, k, v, options);
  if (q.dtype() == Dtype::bf16) return attention_mma_forward(y, weights, q, k, v, options);
  for_tiling("attention", q.dtype(), q.size(3), [&](auto tiling) {
    using T = float;
    using G = decltype(tiling);
    const AttentionProblem o(q, k, options);
    launch("attention", attention_kernel<T, G>, {q.size(0) * o.heads, ceil_div(o.queries, G::kBlockRows), 1},
           G::kThreads, o, Terms<T>(options), HeadsView<T>(y), pointer<T>(weights), HeadsView<const T>(q),
           HeadsView<const T>(k), HeadsView<const T>(v), stream_offset());
  });
}

void attention_backward(const Tensor& gq, const Tensor& gk, const Tensor& gv, const Tensor& gscores, const Tensor& gy,
                        const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& weights,
                        const AttentionOptions& options) {
  if (gq.numel() == 0) return;
  if (q.dtype() == Dtype::bf16) return attention_mma_backward(gq, gk, gv, gscores, gy, q, k, v, weights, options);
  for_tiling("attention_backward", q.dtype(), q.size(3), [&](auto tiling) {
    using T = float;
    using G = decltype(tiling);
    const AttentionProblem o(q, k, options);
    const Tensor scores = gscores.defined() ? gscores : empty_like(weights);
    const Tensor dropped = o.drops ? empty_like(weights) : Tensor{};
    launch("attention_queries", attention_queries_kernel<T, G>,
           {q.size(0) * o.heads, ceil_div(o.queries, G::kBlockRows), 1}, G::kThreads, o, HeadsView<T>(gq),
           pointer<T>(scores), pointer<T>(dropped), HeadsView<const T>(gy), HeadsView<const T>(k),
           HeadsView<const T>(v), pointer<const T>(weights), stream_offset());
    if (o.keys == 0) return;
    launch("attention_keys", attention_keys_kernel<T, G>, {q.size(0) * o.heads, ceil_div(o.keys, G::kBlockRows), 1},
           G::kThreads, o, HeadsView<T>(gk), HeadsView<T>(gv), pointer<const T>(scores),
           pointer<const T>(o.drops ? dropped : weights), HeadsView<const T>(gy), HeadsView<const T>(q));
  });
}

}  // namespace kg::cuda
