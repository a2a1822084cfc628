#include "tensor/cpu/norm.h"

#include <algorithm>

#include "tensor/parallel.h"

namespace kg::cpu {

void norm_forward(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x, const Tensor& weight,
                  const Tensor& bias, double eps) {
  const int64_t rows = x.size(0), n = x.size(1);
  for_float(x.dtype(), "layer_norm", [&](auto zero) {
    using T = decltype(zero);
    const T* w = weight.data<T>();
    const T* b = bias.defined() ? bias.data<T>() : nullptr;
    parallel_for(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* in = x.data<T>() + r * n;
        T* out = y.data<T>() + r * n;
        T m = 0;
        if (mean.defined()) {
          T s = 0;
#pragma omp simd reduction(+ : s)
          for (int64_t i = 0; i < n; ++i) s += in[i];
          m = s / T(n);
          mean.data<T>()[r] = m;
        }
        T v = 0;
#pragma omp simd reduction(+ : v)
        for (int64_t i = 0; i < n; ++i) v += (in[i] - m) * (in[i] - m);
        const T k = T(1 / std::sqrt(double(v) / double(n) + eps));
        rstd.data<T>()[r] = k;
        if (b)
#pragma omp simd
          for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - m) * k * w[i] + b[i];
        else
#pragma omp simd
          for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - m) * k * w[i];
      }
    });
  });
}

// With xh = (x - mean) rstd and a = gy w:  gx = rstd (a - mean(a) - xh mean(a xh)), without mean(a) for RMS norm;
// gw = sum_rows gy xh, gb = sum_rows gy: partial sums over fixed blocks of rows, then the blocks in order.
void norm_backward(const Tensor& gx, const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                   const Tensor& weight, const Tensor& mean, const Tensor& rstd) {
  constexpr int64_t kRows = 64;
  const int64_t rows = x.size(0), n = x.size(1), blocks = (rows + kRows - 1) / kRows;
  for_float(x.dtype(), "layer_norm", [&](auto zero) {
    using T = decltype(zero);
    const T* w = weight.data<T>();
    const Tensor partial = Tensor::zeros({std::max<int64_t>(blocks, 1), 2, n}, x.dtype());
    parallel_for(blocks, std::max<int64_t>(1, kGrain / (kRows * n)), [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        T* pw = partial.data<T>() + block * 2 * n;
        T* pb = pw + n;
        for (int64_t r = block * kRows; r < std::min(rows, (block + 1) * kRows); ++r) {
          const T *in = x.data<T>() + r * n, *g = gy.data<T>() + r * n;
          T* out = gx.data<T>() + r * n;
          const T k = rstd.data<T>()[r], m = mean.defined() ? mean.data<T>()[r] : T(0);
          T s = 0, d = 0;
#pragma omp simd reduction(+ : s, d)
          for (int64_t i = 0; i < n; ++i) {
            const T h = (in[i] - m) * k, a = g[i] * w[i];
            s += a;
            d += a * h;
            pw[i] += g[i] * h;
            pb[i] += g[i];
          }
          s = mean.defined() ? s / T(n) : T(0);
          d /= T(n);
#pragma omp simd
          for (int64_t i = 0; i < n; ++i) out[i] = k * (g[i] * w[i] - s - (in[i] - m) * k * d);
        }
      }
    });
    for (int64_t block = 0; block < blocks; ++block) {
      const T* pw = partial.data<T>() + block * 2 * n;
      for (int64_t i = 0; i < n; ++i) gweight.data<T>()[i] += pw[i];
      if (gbias.defined())
        for (int64_t i = 0; i < n; ++i) gbias.data<T>()[i] += pw[n + i];
    }
  });
}

}  // namespace kg::cpu
