// Embedding, index select, gather, and their transposes, which add in the order of the indices: no atomics.
// The host cannot look at indices on the device without waiting for it, so here one that is out of range reads NaN (0
// for integers), which shows in the loss, and adds nowhere.
#include <algorithm>
#include <limits>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

// Rounds of 32 ids that each warp of add_rows takes of m ids.
KG_HD inline int64_t ceil_rounds(int64_t m) {
  constexpr int64_t kRound = 16 * kWarp;
  return (m + kRound - 1) / kRound;
}

template <class T>
KG_HD inline T missing() {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bf16>)
    return T(std::numeric_limits<float>::quiet_NaN());
  else
    return T(0);
}

// x (outer, n, inner), ids (m) -> y (outer, m, inner). `lanes` threads, a power of two,
// copy a row, N elements at a time.
template <class T, int N>
__global__ void select_rows(int64_t rows, int64_t n, int64_t m, int64_t inner, int lanes, Ptr<const T> x,
                            Ptr<const int32_t> ids, Ptr<T> y) {
  const int64_t thread = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, step = int64_t(gridDim.x) * blockDim.x / lanes;
  for (int64_t row = thread / lanes; row < rows; row += step) {
    const int64_t id = ids[row % m], from = (row / m * n + id) * inner;
    for (int64_t c = thread % lanes * N; c < inner; c += lanes * N) {
      Pack<T, N> values;
      if (id >= 0 && id < n)
        values = load_pack<N>(x + (from + c));
      else
        for (int j = 0; j < N; ++j) values[j] = missing<T>();
      store_pack(y + (row * inner + c), values);
    }
  }
}

// y (N, width) as in tensor/ops.h; table (count, width), places (most, width)
template <class T>
__global__ void embed_rows(int64_t elements, int64_t width, int64_t count, int64_t most, Ptr<const T> first,
                           Ptr<const T> table, Ptr<const int32_t> ids, Ptr<const T> places, Ptr<const int32_t> position,
                           Ptr<T> y) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  const int64_t p = *position, row = i / width, c = i % width, id = p == 0 ? 0 : int64_t(ids[row]);
  if (p < 0 || p >= most || id < 0 || id >= count)
    y[i] = missing<T>();
  else
    y[i] = T(float(p == 0 ? first[i] : table[id * width + c]) + float(places[p * width + c]));
}

// x (outer, n, inner), index (outer, m, inner) -> y like index
template <class T>
__global__ void gather_elements(int64_t total, int64_t n, int64_t m, int64_t inner, Ptr<const T> x,
                                Ptr<const int32_t> index, Ptr<T> y) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    const int64_t id = index[i];
    y[i] = id >= 0 && id < n ? x[(i / (m * inner) * n + id) * inner + i % inner] : missing<T>();
  }
}

constexpr int kAddThreads = 512, kAddWarps = kAddThreads / kWarp;
constexpr int kAhead = 4;  // rows of values that a warp loads at once
constexpr int kColumnsOfLane = 8, kColumnsOfBlock = kColumnsOfLane * kWarp;

// out[o, row] += the sum of values[o, i] over the i with ids[i] == row. Each row of `out` has one block (for each 256
// columns), so nothing is added from two sides and no order is left to chance: each of its 16 warps looks through its
// sixteenth of the ids in order and sums what it finds, then the sums are added in the order of the warps. Sorting the
// ids first would save the looking, but takes launches of its own and scratch memory; 10,000 ids are 40 kB that stay in
// the cache, and 20 rounds for a warp.
// Which rows: all n when there are few (kByRow); else, when most of a vocabulary does not occur, a block for each id
// instead, of which the first of its row goes on and the others leave as soon as they find one before them.
template <class Out, class T, bool kByRow>
__global__ void __launch_bounds__(kAddThreads, 2) add_rows(int64_t owners, int64_t n, int64_t m, int64_t inner,
                                                           Ptr<const int32_t> ids, Ptr<const T> values, Ptr<Out> out) {
  KG_SHARED(int, found, 32);
  KG_SHARED(float, sums, kAddWarps* kColumnsOfBlock);
  const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp;
  const int64_t outer = blockIdx.x / owners, owner = blockIdx.x % owners, row = kByRow ? owner : int64_t(ids[owner]);
  if (row < 0 || row >= n) return;
  if (!kByRow)  // backwards: runs of one id are common
    for (int64_t end = owner; end > 0; end -= kAddThreads) {
      const int64_t i = end - 1 - int64_t(threadIdx.x);
      if (block_max(int(i >= 0 && ids[i] == row), found) != 0) return;
    }

  const int64_t share = ceil_rounds(m) * kWarp, begin = warp * share, end = begin + share < m ? begin + share : m;
  const int64_t first = int64_t(blockIdx.y) * kColumnsOfBlock + lane;
  float sum[kColumnsOfLane] = {};
  int any = 0;
  for (int64_t at = begin; at < end; at += kWarp) {
    unsigned hits = __ballot_sync(kAllLanes, at + lane < end && ids[at + lane] == row);
    any |= int(hits != 0);
    // Of a row that has most ids (padding) all 32 are hits. Four rows of values are on their way at a time; they are
    // added in order, so that the sum is that of one at a time.
    while (hits != 0) {
      T loaded[kAhead][kColumnsOfLane] = {};
      for (int a = 0; a < kAhead; ++a) {
        if (hits == 0) continue;
        const int64_t from = (outer * m + at + __ffs(hits) - 1) * inner;
        hits &= hits - 1;
        for (int j = 0; j < kColumnsOfLane; ++j)
          if (const int64_t c = first + j * kWarp; c < inner) loaded[a][j] = values[from + c];
      }
      for (int a = 0; a < kAhead; ++a)
        for (int j = 0; j < kColumnsOfLane; ++j) sum[j] += float(loaded[a][j]);
    }
  }
  for (int j = 0; j < kColumnsOfLane; ++j) sums[warp * kColumnsOfBlock + j * kWarp + lane] = sum[j];
  if (block_max(any, found) == 0) return;  // its barriers stand between writing and reading `sums`, too
  const int64_t c = int64_t(blockIdx.y) * kColumnsOfBlock + threadIdx.x;
  if (threadIdx.x >= kColumnsOfBlock || c >= inner) return;
  float total = 0;
  for (int w = 0; w < kAddWarps; ++w) total += sums[w * kColumnsOfBlock + int(threadIdx.x)];
  const int64_t to = (outer * n + row) * inner + c;
  out[to] = Out(float(out[to]) + total);
}

