// Matrix products over cuBLASLt (tensor/cuda/blas.h): layouts, batches, epilogues for biases and their gradients.
#include "tensor/cuda/blas.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/operands.h"

namespace kg::cuda {
namespace {

// The last two axes of a view that has unit stride in one of them.
Operand operand(const Tensor& t) {
  const int64_t row = t.strides()[t.rank() - 2], col = t.strides()[t.rank() - 1];
  const int64_t rows = t.size(-2), cols = t.size(-1);
  if (col == 1 || cols == 1) return {t.raw(), rows == 1 ? cols : (row < 1 ? 1 : row), false, 0};
  return {t.raw(), cols == 1 ? rows : col, true, 0};
}

Dtype product_dtype(const char* op, const Tensor& a) {
  CHECK(a.dtype() == Dtype::f32 || a.dtype() == Dtype::bf16, "[", op, "] computes in f32 or bf16 on CUDA, got ",
        name_of(a.dtype()));
  return a.dtype();
}

// Leading axes that walk through memory in one step are one batch axis; the outermost others are a loop.
void batched(Gemm g, const Tensor& out, const Tensor& a, const Tensor& b, int axis) {
  const int leading = out.rank() - 2;
  if (axis == leading) return void(gemm(g));
  const auto merges = [&](const Tensor& t, int i) { return t.strides()[i] == t.strides()[i + 1] * t.shape()[i + 1]; };
  bool one = true;
  for (int i = axis; i + 1 < leading; ++i) one = one && merges(out, i) && merges(a, i) && merges(b, i);
  if (one) {
    for (int i = axis; i < leading; ++i) g.batches *= out.shape()[i];
    g.a.batch = a.strides()[leading - 1];
    g.b.batch = b.strides()[leading - 1];
    g.batch = out.strides()[leading - 1];
    return void(gemm(g));
  }
  const auto at = [](const void* data, const Tensor& t, int along, int64_t i) {
    return static_cast<const char*>(data) + i * t.strides()[along] * size_of(t.dtype());
  };
  for (int64_t i = 0; i < out.shape()[axis]; ++i) {
    Gemm part = g;
    part.a.data = at(g.a.data, a, axis, i);
    part.b.data = at(g.b.data, b, axis, i);
    part.c = const_cast<char*>(at(g.c, out, axis, i));
    batched(part, out, a, b, axis + 1);
  }
}

}  // namespace

void matmul_forward(const Tensor& out, const Tensor& a, const Tensor& b) {
  if (out.numel() == 0) return;
  if (a.size(-1) == 0) return fill(out, 0);
  Gemm g{out.size(-2), out.size(-1), a.size(-1)};
  g.a = operand(a), g.b = operand(b);
  g.in = g.out = product_dtype("matmul", a);
  g.c = out.raw();
  g.line = out.size(-1);
  batched(g, out, a, b, 0);
}

void matmul_into_forward(const Tensor& out, const Tensor& a, const Tensor& b, double beta) {
  if (a.size(-1) == 0) {
    if (beta == 0) fill(out, 0);
    return;
  }
  Gemm g{out.size(-2), out.size(-1), a.size(-1)};
  g.a = operand(a), g.b = operand(b);
  g.in = product_dtype("matmul_into", a);
  g.out = out.dtype();
  g.c = out.raw();
  g.line = out.size(-2) == 1 ? out.size(-1) : out.strides()[out.rank() - 2];
  g.beta = float(beta);
  batched(g, out, a, b, 0);
}

void linear_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (out.numel() == 0) return;
  if (x.size(1) == 0) return bias.defined() ? copy(out, bias.expand(out.shape())) : fill(out, 0);
  Gemm g{x.size(0), weight.size(0), x.size(1)};
  g.a = operand(x), g.b = operand(weight.transpose(0, 1));
  g.in = g.out = product_dtype("linear", x);
  g.c = out.raw();
  g.line = out.size(1);
  const Tensor shift = !bias.defined() || starts_aligned(bias) ? bias : bias.clone();
  if (bias.defined()) g.epilogue = Epilogue::bias, g.bias = shift.raw();
  if (!gemm(g)) add_inplace(out, bias.expand(out.shape()), 1);
}

// The sums of gy's rows come out of the product that reads gy anyway, where cuBLASLt can do that.
void linear_backward_weight(const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                            double beta) {
  Gemm g{gy.size(1), x.size(1), gy.size(0)};
  g.a = operand(gy.transpose(0, 1)), g.b = operand(x);
  g.in = product_dtype("linear_backward_weight", gy);
  g.out = gweight.dtype();
  g.c = gweight.raw();
  g.line = gweight.size(0) == 1 ? gweight.size(1) : gweight.strides()[0];
  g.beta = float(beta);
  g.epilogue = Epilogue::row_sums, g.row_sums = gbias.raw();
  if (!gemm(g)) sum_columns(gbias, gy, 1);
}

}  // namespace kg::cuda
