// The op table: every differentiable operation with inputs that are legal for it and away from its kinks. Gradient
// checks, comparisons of dtypes and devices, of layouts and of thread counts are driven by it. Builders get their
// inputs as Vars of any float dtype on any device and make constants to fit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/functions.h"

namespace kg {

enum class Domain {
  any,       // uniform in [-2, 2)
  positive,  // uniform in [0.3, 2)
  distinct   // in [-2, 2), no two elements of all inputs alike: for maxima, sorting, comparing
};

struct OpInput {
  Shape shape;  // small: quick to differentiate numerically
  Shape large;  // enough work for several threads
  Domain domain = Domain::any;
  std::vector<double> kinks = {};  // no element is within kKinkMargin of one
};
inline constexpr double kKinkMargin = 0.05;

enum class OpClass {
  plain,            // numeric gradients agree to 1e-6
  rows,             // to 1e-5: softmax, norms, attention
  straight_through  // the gradient is that of the identity, by definition and not by calculus
};

struct OpCase {
  std::string op;       // the function of autograd/functions.h
  std::string variant;  // which of its rows
  std::vector<OpInput> inputs;
  std::function<Var(const std::vector<Var>&)> build;
  OpClass kind = OpClass::plain;

  std::string name() const { return variant.empty() ? op : op + "_" + variant; }
  double tolerance() const { return kind == OpClass::rows ? 1e-5 : 1e-6; }
};
const std::vector<OpCase>& op_cases();

// The inputs of a case: the same values for every dtype, all of them exact in f32.
std::vector<Tensor> op_inputs(const OpCase& op, bool large, Dtype dtype, Device device = Device::cpu);
// Fixed weights of an output, in [0.5, 1.5), exact in f32: what backward starts from.
Tensor op_seed(const Tensor& output);

// The same values in another layout. Memory that belongs to no element of a window is NaN.
enum class Layout { transposed, window };
Tensor in_layout(const Tensor& x, Layout layout);

}  // namespace kg
