// 1-D convolution over cuDNN (tensor/cuda/dnn.h) and nearest upsampling. Our weights are stored (k, I, O), cuDNN's
// channels-last filter is (O, k, I): the small weight is turned on the way, never the activations. Channels that are no
// multiple of 16 bytes are filled up with zeros. Convolutions of one tap are matrix products, and so are, over the rows
// that the taps see, those that cuDNN has no algorithm for.
#include "tensor/cuda/blas.h"
#include "tensor/cuda/dnn.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/operands.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

// Channels up to a whole number of 16 bytes: what tensor cores ask for, and in f32 what the kernels for channels-last
// data do.
int64_t whole(int64_t channels, Dtype dtype) {
  const int64_t unit = 16 / size_of(dtype);
  return ceil_div(channels, unit) * unit;
}
bool fits(const Tensor& t, int axis, int64_t extent) { return t.size(axis) == extent && starts_aligned(t); }
// t with zeros up to `extent` along `axis`, beginning at a multiple of 16 bytes.
Tensor widened(const Tensor& t, int axis, int64_t extent) {
  if (!t.defined() || fits(t, axis, extent)) return t;
  if (t.size(axis) == extent) return t.clone();
  Shape shape = t.shape();
  shape[wrap_axis(axis, t.rank(), "conv1d")] = extent;
  const Tensor wide = Tensor::zeros(shape, t.dtype(), t.device());
  wide.slice(axis, 0, t.size(axis)).copy_from(t);
  return wide;
}
// The dense memory that a convolution with whole channels writes to: t itself where that fits.
Tensor room_for(const Tensor& t, int64_t channels) {
  return fits(t, 2, channels) ? t : Tensor::empty({t.size(0), t.size(1), channels}, t.dtype(), t.device());
}
void narrow_into(const Tensor& t, const Tensor& wide) {
  if (wide.raw() != t.raw()) copy(t, wide.slice(2, 0, t.size(2)));
}

// The convolution of x (B, T, I) to y (B, T', O), both of whole channels.
Conv conv_of(const Tensor& x, const Tensor& y, int64_t taps, const Conv1dOptions& o) {
  Conv c{};
  c.batch = x.size(0), c.time = x.size(1), c.in = x.size(2);
  c.out = y.size(2), c.taps = taps, c.out_time = y.size(1);
  c.stride = o.stride, c.padding = o.padding, c.dilation = o.dilation;
  c.dtype = x.dtype();
  CHECK(c.dtype == Dtype::f32 || c.dtype == Dtype::bf16, "[conv1d] computes in f32 or bf16 on CUDA, got ",
        name_of(c.dtype));
  return c;
}
// One tap that stays in its place: y = x W^T over rows.
bool is_product(const Tensor& weight, const Conv1dOptions& o) {
  return weight.size(2) == 1 && o.stride == 1 && o.padding == 0;
}
Tensor rows(const Tensor& t) { return t.reshape({t.size(0) * t.size(1), t.size(2)}); }

// fn(Index, N): kernels over rows of channels take N of them at a time, 16 bytes where all addresses allow that, and
// divide 32-bit numbers unless there are too many.
template <class T, class Fn>
void for_channels(int64_t n, int64_t channels, std::initializer_list<const Tensor*> tensors, Fn&& fn) {
  constexpr int kWide = 16 / int(sizeof(T));
  bool packs = channels % kWide == 0;
  for (const Tensor* t : tensors) packs = packs && starts_aligned(*t);
  const auto indexed = [&](auto width) { n < int64_t(1) << 31 ? fn(uint32_t{}, width) : fn(uint64_t{}, width); };
  packs ? indexed(std::integral_constant<int, kWide>{}) : indexed(std::integral_constant<int, 1>{});
}

