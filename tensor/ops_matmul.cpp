// Matrix products: checks, allocation, dispatch.
#include "tensor/cpu/matmul.h"
#include "tensor/dispatch.h"
#include "tensor/ops.h"

namespace kg {
namespace {

void check_same(const Tensor& a, const Tensor& b, const char* op) {
  CHECK(a.defined() && b.defined(), "[", op, "] an operand is undefined");
  CHECK(a.dtype() == b.dtype(), "[", op, "] operands are ", name_of(a.dtype()), " and ", name_of(b.dtype()),
        "; convert one with to()");
  CHECK(a.device() == b.device(), "[", op, "] operands are on different devices");
}

// Both inner strides unusual: copied, as ops.h says.
Tensor gemm_layout(const Tensor& t) {
  return cpu::is_gemm_layout(t.size(-2), t.size(-1), t.strides()[t.rank() - 2], t.strides()[t.rank() - 1])
             ? t
             : t.contiguous();
}

// Leading axes of `t` expanded to those of `shape`.
Tensor expand_leading(const Tensor& t, Shape shape) {
  shape[shape.rank() - 2] = t.size(-2), shape[shape.rank() - 1] = t.size(-1);
  return t.expand(shape);
}

struct Linear {
  Tensor rows;  // x as (N, I)
  Shape out;    // (..., O)
};
Linear check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const char* op) {
  CHECK(x.defined() && weight.defined(), "[", op, "] an operand is undefined");
  CHECK(x.rank() >= 1 && weight.rank() == 2, "[", op, "] needs x (..., I) and weight (O, I), got ", x.shape(), " and ",
        weight.shape());
  CHECK(x.size(-1) == weight.size(1), "[", op, "] x has ", x.size(-1), " features, weight of shape ", weight.shape(),
        " takes ", weight.size(1));
  if (bias.defined()) {
    check_same(x, bias, op);
    CHECK(bias.numel() == weight.size(0) && bias.is_contiguous(), "[", op, "] bias must have ", weight.size(0),
          " elements in a row, has shape ", bias.shape());
  }
  Shape out = x.shape();
  out[out.rank() - 1] = 1;
  const int64_t rows = out.numel();
  out[out.rank() - 1] = weight.size(0);
  return {x.contiguous().reshape({rows, x.size(-1)}), out};
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_same(a, b, "matmul");
  CHECK(a.rank() >= 2 && b.rank() >= 2, "[matmul] needs operands of rank 2 or more, got shapes ", a.shape(), " and ",
        b.shape());
  CHECK(a.size(-1) == b.size(-2), "[matmul] inner extents differ: ", a.shape(), " x ", b.shape());
  Shape lead_a = a.shape(), lead_b = b.shape();
  lead_a[a.rank() - 2] = lead_a[a.rank() - 1] = lead_b[b.rank() - 2] = lead_b[b.rank() - 1] = 1;
  Shape shape = broadcast_shapes(lead_a, lead_b, "matmul");
  shape[shape.rank() - 2] = a.size(-2), shape[shape.rank() - 1] = b.size(-1);
  Tensor out = Tensor::empty(shape, a.dtype(), a.device());
  const Tensor x = gemm_layout(a), y = gemm_layout(b);
  if (lead_b.numel() == 1 && x.rank() > 2 && x.is_contiguous() && shape.rank() == x.rank()) {
    // One right operand for all: the batch is more rows.
    const Tensor rows = x.flatten(0, -2);
    Tensor cols = y;
    while (cols.rank() > 2) cols = cols.select(0, 0);
    DISPATCH(a.device(), matmul_forward, out.reshape({rows.size(0), y.size(-1)}), rows, cols);
  } else {
    DISPATCH(a.device(), matmul_forward, out, expand_leading(x, shape), expand_leading(y, shape));
  }
  return out;
}

void matmul_into(const Tensor& out, const Tensor& a, const Tensor& b, double beta) {
  check_same(a, b, "matmul_into");
  CHECK(out.device() == a.device() && (out.dtype() == a.dtype() || out.dtype() == accumulator(a.dtype())),
        "[matmul_into] out is ", name_of(out.dtype()), ", the operands are ", name_of(a.dtype()));
  CHECK(out.rank() == 2 && a.rank() == 2 && b.rank() == 2, "[matmul_into] needs matrices, got ", a.shape(), " x ",
        b.shape(), " -> ", out.shape());
  CHECK(a.size(1) == b.size(0) && out.size(0) == a.size(0) && out.size(1) == b.size(1),
        "[matmul_into] shapes do not fit: ", a.shape(), " x ", b.shape(), " -> ", out.shape());
  CHECK(beta == 0 || beta == 1, "[matmul_into] beta must be 0 or 1, is ", beta);
  CHECK(cpu::is_gemm_layout(out.size(0), out.size(1), out.strides()[0], out.strides()[1]),
        "[matmul_into] out needs a unit stride, has strides ", out.strides());
  if (out.numel() == 0) return;
  out.bump_version();
  const Tensor x = gemm_layout(a), y = gemm_layout(b);
  if (out.strides()[1] == 1 || out.size(1) == 1)
    DISPATCH(out.device(), matmul_into_forward, out, x, y, beta);
  else
    DISPATCH(out.device(), matmul_into_forward, out.transpose(0, 1), y.transpose(0, 1), x.transpose(0, 1), beta);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_same(x, weight, "linear");
  const Linear l = check_linear(x, weight, bias, "linear");
  const Tensor out = Tensor::empty(l.out, x.dtype(), x.device());
  DISPATCH(x.device(), linear_forward, out.reshape({l.rows.size(0), l.out.back()}), l.rows, gemm_layout(weight), bias);
  return out;
}

Tensor linear_backward_weight(const Tensor& gweight, const Tensor& gy, const Tensor& x) {
  check_same(gy, x, "linear_backward_weight");
  CHECK(gweight.rank() == 2 && gy.rank() == 2 && x.rank() == 2 && gy.size(0) == x.size(0) &&
            gweight.shape() == (Shape{gy.size(1), x.size(1)}),
        "[linear_backward_weight] needs gweight (O, I), gy (N, O) and x (N, I), got ", gweight.shape(), ", ",
        gy.shape(), " and ", x.shape());
  CHECK(gweight.dtype() == gy.dtype() || gweight.dtype() == accumulator(gy.dtype()),
        "[linear_backward_weight] gweight is ", name_of(gweight.dtype()), ", gy is ", name_of(gy.dtype()));
  const bool rows_lie_dense = gweight.strides()[1] == 1 && gy.is_contiguous() && x.is_contiguous();
  if (!rows_lie_dense || gweight.dtype() != accumulator(gy.dtype()) || gweight.numel() == 0 || gy.numel() == 0) {
    matmul_into(gweight, gy.transpose(0, 1), x, 1);
    return sum_accumulated(gy, {0});
  }
  const Tensor gbias = Tensor::empty({gy.size(1)}, gweight.dtype(), gy.device());
  gweight.bump_version();
  DISPATCH(gy.device(), linear_backward_weight, gweight, gbias, gy, x);
  return gbias;
}

Tensor linear_rows(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Linear l = check_linear(x, weight, bias, "linear_rows");
  CHECK(weight.dtype() == x.dtype() || (x.dtype() == Dtype::f32 && weight.dtype() == Dtype::bf16),
        "[linear_rows] weight must be ", name_of(x.dtype()), " like x, or bf16 for an f32 x; is ",
        name_of(weight.dtype()));
  CHECK(is_float(x.dtype()) && (x.dtype() != Dtype::bf16 || x.device() == Device::cuda),
        "[linear_rows] computes in f32 or f64 on the CPU, got ", name_of(x.dtype()));
  CHECK(weight.is_contiguous(), "[linear_rows] weight must be contiguous, has strides ", weight.strides());
  const Tensor out = Tensor::empty(l.out, x.dtype(), x.device());
  DISPATCH(x.device(), linear_rows_forward, out.reshape({l.rows.size(0), l.out.back()}), l.rows, weight, bias);
  return out;
}

}  // namespace kg
