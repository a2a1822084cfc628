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

void embedding_rows_forward(const Tensor& y, const Tensor& first, const Tensor& table, const Tensor& ids,
                            const Tensor& places, const Tensor& position) {
  const int64_t p = position.data<int32_t>()[0], width = y.size(1);
  CHECK(p >= 0 && p < places.size(0), "[embedding_rows] position ", p, " is outside 0..", places.size(0) - 1);
  for_float(y.dtype(), "embedding_rows", [&](auto zero) {
    using T = decltype(zero);
    const T* place = places.data<T>() + p * width;
    for (int64_t r = 0; r < y.size(0); ++r) {
      const T* from = p == 0 ? first.data<T>() + r * width : table.data<T>() + ids.data<int32_t>()[r] * width;
      T* to = y.data<T>() + r * width;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) to[c] = from[c] + place[c];
    }
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
