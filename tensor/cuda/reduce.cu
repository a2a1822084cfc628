// Sums, extrema, cumulative sums, top k. Every sum has a fixed order: what a thread, a warp and a block add up depends
// on sizes and addresses only, and long inputs are cut into pieces whose sums are written down and added by a second
// launch. Rows add in double: reading them takes longer than that on a device for computing.
#include <algorithm>
#include <cmath>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/ops.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPieces = 1024;  // blocks that share one long sum

struct Identity {
  KG_HD double operator()(double x) const { return x; }
};
struct Square {
  KG_HD double operator()(double x) const { return x * x; }
};
struct NotFinite {
  KG_HD double operator()(double x) const { return x - x == 0 ? 0 : 1; }
};

template <class T>
constexpr int kPack = 16 / int(sizeof(T));
// Elements of x before its first address that is a multiple of 16 bytes.
template <class T>
int head_of(const Tensor& x) {
  return int((16 - reinterpret_cast<uintptr_t>(x.raw()) % 16) % 16 / sizeof(T));
}

template <class T>
KG_HD inline double widen(T x) {
  if constexpr (std::is_same_v<T, bf16>)
    return double(float(x));
  else
    return double(x);
}

// This thread's part of the sum of fn over x[begin..end): thread `lane` of `lanes`. Elements at head + i * kPack are
// aligned and read 16 bytes at a time, those before and after them one by one.
template <class T, class Fn>
__device__ inline double sum_run(Ptr<const T> x, int64_t begin, int64_t end, int head, int lane, int lanes, Fn fn) {
  constexpr int N = kPack<T>;
  int64_t first = begin + ((head - begin) % N + N) % N, packs = first < end ? (end - first) / N : 0;
  if (packs == 0) first = end;
  double total = 0;
  for (int64_t i = begin + lane; i < first; i += lanes) total += fn(widen(x[i]));
  for (int64_t i = lane; i < packs; i += lanes) {
    const Pack<T, N> values = load_pack<N>(x + (first + i * N));
    double part = 0;
    for (int j = 0; j < N; ++j) part += fn(widen(values[j]));
    total += part;
  }
  for (int64_t i = first + packs * N + lane; i < end; i += lanes) total += fn(widen(x[i]));
  return total;
}

// x (R, n) in pieces of `piece` elements a row, a block each: out (R, gridDim.y) of scaled sums of fn(x).
template <class T, class Out, class Fn>
__global__ void sum_pieces(int64_t n, int64_t piece, int head, double scale, Fn fn, Ptr<const T> x, Ptr<Out> out) {
  KG_SHARED(double, part, 32);
  const int64_t begin = blockIdx.y * piece, end = begin + piece < n ? begin + piece : n, row = blockIdx.x * n;
  double total = sum_run<T>(x, row + begin, row + end, head, int(threadIdx.x), int(blockDim.x), fn);
  total = block_sum(total, part);
  if (threadIdx.x == 0) out[blockIdx.x * int64_t(gridDim.y) + blockIdx.y] = Out(float(scale * total));
}
// The same in double, to be added by a second launch.
template <class T, class Fn>
__global__ void sum_all_pieces(int64_t n, int64_t piece, int head, Fn fn, Ptr<const T> x, Ptr<double> out) {
  KG_SHARED(double, part, 32);
  const int64_t begin = blockIdx.x * piece, end = begin + piece < n ? begin + piece : n;
  double total = sum_run<T>(x, begin, end, head, int(threadIdx.x), int(blockDim.x), fn);
  total = block_sum(total, part);
  if (threadIdx.x == 0) out[blockIdx.x] = total;
}
template <class Out>
__global__ void add_all_pieces(int64_t pieces, double scale, Ptr<const double> partial, Ptr<Out> out) {
  KG_SHARED(double, part, 32);
  double total = 0;
  for (int64_t i = threadIdx.x; i < pieces; i += blockDim.x) total += partial[i];
  total = block_sum(total, part);
  if (threadIdx.x != 0) return;
  if constexpr (std::is_same_v<Out, double>)
    out[0] = scale * total;
  else
    out[0] = Out(float(scale * total));
}

// Rows that are short: kLanes threads of a warp for each.
template <class T, class Out, int kLanes>
__global__ void sum_short_rows(int64_t rows, int64_t n, int head, double scale, Ptr<const T> x, Ptr<Out> out) {
  const int64_t row = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / kLanes;
  const int lane = threadIdx.x % kLanes;
  double total = row < rows ? sum_run<T>(x, row * n, row * n + n, head, lane, kLanes, Identity{}) : 0;
  for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) total += __shfl_xor_sync(kAllLanes, total, lanes);
  if (row < rows && lane == 0) out[row] = Out(float(scale * total));
}

