// 1-D convolution over channels-last rows, as matrix products over gathered rows: shapes and layout as in tensor/ops.h.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

void conv1d_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Conv1dOptions& options);
void conv1d_backward_input(const Tensor& gx, const Tensor& gy, const Tensor& weight, const Conv1dOptions& options);
void conv1d_backward_weight(const Tensor& gweight, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta);
void upsample_nearest_forward(const Tensor& out, const Tensor& x, int factor);
void upsample_nearest_backward(const Tensor& gx, const Tensor& gy, int factor);

}  // namespace kg::cpu
