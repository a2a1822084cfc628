// Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019) over rows (R, C).
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

// weight and bias may be undefined; an undefined mean makes it RMS norm
void norm_forward(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x, const Tensor& weight,
                  const Tensor& bias, double eps);
void norm_backward(const Tensor& gx, const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                   const Tensor& weight, const Tensor& mean, const Tensor& rstd);

}  // namespace kg::cpu
