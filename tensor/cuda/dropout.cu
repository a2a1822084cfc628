// Dropout by counter-based random numbers (tensor/cuda/keep.h).
#include "tensor/cuda/keep.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

// N elements a thread: 16 bytes, or a Philox block where an address does not allow that.
template <class T, int N, bool kPacks>
__global__ void dropout_kernel(int64_t n, Keep keep, Ptr<const T> x, Ptr<T> y) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x * N;
  keep.start();
  for (int64_t first = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N; first < n; first += step) {
    const bool whole = kPacks && first + N <= n;
    Pack<float, N> values;
    if (whole)
      values = load_floats<N>(x + first);
    else
      for (int j = 0; j < N; ++j) values[j] = first + j < n ? float(x[first + j]) : 0;
    keep(values, first);
    if (whole)
      store_floats(y + first, values);
    else
      for (int j = 0; j < N; ++j)
        if (first + j < n) y[first + j] = T(values[j]);
  }
}

}  // namespace

void dropout_forward(const Tensor& y, const Tensor& x, double p, Philox random) {
  const bool aligned = (reinterpret_cast<uintptr_t>(x.raw()) | reinterpret_cast<uintptr_t>(y.raw())) % 16 == 0;
  for_device_float(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = 16 / sizeof(T);
    launch("dropout", aligned ? dropout_kernel<T, N, true> : dropout_kernel<T, 4, false>,
           blocks_for(ceil_div(x.numel(), aligned ? N : 4), kThreads), kThreads, x.numel(), Keep(p, random),
           pointer<const T>(x), pointer<T>(y));
  });
}

}  // namespace kg::cuda