// out[o, index[o, i, c], c] += values[o, i, c]: a thread for each (o, c), over i in order.
template <class Out, class T>
__global__ void scatter_elements(int64_t sequences, int64_t n, int64_t m, int64_t inner, Ptr<const int32_t> index,
                                 Ptr<const T> values, Ptr<Out> out) {
  const int64_t s = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (s >= sequences) return;
  const int64_t outer = s / inner, c = s % inner;
  for (int64_t i = 0; i < m; ++i) {
    const int64_t from = (outer * m + i) * inner + c, id = index[from];
    if (id < 0 || id >= n) continue;
    const int64_t to = (outer * n + id) * inner + c;
    out[to] = Out(float(out[to]) + float(values[from]));
  }
}

bool aligned(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.raw()) % 16 == 0; }

// fn(element type of `out`, of `values`): alike, or f32 and bf16.
template <class Fn>
void for_added(const char* op, const Tensor& out, const Tensor& values, Fn fn) {
  for_device_float(values.dtype(), op, [&](auto from) {
    if (out.dtype() == values.dtype())
      fn(from, from);
    else
      fn(float{}, from);
  });
}

}  // namespace

void index_select_forward(const Tensor& y, const Tensor& x, const Tensor& ids) {
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = 16 / sizeof(T);
    const int64_t rows = x.size(0) * ids.numel(), inner = x.size(2);
    const bool packs = inner % N == 0 && aligned(x) && aligned(y);
    int lanes = 1;
    while (lanes < kThreads && lanes < inner / (packs ? N : 1)) lanes *= 2;
    launch("index_select", packs ? select_rows<T, N> : select_rows<T, 1>, blocks_for(rows * lanes, kThreads), kThreads,
           rows, x.size(1), ids.numel(), inner, lanes, pointer<const T>(x), pointer<const int32_t>(ids), pointer<T>(y));
  });
}
void embedding_rows_forward(const Tensor& y, const Tensor& first, const Tensor& table, const Tensor& ids,
                            const Tensor& places, const Tensor& position) {
  for_device_float(y.dtype(), "embedding_rows", [&](auto zero) {
    using T = decltype(zero);
    launch("embedding_rows", embed_rows<T>, {ceil_div(y.numel(), kThreads)}, kThreads, y.numel(), y.size(1),
           table.size(0), places.size(0), pointer<const T>(first), pointer<const T>(table), pointer<const int32_t>(ids),
           pointer<const T>(places), pointer<const int32_t>(position), pointer<T>(y));
  });
}

void gather_forward(const Tensor& y, const Tensor& x, const Tensor& index) {
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    launch("gather", gather_elements<T>, blocks_for(y.numel(), kThreads), kThreads, y.numel(), x.size(1), y.size(1),
           x.size(2), pointer<const T>(x), pointer<const int32_t>(index), pointer<T>(y));
  });
}
void index_add_inplace(const Tensor& out, const Tensor& ids, const Tensor& values) {
  for_added("index_add", out, values, [&](auto to, auto from) {
    using Out = decltype(to);
    using T = decltype(from);
    const int64_t n = out.size(1), m = ids.numel(), inner = out.size(2), owners = std::min(n, m);
    launch("index_add", n <= m ? add_rows<Out, T, true> : add_rows<Out, T, false>,
           {owners * out.size(0), ceil_div(inner, kColumnsOfBlock)}, kAddThreads, owners, n, m, inner,
           pointer<const int32_t>(ids), pointer<const T>(values), pointer<Out>(out));
  });
}
void scatter_add_inplace(const Tensor& out, const Tensor& index, const Tensor& values) {
  for_added("scatter_add", out, values, [&](auto to, auto from) {
    using Out = decltype(to);
    using T = decltype(from);
    const int64_t sequences = out.size(0) * out.size(2);
    launch("scatter_add", scatter_elements<Out, T>, {ceil_div(sequences, kThreads)}, kThreads, sequences, out.size(1),
           values.size(1), out.size(2), pointer<const int32_t>(index), pointer<const T>(values), pointer<Out>(out));
  });
}

}  // namespace kg::cuda
