// Softmax, log-softmax and cross-entropy over rows (R, n). A warp works on a row, a block on a long one. n may be odd
// (a vocabulary and its end token), and then rows begin anywhere: they are still read 16 bytes at a time, as the packs
// of the whole tensor that a row touches, of which the first and the last may be cut. A row is read once from memory;
// the later passes over it find it in the cache.
#include <limits>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kWarpThreads = 128, kBlockThreads = 512;
constexpr int64_t kLongRow = 2048;  // a block takes a row from here on

// The row of a warp (long_rows: of a block) and how its threads walk over it and put their parts together.
template <int N, bool long_rows, class S>
struct Row {
  S& part;
  int64_t index, begin, end;
  int thread, threads;

  __device__ Row(S& shared, int64_t n) : part(shared) {
    thread = long_rows ? int(threadIdx.x) : int(threadIdx.x % kWarp);
    threads = long_rows ? int(blockDim.x) : kWarp;
    index = long_rows ? int64_t(blockIdx.x) : int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    begin = index * n, end = begin + n;
  }
  // fn(i, first, last): this thread has elements i + first .. i + last of the tensor;
  // all N of the pack but at the ends.
  template <class Fn>
  __device__ void for_packs(Fn&& fn) const {
    for (int64_t i = begin / N * N + int64_t(thread) * N; i < end; i += int64_t(threads) * N)
      fn(i, i < begin ? int(begin - i) : 0, i + N > end ? int(end - i) : N);
  }
  __device__ float sum(float x) const {
    if constexpr (long_rows)
      return block_sum(x, part);
    else
      return warp_sum(x);
  }
  __device__ float max(float x) const {
    if constexpr (long_rows)
      return block_max(x, part);
    else
      return warp_max(x);
  }
};

template <int N, class T>
__device__ inline Pack<float, N> load_part(Ptr<const T> p, int64_t i, int first, int last) {
  Pack<float, N> x{};
  if (first == 0 && last == N) {
    const Pack<T, N> raw = load_pack<N>(p + i);
    for (int j = 0; j < N; ++j) x[j] = float(raw[j]);
  } else {
    for (int j = 0; j < N; ++j)
      if (j >= first && j < last) x[j] = float(p[i + j]);
  }
  return x;
}
template <int N, class T>
__device__ inline void store_part(Ptr<T> p, int64_t i, int first, int last, const Pack<float, N>& x) {
  if (first == 0 && last == N) {
    store_floats(p + i, x);
  } else {
    for (int j = 0; j < N; ++j)
      if (j >= first && j < last) p[i + j] = T(x[j]);
  }
}

template <int N, class T, class R>
__device__ inline float row_max(const R& row, Ptr<const T> x) {
  float top = -std::numeric_limits<float>::infinity();
  row.for_packs([&](int64_t i, int first, int last) {
    const Pack<float, N> v = load_part<N>(x, i, first, last);
    for (int j = 0; j < N; ++j)
      if (j >= first && j < last && v[j] > top) top = v[j];
  });
  return row.max(top);
}
// sum fn(x) over the row
template <int N, class T, class R, class Fn>
__device__ inline float row_sum(const R& row, Ptr<const T> x, Fn&& fn) {
  float sum = 0;
  row.for_packs([&](int64_t i, int first, int last) {
    const Pack<float, N> v = load_part<N>(x, i, first, last);
    for (int j = 0; j < N; ++j)
      if (j >= first && j < last) sum += fn(v[j]);
  });
  return row.sum(sum);
}
// y = fn(x), or fn(g, x) with a second input
template <int N, class T, class R, class Fn>
__device__ inline void map_row(const R& row, Ptr<T> y, Ptr<const T> x, Fn&& fn) {
  row.for_packs([&](int64_t i, int first, int last) {
    Pack<float, N> v = load_part<N>(x, i, first, last);
    for (int j = 0; j < N; ++j) v[j] = fn(v[j]);
    store_part<N>(y, i, first, last, v);
  });
}
template <int N, class T, class R, class Fn>
__device__ inline void map_row(const R& row, Ptr<T> y, Ptr<const T> g, Ptr<const T> x, Fn&& fn) {
  row.for_packs([&](int64_t i, int first, int last) {
    Pack<float, N> v = load_part<N>(x, i, first, last);
    const Pack<float, N> w = load_part<N>(g, i, first, last);
    for (int j = 0; j < N; ++j) v[j] = fn(w[j], v[j]);
    store_part<N>(y, i, first, last, v);
  });
}

