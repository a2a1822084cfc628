// Rows of random numbers (n, d), for the tests of metrics.
#pragma once

#include "tensor/ops.h"

namespace kg {

// Normal, in f64.
inline Tensor random_rows(int64_t n, int64_t d, uint64_t seed) {
  const Tensor x = Tensor::empty({n, d}, Dtype::f64);
  fill_normal(x, 0, 1, {seed, 1});
  return x;
}

}  // namespace kg
