// One step of a GRU over a batch, after the product of the state and the recurrent weights; tensor/ops_gru.cpp walks
// over time. Rows are the samples: those with lengths[b] <= t take no part and keep their state.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

// next (B, H) and y (B, H), which is 0 where a sample takes no part, from x (B, 3H), product (B, 3H) without its bias,
// and state (B, H). units (B, 4H) are r, z, n, u_n for the backward. x and y are a time of (B, T, ...).
void gru_step_forward(const Tensor& next, const Tensor& y, const Tensor& units, const Tensor& x, const Tensor& product,
                      const Tensor& bias, const Tensor& state, const Tensor& lengths, int64_t t);
// gx and gproduct (B, 3H); gstate (B, H) is the gradient of `next` without gy's part and becomes that of `state`
// without the product's part.
void gru_step_backward(const Tensor& gx, const Tensor& gproduct, const Tensor& gstate, const Tensor& gy,
                       const Tensor& units, const Tensor& state, const Tensor& lengths, int64_t t);

}  // namespace kg::cpu
