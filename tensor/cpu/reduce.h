// Sums, extrema, cumulative sums, top k. A reduction sees its input as (rows, n) with n contiguous, or as (n, columns).
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

void sum_rows(const Tensor& out, const Tensor& x, double scale);     // (R, n) -> (R)
void sum_columns(const Tensor& out, const Tensor& x, double scale);  // (n, C) -> (C)
double squared_norm(const Tensor& x);
Tensor squared_norm_on_device(const Tensor& x);  // the same, f32 ()
Tensor clip_scale(const Tensor& squared_norm, double max_norm);
bool all_finite(const Tensor& x);
// (outer, n, inner) -> (outer, inner), i32 places of the largest (smallest) along n, first of equals; NaN wins
void arg_extremum(const Tensor& index, const Tensor& x, bool largest);
void topk_rows(const Tensor& values, const Tensor& index, const Tensor& x);  // (R, n) -> (R, k)
void cumsum_forward(const Tensor& y, const Tensor& x, bool reverse);         // (outer, n, inner)

}  // namespace kg::cpu
