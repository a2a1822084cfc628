// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) on flat buffers.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

void adam_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v, int64_t t,
               const AdamOptions& options, double grad_scale, const Tensor& scale, const Tensor& half);

}  // namespace kg::cpu
