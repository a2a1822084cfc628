// Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019) over rows (R, C).
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

// weight and bias may be undefined; an undefined mean makes it RMS norm
void norm_forward(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x, const Tensor& weight,
                  const Tensor& bias, double eps);
void norm_backward(const Tensor& gx, const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x,
                   const Tensor& weight, const Tensor& mean, const Tensor& rstd);

// sum = x + dropout(branch) with probability p and bits of `random`, and its layer norm. All rows (R, C).
void add_dropout_norm_forward(const Tensor& sum, const Tensor& y, const Tensor& mean, const Tensor& rstd,
                              const Tensor& x, const Tensor& branch, const Tensor& weight, const Tensor& bias, double p,
                              Philox random, double eps);
// gx = gsum + the gradient of the norm, gbranch = dropout(gx). gsum may be undefined, gbranch where p is 0.
void add_dropout_norm_backward(const Tensor& gx, const Tensor& gbranch, const Tensor& gweight, const Tensor& gbias,
                               const Tensor& gsum, const Tensor& gy, const Tensor& sum, const Tensor& weight,
                               const Tensor& mean, const Tensor& rstd, double p, Philox random);

}  // namespace kg::cpu
