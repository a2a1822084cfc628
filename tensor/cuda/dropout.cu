// Dropout by counter-based random numbers, with the bits of the CPU: four elements share one Philox block of four
// words.
#include <cmath>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

// Element i is kept where word i >> 8 is at least `limit`. `offset` is added to the stream (see stream_offset()). N
// elements a thread: 16 bytes, or a Philox block where an address does not allow that.
template <class T, int N, bool kPacks>
__global__ void dropout_kernel(int64_t n, uint32_t limit, float scale, Philox random, Ptr<const uint64_t> offset,
                               Ptr<const T> x, Ptr<T> y) {
  random.stream += *offset;
  const int64_t step = int64_t(gridDim.x) * blockDim.x * N;
  for (int64_t first = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N; first < n; first += step) {
    const bool whole = kPacks && first + N <= n;
    Pack<T, N> values;
    if (whole)
      values = load_pack<N>(x + first);
    else
      for (int j = 0; j < N; ++j) values[j] = first + j < n ? x[first + j] : T(0.0f);
    for (int four = 0; four < N; four += 4) {
      const Philox::Block words = random.block(uint64_t(first + four) / 4);
      for (int j = 0; j < 4; ++j)
        values[four + j] = (words.v[j] >> 8) >= limit ? T(float(values[four + j]) * scale) : T(0.0f);
    }
    if (whole)
      store_pack(y + first, values);
    else
      for (int j = 0; j < N; ++j)
        if (first + j < n) y[first + j] = values[j];
  }
}

}  // namespace

void dropout_forward(const Tensor& y, const Tensor& x, double p, Philox random) {
  const uint32_t limit = uint32_t(std::ceil(p * 0x1p24));
  const bool aligned = (reinterpret_cast<uintptr_t>(x.raw()) | reinterpret_cast<uintptr_t>(y.raw())) % 16 == 0;
  for_device_float(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = 16 / sizeof(T);
    launch("dropout", aligned ? dropout_kernel<T, N, true> : dropout_kernel<T, 4, false>,
           blocks_for(ceil_div(x.numel(), aligned ? N : 4), kThreads), kThreads, x.numel(), limit, float(1 / (1 - p)),
           random, stream_offset(), pointer<const T>(x), pointer<T>(y));
  });
}

}  // namespace kg::cuda
