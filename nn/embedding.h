// Embedding: ids (...) i32 in [0, V) -> (..., C), rows of weight (V, C), drawn from N(0, 1).
#pragma once

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace kg {

class Embedding : public Module {
 public:
  Embedding(int64_t count, int64_t width) : weight(Tensor::empty({count, width})) {
    init::normal(weight.value, 0, 1);
    reg("weight", weight);
  }
  Var operator()(const Tensor& ids) const { return embedding(weight, ids); }

  Var weight;
};

}  // namespace kg
