// Conv1d over channels-last sequences: x (B, T, I) -> (B, T', O). weight (O, I, k) by name and shape, stored (k, I, O),
// which is what the kernel reads: one matmul over rows for each tap. bias (O) or none. ConvTranspose1d is its
// transpose, x (B, T, I) -> (B, T', O), with PyTorch's weight (I, O, k), stored (k, O, I).
#pragma once

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace kg {

class Conv1d : public Module {
 public:
  Conv1d(int64_t in, int64_t out, int kernel, int stride = 1, int padding = 0, int dilation = 1, bool with_bias = true)
      : weight(Tensor::empty({kernel, in, out}).permute({2, 1, 0})),
        options{.stride = stride, .padding = padding, .dilation = dilation} {
    init::kaiming_uniform(weight.value, in * kernel);
    reg("weight", weight);
    if (!with_bias) return;
    bias = Var(Tensor::empty({out}));
    init::kaiming_uniform(bias.value, in * kernel);
    reg("bias", bias);
  }
  Var operator()(const Var& x) const { return conv1d(x, weight, bias, options); }

  Var weight, bias;
  Conv1dOptions options;
};

class ConvTranspose1d : public Module {
 public:
  ConvTranspose1d(int64_t in, int64_t out, int kernel, int stride = 1, int padding = 0)
      : weight(Tensor::empty({kernel, out, in}).permute({2, 1, 0})),
        bias(Tensor::empty({out})),
        options{.stride = stride, .padding = padding} {
    init::kaiming_uniform(weight.value, out * kernel);  // PyTorch takes the outputs for the fan-in
    init::kaiming_uniform(bias.value, out * kernel);
    reg("weight", weight);
    reg("bias", bias);
  }
  Var operator()(const Var& x) const { return conv_transpose1d(x, weight, bias, options); }

  Var weight, bias;
  Conv1dOptions options;
};

}  // namespace kg
