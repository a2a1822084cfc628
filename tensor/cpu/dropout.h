// Dropout by counter-based random numbers: element i is kept if the 24-bit uniform of word i of `random` is >= p, and
// is then scaled by 1 / (1 - p). No mask is stored: the same call on the gradient is the backward.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

// y[i] = kept(first + i) ? x[i] / (1 - p) : 0, for i < n; y may be x.
void dropout_run(float* y, const float* x, int64_t n, int64_t first, double p, Philox random);
void dropout_run(double* y, const double* x, int64_t n, int64_t first, double p, Philox random);
void dropout_forward(const Tensor& y, const Tensor& x, double p, Philox random);

}  // namespace kg::cpu
