#include "tensor/cpu/index.h"

#include <algorithm>

#include "tensor/parallel.h"

namespace kg::cpu {

void index_select_forward(const Tensor& y, const Tensor& x, const Tensor& ids) {
  const int64_t n = x.size(1), inner = x.size(2), m = ids.numel();
  const int32_t* at = ids.data<int32_t>();
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.size(0) * m, std::max<int64_t>(1, kGrain / inner), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r)
        std::copy_n(x.data<T>() + (r / m * n + at[r % m]) * inner, inner, y.data<T>() + r * inner);
    });
  });
}

// Threads split the columns; each walks the indices in order.
void index_add_inplace(const Tensor& out, const Tensor& ids, const Tensor& values) {
  const int64_t outer = out.size(0), n = out.size(1), inner = out.size(2), m = ids.numel();
  const int32_t* at = ids.data<int32_t>();
  constexpr int64_t kColumns = 64;
  const int64_t strips = (inner + kColumns - 1) / kColumns;
  for_float(out.dtype(), "index_add", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(outer * strips, std::max<int64_t>(1, kGrain / std::max<int64_t>(m * kColumns, 1)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t task = b; task < e; ++task) {
                     const int64_t o = task / strips, first = task % strips * kColumns,
                                   width = std::min(kColumns, inner - first);
                     for (int64_t i = 0; i < m; ++i) {
                       T* to = out.data<T>() + (o * n + at[i]) * inner + first;
                       const T* from = values.data<T>() + (o * m + i) * inner + first;
#pragma omp simd
                       for (int64_t c = 0; c < width; ++c) to[c] += from[c];
                     }
                   }
                 });
  });
}

void gather_forward(const Tensor& y, const Tensor& x, const Tensor& index) {
  const int64_t n = x.size(1), m = y.size(1), inner = x.size(2);
  const int32_t* at = index.data<int32_t>();
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(y.numel(), kGrain, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) y.data<T>()[i] = x.data<T>()[(i / (m * inner) * n + at[i]) * inner + i % inner];
    });
  });
}

void scatter_add_inplace(const Tensor& out, const Tensor& index, const Tensor& values) {
  const int64_t outer = out.size(0), n = out.size(1), inner = out.size(2), m = values.size(1);
  const int32_t* at = index.data<int32_t>();
  for_float(out.dtype(), "scatter_add", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(outer, std::max<int64_t>(1, kGrain / std::max<int64_t>(m * inner, 1)), [&](int64_t b, int64_t e) {
      for (int64_t i = b * m * inner; i < e * m * inner; ++i)
        out.data<T>()[(i / (m * inner) * n + at[i]) * inner + i % inner] += values.data<T>()[i];
    });
  });
}

}  // namespace kg::cpu
