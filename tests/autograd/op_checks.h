// What the op table is checked by, in tests and in the program gradcheck.
#pragma once

#include <algorithm>

#include "autograd/gradcheck.h"
#include "tests/autograd/op_cases.h"

namespace kg {

// Value and the gradient of every input, in that order.
std::vector<Tensor> run(const OpCase::Build& build, const std::vector<Tensor>& inputs,
                        const std::function<Tensor(const Tensor&)>& relayout = {});
inline std::vector<Tensor> run(const OpCase& op, const std::vector<Tensor>& inputs,
                               const std::function<Tensor(const Tensor&)>& relayout = {}) {
  return run(op.build, inputs, relayout);
}

// |a - b| / |b|, Euclidean; 0 when both are 0.
double relative_norm(const Tensor& a, const Tensor& b);

// Gradients against central differences in f64, or against the seed where they pass straight through.
GradcheckResult check_gradients(const OpCase& op);
// The largest relative norm of what value or a gradient differs by from the composed form, in f64.
double error_beside_composed(const OpCase& op);
inline constexpr double kComposedTolerance = 1e-12;

// A tolerance is at most a hundred times the error that was found: a looser one would let mistakes pass. Errors below
// 1e-13, the rounding of a sum, count as that.
inline bool is_tight(double tolerance, double error) { return tolerance <= 100 * std::max(error, 1e-13); }

}  // namespace kg
