#include "tensor/cpu/gru.h"

#include <algorithm>

#include "tensor/gru_cell.h"
#include "tensor/parallel.h"

namespace kg::cpu {
namespace {

template <class T>
T* row(const Tensor& t, int64_t b) {
  return t.data<T>() + b * t.strides()[0];
}
int64_t rows_of_block(int64_t width) { return std::max<int64_t>(1, kGrain / (8 * width)); }

}  // namespace

void gru_step_forward(const Tensor& next, const Tensor& y, const Tensor& units, const Tensor& x, const Tensor& product,
                      const Tensor& bias, const Tensor& state, const Tensor& lengths, int64_t t) {
  const int64_t rows = state.size(0), n = state.size(1);
  for_float(state.dtype(), "gru", [&](auto zero) {
    using T = decltype(zero);
    const T* c = bias.data<T>();
    parallel_for(rows, rows_of_block(n), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        T *to = row<T>(next, b), *out = row<T>(y, b), *saved = row<T>(units, b);
        const T *in = row<T>(x, b), *u = row<T>(product, b), *h = row<T>(state, b);
        if (t >= lengths.data<int32_t>()[b]) {
          std::copy_n(h, n, to);
          std::fill_n(out, n, T(0));
          continue;
        }
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const GruUnit<T> g = gru_unit<T>(in[i], in[n + i], in[2 * n + i], u[i] + c[i], u[n + i] + c[n + i],
                                           u[2 * n + i] + c[2 * n + i]);
          saved[i] = g.r, saved[n + i] = g.z, saved[2 * n + i] = g.n, saved[3 * n + i] = g.u;
          to[i] = out[i] = gru_next(g, h[i]);
        }
      }
    });
  });
}

void gru_step_backward(const Tensor& gx, const Tensor& gproduct, const Tensor& gstate, const Tensor& gy,
                       const Tensor& units, const Tensor& state, const Tensor& lengths, int64_t t) {
  const int64_t rows = state.size(0), n = state.size(1);
  for_float(state.dtype(), "gru_backward", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(rows, rows_of_block(n), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        T *dx = row<T>(gx, b), *du = row<T>(gproduct, b), *dh = row<T>(gstate, b);
        const T *dy = row<T>(gy, b), *saved = row<T>(units, b), *h = row<T>(state, b);
        if (t >= lengths.data<int32_t>()[b]) {
          std::fill_n(dx, 3 * n, T(0));
          std::fill_n(du, 3 * n, T(0));
          continue;
        }
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const GruUnit<T> g{saved[i], saved[n + i], saved[2 * n + i], saved[3 * n + i]};
          const GruSlopes<T> d = gru_slopes<T>(g, h[i], dh[i] + dy[i]);
          dx[i] = du[i] = d.r, dx[n + i] = du[n + i] = d.z;
          dx[2 * n + i] = d.xn, du[2 * n + i] = d.un, dh[i] = d.h;
        }
      }
    });
  });
}

}  // namespace kg::cpu
