// Layer norm and RMS norm over rows (R, n), statistics in f32 by two passes: the mean, then the squares of what is
// left. Rows of up to 32 kHeldPacks packs are a warp's and stay in its registers, so that memory sees one read and one
// write an element; longer ones are a block's, which finds them in the cache the second time. RMS norm is the same with
// a mean of 0. What is normalised may also be made on the way, as x + dropout(y) of a residual block.
#include "tensor/cuda/keep.h"
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/operands.h"

namespace kg::cuda {
namespace {

constexpr int kWarpThreads = 128, kBlockThreads = 512, kColumnThreads = 256;
constexpr int kColumnWarps = kColumnThreads / kWarp;
constexpr int64_t kColumnBlocks = 512;  // what fills the GPU

// y = (x - mean) rstd w + b for N columns from c on
template <int N, class T>
__device__ inline void store_normed(Ptr<T> y, Ptr<const T> w, Ptr<const T> b, int64_t c, Pack<float, N> x, float mean,
                                    float rstd) {
  const Pack<float, N> scale = load_floats<N>(w + c);
  for (int j = 0; j < N; ++j) x[j] = (x[j] - mean) * rstd * scale[j];
  if (b != nullptr) {
    const Pack<float, N> shift = load_floats<N>(b + c);
    for (int j = 0; j < N; ++j) x[j] += shift[j];
  }
  store_floats(y + c, x);
}

// What is normalised: x ...
template <class T>
struct Input {
  Ptr<const T> x;
  __device__ void start() {}
  template <int N>
  __device__ Pack<float, N> make(int64_t i) const {
    return load<N>(i);
  }
  template <int N>
  __device__ Pack<float, N> load(int64_t i) const {
    return load_floats<N>(x + i);
  }
};
// ... or sum = x + dropout(y), as it is after rounding to T. Each element is made once, then loaded.
template <class T>
struct Residual {
  Ptr<const T> x, y;
  Ptr<T> sum;
  Keep keep;
  __device__ void start() { keep.start(); }
  template <int N>
  __device__ Pack<float, N> make(int64_t i) const {
    Pack<float, N> v = load_floats<N>(y + i);
    keep(v, i);
    const Pack<float, N> along = load_floats<N>(x + i);
    for (int j = 0; j < N; ++j) v[j] += along[j];
    const Pack<T, N> kept = rounded<T>(v);
    store_pack(sum + i, kept);
    for (int j = 0; j < N; ++j) v[j] = float(kept[j]);
    return v;
  }
  template <int N>
  __device__ Pack<float, N> load(int64_t i) const {
    return load_floats<N, T>(sum + i);
  }
};

// A warp a row: lane l holds packs l, l + 32, ... of it. `mean` is null for RMS norm.
template <class T, int N, int K, class Source>
__global__ void norm_kernel(int64_t rows, int64_t n, float eps, Ptr<T> y, Ptr<float> mean, Ptr<float> rstd,
                            Source source, Ptr<const T> weight, Ptr<const T> bias) {
  const int64_t r = int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (r >= rows) return;
  source.start();
  const int64_t first = int64_t(threadIdx.x % kWarp) * N;
  Pack<float, N> held[K];
  float sum = 0;
  for (int k = 0; k < K; ++k) {
    const int64_t c = first + k * kWarp * N;
    held[k] = c < n ? source.template make<N>(r * n + c) : Pack<float, N>{};
    for (int j = 0; j < N; ++j) sum += held[k][j];
  }
  const float m = mean != nullptr ? warp_sum(sum) / float(n) : 0;
  float squares = 0;
  for (int k = 0; k < K; ++k)
    for (int j = 0; j < N; ++j)
      if (first + k * kWarp * N < n) squares += (held[k][j] - m) * (held[k][j] - m);
  const float scale = 1 / std::sqrt(warp_sum(squares) / float(n) + eps);
  for (int k = 0; k < K; ++k) {
    const int64_t c = first + k * kWarp * N;
    if (c < n) store_normed<N, T>(y + r * n, weight, bias, c, held[k], m, scale);
  }
  if (first != 0) return;
  if (mean != nullptr) mean[r] = m;
  rstd[r] = scale;
}

// A block a row. Without a mean nothing is made: RMS norm is of inputs only.
template <class T, int N, class Source>
__global__ void norm_long_kernel(int64_t n, float eps, Ptr<T> y, Ptr<float> mean, Ptr<float> rstd, Source source,
                                 Ptr<const T> weight, Ptr<const T> bias) {
  KG_SHARED(float, part, 32);
  const int64_t r = blockIdx.x, first = int64_t(threadIdx.x) * N, step = int64_t(blockDim.x) * N;
  source.start();
  float m = 0;
  if (mean != nullptr) {
    float sum = 0;
    for (int64_t c = first; c < n; c += step) {
      const Pack<float, N> v = source.template make<N>(r * n + c);
      for (int j = 0; j < N; ++j) sum += v[j];
    }
    m = block_sum(sum, part) / float(n);
  }
  float squares = 0;
  for (int64_t c = first; c < n; c += step) {
    const Pack<float, N> v = source.template load<N>(r * n + c);
    for (int j = 0; j < N; ++j) squares += (v[j] - m) * (v[j] - m);
  }
  const float scale = 1 / std::sqrt(block_sum(squares, part) / float(n) + eps);
  for (int64_t c = first; c < n; c += step)
    store_normed<N, T>(y + r * n, weight, bias, c, source.template load<N>(r * n + c), m, scale);
  if (threadIdx.x != 0) return;
  if (mean != nullptr) mean[r] = m;
  rstd[r] = scale;
}

// N columns of a row in the backward: a = gy w and h = (x - mean) rstd.
template <int N>
struct Slopes {
  Pack<float, N> a, h;
};
template <int N, class T>
__device__ inline Slopes<N> load_slopes(Ptr<const T> gy, Ptr<const T> x, Ptr<const T> w, int64_t c, float mean,
                                        float rstd) {
  Slopes<N> s{load_floats<N>(gy + c), load_floats<N>(x + c)};
  const Pack<float, N> scale = load_floats<N>(w + c);
  for (int j = 0; j < N; ++j) s.a[j] *= scale[j], s.h[j] = (s.h[j] - mean) * rstd;
  return s;
}
// gx as in tensor/ops.h, from the means of a and of a h
template <int N>
__device__ inline Pack<float, N> gradient(const Slopes<N>& s, float rstd, float mean_a, float mean_ah) {
  Pack<float, N> out;
  for (int j = 0; j < N; ++j) out[j] = rstd * (s.a[j] - mean_a - s.h[j] * mean_ah);
  return out;
}

// Where that goes: to the input ...
template <class T>
struct InputGradient {
  Ptr<T> gx;
  __device__ void start() {}
  template <int N>
  __device__ void store(int64_t i, const Pack<float, N>& g) const {
    store_floats(gx + i, g);
  }
};
// ... or, with what the sum x + dropout(y) got from its other users (or nothing), to x and to y (none without dropout).
template <class T>
struct ResidualGradient {
  Ptr<T> gx, gy;
  Ptr<const T> gsum;
  Keep keep;
  __device__ void start() { keep.start(); }
  template <int N>
  __device__ void store(int64_t i, Pack<float, N> g) const {
    if (gsum != nullptr) {
      const Pack<float, N> more = load_floats<N>(gsum + i);
      for (int j = 0; j < N; ++j) g[j] += more[j];
    }
    store_floats(gx + i, g);
    if (gy == nullptr) return;
    keep(g, i);
    store_floats(gy + i, g);
  }
};

template <class T, int N, int K, class Target>
__global__ void norm_backward_kernel(int64_t rows, int64_t n, Target target, Ptr<const T> gy, Ptr<const T> x,
                                     Ptr<const T> weight, Ptr<const float> mean, Ptr<const float> rstd) {
  const int64_t r = int64_t(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (r >= rows) return;
  target.start();
  const int64_t first = int64_t(threadIdx.x % kWarp) * N;
  const float scale = rstd[r], m = mean != nullptr ? float(mean[r]) : 0;
  Slopes<N> held[K];
  float a = 0, ah = 0;
  for (int k = 0; k < K; ++k) {
    const int64_t c = first + k * kWarp * N;
    held[k] = c < n ? load_slopes<N>(gy + r * n, x + r * n, weight, c, m, scale) : Slopes<N>{};
    for (int j = 0; j < N; ++j) a += held[k].a[j], ah += held[k].a[j] * held[k].h[j];
  }
  a = mean != nullptr ? warp_sum(a) / float(n) : 0;
  ah = warp_sum(ah) / float(n);
  for (int k = 0; k < K; ++k) {
    const int64_t c = first + k * kWarp * N;
    if (c < n) target.store(r * n + c, gradient(held[k], scale, a, ah));
  }
}

template <class T, int N, class Target>
__global__ void norm_backward_long_kernel(int64_t n, Target target, Ptr<const T> gy, Ptr<const T> x,
                                          Ptr<const T> weight, Ptr<const float> mean, Ptr<const float> rstd) {
  KG_SHARED(float, part, 32);
  const int64_t r = blockIdx.x, first = int64_t(threadIdx.x) * N, step = int64_t(blockDim.x) * N;
  target.start();
  const float scale = rstd[r], m = mean != nullptr ? float(mean[r]) : 0;
  float a = 0, ah = 0;
  for (int64_t c = first; c < n; c += step) {
    const Slopes<N> s = load_slopes<N>(gy + r * n, x + r * n, weight, c, m, scale);
    for (int j = 0; j < N; ++j) a += s.a[j], ah += s.a[j] * s.h[j];
  }
  a = mean != nullptr ? block_sum(a, part) / float(n) : 0;
  ah = block_sum(ah, part) / float(n);
  for (int64_t c = first; c < n; c += step)
    target.store(r * n + c, gradient(load_slopes<N>(gy + r * n, x + r * n, weight, c, m, scale), scale, a, ah));
}

// Sums over a part of the rows of gy h and of gy, to partial (parts, 2, n). A warp reads 32 N columns of a row at once;
// the warps of a block take its rows in turn and are added up in order.
template <class T, int N>
__global__ void norm_columns_kernel(int64_t rows, int64_t n, int64_t rows_of_part, Ptr<float> partial, Ptr<const T> gy,
                                    Ptr<const T> x, Ptr<const float> mean, Ptr<const float> rstd) {
  KG_SHARED(float, sums, 2 * kColumnWarps * kWarp * N);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t c = (int64_t(blockIdx.x) * kWarp + lane) * N, begin = int64_t(blockIdx.y) * rows_of_part;
  const int64_t end = begin + rows_of_part < rows ? begin + rows_of_part : rows;
  Pack<float, N> gw{}, gb{};
  for (int64_t r = begin + warp; r < end && c < n; r += kColumnWarps) {
    const Pack<float, N> g = load_floats<N>(gy + (r * n + c)), v = load_floats<N>(x + (r * n + c));
    const float scale = rstd[r], m = mean != nullptr ? float(mean[r]) : 0;
    for (int j = 0; j < N; ++j) gw[j] += g[j] * ((v[j] - m) * scale), gb[j] += g[j];
  }
  for (int j = 0; j < N; ++j) {  // neighbours in a bank row are lanes, not the elements of one
    sums[(warp * N + j) * kWarp + lane] = gw[j];
    sums[((kColumnWarps + warp) * N + j) * kWarp + lane] = gb[j];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 2 * N * kWarp; i += kColumnThreads) {
    const int which = i / (N * kWarp), j = i / kWarp % N;
    const int64_t column = (int64_t(blockIdx.x) * kWarp + i % kWarp) * N + j;
    float total = 0;
    for (int w = 0; w < kColumnWarps; ++w) total += sums[((which * kColumnWarps + w) * N + j) * kWarp + i % kWarp];
    if (column < n) partial[(int64_t(blockIdx.y) * 2 + which) * n + column] = total;
  }
}

// gweight = the sums of gy h over the parts, gbias = those of gy: blockIdx.y says which.
__global__ void norm_parts_kernel(int64_t parts, int64_t n, Ptr<float> gweight, Ptr<float> gbias,
                                  Ptr<const float> partial) {
  KG_SHARED(float, sums, kColumnThreads);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t c = int64_t(blockIdx.x) * kWarp + lane;
  float sum = 0;
  for (int64_t p = warp; p < parts && c < n; p += kColumnWarps) sum += partial[(p * 2 + blockIdx.y) * n + c];
  sums[warp * kWarp + lane] = sum;
  __syncthreads();
  if (warp != 0 || c >= n) return;
  float total = 0;
  for (int w = 0; w < kColumnWarps; ++w) total += sums[w * kWarp + lane];
  if (blockIdx.y == 0)
    gweight[c] = total;
  else
    gbias[c] = total;
}

// `tensors`: all that the kernel reads or writes by rows.
template <class T, class Source>
void forward(const char* name, const Tensor& y, const Tensor& mean, const Tensor& rstd, Source source,
             std::initializer_list<const Tensor*> tensors, const Tensor& weight, const Tensor& bias, double eps) {
  const int64_t rows = y.size(0), n = y.size(1);
  for_width<T>(n, tensors, [&](auto width) {
    constexpr int N = width();
    for_held(n / N, [&](auto held) {
      if constexpr (held() > 0)
        launch(name, norm_kernel<T, N, held(), Source>, {ceil_div(rows, kWarpThreads / kWarp), 1, 1}, kWarpThreads,
               rows, n, float(eps), pointer<T>(y), pointer<float>(mean), pointer<float>(rstd), source,
               pointer<const T>(weight), pointer<const T>(bias));
      else
        launch(name, norm_long_kernel<T, N, Source>, {rows, 1, 1}, kBlockThreads, n, float(eps), pointer<T>(y),
               pointer<float>(mean), pointer<float>(rstd), source, pointer<const T>(weight), pointer<const T>(bias));
    });
  });
}

// gweight = the sums over rows of gy h, gbias = those of gy; N elements of a row at once.
template <class T, int N>
void columns(const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x, const Tensor& mean,
             const Tensor& rstd) {
  const int64_t rows = x.size(0), n = x.size(1), across = ceil_div(n, kWarp * N);
  const int64_t wanted = ceil_div(kColumnBlocks, across), most = ceil_div(rows, kColumnWarps);
  const int64_t rows_of_part = ceil_div(rows, wanted < most ? wanted : most), parts = ceil_div(rows, rows_of_part);
  const Tensor partial = Tensor::empty({parts, 2, n}, Dtype::f32, x.device());
  launch("norm_columns", norm_columns_kernel<T, N>, {across, parts, 1}, kColumnThreads, rows, n, rows_of_part,
         pointer<float>(partial), pointer<const T>(gy), pointer<const T>(x), pointer<const float>(mean),
         pointer<const float>(rstd));
  launch("norm_parts", norm_parts_kernel, {ceil_div(n, kWarp), gbias.defined() ? 2 : 1, 1}, kColumnThreads, parts, n,
         pointer<float>(gweight), pointer<float>(gbias), pointer<const float>(partial));
}

template <class T, class Target>
void backward(const char* name, Target target, std::initializer_list<const Tensor*> tensors, const Tensor& gweight,
              const Tensor& gbias, const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& mean,
              const Tensor& rstd) {
  const int64_t rows = x.size(0), n = x.size(1);
  for_width<T>(n, tensors, [&](auto width) {
    constexpr int N = width();
    for_held(n / N, [&](auto held) {
      if constexpr (held() > 0)
        launch(name, norm_backward_kernel<T, N, held(), Target>, {ceil_div(rows, kWarpThreads / kWarp), 1, 1},
               kWarpThreads, rows, n, target, pointer<const T>(gy), pointer<const T>(x), pointer<const T>(weight),
               pointer<const float>(mean), pointer<const float>(rstd));
      else
        launch(name, norm_backward_long_kernel<T, N, Target>, {rows, 1, 1}, kBlockThreads, n, target,
               pointer<const T>(gy), pointer<const T>(x), pointer<const T>(weight), pointer<const float>(mean),
               pointer<const float>(rstd));
    });
    columns<T, N>(gweight, gbias, gy, x, mean, rstd);
  });
}

}  // namespace

void norm_forward(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x, const Tensor& weight,
                  const Tensor& bias, double eps) {
  for_device_float(x.dtype(), "norm", [&](auto zero) {
    using T = decltype(zero);
    forward<T>("norm", y, mean, rstd, Input<T>{pointer<const T>(x)}, {&y, &x, &weight, &bias}, weight, bias, eps);
  });
}
void norm_backward(const Tensor& gx, const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                   const Tensor& weight, const Tensor& mean, const Tensor& rstd) {
  for_device_float(x.dtype(), "norm_backward", [&](auto zero) {
    using T = decltype(zero);
    backward<T>("norm_backward", InputGradient<T>{pointer<T>(gx)}, {&gx, &gy, &x, &weight}, gweight, gbias, gy, x,
                weight, mean, rstd);
  });
}

void add_dropout_norm_forward(const Tensor& sum, const Tensor& y, const Tensor& mean, const Tensor& rstd,
                              const Tensor& x, const Tensor& branch, const Tensor& weight, const Tensor& bias, double p,
                              Philox random, double eps) {
  for_device_float(x.dtype(), "add_dropout_norm", [&](auto zero) {
    using T = decltype(zero);
    const Residual<T> source{pointer<const T>(x), pointer<const T>(branch), pointer<T>(sum), Keep(p, random)};
    forward<T>("add_dropout_norm", y, mean, rstd, source, {&sum, &y, &x, &branch, &weight, &bias}, weight, bias, eps);
  });
}
void add_dropout_norm_backward(const Tensor& gx, const Tensor& gbranch, const Tensor& gweight, const Tensor& gbias,
                               const Tensor& gsum, const Tensor& gy, const Tensor& sum, const Tensor& weight,
                               const Tensor& mean, const Tensor& rstd, double p, Philox random) {
  for_device_float(sum.dtype(), "add_dropout_norm_backward", [&](auto zero) {
    using T = decltype(zero);
    const ResidualGradient<T> target{pointer<T>(gx), pointer<T>(gbranch), pointer<const T>(gsum), Keep(p, random)};
    backward<T>("add_dropout_norm_backward", target, {&gx, &gbranch, &gsum, &gy, &sum, &weight}, gweight, gbias, gy,
                sum, weight, mean, rstd);
  });
}

}  // namespace kg::cuda
