// Matrix products as the backend needs them: tensor/cuda/vendor/blas.cu over cuBLASLt, tests/cuda_emulation/blas.cpp on
// the host. Products of bf16 and of f32 accumulate in f32.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace kg::cuda {

// A matrix in device memory: element (i, j) of product b at data[b * batch + (transposed ? j : i) * line + the other].
struct Operand {
  const void* data = nullptr;
  int64_t line = 0;
  bool transposed = false;
  int64_t batch = 0;
};

// bias: C's columns get `bias` added. row_sums: the sums of A's rows come out as well. An activation is not among them:
// cuBLASLt's GELU is the approximation by tanh, the models' is exact, and a kernel of its own on top of a product with
// its bias reads and writes no more than one that adds the bias, too.
enum class Epilogue { none, bias, row_sums };

// C (m, n) = A (m, k) B (k, n) + beta C for each of `batches`, rows of C `line` apart.
struct Gemm {
  int64_t m, n, k, batches = 1;
  Operand a{}, b{};
  Dtype in = Dtype::f32, out = Dtype::f32;  // of A and B, of C: f32 or bf16; out may be f32 for a bf16 in
  void* c = nullptr;
  int64_t line = 0, batch = 0;
  float beta = 0;
  Epilogue epilogue = Epilogue::none;
  const void* bias = nullptr;  // (n), of dtype `out`
  void* row_sums = nullptr;    // (m), of dtype `out`, overwritten where the epilogue is done
};
// False: the product is there without its epilogue, which the library does not do for this product. A `bias` must begin
// at a multiple of 16 bytes: some kernels read it so without asking.
bool gemm(const Gemm& g);

// f32 products with the 10-bit mantissa of TF32 inputs (eight times the speed on an H200).
void set_tf32(bool on);
bool tf32();

}  // namespace kg::cuda
