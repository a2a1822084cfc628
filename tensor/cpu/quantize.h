// Vector quantisation: the nearest code of every row. x (N, C), codebook (K, C), ids i32 (N).
#pragma once

#include "tensor/tensor.h"

namespace kg::cpu {

void nearest_code_forward(const Tensor& ids, const Tensor& x, const Tensor& codebook);

}  // namespace kg::cpu