// x (n, C) -> out (gridDim.y, C), each row the scaled sum of `piece` rows of x. A warp reads 32 N columns of a row side
// by side; the 8 warps of the block take every eighth row, and their sums are added in order.
template <class T, class Out, int N>
__global__ void sum_column_pieces(int64_t n, int64_t columns, int64_t piece, double scale, Ptr<const T> x,
                                  Ptr<Out> out) {
  constexpr int kWarps = kThreads / kWarp, kAcross = kWarp * N;
  KG_SHARED(float, sums, kWarps* kAcross);
  const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp;
  const int64_t column = (int64_t(blockIdx.x) * kWarp + lane) * N, begin = blockIdx.y * piece;
  const int64_t end = begin + piece < n ? begin + piece : n;
  float total[N] = {};
  if (column < columns)
    for (int64_t r = begin + warp; r < end; r += kWarps) {
      const Pack<T, N> values = load_pack<N>(x + (r * columns + column));
      for (int j = 0; j < N; ++j) total[j] += float(values[j]);
    }
  for (int j = 0; j < N; ++j) sums[(warp * N + j) * kWarp + lane] = total[j];
  __syncthreads();
  for (int i = int(threadIdx.x); i < kAcross; i += kThreads) {
    double sum = 0;
    for (int w = 0; w < kWarps; ++w) sum += double(float(sums[w * kAcross + i]));
    const int64_t c = (int64_t(blockIdx.x) * kWarp + i % kWarp) * N + i / kWarp;
    if (c < columns) out[blockIdx.y * columns + c] = Out(float(scale * sum));
  }
}

// Whether v at place i goes before w at place j: NaN first (last in a top k), then the extremum, then the first place.
__device__ inline bool before(float v, int i, float w, int j, bool largest, bool nan_first) {
  const bool nan_v = v != v, nan_w = w != w;
  if (nan_v != nan_w) return nan_v == nan_first;
  if (!nan_v && v != w) return largest ? v > w : v < w;
  return i < j;
}

// x (outer, n, inner) -> (outer, inner); kLanes threads for each result: a warp where n is the last axis or nearly,
// else one, so that neighbours in a warp read neighbours in memory.
template <class T, int kLanes>
__global__ void extremum(int64_t results, int64_t n, int64_t inner, bool largest, Ptr<const T> x, Ptr<int32_t> index) {
  const int64_t r = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / kLanes;
  const int64_t base = r < results ? r / inner * n * inner + r % inner : 0;
  int best = threadIdx.x % kLanes;  // n and beyond: none
  float value = 0;
  if (r < results && best < n) {
    value = float(x[base + best * inner]);
    for (int64_t i = best + kLanes; i < n; i += kLanes) {
      const float v = float(x[base + i * inner]);
      if (before(v, int(i), value, best, largest, true)) value = v, best = int(i);
    }
  }
  for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) {
    const float v = __shfl_xor_sync(kAllLanes, value, lanes);
    const int i = __shfl_xor_sync(kAllLanes, best, lanes);
    if (i < n && (best >= n || before(v, i, value, best, largest, true))) value = v, best = i;
  }
  if (r < results && threadIdx.x % kLanes == 0) index[r] = best;
}

// x (R, n) -> the k largest of each row in falling order, ties by place, NaN after every number. A block a row. Each
// thread knows the best of its own elements that is not yet taken; the block's best is taken, and only its owner looks
// through its elements again.
template <class T>
__global__ void top(int64_t n, int64_t k, Ptr<const T> x, Ptr<T> values, Ptr<int32_t> index) {
  KG_SHARED(float, warp_value, 32);
  KG_SHARED(int, warp_place, 32);
  const int64_t row = blockIdx.x;
  const int none = int(n), warps = int(blockDim.x) / kWarp;
  float mine = 0, last = 0;
  int place = none, at = none;  // the thread's best, the last one taken
  bool stale = true;
  for (int64_t j = 0; j < k; ++j) {
    if (stale) {
      place = none;
      for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = float(x[row * n + i]);
        if (at != none && !before(last, at, v, int(i), true, false)) continue;
        if (place == none || before(v, int(i), mine, place, true, false)) mine = v, place = int(i);
      }
      stale = false;
    }
    float best = mine;
    int best_place = place;
    const auto take = [&](float v, int i) {
      if (i != none && (best_place == none || before(v, i, best, best_place, true, false))) best = v, best_place = i;
    };
    for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) {
      const float v = __shfl_xor_sync(kAllLanes, best, lanes);
      const int i = __shfl_xor_sync(kAllLanes, best_place, lanes);
      take(v, i);
    }
    __syncthreads();
    if (threadIdx.x % kWarp == 0) warp_value[threadIdx.x / kWarp] = best, warp_place[threadIdx.x / kWarp] = best_place;
    __syncthreads();
    for (int w = 0; w < warps; ++w) take(warp_value[w], warp_place[w]);
    last = best, at = best_place, stale = place == at;
    if (threadIdx.x == 0) index[row * k + j] = at, values[row * k + j] = x[row * n + at];
  }
}

