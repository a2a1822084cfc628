// Running rows of the op table and comparing what comes out.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "tests/autograd/op_cases.h"

namespace kg {

inline void PrintTo(const OpCase& op, std::ostream* out) { *out << op.name(); }

// Value and the gradient of every input, in that order.
inline std::vector<Tensor> run(const OpCase& op, const std::vector<Tensor>& inputs,
                               const std::function<Tensor(const Tensor&)>& relayout = {}) {
  std::vector<Var> leaves;
  for (const Tensor& x : inputs) leaves.emplace_back(x, true);
  const Var y = op.build(leaves);
  std::vector<Tensor> results{y.value.clone()};
  const Tensor seed = op_seed(y.value);
  backward(y, relayout ? relayout(seed) : seed);
  for (const Var& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

// |a - b| / |b|, Euclidean; 0 when both are 0.
inline double relative_norm(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  double difference = 0, norm = 0;
  for (size_t i = 0; i < y.size(); ++i) difference += (x[i] - y[i]) * (x[i] - y[i]), norm += y[i] * y[i];
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

inline void expect_alike(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const std::string what = i == 0 ? "value" : "gradient of input " + std::to_string(i - 1);
    ASSERT_EQ(got[i].defined(), want[i].defined()) << what;
    if (!want[i].defined()) continue;
    ASSERT_EQ(got[i].shape(), want[i].shape()) << what;
    EXPECT_LE(relative_norm(got[i], want[i]), tolerance) << what;  // fails for NaN, too
  }
}

}  // namespace kg
