// A small matrix product of our own, for any element type and strides of A: C (m, n) = A (m, k) B (k, n) + beta C.
// B is packed into zero-padded panels a few registers wide; a block of rows of C stays in registers over k. Every
// element is one chain of multiply-adds over k, so a row of the result does not depend on the rows beside it.
#pragma once

#include <algorithm>

#include "tensor/cpu/matmul.h"
#include "tensor/cpu/scratch.h"
#include "tensor/cpu/vec.h"

namespace kg::cpu::micro {

#ifdef __AVX512F__
inline constexpr int kRows = 8, kVecs = 3;  // 24 accumulators of 32 registers
#else
inline constexpr int kRows = 6, kVecs = 2;  // 12 of 16
#endif
inline constexpr int64_t kDepth = 256;  // rows of B in a panel

// panel (k, V registers); the last register of C holds `tail` columns.
template <class T, int R, int V>
void block(int64_t k, Matrix<const T> a, const T* panel, bool accumulate, T* c, int64_t ldc, int tail) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[R][V] = {};
  for (int64_t p = 0; p < k; ++p) {
    Vec<T> b[V];
    for (int v = 0; v < V; ++v) b[v] = load<T>(panel + (p * V + v) * L);
    for (int r = 0; r < R; ++r) {
      const T x = a.data[r * a.row + p * a.col];
      for (int v = 0; v < V; ++v) acc[r][v] += b[v] * x;
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      T* to = c + r * ldc + v * L;
      if (v + 1 < V || tail == L) {
        store<T>(to, accumulate ? load<T>(to) + acc[r][v] : acc[r][v]);
      } else {
        T last[L];
        store<T>(last, acc[r][v]);
        for (int i = 0; i < tail; ++i) to[i] = accumulate ? to[i] + last[i] : last[i];
      }
    }
  }
}

// All rows against one panel of V registers; the last rows, fewer than R, go to a narrower block.
template <class T, int V, int R>
void rows(int64_t m, int64_t k, Matrix<const T> a, const T* panel, bool accumulate, T* c, int64_t ldc, int tail) {
  int64_t i = 0;
  for (; i + R <= m; i += R) block<T, R, V>(k, a.at(i, 0), panel, accumulate, c + i * ldc, ldc, tail);
  if constexpr (R > 1)
    if (i < m) rows<T, V, R / 2>(m - i, k, a.at(i, 0), panel, accumulate, c + i * ldc, ldc, tail);
}

// panel (k, width) from B's columns [0, cols), zeros after them.
template <class T>
void pack(int64_t k, int64_t cols, int64_t width, Matrix<const T> b, T* panel) {
  if (b.col == 1) {
    for (int64_t p = 0; p < k; ++p) {
      T* to = panel + p * width;
      const T* from = b.data + p * b.row;
      for (int64_t j = 0; j < cols; ++j) to[j] = from[j];
      for (int64_t j = cols; j < width; ++j) to[j] = T(0);
    }
    return;
  }
  for (int64_t j = 0; j < width; ++j)
    for (int64_t p = 0; p < k; ++p) panel[p * width + j] = j < cols ? b.data[p * b.row + j * b.col] : T(0);
}

template <class T>
void gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, bool accumulate, T* c, int64_t ldc) {
  constexpr int L = kLanes<T>;
  T* panel = scratch<T>(Scratch::gemm_panel, kDepth * kVecs * L);
  for (int64_t p = 0; p < k; p += kDepth, accumulate = true) {
    const int64_t depth = std::min(kDepth, k - p);
    for (int64_t j = 0; j < n; j += kVecs * L) {
      const int64_t cols = std::min<int64_t>(n - j, kVecs * L), vecs = (cols + L - 1) / L;
      const int tail = int(cols - (vecs - 1) * L);
      pack<T>(depth, cols, vecs * L, b.at(p, j), panel);
      auto run = [&]<int V>() {
        if constexpr (V <= kVecs) rows<T, V, kRows>(m, depth, a.at(0, p), panel, accumulate, c + j, ldc, tail);
      };
      if (vecs == 1)
        run.template operator()<1>();
      else if (vecs == 2)
        run.template operator()<2>();
      else
        run.template operator()<3>();
    }
  }
}

}  // namespace kg::cpu::micro