// x (outer, n, inner): a thread for each of outer * inner sequences.
template <class T>
__global__ void running_sum(int64_t sequences, int64_t n, int64_t inner, bool reverse, Ptr<const T> x, Ptr<T> y) {
  const int64_t r = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (r >= sequences) return;
  const int64_t base = r / inner * n * inner + r % inner;
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t j = base + (reverse ? n - 1 - i : i) * inner;
    total += widen(x[j]);
    y[j] = T(float(total));
  }
}
// The same with a warp for each, 32 elements at a time: for sequences along the last axis.
template <class T>
__global__ void running_sum_warp(int64_t sequences, int64_t n, int64_t inner, bool reverse, Ptr<const T> x, Ptr<T> y) {
  const int64_t r = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp;
  const int lane = threadIdx.x % kWarp;
  const int64_t base = r / inner * n * inner + r % inner;
  double carry = 0;
  for (int64_t first = 0; first < n; first += kWarp) {
    const int64_t i = first + lane, j = base + (reverse ? n - 1 - i : i) * inner;
    const bool inside = r < sequences && i < n;
    double total = inside ? widen(x[j]) : 0;
    for (int by = 1; by < kWarp; by *= 2) {
      const double before_it = __shfl_sync(kAllLanes, total, lane >= by ? lane - by : lane);
      if (lane >= by) total += before_it;
    }
    if (inside) y[j] = T(float(carry + total));
    carry += __shfl_sync(kAllLanes, total, kWarp - 1);
  }
}

// min(1, max_norm / (sqrt(squared) + 1e-6)); NaN where the norm is not finite
__global__ void scale_of(float max_norm, Ptr<const float> squared, Ptr<float> scale) {
  if (threadIdx.x != 0) return;
  const float norm = std::sqrt(*squared), ratio = max_norm / (norm + 1e-6f);
  *scale = norm - norm == 0.0f ? (ratio < 1 ? ratio : 1.0f) : norm - norm;
}

// Sum of fn over all elements, into the one element of `out`.
template <class Out, class Fn>
void sum_all(const char* name, const Tensor& out, const Tensor& x, double scale, Fn fn) {
  for_device_float(x.dtype(), name, [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.numel(), piece = std::max<int64_t>(ceil_div(n, kPieces), 8 * kThreads);
    const int64_t pieces = std::max<int64_t>(1, ceil_div(n, piece));
    const Tensor partial = Tensor::empty({pieces}, Dtype::f64, x.device());
    launch(name, sum_all_pieces<T, Fn>, {pieces}, kThreads, n, piece, n > 0 ? head_of<T>(x) : 0, fn,
           pointer<const T>(x), pointer<double>(partial));
    launch(name, add_all_pieces<Out>, {1}, kThreads, pieces, scale, pointer<const double>(partial), pointer<Out>(out));
  });
}

// fn(element type of x, of `out`): alike, or bf16 and f32.
template <class Fn>
void for_sum(const char* op, const Tensor& out, const Tensor& x, Fn fn) {
  for_device_float(x.dtype(), op, [&](auto from) {
    if (out.dtype() == x.dtype())
      fn(from, from);
    else
      fn(from, float{});
  });
}

template <class T, class Out>
void column_pieces(const Tensor& out, const Tensor& x, double scale) {
  constexpr int N = kPack<T>;
  const int64_t n = x.size(0), columns = x.size(1), pieces = out.numel() / columns, piece = ceil_div(n, pieces);
  const auto run = [&](auto kernel, int width) {
    launch("sum_columns", kernel, {ceil_div(columns, kWarp * width), pieces}, kThreads, n, columns, piece, scale,
           pointer<const T>(x), pointer<Out>(out));
  };
  // Few columns: one each, so that the warp has work for all its lanes.
  if (columns % N == 0 && columns >= kWarp * N && head_of<T>(x) == 0)
    run(sum_column_pieces<T, Out, N>, N);
  else
    run(sum_column_pieces<T, Out, 1>, 1);
}

}  // namespace

