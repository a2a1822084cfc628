// Fill and strided copy with conversion between any two dtypes.
#include <algorithm>

#include "tensor/convert.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/operands.h"
#include "tensor/cuda/runtime.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;
// Up to here a copy is all latency, and a kernel starts sooner than a memcpy node between two kernels of a graph.
constexpr int64_t kCopiedByKernel = 1 << 20;

template <class T>
__global__ void fill_kernel(int64_t n, Operands<1> o, Ptr<T> out, T value) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t at[1];
    o.place(i, at);
    out[at[0]] = value;
  }
}

template <class To, class From>
__global__ void copy_kernel(int64_t n, Operands<2> o, Ptr<To> out, Ptr<const From> in) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t at[2];
    o.place(i, at);
    out[at[0]] = convert<To>(in[at[1]]);
  }
}

// Dense and aligned: 16 bytes of the wider type at a time, then the rest.
template <class To, class From>
__global__ void copy_dense(int64_t n, Ptr<To> out, Ptr<const From> in) {
  constexpr int N = 16 / int(sizeof(To) > sizeof(From) ? sizeof(To) : sizeof(From));
  const int64_t step = int64_t(gridDim.x) * blockDim.x, first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < n / N; i += step) {
    const Pack<From, N> from = load_pack<N>(in + i * N);
    if constexpr (std::is_same_v<To, bf16> && !std::is_same_v<From, bf16>) {
      Pack<float, N> wide;
      for (int j = 0; j < N; ++j) wide[j] = float(from[j]);
      store_floats(out + i * N, wide);
    } else {
      Pack<To, N> to;
      for (int j = 0; j < N; ++j) to[j] = convert<To>(from[j]);
      store_pack(out + i * N, to);
    }
  }
  for (int64_t i = n / N * N + first; i < n; i += step) out[i] = convert<To>(in[i]);
}

}  // namespace

void fill(const Tensor& out, double value) {
  if (value == 0 && out.is_contiguous()) return fill_bytes(out.raw(), 0, out.bytes());
  for_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    launch("fill", fill_kernel<T>, blocks_for(out.numel(), kThreads), kThreads, out.numel(), Operands<1>({&out}),
           pointer<T>(out), convert<T>(value));
  });
}

void copy(const Tensor& out, const Tensor& in) {
  const Operands<2> o({&out, &in});
  const bool whole = o.dense() && out.dtype() == in.dtype(), aligned = packs<2>(o, {&out, &in});
  if (whole && !(aligned && out.bytes() <= kCopiedByKernel)) return copy_on_device(out.raw(), in.raw(), out.bytes());
  for_any(out.dtype(), [&](auto to) {
    for_any(in.dtype(), [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      constexpr int64_t kPack = 16 / int64_t(std::max(sizeof(To), sizeof(From)));
      if (aligned)
        launch("copy", copy_dense<To, From>, blocks_for(ceil_div(out.numel(), kPack), kThreads), kThreads, out.numel(),
               pointer<To>(out), pointer<const From>(in));
      else
        launch("copy", copy_kernel<To, From>, blocks_for(out.numel(), kThreads), kThreads, out.numel(), o,
               pointer<To>(out), pointer<const From>(in));
    });
  });
}

}  // namespace kg::cuda
