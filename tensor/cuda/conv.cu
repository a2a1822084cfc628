// 1-D convolution over cuDNN (tensor/cuda/dnn.h) and nearest upsampling. Our weights are stored (k, I, O), cuDNN's
// channels-last filter is (O, k, I): the small weight is turned on the way, never the activations.
#include "tensor/cuda/dnn.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

Conv conv_of(const Tensor& x, const Tensor& weight, const Tensor& y, const Conv1dOptions& o) {
  Conv c{};
  c.batch = x.size(0), c.time = x.size(1), c.in = x.size(2);
  c.out = weight.size(0), c.taps = weight.size(2), c.out_time = y.size(1);
  c.stride = o.stride, c.padding = o.padding, c.dilation = o.dilation;
  c.dtype = x.dtype();
  CHECK(c.dtype == Dtype::f32 || c.dtype == Dtype::bf16, "[conv1d] computes in f32 or bf16 on CUDA, got ",
        name_of(c.dtype));
  return c;
}
// (O, I, k) stored in any way -> a dense (O, k, I)
Tensor turned(const Tensor& weight) { return weight.permute({0, 2, 1}).contiguous(); }

// y (rows, C) += bias (C)
template <class T>
__global__ void add_bias(int64_t n, int64_t channels, Ptr<T> y, Ptr<const T> bias) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step)
    y[i] = T(float(y[i]) + float(bias[i % channels]));
}

// x (B, T, C) -> y (B, T factor, C)
template <class T>
__global__ void upsample(int64_t n, int64_t channels, int64_t factor, Ptr<T> y, Ptr<const T> x) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step)
    y[i] = x[i / channels / factor * channels + i % channels];
}
// gx[b, t] = sum of gy[b, t factor ... t factor + factor - 1]
template <class T>
__global__ void upsample_gradient(int64_t n, int64_t channels, int64_t factor, Ptr<T> gx, Ptr<const T> gy) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const int64_t from = i / channels * factor * channels + i % channels;
    float sum = 0;
    for (int64_t j = 0; j < factor; ++j) sum += float(gy[from + j * channels]);
    gx[i] = T(sum);
  }
}

}  // namespace

void conv1d_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Conv1dOptions& options) {
  if (out.numel() == 0) return;
  conv_forward(conv_of(x, weight, out, options), x.raw(), turned(weight).raw(), out.raw());
  if (!bias.defined()) return;
  for_device_float(out.dtype(), "conv1d", [&](auto zero) {
    using T = decltype(zero);
    launch("conv1d_bias", add_bias<T>, blocks_for(out.numel(), kThreads), kThreads, out.numel(), out.size(2),
           pointer<T>(out), pointer<const T>(bias));
  });
}

void conv1d_backward_input(const Tensor& gx, const Tensor& gy, const Tensor& weight, const Conv1dOptions& options) {
  if (gx.numel() == 0) return;
  if (gy.numel() == 0) return fill(gx, 0);
  conv_backward_input(conv_of(gx, weight, gy, options), gy.raw(), turned(weight).raw(), gx.raw());
}

void conv1d_backward_weight(const Tensor& gweight, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta) {
  if (gy.numel() == 0 || x.numel() == 0) {
    if (beta == 0) fill(gweight, 0);
    return;
  }
  const Tensor turned = Tensor::empty({gweight.size(0), gweight.size(2), gweight.size(1)}, x.dtype(), x.device());
  conv_backward_weight(conv_of(x, gweight, gy, options), gy.raw(), x.raw(), turned.raw());
  const Tensor gradient = turned.permute({0, 2, 1});
  if (beta == 0)
    copy(gweight, gradient);
  else
    add_inplace(gweight, gradient, 1);  // f32 += bf16 too
}

void upsample_nearest_forward(const Tensor& out, const Tensor& x, int factor) {
  if (out.numel() == 0) return;
  for_device_float(x.dtype(), "upsample_nearest", [&](auto zero) {
    using T = decltype(zero);
    launch("upsample_nearest", upsample<T>, blocks_for(out.numel(), kThreads), kThreads, out.numel(), out.size(2),
           int64_t(factor), pointer<T>(out), pointer<const T>(x));
  });
}
void upsample_nearest_backward(const Tensor& gx, const Tensor& gy, int factor) {
  if (gx.numel() == 0) return;
  for_device_float(gy.dtype(), "upsample_nearest_backward", [&](auto zero) {
    using T = decltype(zero);
    launch("upsample_nearest_backward", upsample_gradient<T>, blocks_for(gx.numel(), kThreads), kThreads, gx.numel(),
           gx.size(2), int64_t(factor), pointer<T>(gx), pointer<const T>(gy));
  });
}

}  // namespace kg::cuda