// y (rows, C) += bias (C), in packs: n and `channels` count these
template <class T, int N, class Index>
__global__ void add_bias(Index n, Index channels, Ptr<T> y, Ptr<const T> bias) {
  const Index step = Index(gridDim.x) * blockDim.x;
  for (Index i = Index(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const Pack<float, N> b = load_floats<N>(bias + int64_t(i % channels) * N);
    Pack<float, N> v = load_floats<N, T>(y + int64_t(i) * N);
    for (int j = 0; j < N; ++j) v[j] += b[j];
    store_floats(y + int64_t(i) * N, v);
  }
}

// For each tap the transpose of a matrix (rows, columns), whose lines of a tap and taps stand in_line and in_tap apart,
// into (out_rows, out_columns) of the other: out = in^T or out += in^T, zeros beyond `in`. A block turns 32 x 32 in
// shared memory, so that both sides are read and written along their lines.
struct Turn {
  int64_t rows, columns, in_line, in_tap, out_rows, out_columns, out_line, out_tap;
};
constexpr int kTile = 32;
template <class To, class From>
__global__ void turn_taps(Turn t, bool adds, Ptr<To> out, Ptr<const From> in) {
  KG_SHARED(From, tile, kTile * (kTile + 1));
  const int lane = int(threadIdx.x) % kTile, line = int(threadIdx.x) / kTile;
  const int64_t first_row = int64_t(blockIdx.x) * kTile, first_column = int64_t(blockIdx.y) * kTile, tap = blockIdx.z;
  for (int j = line; j < kTile; j += kThreads / kTile) {
    const int64_t row = first_row + j, column = first_column + lane;
    const bool inside = row < t.rows && column < t.columns;
    tile[j * (kTile + 1) + lane] = inside ? in[tap * t.in_tap + row * t.in_line + column] : From(0.0f);
  }
  __syncthreads();
  for (int j = line; j < kTile; j += kThreads / kTile) {
    const int64_t row = first_column + j, column = first_row + lane;
    if (row >= t.out_rows || column >= t.out_columns) continue;
    const int64_t at = tap * t.out_tap + row * t.out_line + column;
    const float value = float(From(tile[lane * (kTile + 1) + j]));
    out[at] = To(adds ? float(out[at]) + value : value);
  }
}

// x (B, T, I) -> columns (B, T', k, I): what each tap sees, zeros in the padding. In packs: n and `channels` count
// these.
template <class T, int N, class Index>
__global__ void gather_taps(Index n, Index channels, Conv c, Ptr<T> columns, Ptr<const T> x) {
  const Index step = Index(gridDim.x) * blockDim.x;
  for (Index i = Index(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const Index place = i / channels, row = place / Index(c.taps), b = row / Index(c.out_time);
    const int64_t tap = int64_t(place - row * Index(c.taps)), at = int64_t(row - b * Index(c.out_time));
    const int64_t t = at * c.stride + tap * c.dilation - c.padding;
    Pack<T, N> seen{};
    if (t >= 0 && t < c.time) seen = load_pack<N>(x + ((int64_t(b) * c.time + t) * c.in + int64_t(i % channels) * N));
    store_pack(columns + int64_t(i) * N, seen);
  }
}
// The gradient of that: gx[b, t] = the sum, in the order of the taps, of what saw it. gcolumns are f32.
template <class T, int N, class Index>
__global__ void add_taps(Index n, Index channels, Conv c, Ptr<T> gx, Ptr<const float> gcolumns) {
  const Index step = Index(gridDim.x) * blockDim.x;
  for (Index i = Index(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const Index row = i / channels, b = row / Index(c.time);
    const int64_t t = int64_t(row - b * Index(c.time));
    Pack<float, N> sum{};
    for (int64_t tap = 0; tap < c.taps; ++tap) {
      const int64_t from = t + c.padding - tap * c.dilation, at = from / c.stride;
      if (from < 0 || at * c.stride != from || at >= c.out_time) continue;
      const int64_t place = (int64_t(b) * c.out_time + at) * c.taps + tap;
      const Pack<float, N> g = load_floats<N>(gcolumns + (place * c.in + int64_t(i % channels) * N));
      for (int j = 0; j < N; ++j) sum[j] += g[j];
    }
    store_floats(gx + int64_t(i) * N, sum);
  }
}

// x (B, T, C) -> y (B, T factor, C), in packs
template <class T, int N, class Index>
__global__ void upsample(Index n, Index channels, Index factor, Ptr<T> y, Ptr<const T> x) {
  const Index step = Index(gridDim.x) * blockDim.x;
  for (Index i = Index(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const Index row = i / channels, c = i - row * channels;
    store_pack(y + int64_t(i) * N, load_pack<N>(x + int64_t(row / factor * channels + c) * N));
  }
}
// gx[b, t] = sum of gy[b, t factor ... t factor + factor - 1], in packs
template <class T, int N, class Index>
__global__ void upsample_gradient(Index n, Index channels, Index factor, Ptr<T> gx, Ptr<const T> gy) {
  const Index step = Index(gridDim.x) * blockDim.x;
  for (Index i = Index(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const Index row = i / channels, from = row * factor * channels + (i - row * channels);
    Pack<float, N> sum{};
    for (Index f = 0; f < factor; ++f) {
      const Pack<float, N> g = load_floats<N>(gy + int64_t(from + f * channels) * N);
      for (int j = 0; j < N; ++j) sum[j] += g[j];
    }
    store_floats(gx + int64_t(i) * N, sum);
  }
}

// ---- weights as cuDNN reads them
// weight (O, I, k), stored (k, I, O) -> a dense (out, k, in)
Tensor turned(const Tensor& weight, int64_t out, int64_t in) {
  const int64_t outputs = weight.size(0), inputs = weight.size(1), taps = weight.size(2);
  const Tensor filter = Tensor::empty({out, taps, in}, weight.dtype(), weight.device());
  const Turn t{inputs, outputs, outputs, inputs * outputs, out, in, taps * in, in};
  for_device_float(weight.dtype(), "conv1d", [&](auto zero) {
    using T = decltype(zero);
    launch("conv1d_turn", turn_taps<T, T>, {ceil_div(in, kTile), ceil_div(out, kTile), taps}, kThreads, t, false,
           pointer<T>(filter), pointer<const T>(weight));
  });
  return filter;
}
// weight += filter or weight = filter, the other way round: filter (out, k, in) of at least the weight's channels
void turn_back(const Tensor& weight, const Tensor& filter, bool adds) {
  const int64_t outputs = weight.size(0), inputs = weight.size(1), taps = weight.size(2), in = filter.size(2);
  const Turn t{outputs, inputs, taps * in, in, inputs, outputs, outputs, inputs * outputs};
  const auto run = [&](auto to, auto from) {
    using To = decltype(to);
    using From = decltype(from);
    launch("conv1d_turn", turn_taps<To, From>, {ceil_div(outputs, kTile), ceil_div(inputs, kTile), taps}, kThreads, t,
           adds, pointer<To>(weight), pointer<const From>(filter));
  };
  for_device_float(filter.dtype(), "conv1d",
                   [&](auto from) { weight.dtype() == filter.dtype() ? run(from, from) : run(float{}, from); });
}

// ---- convolutions as products, where cuDNN has none
// (O, I, k) stored (k, I, O) -> (k I, O)
Tensor as_matrix(const Tensor& weight) {
  return weight.permute({2, 1, 0}).reshape({weight.size(2) * weight.size(1), weight.size(0)});
}
// (B T', k I)
Tensor columns_of(const Tensor& x, const Conv& c) {
  const Tensor columns = Tensor::empty({c.batch * c.out_time, c.taps * c.in}, x.dtype(), x.device());
  for_device_float(x.dtype(), "conv1d", [&](auto zero) {
    using T = decltype(zero);
    for_channels<T>(columns.numel(), c.in, {&x}, [&](auto index, auto width) {
      using Index = decltype(index);
      constexpr int N = width();
      launch("conv1d_gather", gather_taps<T, N, Index>, blocks_for(columns.numel() / N, kThreads), kThreads,
             Index(columns.numel() / N), Index(c.in / N), c, pointer<T>(columns), pointer<const T>(x));
    });
  });
  return columns;
}
void product_backward_input(const Tensor& gx, const Tensor& gy, const Tensor& weight, const Conv& c) {
  const Tensor gcolumns = Tensor::empty({c.batch * c.out_time, c.taps * c.in}, Dtype::f32, gx.device());
  matmul_into_forward(gcolumns, rows(gy), as_matrix(weight).transpose(0, 1), 0);
  for_device_float(gx.dtype(), "conv1d", [&](auto zero) {
    using T = decltype(zero);
    // Packs of T, of which the floats beside them are as many.
    for_channels<T>(gx.numel(), c.in, {&gx, &gcolumns}, [&](auto index, auto width) {
      using Index = decltype(index);
      constexpr int N = width();
      launch("conv1d_add", add_taps<T, N, Index>, blocks_for(gx.numel() / N, kThreads), kThreads, Index(gx.numel() / N),
             Index(c.in / N), c, pointer<T>(gx), pointer<const float>(gcolumns));
    });
  });
}

}  // namespace

void conv1d_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Conv1dOptions& options) {
  if (out.numel() == 0) return;
  if (is_product(weight, options)) return linear_forward(rows(out), rows(x), weight.select(2, 0), bias);
  const Tensor from = widened(x, 2, whole(x.size(2), x.dtype())), to = room_for(out, whole(out.size(2), out.dtype()));
  const Tensor shift = widened(bias, 0, to.size(2));
  const ConvForward got =
      conv_forward(conv_of(from, to, weight.size(2), options), from.raw(),
                   turned(weight, to.size(2), from.size(2)).raw(), bias.defined() ? shift.raw() : nullptr, to.raw());
  if (got == ConvForward::refused) {
    const Conv c = conv_of(x, out, weight.size(2), options);
    return linear_forward(rows(out), columns_of(x, c), as_matrix(weight).transpose(0, 1), bias);
  }
  if (got == ConvForward::without_bias)
    for_device_float(to.dtype(), "conv1d", [&](auto zero) {
      using T = decltype(zero);
      for_channels<T>(to.numel(), to.size(2), {&to, &shift}, [&](auto index, auto width) {
        using Index = decltype(index);
        constexpr int N = width();
        launch("conv1d_bias", add_bias<T, N, Index>, blocks_for(to.numel() / N, kThreads), kThreads,
               Index(to.numel() / N), Index(to.size(2) / N), pointer<T>(to), pointer<const T>(shift));
      });
    });
  narrow_into(out, to);
}

void conv1d_backward_input(const Tensor& gx, const Tensor& gy, const Tensor& weight, const Conv1dOptions& options) {
  if (gx.numel() == 0) return;
  if (gy.numel() == 0) return fill(gx, 0);
  if (is_product(weight, options)) return matmul_forward(rows(gx), rows(gy), weight.select(2, 0));
  const Tensor from = widened(gy, 2, whole(gy.size(2), gy.dtype())), to = room_for(gx, whole(gx.size(2), gx.dtype()));
  if (conv_backward_input(conv_of(to, from, weight.size(2), options), from.raw(),
                          turned(weight, from.size(2), to.size(2)).raw(), to.raw()))
    narrow_into(gx, to);
  else
    product_backward_input(gx, gy, weight, conv_of(gx, gy, weight.size(2), options));
}

void conv1d_backward_weight(const Tensor& gweight, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta) {
  if (gy.numel() == 0 || x.numel() == 0) {
    if (beta == 0) fill(gweight, 0);
    return;
  }
  if (is_product(gweight, options))
    return matmul_into_forward(gweight.select(2, 0).transpose(0, 1), rows(x).transpose(0, 1), rows(gy), beta);
  const Tensor from = widened(x, 2, whole(x.size(2), x.dtype())), to = widened(gy, 2, whole(gy.size(2), gy.dtype()));
  const Conv c = conv_of(from, to, gweight.size(2), options);
  const Tensor filter = Tensor::empty({c.out, c.taps, c.in}, x.dtype(), x.device());
  if (conv_backward_weight(c, to.raw(), from.raw(), filter.raw()))
    turn_back(gweight, filter, beta == 1);  // f32 += bf16 too: cuDNN adds up in f32 and rounds the gradient once
  else
    matmul_into_forward(as_matrix(gweight), columns_of(x, conv_of(x, gy, c.taps, options)).transpose(0, 1), rows(gy),
                        beta);
}

void upsample_nearest_forward(const Tensor& out, const Tensor& x, int factor) {
  if (out.numel() == 0) return;
  for_device_float(x.dtype(), "upsample_nearest", [&](auto zero) {
    using T = decltype(zero);
    for_channels<T>(out.numel(), out.size(2), {&out, &x}, [&](auto index, auto width) {
      using Index = decltype(index);
      constexpr int N = width();
      launch("upsample_nearest", upsample<T, N, Index>, blocks_for(out.numel() / N, kThreads), kThreads,
             Index(out.numel() / N), Index(out.size(2) / N), Index(factor), pointer<T>(out), pointer<const T>(x));
    });
  });
}
void upsample_nearest_backward(const Tensor& gx, const Tensor& gy, int factor) {
  if (gx.numel() == 0) return;
  for_device_float(gy.dtype(), "upsample_nearest_backward", [&](auto zero) {
    using T = decltype(zero);
    for_channels<T>(gy.numel(), gx.size(2), {&gx, &gy}, [&](auto index, auto width) {
      using Index = decltype(index);
      constexpr int N = width();
      launch("upsample_nearest_backward", upsample_gradient<T, N, Index>, blocks_for(gx.numel() / N, kThreads),
             kThreads, Index(gx.numel() / N), Index(gx.size(2) / N), Index(factor), pointer<T>(gx),
             pointer<const T>(gy));
    });
  });
}

}  // namespace kg::cuda
