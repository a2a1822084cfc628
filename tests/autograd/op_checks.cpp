#include "tests/autograd/op_checks.h"

#include <cmath>
#include <limits>

namespace kg {

std::vector<Tensor> run(const OpCase::Build& build, const std::vector<Tensor>& inputs,
                        const std::function<Tensor(const Tensor&)>& relayout) {
  std::vector<Var> leaves;
  for (const Tensor& x : inputs) leaves.emplace_back(x, true);
  const Var y = build(leaves);
  std::vector<Tensor> results{y.value.clone()};
  const Tensor seed = op_seed(y.value);
  backward(y, relayout ? relayout(seed) : seed);
  for (const Var& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

double relative_norm(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  double difference = 0, norm = 0;
  for (size_t i = 0; i < y.size(); ++i) difference += (x[i] - y[i]) * (x[i] - y[i]), norm += y[i] * y[i];
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

GradcheckResult check_gradients(const OpCase& op) {
  const std::vector<Tensor> inputs = op_inputs(op, false, Dtype::f64);
  if (!op.straight_through) return gradcheck(op.build, inputs, {.tolerance = op.tolerance});
  const std::vector<Tensor> results = run(op, inputs);
  GradcheckResult result;
  result.error = relative_norm(results[1], op_seed(results[0]));
  result.ok = result.error <= op.tolerance;
  if (!result.ok) result.message = "the gradient is not what came back to the output";
  return result;
}

double error_beside_composed(const OpCase& op) {
  const std::vector<Tensor> inputs = op_inputs(op, false, Dtype::f64);
  const std::vector<Tensor> got = run(op.build, inputs), want = run(op.composed, inputs);
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const bool alike = got[i].defined() && want[i].defined() && got[i].shape() == want[i].shape();
    const double error = alike ? relative_norm(got[i], want[i]) : std::numeric_limits<double>::infinity();
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace kg
