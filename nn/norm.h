// LayerNorm and RMSNorm over the last axis C: x (..., C) -> (..., C).
#pragma once

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace kg {

// (x - mean) / sqrt(var + eps) * weight + bias, with the variance over C (not C - 1). Ba et al. 2016.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t width, double eps = 1e-5)
      : weight(Tensor::ones({width})), bias(Tensor::zeros({width})), eps(eps) {
    reg("weight", weight);
    reg("bias", bias);
  }
  Var operator()(const Var& x) const { return layer_norm(x, weight, bias, eps); }
  // Of the sum x + dropout(branch), in one pass; both come back.
  ResidualNormed residual(const Var& x, const Var& branch, double dropout) const {
    return add_dropout_norm(x, branch, dropout, training(), weight, bias, eps);
  }

  Var weight, bias;
  double eps;
};

// x / sqrt(mean(x^2) + eps) * weight. Zhang and Sennrich 2019.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(int64_t width, double eps = 1e-6) : weight(Tensor::ones({width})), eps(eps) {
    reg("weight", weight);
  }
  Var operator()(const Var& x) const { return rms_norm(x, weight, eps); }

  Var weight;
  double eps;
};

}  // namespace kg
