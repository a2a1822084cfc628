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
// Data begins at multiples of 16 bytes. Refused: the library has no algorithm that gives the same bytes in every run
// (nothing was written).
enum class ConvForward { refused, without_bias, done };  // without_bias: y is there, but the library adds none here
ConvForward conv_forward(const Conv& c, const void* x, const void* w, const void* bias, void* y);  // bias (O) or null
// False: refused. gx and gw are of c.dtype, overwritten.
bool conv_backward_input(const Conv& c, const void* gy, const void* w, void* gx);
bool conv_backward_weight(const Conv& c, const void* gy, const void* x, void* gw);

}  // namespace kg::cuda
