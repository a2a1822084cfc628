#include "tensor/cpu/dropout.h"

#include <algorithm>

#include "tensor/parallel.h"

namespace kg::cpu {
namespace {

constexpr int kLanes = 64;  // Philox blocks made together, four words each

// Words 4 first .. 4 (first + kLanes) of the stream. The lanes are independent, so the loop vectorises.
void philox_words(Philox random, uint64_t first, uint32_t* words) {
  const uint32_t k0s = uint32_t(random.seed), k1s = uint32_t(random.seed >> 32);
  const uint32_t c2s = uint32_t(random.stream), c3s = uint32_t(random.stream >> 32);
  alignas(64) uint32_t out[4][kLanes];
#pragma omp simd
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t counter = first + uint64_t(i);
    uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = c2s, c3 = c3s, k0 = k0s, k1 = k1s;
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
      c0 = uint32_t(p1 >> 32) ^ c1 ^ k0, c1 = uint32_t(p1);
      c2 = uint32_t(p0 >> 32) ^ c3 ^ k1, c3 = uint32_t(p0);
      k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    out[0][i] = c0, out[1][i] = c1, out[2][i] = c2, out[3][i] = c3;
  }
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < 4; ++j) words[4 * i + j] = out[j][i];
}

template <class T>
void run(T* y, const T* x, int64_t n, int64_t first, double p, Philox random) {
  const T scale = T(1 / (1 - p));
  const uint32_t limit = uint32_t(std::ceil(p * 0x1p24));  // kept: (word >> 8) >= limit, the same as uniform >= p
  alignas(64) uint32_t words[4 * kLanes];
  for (int64_t i = 0; i < n;) {
    const int64_t start = (first + i) % 4;
    philox_words(random, uint64_t(first + i) / 4, words);
    const int64_t count = std::min<int64_t>(n - i, 4 * kLanes - start);
    const uint32_t* w = words + start;
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) y[i + j] = (w[j] >> 8) >= limit ? x[i + j] * scale : T(0);
    i += count;
  }
}

}  // namespace

void dropout_run(float* y, const float* x, int64_t n, int64_t first, double p, Philox random) {
  run(y, x, n, first, p, random);
}
void dropout_run(double* y, const double* x, int64_t n, int64_t first, double p, Philox random) {
  run(y, x, n, first, p, random);
}
void dropout_forward(const Tensor& y, const Tensor& x, double p, Philox random) {
  for_float(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.numel(), kGrain,
                 [&](int64_t b, int64_t e) { dropout_run(y.data<T>() + b, x.data<T>() + b, e - b, b, p, random); });
  });
}

}  // namespace kg::cpu
