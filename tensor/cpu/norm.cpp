#include "tensor/cpu/norm.h"

#include <algorithm>
#include <cstring>

#include "tensor/cpu/dropout.h"
#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/vec.h"
#include "tensor/parallel.h"

namespace kg::cpu {

namespace {

// A row's norm, as in tensor/ops.h; a null `mean` makes it RMS norm, b may be null.
template <class T>
void norm_row(T* out, T* mean, T* rstd, const T* in, const T* w, const T* b, int64_t n, double eps) {
  T m = 0;
  if (mean) {
    T s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; ++i) s += in[i];
    *mean = m = s / T(n);
  }
  T v = 0;
#pragma omp simd reduction(+ : v)
  for (int64_t i = 0; i < n; ++i) v += (in[i] - m) * (in[i] - m);
  const T k = *rstd = T(1 / std::sqrt(double(v) / double(n) + eps));
  if (b)
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - m) * k * w[i] + b[i];
  else
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - m) * k * w[i];
}

template <class T>
T* at(const Tensor& t, int64_t i) {
  return t.defined() ? t.data<T>() + i : nullptr;
}
int64_t rows_grain(int64_t n) { return std::max<int64_t>(1, kGrain / n); }

}  // namespace

void norm_forward(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x, const Tensor& weight,
                  const Tensor& bias, double eps) {
  const int64_t n = x.size(1);
  for_float(x.dtype(), "layer_norm", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.size(0), rows_grain(n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        norm_row<T>(at<T>(y, r * n), at<T>(mean, r), at<T>(rstd, r), at<T>(x, r * n), at<T>(weight, 0), at<T>(bias, 0),
                    n, eps);
    });
  });
}

void add_dropout_norm_forward(const Tensor& sum, const Tensor& y, const Tensor& mean, const Tensor& rstd,
                              const Tensor& x, const Tensor& branch, const Tensor& weight, const Tensor& bias, double p,
                              Philox random, double eps) {
  const int64_t n = x.size(1);
  for_float(x.dtype(), "add_dropout_norm", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.size(0), rows_grain(n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* s = at<T>(sum, r * n);
        const T *along = at<T>(x, r * n), *b = at<T>(branch, r * n);
        if (p > 0) dropout_run(s, b, n, r * n, p, random), b = s;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) s[i] = along[i] + b[i];
        norm_row<T>(at<T>(y, r * n), at<T>(mean, r), at<T>(rstd, r), s, at<T>(weight, 0), at<T>(bias, 0), n, eps);
      }
    });
  });
}

namespace {

// fn(i, get, put) for each whole register of n elements and the rest: get and put read and write what is there.
template <class T, class Fn>
void for_each_vec(int64_t n, Fn fn) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>)
    fn(
        i, [](const T* p) { return load<T>(p); }, [](T* p, Vec<T> v) { store(p, v); });
  if (const int rest = int(n - i); rest > 0)
    fn(
        i, [=](const T* p) { return load_part<T>(p, rest); },
        [=](T* p, Vec<T> v) { std::memcpy(static_cast<void*>(p), &v, size_t(rest) * sizeof(T)); });
}

// gx as in tensor/ops.h, and of gw and gb the part of R rows of n together, so that these are read and written once.
template <int R, class T>
void backward_rows(T* gx, T* gw, T* gb, const T* gy, const T* x, const T* w, const T* mean, const T* rstd, int64_t n) {
  Vec<T> s[R] = {}, d[R] = {};
  T m[R], k[R];
  for (int r = 0; r < R; ++r) m[r] = mean ? mean[r] : T(0), k[r] = rstd[r];
  for_each_vec<T>(n, [&](int64_t i, auto get, auto put) {
    Vec<T> to_weight = get(gw + i), to_bias = get(gb + i);
    for (int r = 0; r < R; ++r) {
      const Vec<T> g = get(gy + r * n + i), h = (get(x + r * n + i) - m[r]) * k[r], a = g * get(w + i);
      s[r] += a;
      d[r] += a * h;
      to_weight += g * h;
      to_bias += g;
    }
    put(gw + i, to_weight);
    put(gb + i, to_bias);
  });
  for (int r = 0; r < R; ++r) {
    const T mean_a = mean ? sum_lanes<T>(s[r]) / T(n) : T(0), mean_ah = sum_lanes<T>(d[r]) / T(n);
    const T slope = k[r] * k[r] * mean_ah, shift = k[r] * mean_a;
    for_each_vec<T>(n, [&](int64_t i, auto get, auto put) {
      const int64_t at = r * n + i;
      put(gx + at, get(gy + at) * get(w + i) * k[r] - shift - (get(x + at) - m[r]) * slope);
    });
  }
}

}  // namespace

// The gradients of weight and bias are partial sums over fixed blocks of rows, then the blocks in order.
void norm_backward(const Tensor& gx, const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                   const Tensor& weight, const Tensor& mean, const Tensor& rstd) {
  constexpr int64_t kRows = 64, kTogether = 4;
  const int64_t rows = x.size(0), n = x.size(1), blocks = (rows + kRows - 1) / kRows;
  for_float(x.dtype(), "layer_norm", [&](auto zero) {
    using T = decltype(zero);
    const Tensor partial = Tensor::zeros({std::max<int64_t>(blocks, 1), 2, n}, x.dtype());
    parallel_for(blocks, std::max<int64_t>(1, kGrain / (kRows * n)), [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        T *pw = partial.data<T>() + block * 2 * n, *pb = pw + n;
        const int64_t end = std::min(rows, (block + 1) * kRows);
        for (int64_t r = block * kRows; r < end;) {
          const bool together = end - r >= kTogether;
          const auto run = together ? backward_rows<kTogether, T> : backward_rows<1, T>;
          run(gx.data<T>() + r * n, pw, pb, gy.data<T>() + r * n, x.data<T>() + r * n, weight.data<T>(),
              mean.defined() ? mean.data<T>() + r : nullptr, rstd.data<T>() + r, n);
          r += together ? kTogether : 1;
        }
      }
    });
    const auto add_up = [&](T* out, const T* part) {
      std::copy_n(part, n, out);
      for (int64_t block = 1; block < blocks; ++block)
        for (int64_t i = 0; i < n; ++i) out[i] += part[block * 2 * n + i];
    };
    add_up(gweight.data<T>(), partial.data<T>());
    if (gbias.defined()) add_up(gbias.data<T>(), partial.data<T>() + n);
  });
}

void add_dropout_norm_backward(const Tensor& gx, const Tensor& gbranch, const Tensor& gweight, const Tensor& gbias,
                               const Tensor& gsum, const Tensor& gy, const Tensor& sum, const Tensor& weight,
                               const Tensor& mean, const Tensor& rstd, double p, Philox random) {
  norm_backward(gx, gweight, gbias, gy, sum, weight, mean, rstd);
  if (gsum.defined()) add_inplace(gx, gsum, 1);
  if (gbranch.defined()) dropout_forward(gbranch, gx, p, random);
}

}  // namespace kg::cpu