void sum_rows(const Tensor& out, const Tensor& x, double scale) {
  const int64_t rows = x.size(0), n = x.size(1);
  for_sum("sum", out, x, [&](auto from, auto to) {
    using T = decltype(from);
    using Out = decltype(to);
    const int head = head_of<T>(x);
    const auto short_rows = [&](auto kernel, int lanes) {
      launch("sum_rows", kernel, {ceil_div(rows, kThreads / lanes)}, kThreads, rows, n, head, scale,
             pointer<const T>(x), pointer<Out>(out));
    };
    if (rows == 1 && n > 8 * kThreads)
      sum_all<Out>("sum", out, x, scale, Identity{});
    else if (n <= 32)
      short_rows(sum_short_rows<T, Out, 4>, 4);
    else if (n <= 1024)
      short_rows(sum_short_rows<T, Out, kWarp>, kWarp);
    else
      launch("sum_rows", sum_pieces<T, Out, Identity>, {rows}, kThreads, n, n, head, scale, Identity{},
             pointer<const T>(x), pointer<Out>(out));
  });
}

void sum_columns(const Tensor& out, const Tensor& x, double scale) {
  const int64_t n = x.size(0), columns = x.size(1);
  // Pieces of at least 64 rows, and enough of them to fill the device, but no more than the second pass adds at once.
  const int64_t wanted = std::max<int64_t>(1, 1024 / ceil_div(columns, kWarp * 16 / size_of(x.dtype())));
  const int64_t size = ceil_div(n, std::clamp<int64_t>(n / 64, 1, std::min<int64_t>(wanted, 256)));
  const int64_t pieces = ceil_div(n, size);
  for_sum("sum", out, x, [&](auto from, auto to) {
    using T = decltype(from);
    using Out = decltype(to);
    if (pieces == 1) return column_pieces<T, Out>(out, x, scale);
    const Tensor partial = Tensor::empty({pieces, columns}, Dtype::f32, x.device());
    column_pieces<T, float>(partial, x, 1);
    column_pieces<float, Out>(out, partial, scale);
  });
}

Tensor squared_norm_on_device(const Tensor& x) {
  const Tensor out = Tensor::empty({}, Dtype::f32, x.device());
  sum_all<float>("squared_norm", out, x, 1, Square{});
  return out;
}
double squared_norm(const Tensor& x) {
  const Tensor out = Tensor::empty({}, Dtype::f64, x.device());
  sum_all<double>("squared_norm", out, x, 1, Square{});
  return out.item();
}
Tensor clip_scale(const Tensor& squared_norm, double max_norm) {
  const Tensor scale = Tensor::empty({}, Dtype::f32, squared_norm.device());
  launch("clip_scale", scale_of, {1}, kWarp, float(max_norm), pointer<const float>(squared_norm),
         pointer<float>(scale));
  return scale;
}
bool all_finite(const Tensor& x) {
  const Tensor bad = Tensor::empty({}, Dtype::f32, x.device());
  sum_all<float>("all_finite", bad, x, 1, NotFinite{});
  return bad.item() == 0;
}

void arg_extremum(const Tensor& index, const Tensor& x, bool largest) {
  const int64_t results = index.numel(), n = x.size(1), inner = x.size(2);
  for_device_float(x.dtype(), "argmax", [&](auto zero) {
    using T = decltype(zero);
    if (inner >= kWarp)
      launch("argmax", extremum<T, 1>, {ceil_div(results, kThreads)}, kThreads, results, n, inner, largest,
             pointer<const T>(x), pointer<int32_t>(index));
    else
      launch("argmax", extremum<T, kWarp>, {ceil_div(results, kThreads / kWarp)}, kThreads, results, n, inner, largest,
             pointer<const T>(x), pointer<int32_t>(index));
  });
}

void topk_rows(const Tensor& values, const Tensor& index, const Tensor& x) {
  const int64_t n = x.size(1), k = values.size(1);
  for_device_float(x.dtype(), "topk", [&](auto zero) {
    using T = decltype(zero);
    launch("topk", top<T>, {x.size(0)}, n <= 256 ? kWarp : (n <= 4096 ? kThreads : 1024), n, k, pointer<const T>(x),
           pointer<T>(values), pointer<int32_t>(index));
  });
}

void cumsum_forward(const Tensor& y, const Tensor& x, bool reverse) {
  const int64_t n = x.size(1), inner = x.size(2), sequences = x.size(0) * inner;
  for_device_float(x.dtype(), "cumsum", [&](auto zero) {
    using T = decltype(zero);
    if (inner >= kWarp)
      launch("cumsum", running_sum<T>, {ceil_div(sequences, kThreads)}, kThreads, sequences, n, inner, reverse,
             pointer<const T>(x), pointer<T>(y));
    else
      launch("cumsum", running_sum_warp<T>, {ceil_div(sequences, kThreads / kWarp)}, kThreads, sequences, n, inner,
             reverse, pointer<const T>(x), pointer<T>(y));
  });
}

}  // namespace kg::cuda
