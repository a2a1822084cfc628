// 1-D convolution over channels-last rows as the backend needs it: tensor/cuda/vendor/dnn.cu over cuDNN,
// tests/cuda_emulation/dnn.cpp on the host. f32 or bf16, accumulation in f32.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace kg::cuda {

// x (B, T, I), y (B, T', O), w (O, k, I): cuDNN's channels-last filter.
struct Conv {
  int64_t batch, time, in, out, taps, out_time;
  int stride, padding, dilation;
  Dtype dtype;
};
// bias (O) may be null. False: y is there without the bias, which the library does not add for this convolution.
bool conv_forward(const Conv& c, const void* x, const void* w, const void* bias, void* y);
void conv_backward_input(const Conv& c, const void* gy, const void* w, void* gx);
void conv_backward_weight(const Conv& c, const void* gy, const void* x, void* gw);  // gw of c.dtype, overwritten

}  // namespace kg::cuda
