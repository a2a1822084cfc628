// Linear: x (..., I) -> (..., O), y = x W^T + b. weight (O, I), bias (O) or none.
#pragma once

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace kg {

class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, bool with_bias = true) : weight(Tensor::empty({out, in})) {
    init::kaiming_uniform(weight.value, in);
    reg("weight", weight);
    if (!with_bias) return;
    bias = Var(Tensor::empty({out}));
    init::kaiming_uniform(bias.value, in);
    reg("bias", bias);
  }
  Var operator()(const Var& x) const { return linear(x, weight, bias); }

  Var weight, bias;
};

}  // namespace kg
