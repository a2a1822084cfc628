// A copy of a network that follows it slowly (the key encoder of He et al. 2020, "Momentum contrast", the target
// network of many others): after each step, copy = decay copy + (1 - decay) network. Nothing else trains the copy.
#pragma once

#include "nn/module.h"
#include "tensor/ops.h"

namespace kg {

// Of the parameters, in their order; both modules are of one class and size. The copy may be of a finer dtype.
inline void follow(Module& copy, const Module& of, double decay) {
  const NamedParameters to = copy.named_parameters(), from = of.named_parameters();
  CHECK(to.size() == from.size(), "[follow] the copy has ", to.size(), " parameters, the module ", from.size());
  for (size_t i = 0; i < to.size(); ++i) {
    const Tensor &mine = to[i].second->value, &its = from[i].second->value;
    CHECK(to[i].first == from[i].first && mine.shape() == its.shape(), "[follow] ", to[i].first, " ", mine.shape(),
          " of the copy does not fit ", from[i].first, " ", its.shape());
    mine.copy_from(add(affine(mine, decay, 0), affine(its.to(mine.dtype()), 1 - decay, 0)));
  }
}

}  // namespace kg
