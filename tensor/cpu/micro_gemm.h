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
// Blocks of k, m and n: packed B (kDepth, kWidth) and a block of A (kHeight, kDepth) share the second-level cache.
inline constexpr int64_t kDepth = 384, kHeight = 96, kWidth = 512;

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

// panel (k, width) from B's columns [0, cols), zeros after them; width is a multiple of the lanes.
template <class T>
void pack(int64_t k, int64_t cols, int64_t width, Matrix<const T> b, T* panel) {
  constexpr int L = kLanes<T>;
  if (b.col == 1 && cols == width) {
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < width; j += L) store<T>(panel + p * width + j, load<T>(b.data + p * b.row + j));
  } else if (b.col == 1) {
    for (int64_t p = 0; p < k; ++p) {
      std::fill(std::copy_n(b.data + p * b.row, cols, panel + p * width), panel + (p + 1) * width, T(0));
    }
  } else if (b.row == 1) {
    for (int64_t j = 0; j < width; j += L)
      for (int64_t p = 0; p < k; p += L) {
        const int deep = int(std::min<int64_t>(L, k - p)), across = int(std::clamp<int64_t>(cols - j, 0, L));
        Vec<T> square[L];
        for (int i = 0; i < L; ++i) {
          const T* from = b.data + p + (j + i) * b.col;
          square[i] = i >= across ? Vec<T>{} : deep == L ? load<T>(from) : load_part<T>(from, deep);
        }
        transpose_square<T>(square);
        for (int i = 0; i < deep; ++i) store<T>(panel + (p + i) * width + j, square[i]);
      }
  } else {
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < width; ++j) panel[p * width + j] = j < cols ? b.data[p * b.row + j * b.col] : T(0);
  }
}

// A block of A laid out densely, its contiguous axis kept: rows far apart in memory fall on the same few cache lines.
template <class T>
Matrix<const T> dense(int64_t m, int64_t k, Matrix<const T> a, T* to) {
  if (a.col != 1 && a.row != 1) return a;
  const bool by_rows = a.col == 1;
  const int64_t lines = by_rows ? m : k, length = by_rows ? k : m, step = by_rows ? a.row : a.col;
  const int64_t padded = (length + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  for (int64_t i = 0; i < lines; ++i) std::copy_n(a.data + i * step, length, to + i * padded);
  return by_rows ? Matrix<const T>{to, padded, 1} : Matrix<const T>{to, 1, padded};
}

// One packed panel of V registers against all rows.
template <class T>
void multiply(int64_t m, int64_t cols, int64_t k, Matrix<const T> a, const T* panel, bool accumulate, T* c,
              int64_t ldc) {
  const int vecs = int((cols + kLanes<T> - 1) / kLanes<T>), tail = int(cols - (vecs - 1) * kLanes<T>);
  auto run = [&]<int V>() {
    if constexpr (V <= kVecs) rows<T, V, kRows>(m, k, a, panel, accumulate, c, ldc, tail);
  };
  if (vecs == 1)
    run.template operator()<1>();
  else if (vecs == 2)
    run.template operator()<2>();
  else
    run.template operator()<3>();
}

// Blocks of k; in each all of B is packed (up to kWidth columns), then a block of rows of A meets every panel.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, bool accumulate, T* c, int64_t ldc) {
  constexpr int L = kLanes<T>;
  if (k == 0 && !accumulate)
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, T(0));
  for (int64_t first = 0; first < n; first += kWidth) {
    const int64_t all = std::min(n - first, kWidth), vecs = (all + L - 1) / L, panels = (vecs + kVecs - 1) / kVecs;
    const int64_t width = (vecs + panels - 1) / panels * L;  // panels alike, not wide ones and a rest
    for (int64_t p = 0; p < k; p += kDepth) {
      const int64_t depth = std::min(kDepth, k - p);
      T* packed = scratch<T>(Scratch::gemm_b, depth * (all + width));
      for (int64_t j = 0; j < all; j += width) {
        const int64_t cols = std::min(all - j, width);
        pack<T>(depth, cols, (cols + L - 1) / L * L, b.at(p, first + j), packed + j * depth);
      }
      for (int64_t i = 0; i < m; i += kHeight) {
        const int64_t height = std::min(kHeight, m - i);
        T* copied = scratch<T>(Scratch::gemm_a, std::max(height * (depth + L), depth * (height + L)));
        const Matrix<const T> block = dense<T>(height, depth, a.at(i, p), copied);
        for (int64_t j = 0; j < all; j += width)
          multiply<T>(height, std::min(all - j, width), depth, block, packed + j * depth, accumulate || p > 0,
                      c + i * ldc + first + j, ldc);
      }
    }
  }
}

}  // namespace kg::cpu::micro
