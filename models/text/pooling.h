// From the states of tokens to one vector a text. Letters: B texts, L tokens, C width.
#pragma once

#include <limits>

#include "autograd/functions.h"

namespace kg {

// states (B, L, C) weighted by share (B, L, 1) -> (B, C): the mean where share is 1 / number of tokens, one state where
// it is 1 there and 0 elsewhere.
inline Var pool(const Var& states, const Tensor& share) { return sum(states * Var(share), {1}); }

// x (..., C) / max(|x|, 1e-12)
inline Var l2_normalize(const Var& x) {
  return x * rsqrt(clamp(sum(square(x), {-1}, true), 1e-24, std::numeric_limits<double>::infinity()));
}

}  // namespace kg
