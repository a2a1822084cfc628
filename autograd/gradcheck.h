// Checks a backward against central differences in f64: of every element of every leaf when there are few, along random
// directions through all of them when there are many.
#pragma once

#include <string>

#include "autograd/functions.h"

namespace kg {

struct GradcheckOptions {
  double tolerance = 1e-9;  // of the error
  double step = 0x1p-13;    // a power of two: x + step is exact for values that are exact in f32
  int64_t every_element_up_to = 200;
  int directions = 8;
  uint64_t seed = 1;
};
struct GradcheckResult {
  bool ok = true;
  double error = 0;     // the largest |a - n|, a of backward and n numeric, relative to the largest |n|
  std::string message;  // where that is, if it is beyond the tolerance
  explicit operator bool() const { return ok; }
};

// `loss` computes a Var from the current values of the leaves (f64, contiguous or permuted dense); a non-scalar is
// weighted by fixed random numbers and summed. It must be deterministic (set the default generator inside if it draws).
// n = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h, whose error falls with h^4.
GradcheckResult gradcheck(const std::function<Var()>& loss, const std::vector<Var*>& leaves,
                          const GradcheckOptions& options = {});
// The same for a function of fresh leaves made from `inputs`.
GradcheckResult gradcheck(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace kg
