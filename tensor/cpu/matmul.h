// Matrix products: the tile that hides the provider, the fixed tiling over threads, and the ops on top of them.
// Shapes: C (M, N) = A (M, K) B (K, N).
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

// A matrix in memory: element (i, j) at data[i * row + j * col].
template <class T>
struct Matrix {
  T* data;
  int64_t row, col;
  Matrix at(int64_t i, int64_t j) const { return {data + i * row + j * col, row, col}; }
  Matrix transposed() const { return {data, col, row}; }
};

// True when gemm takes the strides as they are: one of them is 1, the other spans a whole line.
bool is_gemm_layout(int64_t rows, int64_t cols, int64_t row, int64_t col);

// C = A B + beta C on the calling thread, C with unit column stride, beta 0 or 1. T: float, double.
template <class T>
void gemm_tile(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T beta, T* c, int64_t ldc);

// The same on all threads; a bias (n), if given, takes the place of C (beta must be 0).
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T beta, T* c, int64_t ldc,
          const T* bias = nullptr);

// out (..., M, N) contiguous; a and b expanded to the same leading axes, inner axes in gemm layout.
void matmul_forward(const Tensor& out, const Tensor& a, const Tensor& b);
void matmul_into_forward(const Tensor& out, const Tensor& a, const Tensor& b, double beta);
// x (N, I), weight (O, I), bias (O) or undefined, out (N, O)
void linear_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias);
// gweight (O, I) = gy^T x + beta gweight with unit column stride, gbias (O) = the sum of gy's rows; gy (N, O), x (N, I)
void linear_backward_weight(const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x, double beta);
// Of a decoding step, as in tensor/ops.h: x (N, I), out and residual (N, O).
void linear_rows_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const RowsOptions& options);
void project_rows_forward(const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& x,
                          const RowNorm& norm, const RowProjection& q, const RowProjection& k, const RowProjection& v,
                          const Tensor& position);

}  // namespace kg::cpu
