// The op table: every differentiable operation with inputs that are legal for it and away from its kinks, and, where
// it is not a basic one, what it is made of (tests/autograd/composed.h). Gradient checks, comparisons with the composed
// form, of dtypes and devices, of layouts and of thread counts are driven by it. Builders get their inputs as Vars of
// any float dtype on any device and make constants to fit.
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

struct OpCase {
  using Build = std::function<Var(const std::vector<Var>&)>;
  std::string op;       // the function of autograd/functions.h
  std::string variant;  // which of its rows
  std::vector<OpInput> inputs;
  Build build;
  Build composed = {};            // the same by basic ops; none for a basic op
  double tolerance = 1e-11;       // of gradcheck(): at most a hundred times the error that it finds
  bool straight_through = false;  // the gradient is that of the identity, by definition and not by calculus

  std::string name() const { return variant.empty() ? op : op + "_" + variant; }
};
const std::vector<OpCase>& op_cases();
bool is_basic(const std::string& op);  // needs no composed form

// The inputs of a case: the same values for every dtype, all of them exact in f32.
std::vector<Tensor> op_inputs(const OpCase& op, bool large, Dtype dtype, Device device = Device::cpu);
// Fixed weights of an output, in [0.5, 1.5), exact in f32: what backward starts from.
Tensor op_seed(const Tensor& output);

// The same values in another layout. Memory that belongs to no element of a window is NaN.
enum class Layout { transposed, window };
Tensor in_layout(const Tensor& x, Layout layout);

}  // namespace kg
