#include "tensor/cpu/reduce.h"

#include <algorithm>
#include <numeric>

#include "tensor/parallel.h"

namespace kg::cpu {
namespace {

// Sum of n values in blocks: vector lanes inside a block, the blocks in double. The order depends on n only.
template <class T, class Fn>
double block_sum(int64_t n, Fn value) {
  constexpr int64_t kBlock = 64;
  double total = 0;
  for (int64_t b = 0; b < n; b += kBlock) {
    const int64_t end = std::min(n, b + kBlock);
    T part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = b; i < end; ++i) part += value(i);
    total += double(part);
  }
  return total;
}

}  // namespace

void sum_rows(const Tensor& out, const Tensor& x, double scale) {
  const int64_t rows = x.size(0), n = x.size(1);
  for_float(x.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    T* o = out.data<T>();
    if (rows == 1) {  // one long row: fixed pieces, added in order
      constexpr int64_t kPiece = 1 << 16;
      std::vector<double> pieces(size_t((n + kPiece - 1) / kPiece));
      parallel_for(int64_t(pieces.size()), 1, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; ++i)
          pieces[size_t(i)] =
              block_sum<T>(std::min(kPiece, n - i * kPiece), [q = p + i * kPiece](int64_t j) { return q[j]; });
      });
      o[0] = T(scale * std::accumulate(pieces.begin(), pieces.end(), 0.0));
      return;
    }
    parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r) o[r] = T(scale * block_sum<T>(n, [q = p + r * n](int64_t j) { return q[j]; }));
    });
  });
}

void sum_columns(const Tensor& out, const Tensor& x, double scale) {
  const int64_t n = x.size(0), columns = x.size(1);
  constexpr int64_t kPiece = 64;  // rows added up in one go; pieces are then added in order
  const int64_t pieces = std::max<int64_t>(1, (n + kPiece - 1) / kPiece);
  for_float(x.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    T* o = out.data<T>();
    const Tensor partial = Tensor::zeros({pieces, columns}, x.dtype());
    T* q = partial.data<T>();
    parallel_for(pieces, std::max<int64_t>(1, kGrain / (kPiece * std::max<int64_t>(columns, 1))),
                 [&](int64_t b, int64_t e) {
                   for (int64_t piece = b; piece < e; ++piece) {
                     T* row = q + piece * columns;
                     for (int64_t r = piece * kPiece; r < std::min(n, (piece + 1) * kPiece); ++r) {
                       const T* in = p + r * columns;
#pragma omp simd
                       for (int64_t c = 0; c < columns; ++c) row[c] += in[c];
                     }
                   }
                 });
    for (int64_t c = 0; c < columns; ++c) {
      double total = 0;
      for (int64_t piece = 0; piece < pieces; ++piece) total += double(q[piece * columns + c]);
      o[c] = T(scale * total);
    }
  });
}

double squared_norm(const Tensor& x) {
  return for_float(x.dtype(), "squared_norm", [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    const int64_t n = x.numel();
    constexpr int64_t kPiece = 1 << 16;
    std::vector<double> pieces(size_t((n + kPiece - 1) / kPiece));
    parallel_for(int64_t(pieces.size()), 1, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i)
        pieces[size_t(i)] = block_sum<double>(std::min(kPiece, n - i * kPiece),
                                              [q = p + i * kPiece](int64_t j) { return double(q[j]) * double(q[j]); });
    });
    return std::accumulate(pieces.begin(), pieces.end(), 0.0);
  });
}

Tensor squared_norm_on_device(const Tensor& x) { return Tensor::scalar(cpu::squared_norm(x)); }
Tensor clip_scale(const Tensor& squared_norm, double max_norm) {
  const double norm = std::sqrt(squared_norm.item());
  return Tensor::scalar(norm - norm == 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : norm - norm);
}

bool all_finite(const Tensor& x) {
  return for_float(x.dtype(), "all_finite", [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    int bad = 0;
    // x - x is 0 for a finite x and NaN otherwise
#pragma omp simd reduction(| : bad)
    for (int64_t i = 0; i < x.numel(); ++i) bad |= !(p[i] - p[i] == T(0));
    return bad == 0;
  });
}

void arg_extremum(const Tensor& index, const Tensor& x, bool largest) {
  const int64_t outer = x.size(0), n = x.size(1), inner = x.size(2);
  for_float(x.dtype(), "argmax", [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    int32_t* o = index.data<int32_t>();
    parallel_for(outer * inner, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r) {
        const T* q = p + r / inner * n * inner + r % inner;
        int64_t best = 0;
        for (int64_t i = 1; i < n; ++i) {
          const T v = q[i * inner], w = q[best * inner];
          if ((largest ? v > w : v < w) || (std::isnan(v) && !std::isnan(w))) best = i;
        }
        o[r] = int32_t(best);
      }
    });
  });
}

void topk_rows(const Tensor& values, const Tensor& index, const Tensor& x) {
  const int64_t rows = x.size(0), n = x.size(1), k = values.size(1);
  for_float(x.dtype(), "topk", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
      std::vector<int32_t> order(static_cast<size_t>(n));
      for (int64_t r = b; r < e; ++r) {
        const T* row = x.data<T>() + r * n;
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + k, order.end(),
                          [&](int32_t i, int32_t j) { return row[i] > row[j] || (row[i] == row[j] && i < j); });
        for (int64_t i = 0; i < k; ++i) {
          index.data<int32_t>()[r * k + i] = order[size_t(i)];
          values.data<T>()[r * k + i] = row[order[size_t(i)]];
        }
      }
    });
  });
}

void cumsum_forward(const Tensor& y, const Tensor& x, bool reverse) {
  const int64_t outer = x.size(0), n = x.size(1), inner = x.size(2);
  for_float(x.dtype(), "cumsum", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(outer * inner, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r) {
        const int64_t at = r / inner * n * inner + r % inner;
        double total = 0;
        for (int64_t i = 0; i < n; ++i) {
          const int64_t j = at + (reverse ? n - 1 - i : i) * inner;
          total += double(x.data<T>()[j]);
          y.data<T>()[j] = T(total);
        }
      }
    });
  });
}

}  // namespace kg::cpu
