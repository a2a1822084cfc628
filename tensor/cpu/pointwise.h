// Pointwise loops: unary, binary with broadcasting, their derivatives, select, in-place updates.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

#define KG_DECLARE(Op, name)                                                 \
  void name##_forward(const Tensor& y, const Tensor& x, double a, double b); \
  void name##_backward(const Tensor& gx, const Tensor& gy, const Tensor& saved, double a, double b);
KG_UNARY_OPS(KG_DECLARE)
KG_UNARY_CONST_OPS(KG_DECLARE)
#undef KG_DECLARE
#define KG_DECLARE(Op, name)                                                                    \
  void name##_forward(const Tensor& z, const Tensor& x, const Tensor& y);                       \
  void name##_backward_a(const Tensor& gx, const Tensor& gz, const Tensor& x, const Tensor& y); \
  void name##_backward_b(const Tensor& gy, const Tensor& gz, const Tensor& x, const Tensor& y);
KG_BINARY_OPS(KG_DECLARE)
#undef KG_DECLARE

void where_forward(const Tensor& z, const Tensor& mask, const Tensor& x, const Tensor& y);
void equal_forward(const Tensor& z, const Tensor& x, const Tensor& y);
void add_inplace(const Tensor& target, const Tensor& x, double scale);
void scale_inplace(const Tensor& target, double factor);
void lerp_inplace(const Tensor& target, const Tensor& x, double weight);

}  // namespace kg::cpu
