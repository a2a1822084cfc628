#include "tensor/cpu/softmax.h"

#include <algorithm>
#include <limits>

#include "tensor/parallel.h"
#include "tensor/vec_math.h"

namespace kg::cpu {
namespace {

template <class T>
T row_max(const T* x, int64_t n) {
  T m = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : m)
  for (int64_t i = 0; i < n; ++i) m = x[i] > m ? x[i] : m;
  return m;
}
template <class T>
T row_sum(const T* x, int64_t n) {
  T s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) s += x[i];
  return s;
}
template <class T>
T row_dot(const T* x, const T* y, int64_t n) {
  T s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) s += x[i] * y[i];
  return s;
}
// sum exp(x - m)
template <class T>
T row_exp_sum(const T* x, T m, int64_t n) {
  T s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) s += vm::exp(x[i] - m);
  return s;
}

template <class T, class Fn>
void for_rows(const Tensor& t, Fn fn) {
  const int64_t n = t.size(1);
  parallel_for(t.size(0), std::max<int64_t>(1, kGrain / 4 / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
    for (int64_t r = b; r < e; ++r) fn(r, n);
  });
}

}  // namespace

void softmax_forward(const Tensor& y, const Tensor& x) {
  for_float(x.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    for_rows<T>(x, [&](int64_t r, int64_t n) {
      const T* in = x.data<T>() + r * n;
      T* out = y.data<T>() + r * n;
      const T m = row_max(in, n);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = vm::exp(in[i] - m);
      const T scale = T(1) / row_sum(out, n);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] *= scale;
    });
  });
}

void softmax_backward(const Tensor& gx, const Tensor& gy, const Tensor& y) {
  for_float(y.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    for_rows<T>(y, [&](int64_t r, int64_t n) {
      const T *g = gy.data<T>() + r * n, *p = y.data<T>() + r * n;
      T* out = gx.data<T>() + r * n;
      const T s = row_dot(g, p, n);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = p[i] * (g[i] - s);
    });
  });
}

void log_softmax_forward(const Tensor& y, const Tensor& x) {
  for_float(x.dtype(), "log_softmax", [&](auto zero) {
    using T = decltype(zero);
    for_rows<T>(x, [&](int64_t r, int64_t n) {
      const T* in = x.data<T>() + r * n;
      T* out = y.data<T>() + r * n;
      const T m = row_max(in, n);
      const T shift = m + T(std::log(double(row_exp_sum(in, m, n))));
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = in[i] - shift;
    });
  });
}

void log_softmax_backward(const Tensor& gx, const Tensor& gy, const Tensor& y) {
  for_float(y.dtype(), "log_softmax", [&](auto zero) {
    using T = decltype(zero);
    for_rows<T>(y, [&](int64_t r, int64_t n) {
      const T *g = gy.data<T>() + r * n, *l = y.data<T>() + r * n;
      T* out = gx.data<T>() + r * n;
      const T s = row_sum(g, n);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = g[i] - s * vm::exp(l[i]);
    });
  });
}

void cross_entropy_forward(const Tensor& loss, const Tensor& logsumexp, const Tensor& logits, const Tensor& target,
                           int ignore_index, double smoothing) {
  const int32_t* ids = target.data<int32_t>();
  for_float(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    for_rows<T>(logits, [&](int64_t r, int64_t n) {
      const T* x = logits.data<T>() + r * n;
      const T m = row_max(x, n);
      const double lse = double(m) + std::log(double(row_exp_sum(x, m, n)));
      logsumexp.data<T>()[r] = T(lse);
      if (ids[r] == ignore_index) {
        loss.data<T>()[r] = 0;
        return;
      }
      const double mean = smoothing > 0 ? double(row_sum(x, n)) / double(n) : 0;
      loss.data<T>()[r] = T(lse - (1 - smoothing) * double(x[ids[r]]) - smoothing * mean);
    });
  });
}

void cross_entropy_backward(const Tensor& gx, const Tensor& gy, const Tensor& logits, const Tensor& target,
                            const Tensor& logsumexp, int ignore_index, double smoothing) {
  const int32_t* ids = target.data<int32_t>();
  for_float(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    for_rows<T>(logits, [&](int64_t r, int64_t n) {
      const T* x = logits.data<T>() + r * n;
      T* out = gx.data<T>() + r * n;
      if (ids[r] == ignore_index) {
        std::fill(out, out + n, T(0));
        return;
      }
      const T g = gy.data<T>()[r], lse = logsumexp.data<T>()[r], even = T(smoothing / double(n));
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = g * (vm::exp(x[i] - lse) - even);
      out[ids[r]] -= g * T(1 - smoothing);
    });
  });
}

}  // namespace kg::cpu
