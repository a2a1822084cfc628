// Scaled dot-product attention, a task for each (batch, head). q, gy, y, gq (B, Tq, H, D), k, v, gk, gv (B, Tk, H, D),
// inputs as views with unit stride in D; weights (B, H, Tq, Tk).
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

void attention_forward(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options);
// Of a decoding step: y and q (N, H D), keys and values (N, T, H, D).
void attention_rows_forward(const Tensor& y, const Tensor& q, const Tensor& keys, const Tensor& values,
                            const AttentionOptions& options, const Tensor& position);
// gscores (B, H, Tq, Tk), the gradient of scores and bias: filled if defined.
void attention_backward(const Tensor& gq, const Tensor& gk, const Tensor& gv, const Tensor& gscores, const Tensor& gy,
                        const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& weights,
                        const AttentionOptions& options);

}  // namespace kg::cpu
