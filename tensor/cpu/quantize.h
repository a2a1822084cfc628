// Vector quantisation: the nearest code of every row. x (N, C), codebook (K, C), ids i32 (N).
#pragma once

#include "tensor/tensor.h"

namespace kg::cpu {

void nearest_code_forward(const Tensor& ids, const Tensor& x, const Tensor& codebook);

// use (2), f64: entropy -sum p log(p + 1e-7) of p = counts / sum(counts), number of codes with a count above 0
void code_use_forward(const Tensor& use, const Tensor& counts);
// Code i by its count n, of code_count where codes are averages, else of this batch: spare[i] where codes are reset and
// n is below reset_below, else code_sum[i] / n where codes are averages and there is anything to average.
void update_codebook(const Tensor& codebook, const Tensor& code_sum, const Tensor& code_count, const Tensor& counts,
                     const Tensor& spare, bool average, bool reset, double reset_below);

}  // namespace kg::cpu