// Softmax as exp(x - max) / sum, or its logarithm as x - (max + log sum).
template <class T, int N, bool long_rows, bool log>
__global__ void softmax_kernel(int64_t rows, int64_t n, Ptr<T> y, Ptr<const T> x) {
  KG_SHARED(float, part, 32);
  const Row<N, long_rows, decltype(part)> row(part, n);
  if (row.index >= rows) return;
  const float top = row_max<N>(row, x);
  const float sum = row_sum<N>(row, x, [&](float v) { return std::exp(v - top); });
  if constexpr (log) {
    const float shift = std::log(sum);
    map_row<N>(row, y, x, [&](float v) { return (v - top) - shift; });
  } else {
    const float scale = 1 / sum;
    map_row<N>(row, y, x, [&](float v) { return std::exp(v - top) * scale; });
  }
}

// The gradients of softmax and of log_softmax, as in tensor/ops.h.
template <class T, int N, bool long_rows, bool log>
__global__ void softmax_backward_kernel(int64_t rows, int64_t n, Ptr<T> gx, Ptr<const T> gy, Ptr<const T> y) {
  KG_SHARED(float, part, 32);
  const Row<N, long_rows, decltype(part)> row(part, n);
  if (row.index >= rows) return;
  if constexpr (log) {
    const float sum = row_sum<N>(row, gy, [](float g) { return g; });
    map_row<N>(row, gx, gy, y, [&](float g, float l) { return g - sum * std::exp(l); });
  } else {
    float dot = 0;
    row.for_packs([&](int64_t i, int first, int last) {
      const Pack<float, N> g = load_part<N>(gy, i, first, last), p = load_part<N>(y, i, first, last);
      for (int j = 0; j < N; ++j) dot += g[j] * p[j];
    });
    dot = row.sum(dot);
    map_row<N>(row, gx, gy, y, [&](float g, float p) { return p * (g - dot); });
  }
}

// The loss from the rows' logsumexp, all relative to the maximum, which keeps f32 exact where logits are large.
// A target outside the classes gives NaN: reading there is not defined, and 0 would hide it.
template <class T, int N, bool long_rows>
__global__ void cross_entropy_kernel(int64_t rows, int64_t n, Ptr<float> loss, Ptr<float> logsumexp, Ptr<const T> x,
                                     Ptr<const int32_t> target, int ignore_index, float smoothing) {
  KG_SHARED(float, part, 32);
  const Row<N, long_rows, decltype(part)> row(part, n);
  if (row.index >= rows) return;
  const float top = row_max<N>(row, x);
  const float log_sum = std::log(row_sum<N>(row, x, [&](float v) { return std::exp(v - top); }));
  const float mean = smoothing > 0 ? row_sum<N>(row, x, [&](float v) { return v - top; }) / float(n) : 0;
  if (row.thread != 0) return;
  const int id = target[row.index];
  float result = std::numeric_limits<float>::quiet_NaN();
  if (id == ignore_index)
    result = 0;
  else if (id >= 0 && id < n)
    result = log_sum - (1 - smoothing) * (float(x[row.begin + id]) - top) - smoothing * mean;
  loss[row.index] = result;
  logsumexp[row.index] = top + log_sum;
}

// The gradient of cross_entropy, with softmax as exp(x - lse).
template <class T, int N, bool long_rows>
__global__ void cross_entropy_backward_kernel(int64_t rows, int64_t n, Ptr<T> gx, Ptr<const float> gy, Ptr<const T> x,
                                              Ptr<const int32_t> target, Ptr<const float> logsumexp, int ignore_index,
                                              float smoothing) {
  KG_SHARED(float, part, 32);
  const Row<N, long_rows, decltype(part)> row(part, n);
  if (row.index >= rows) return;
  const int id = target[row.index];
  const bool ignored = id == ignore_index, known = id >= 0 && id < n;
  const float g = known ? float(gy[row.index]) : std::numeric_limits<float>::quiet_NaN();
  const float lse = logsumexp[row.index], even = smoothing / float(n), one = 1 - smoothing;
  row.for_packs([&](int64_t i, int first, int last) {
    Pack<float, N> v{};
    if (!ignored) {
      v = load_part<N>(x, i, first, last);
      for (int j = 0; j < N; ++j) {
        v[j] = std::exp(v[j] - lse) - even;
        if (i + j == row.begin + id) v[j] -= one;
        v[j] *= g;
      }
    }
    store_part<N>(gx, i, first, last, v);
  });
}

