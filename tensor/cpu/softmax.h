// Softmax, log-softmax and cross-entropy over rows (R, n); accumulation in f32 lanes, sums of rows in double.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

void softmax_forward(const Tensor& y, const Tensor& x);
void softmax_backward(const Tensor& gx, const Tensor& gy, const Tensor& y);
void log_softmax_forward(const Tensor& y, const Tensor& x);
void log_softmax_backward(const Tensor& gx, const Tensor& gy, const Tensor& y);
void cross_entropy_forward(const Tensor& loss, const Tensor& logsumexp, const Tensor& logits, const Tensor& target,
                           int ignore_index, double smoothing);
void cross_entropy_backward(const Tensor& gx, const Tensor& gy, const Tensor& logits, const Tensor& target,
                            const Tensor& logsumexp, int ignore_index, double smoothing);

}  // namespace kg::cpu
