// Checks a backward against central differences in f64: |a - n| <= absolute + relative |n| for every element of every
// leaf when there are few, and for random directions through all of them when there are many.
#pragma once

#include <string>

#include "autograd/functions.h"

namespace kg {

struct GradcheckOptions {
  double step = 1e-6;  // times max(1, |x|)
  double absolute = 1e-7;
  double relative = 1e-6;
  int64_t every_element_up_to = 200;  // leaves larger than this in all are checked along `directions`
  int directions = 8;
  uint64_t seed = 1;
};
struct GradcheckResult {
  bool ok = true;
  double worst = 0;     // largest |a - n| / (absolute + relative |n|): at most 1 when ok
  std::string message;  // where the first failure is
  explicit operator bool() const { return ok; }
};

// `loss` computes a Var from the current values of the leaves (f64, contiguous or permuted dense); a non-scalar is
// weighted by fixed random numbers and summed. It must be deterministic (set the default generator inside if it draws).
GradcheckResult gradcheck(const std::function<Var()>& loss, const std::vector<Var*>& leaves,
                          const GradcheckOptions& options = {});
// The same for a function of fresh leaves made from `inputs`.
GradcheckResult gradcheck(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace kg
