// One step of a GRU over a batch (see tensor/cpu/gru.h): a thread a unit, neighbours in a row, everything in f32.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/gru_cell.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

// x_row and y_row: elements between the samples of x and y.
template <class T>
__global__ void gru_forward_kernel(int64_t rows, int64_t n, int64_t t, int64_t x_row, int64_t y_row, Ptr<T> next,
                                   Ptr<T> y, Ptr<float> units, Ptr<const T> x, Ptr<const float> product,
                                   Ptr<const T> bias, Ptr<const T> state, Ptr<const int32_t> lengths) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; at < rows * n; at += step) {
    const int64_t b = at / n, i = at % n;
    const float h = float(state[at]);
    if (t >= lengths[b]) {
      next[at] = state[at];
      y[b * y_row + i] = T(0.0f);
      continue;
    }
    const Ptr<const T> in = x + (b * x_row + i);
    const Ptr<const float> u = product + (b * 3 * n + i);
    const GruUnit<float> g = gru_unit<float>(float(in[0]), float(in[n]), float(in[2 * n]), u[0] + float(bias[i]),
                                             u[n] + float(bias[n + i]), u[2 * n] + float(bias[2 * n + i]));
    const Ptr<float> saved = units + (b * 4 * n + i);
    saved[0] = g.r, saved[n] = g.z, saved[2 * n] = g.n, saved[3 * n] = g.u;
    next[at] = y[b * y_row + i] = T(gru_next(g, h));
  }
}

template <class T>
__global__ void gru_backward_kernel(int64_t rows, int64_t n, int64_t t, int64_t x_row, int64_t y_row, Ptr<T> gx,
                                    Ptr<T> gproduct, Ptr<float> gstate, Ptr<const T> gy, Ptr<const float> units,
                                    Ptr<const T> state, Ptr<const int32_t> lengths) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; at < rows * n; at += step) {
    const int64_t b = at / n, i = at % n;
    const Ptr<T> dx = gx + (b * x_row + i), du = gproduct + (b * 3 * n + i);
    if (t >= lengths[b]) {
      dx[0] = dx[n] = dx[2 * n] = du[0] = du[n] = du[2 * n] = T(0.0f);
      continue;
    }
    const Ptr<const float> saved = units + (b * 4 * n + i);
    const GruUnit<float> g{saved[0], saved[n], saved[2 * n], saved[3 * n]};
    const GruSlopes<float> d = gru_slopes<float>(g, float(state[at]), gstate[at] + float(gy[b * y_row + i]));
    dx[0] = du[0] = T(d.r), dx[n] = du[n] = T(d.z);
    dx[2 * n] = T(d.xn), du[2 * n] = T(d.un), gstate[at] = d.h;
  }
}

}  // namespace

void gru_step_forward(const Tensor& next, const Tensor& y, const Tensor& units, const Tensor& x, const Tensor& product,
                      const Tensor& bias, const Tensor& state, const Tensor& lengths, int64_t t) {
  const int64_t rows = state.size(0), n = state.size(1);
  for_device_float(state.dtype(), "gru", [&](auto zero) {
    using T = decltype(zero);
    launch("gru", gru_forward_kernel<T>, blocks_for(rows * n, kThreads), kThreads, rows, n, t, x.strides()[0],
           y.strides()[0], pointer<T>(next), pointer<T>(y), pointer<float>(units), pointer<const T>(x),
           pointer<const float>(product), pointer<const T>(bias), pointer<const T>(state),
           pointer<const int32_t>(lengths));
  });
}

void gru_step_backward(const Tensor& gx, const Tensor& gproduct, const Tensor& gstate, const Tensor& gy,
                       const Tensor& units, const Tensor& state, const Tensor& lengths, int64_t t) {
  const int64_t rows = state.size(0), n = state.size(1);
  for_device_float(state.dtype(), "gru_backward", [&](auto zero) {
    using T = decltype(zero);
    launch("gru_backward", gru_backward_kernel<T>, blocks_for(rows * n, kThreads), kThreads, rows, n, t,
           gx.strides()[0], gy.strides()[0], pointer<T>(gx), pointer<T>(gproduct), pointer<float>(gstate),
           pointer<const T>(gy), pointer<const float>(units), pointer<const T>(state), pointer<const int32_t>(lengths));
  });
}

}  // namespace kg::cuda
