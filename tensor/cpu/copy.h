// Fill and strided copy with conversion between any two dtypes.
#pragma once

#include "tensor/tensor.h"

namespace kg::cpu {

void fill(const Tensor& out, double value);
void copy(const Tensor& out, const Tensor& in);  // same shape

}  // namespace kg::cpu