// How rows of tensors (R, n) are launched.
struct RowLaunch {
  int64_t rows, n;
  bool packed;  // all tensors of rows begin at a multiple of 16 bytes

  RowLaunch(std::initializer_list<const Tensor*> tensors)
      : rows((*tensors.begin())->size(0)), n((*tensors.begin())->size(1)), packed(true) {
    for (const Tensor* t : tensors) packed = packed && reinterpret_cast<uintptr_t>(t->raw()) % 16 == 0;
  }
  bool is_long() const { return n >= kLongRow; }
  int threads() const { return is_long() ? kBlockThreads : kWarpThreads; }
  Grid grid() const { return {is_long() ? rows : ceil_div(rows, kWarpThreads / kWarp), 1, 1}; }
  // fn(N, long_rows) as constants
  template <class T, class Fn>
  void choose(Fn&& fn) const {
    using Wide = std::integral_constant<int, 16 / int(sizeof(T))>;
    using One = std::integral_constant<int, 1>;
    if (is_long())
      packed ? fn(Wide{}, std::true_type{}) : fn(One{}, std::true_type{});
    else
      packed ? fn(Wide{}, std::false_type{}) : fn(One{}, std::false_type{});
  }
};

template <bool log>
void softmax_rows(const char* name, const Tensor& y, const Tensor& x) {
  const RowLaunch l{&x, &y};
  for_device_float(x.dtype(), name, [&](auto zero) {
    using T = decltype(zero);
    l.choose<T>([&](auto width, auto long_rows) {
      launch(name, softmax_kernel<T, width(), long_rows(), log>, l.grid(), l.threads(), l.rows, l.n, pointer<T>(y),
             pointer<const T>(x));
    });
  });
}
template <bool log>
void softmax_backward_rows(const char* name, const Tensor& gx, const Tensor& gy, const Tensor& y) {
  const RowLaunch l{&gx, &gy, &y};
  for_device_float(y.dtype(), name, [&](auto zero) {
    using T = decltype(zero);
    l.choose<T>([&](auto width, auto long_rows) {
      launch(name, softmax_backward_kernel<T, width(), long_rows(), log>, l.grid(), l.threads(), l.rows, l.n,
             pointer<T>(gx), pointer<const T>(gy), pointer<const T>(y));
    });
  });
}

}  // namespace

void softmax_forward(const Tensor& y, const Tensor& x) { softmax_rows<false>("softmax", y, x); }
void softmax_backward(const Tensor& gx, const Tensor& gy, const Tensor& y) {
  softmax_backward_rows<false>("softmax_backward", gx, gy, y);
}
void log_softmax_forward(const Tensor& y, const Tensor& x) { softmax_rows<true>("log_softmax", y, x); }
void log_softmax_backward(const Tensor& gx, const Tensor& gy, const Tensor& y) {
  softmax_backward_rows<true>("log_softmax_backward", gx, gy, y);
}

void cross_entropy_forward(const Tensor& loss, const Tensor& logsumexp, const Tensor& logits, const Tensor& target,
                           int ignore_index, double smoothing) {
  const RowLaunch l{&logits};
  for_device_float(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    l.choose<T>([&](auto width, auto long_rows) {
      launch("cross_entropy", cross_entropy_kernel<T, width(), long_rows()>, l.grid(), l.threads(), l.rows, l.n,
             pointer<float>(loss), pointer<float>(logsumexp), pointer<const T>(logits), pointer<const int32_t>(target),
             ignore_index, float(smoothing));
    });
  });
}

void cross_entropy_backward(const Tensor& gx, const Tensor& gy, const Tensor& logits, const Tensor& target,
                            const Tensor& logsumexp, int ignore_index, double smoothing) {
  const RowLaunch l{&logits, &gx};
  for_device_float(logits.dtype(), "cross_entropy_backward", [&](auto zero) {
    using T = decltype(zero);
    l.choose<T>([&](auto width, auto long_rows) {
      launch("cross_entropy_backward", cross_entropy_backward_kernel<T, width(), long_rows()>, l.grid(), l.threads(),
             l.rows, l.n, pointer<T>(gx), pointer<const float>(gy), pointer<const T>(logits),
             pointer<const int32_t>(target), pointer<const float>(logsumexp), ignore_index, float(smoothing));
    });
  });
}

}  // namespace kg::cuda
