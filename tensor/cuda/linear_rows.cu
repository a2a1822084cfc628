// x (N, I) W^T + bias for the few rows of a decoding step, bound by reading W (O, I) once: a warp computes one output
// feature for up to kRows rows at a time, so every row is added up in the same order whatever the batch.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256, kRows = 8;

// kPack weights a load: 16 bytes where rows of W and x are aligned to it, else 1.
template <int kPack, class X, class W>
__global__ void rows_times_weight(int64_t rows, int64_t in, int64_t out, Ptr<const X> x, Ptr<const W> weight,
                                  Ptr<const X> bias, Ptr<X> y) {
  const int64_t feature = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp, lane = threadIdx.x % kWarp;
  const int64_t first = int64_t(blockIdx.y) * kRows;
  float sum[kRows] = {};
  if (feature < out)
    for (int64_t i = lane * kPack; i < in; i += kWarp * kPack) {
      const Pack<W, kPack> w = load_pack<kPack>(weight + feature * in + i);
      for (int r = 0; r < kRows; ++r) {
        if (first + r >= rows) break;
        const Pack<X, kPack> v = load_pack<kPack>(x + (first + r) * in + i);
        for (int j = 0; j < kPack; ++j) sum[r] += float(v[j]) * float(w[j]);
      }
    }
  for (int r = 0; r < kRows; ++r) {
    const float total = warp_sum(sum[r]);
    if (lane == 0 && feature < out && first + r < rows)
      y[(first + r) * out + feature] = X(total + (bias != nullptr ? float(bias[feature]) : 0.0f));
  }
}

template <class X, class W>
void run(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  constexpr int kPack = 16 / int(sizeof(W));
  const int64_t in = x.size(1);
  const auto aligned = [&](const Tensor& t, int64_t bytes) {
    return reinterpret_cast<uintptr_t>(t.raw()) % bytes == 0;
  };
  const bool packs = in % kPack == 0 && aligned(weight, 16) && aligned(x, kPack * int64_t(sizeof(X)));
  launch("linear_rows", packs ? rows_times_weight<kPack, X, W> : rows_times_weight<1, X, W>,
         {ceil_div(out.size(1), kThreads / kWarp), ceil_div(out.size(0), kRows)}, kThreads, out.size(0), in,
         out.size(1), pointer<const X>(x), pointer<const W>(weight), pointer<const X>(bias), pointer<X>(out));
}

}  // namespace

void linear_rows_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (out.numel() == 0) return;
  for_device_float(x.dtype(), "linear_rows", [&](auto zero) {
    using X = decltype(zero);
    if (weight.dtype() == x.dtype())
      run<X, X>(out, x, weight, bias);
    else
      run<X, bf16>(out, x, weight, bias);
  });
}

}  // namespace kg::cuda
