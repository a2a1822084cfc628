// 1-D convolution over cuDNN (tensor/cuda/dnn.h) and nearest upsampling. Our weights are stored (k, I, O), cuDNN's
// channels-last filter is (O, k, I): the small weight is turned on the way, never the activations. Convolutions of one
// tap are matrix products. Channels that are no multiple of 16 bytes are filled up with zeros where tensor cores ask
// for that.
#include "tensor/cuda/blas.h"
#include "tensor/cuda/dnn.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

// Channels as tensor cores want them.
int64_t whole(int64_t channels, Dtype dtype) {
  const int64_t unit = dtype == Dtype::bf16 || tf32() ? 16 / size_of(dtype) : 1;
  return ceil_div(channels, unit) * unit;
}
// t with zeros up to `extent` along `axis`.
Tensor widened(const Tensor& t, int axis, int64_t extent) {
  if (!t.defined() || t.size(axis) == extent) return t;
  Shape shape = t.shape();
  shape[wrap_axis(axis, t.rank(), "conv1d")] = extent;
  const Tensor wide = Tensor::zeros(shape, t.dtype(), t.device());
  wide.slice(axis, 0, t.size(axis)).copy_from(t);
  return wide;
}
// The dense memory that a convolution with whole channels writes to: t itself where that fits.
Tensor room_for(const Tensor& t, int64_t channels) {
  if (t.size(2) == channels) return t;
  return Tensor::empty({t.size(0), t.size(1), channels}, t.dtype(), t.device());
}
void narrow_into(const Tensor& t, const Tensor& wide) {
  if (wide.size(2) != t.size(2)) copy(t, wide.slice(2, 0, t.size(2)));
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
// (O, I, k) stored in any way -> a dense (O, k, I) of whole channels
Tensor turned(const Tensor& weight, int64_t out, int64_t in) {
  return widened(widened(weight.permute({0, 2, 1}), 2, in), 0, out).contiguous();
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
  for (const Tensor* t : tensors) packs = packs && reinterpret_cast<uintptr_t>(t->raw()) % 16 == 0;
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

}  // namespace

void conv1d_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Conv1dOptions& options) {
  if (out.numel() == 0) return;
  if (is_product(weight, options)) return linear_forward(rows(out), rows(x), weight.select(2, 0), bias);
  const Tensor from = widened(x, 2, whole(x.size(2), x.dtype())), to = room_for(out, whole(out.size(2), out.dtype()));
  const Tensor shift = widened(bias, 0, to.size(2));
  const bool finished =
      conv_forward(conv_of(from, to, weight.size(2), options), from.raw(),
                   turned(weight, to.size(2), from.size(2)).raw(), bias.defined() ? shift.raw() : nullptr, to.raw());
  if (!finished)
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
  conv_backward_input(conv_of(to, from, weight.size(2), options), from.raw(),
                      turned(weight, from.size(2), to.size(2)).raw(), to.raw());
  narrow_into(gx, to);
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
  const Tensor turned = Tensor::empty({c.out, c.taps, c.in}, x.dtype(), x.device());
  conv_backward_weight(c, to.raw(), from.raw(), turned.raw());
  const Tensor gradient = turned.slice(0, 0, gy.size(2)).slice(2, 0, x.size(2)).permute({0, 2, 1});
  if (beta == 0)
    copy(gweight, gradient);
  else
    add_inplace(gweight, gradient, 1);  // f32 += bf16 too: cuDNN adds up in f32 and rounds the gradient once
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
