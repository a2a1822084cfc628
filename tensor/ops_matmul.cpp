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
// For the rows of a decoding step, which are normed first.
Linear check_rows(const Tensor& x, const RowNorm& norm, const Tensor& weight, const Tensor& bias, const char* op) {
  const Linear l = check_linear(x, weight, bias, op);
  CHECK(is_float(x.dtype()) && (x.dtype() != Dtype::bf16 || x.device() == Device::cuda), "[", op,
        "] computes in f32 or f64 on the CPU, got ", name_of(x.dtype()));
  CHECK(weight.dtype() == x.dtype() || (x.dtype() == Dtype::f32 && weight.dtype() == Dtype::bf16), "[", op,
        "] weight must be ", name_of(x.dtype()), " like x, or bf16 for an f32 x; is ", name_of(weight.dtype()));
  CHECK(weight.is_contiguous(), "[", op, "] weight must be contiguous, has strides ", weight.strides());
  for (const Tensor* t : {&norm.weight, &norm.bias}) {
    if (!t->defined()) continue;
    check_same(x, *t, op);
    CHECK(t->numel() == x.size(-1) && t->is_contiguous(), "[", op, "] weight and bias of the norm must have ",
          x.size(-1), " elements in a row, one has shape ", t->shape());
  }
  CHECK(!norm.bias.defined() || (norm.weight.defined() && !norm.rms), "[", op,
        "] a norm with a bias needs a weight and cannot be RMS norm");
  return l;
}
void check_position(const Tensor& position, const Tensor& x, const char* op) {
  CHECK(position.defined() && position.dtype() == Dtype::i32 && position.numel() == 1, "[", op,
        "] position must be one i32");
  CHECK(position.device() == x.device(), "[", op, "] position must be on the device of the rows");
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
  const int rank = out.rank();
  CHECK((rank == 2 || rank == 3) && a.rank() == rank && b.rank() == rank,
        "[matmul_into] needs matrices, or as many on each side, got ", a.shape(), " x ", b.shape(), " -> ",
        out.shape());
  CHECK(a.size(-1) == b.size(-2) && out.size(-2) == a.size(-2) && out.size(-1) == b.size(-1) &&
            (rank == 2 || (a.size(0) == out.size(0) && b.size(0) == out.size(0))),
        "[matmul_into] shapes do not fit: ", a.shape(), " x ", b.shape(), " -> ", out.shape());
  CHECK(beta == 0 || beta == 1, "[matmul_into] beta must be 0 or 1, is ", beta);
  const Shape& strides = out.strides();
  CHECK(cpu::is_gemm_layout(out.size(-2), out.size(-1), strides[rank - 2], strides[rank - 1]) &&
            (rank == 2 || strides[2] == 1),
        "[matmul_into] out needs a unit stride", rank == 2 ? "" : " in its last axis", ", has strides ", strides);
  if (out.numel() == 0) return;
  out.bump_version();
  const Tensor x = gemm_layout(a), y = gemm_layout(b);
  if (strides[rank - 1] == 1 || out.size(-1) == 1)
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

void linear_backward_weight(const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                            double beta) {
  check_same(gy, x, "linear_backward_weight");
  CHECK(gweight.rank() == 2 && gy.rank() == 2 && x.rank() == 2 && gy.size(0) == x.size(0) &&
            gweight.shape() == (Shape{gy.size(1), x.size(1)}),
        "[linear_backward_weight] needs gweight (O, I), gy (N, O) and x (N, I), got ", gweight.shape(), ", ",
        gy.shape(), " and ", x.shape());
  CHECK(gweight.dtype() == gy.dtype() || gweight.dtype() == accumulator(gy.dtype()),
        "[linear_backward_weight] gweight is ", name_of(gweight.dtype()), ", gy is ", name_of(gy.dtype()));
  CHECK(beta == 0 || beta == 1, "[linear_backward_weight] beta must be 0 or 1, is ", beta);
  const bool rows_lie_dense = gweight.strides()[1] == 1 && gy.is_contiguous() && x.is_contiguous();
  if (!rows_lie_dense || gweight.dtype() != accumulator(gy.dtype()) || gweight.numel() == 0 || gy.numel() == 0) {
    matmul_into(gweight, gy.transpose(0, 1), x, beta);
    return sum_into(gbias, gy, {0});
  }
  CHECK(gbias.defined() && gbias.shape() == (Shape{gy.size(1)}) && gbias.is_contiguous() &&
            gbias.dtype() == gweight.dtype(),
        "[linear_backward_weight] gbias must be a contiguous ", name_of(gweight.dtype()), " (", gy.size(1), ")");
  gweight.bump_version();
  gbias.bump_version();
  DISPATCH(gy.device(), linear_backward_weight, gweight, gbias, gy, x, beta);
}

Tensor linear_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, const RowsOptions& options) {
  const Linear l = check_rows(x, options.norm, weight, bias, "linear_rows");
  RowsOptions o = options;
  const Shape flat{l.rows.size(0), l.out.back()};
  if (o.gate.defined())
    CHECK(o.gate.shape() == weight.shape() && o.gate.dtype() == weight.dtype() && o.gate.is_contiguous(),
          "[linear_rows] gate must be ", name_of(weight.dtype()), " ", weight.shape(), " like the weight, is ",
          name_of(o.gate.dtype()), " ", o.gate.shape());
  if (o.residual.defined()) {
    check_same(x, o.residual, "linear_rows");
    CHECK(o.residual.shape() == l.out, "[linear_rows] residual must be ", l.out, ", is ", o.residual.shape());
    o.residual = o.residual.contiguous().reshape(flat);
  }
  const Tensor out = Tensor::empty(l.out, x.dtype(), x.device());
  DISPATCH(x.device(), linear_rows_forward, out.reshape(flat), l.rows, weight, bias, o);
  return out;
}

Tensor project_rows(const Tensor& x, const RowNorm& norm, const RowProjection& q, const RowProjection& k,
                    const RowProjection& v, const Tensor& keys, const Tensor& values, const Tensor& position) {
  const char* op = "project_rows";
  const Linear l = check_rows(x, norm, q.weight, q.bias, op);
  CHECK(x.rank() == 2, "[project_rows] needs rows (N, I), got ", x.shape());
  check_position(position, x, op);
  for (const RowProjection* p : {&k, &v}) {
    check_rows(x, norm, p->weight, p->bias, op);
    CHECK(p->weight.shape() == q.weight.shape() && p->weight.dtype() == q.weight.dtype(),
          "[project_rows] the weights of q, k and v must be alike, are ", q.weight.shape(), ", ", k.weight.shape(),
          " and ", v.weight.shape());
  }
  for (const Tensor* t : {&keys, &values}) {
    check_same(x, *t, op);
    CHECK(t->rank() == 4 && t->size(0) == x.size(0) && t->size(2) * t->size(3) == l.out.back() && t->is_contiguous() &&
              t->shape() == keys.shape(),
          "[project_rows] keys and values must be contiguous (", x.size(0), ", T, H, D) with H D = ", l.out.back(),
          ", are ", keys.shape(), " and ", values.shape());
    t->bump_version();
  }
  const Tensor queries = Tensor::empty(l.out, x.dtype(), x.device());
  DISPATCH(x.device(), project_rows_forward, queries, keys, values, l.rows, norm, q, k, v, position);
  return queries;
}

}  // namespace kg
