// Dropout: in training each element is 0 with probability p and divided by 1 - p otherwise; nothing in evaluation.
#pragma once

#include "autograd/functions.h"
#include "nn/module.h"

namespace kg {

class Dropout : public Module {
 public:
  explicit Dropout(double p) : p(p) { CHECK(p >= 0 && p < 1, "[dropout] p must be in [0, 1), is ", p); }
  Var operator()(const Var& x) const { return dropout(x, p, training()); }

  double p;
};

}  // namespace kg
