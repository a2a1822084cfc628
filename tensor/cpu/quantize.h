// Vector quantisation, as in tensor/ops.h. x (N, C), codebook (K, C), ids i32 (N), use f64 (2).
#pragma once

#include "tensor/tensor.h"

namespace kg::cpu {

void nearest_code_forward(const Tensor& ids, const Tensor& x, const Tensor& codebook);
void code_use_forward(const Tensor& use, const Tensor& counts);
void update_codebook(const Tensor& codebook, const Tensor& code_sum, const Tensor& code_count, const Tensor& counts,
                     const Tensor& spare, bool average, bool reset, double reset_below);

}  // namespace kg::cpu
