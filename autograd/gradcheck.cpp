#include "autograd/gradcheck.h"

#include <cmath>

namespace kg {
namespace {

// What a non-scalar is weighted by.
Tensor weights_of(const Shape& shape, uint64_t seed) {
  const Tensor w = Tensor::empty(shape, Dtype::f64);
  fill_uniform(w, 0.5, 1.5, Philox{seed, 77});
  return w;
}

// dL/dh at 0 of L = sum weights value(h). Values are subtracted before they are summed: what does not change cancels.
double slope(const std::function<Tensor(double)>& value, const Tensor& weights, double h) {
  const auto difference = [&](double step) { return sub(value(step), value(-step)); };
  const Tensor near = difference(h), far = difference(2 * h);
  return sum(mul(sub(affine(near, 8, 0), far), weights)).item() / (12 * h);
}

// Element i of a leaf in row-major order, behind any strides.
double& element(const Tensor& t, int64_t i) {
  int64_t at = 0;
  for (int axis = t.rank() - 1; axis >= 0; --axis) {
    at += i % t.shape()[axis] * t.strides()[axis];
    i /= t.shape()[axis];
  }
  return t.data<double>()[at];
}

struct Comparison {
  std::string where;
  double analytic, numeric;
};

// The error of all, and where it is largest.
GradcheckResult judge(const std::vector<Comparison>& all, double tolerance) {
  GradcheckResult result;
  double largest = 0;
  for (const Comparison& c : all) largest = std::max(largest, std::fabs(c.numeric));
  for (const Comparison& c : all) {
    const double error = std::fabs(c.analytic - c.numeric) / (largest > 0 ? largest : 1);
    if (error <= result.error) continue;  // goes on for NaN
    result.error = error;
    result.ok = error <= tolerance;
    if (result.ok) continue;
    std::ostringstream text;
    text.precision(12);
    text << c.where << ": analytic " << c.analytic << ", numeric " << c.numeric << ": an error of " << error << " of "
         << largest << ", tolerated " << tolerance;
    result.message = text.str();
    if (error != error) break;
  }
  return result;
}

void clear_gradients(const std::vector<Var*>& leaves) {
  for (Var* leaf : leaves) leaf->meta->drop_grad();
}

}  // namespace

GradcheckResult gradcheck(const std::function<Var()>& loss, const std::vector<Var*>& leaves,
                          const GradcheckOptions& o) {
  int64_t total = 0;
  for (Var* leaf : leaves) {
    CHECK(leaf->requires_grad() && leaf->dtype() == Dtype::f64, "[gradcheck] leaves must be f64 and require gradients");
    total += leaf->numel();
  }
  clear_gradients(leaves);
  const Var y = loss();
  const Tensor weights = y.numel() == 1 ? Tensor::ones(y.shape(), Dtype::f64) : weights_of(y.shape(), o.seed);
  backward(y, weights);
  std::vector<Tensor> gradients;
  for (Var* leaf : leaves) gradients.push_back(leaf->grad().defined() ? leaf->grad().clone() : zeros_like(leaf->value));
  clear_gradients(leaves);

  NoGrad guard;
  std::vector<Comparison> all;
  if (total <= o.every_element_up_to) {
    for (size_t n = 0; n < leaves.size(); ++n)
      for (int64_t i = 0; i < leaves[n]->numel(); ++i) {
        double& x = element(leaves[n]->value, i);
        const double x0 = x;
        const auto value = [&](double h) {
          x = x0 + h;
          return loss().value.clone();
        };
        const double numeric = slope(value, weights, o.step);
        x = x0;
        all.push_back(
            {"leaf " + std::to_string(n) + ", element " + std::to_string(i), element(gradients[n], i), numeric});
      }
    return judge(all, o.tolerance);
  }
  for (int d = 0; d < o.directions; ++d) {
    std::vector<Tensor> origin, direction;
    double analytic = 0;
    for (size_t n = 0; n < leaves.size(); ++n) {
      origin.push_back(leaves[n]->value.clone());
      direction.push_back(Tensor::empty(leaves[n]->shape(), Dtype::f64));
      fill_normal(direction[n], 0, 1 / std::sqrt(double(total)), Philox{o.seed, mix(uint64_t(d), n)});
      analytic += sum(mul(gradients[n], direction[n])).item();
    }
    const auto value = [&](double h) {
      for (size_t n = 0; n < leaves.size(); ++n) leaves[n]->value.copy_from(add(origin[n], affine(direction[n], h, 0)));
      return loss().value.clone();
    };
    all.push_back({"direction " + std::to_string(d), analytic, slope(value, weights, o.step)});
    for (size_t n = 0; n < leaves.size(); ++n) leaves[n]->value.copy_from(origin[n]);
  }
  return judge(all, o.tolerance);
}

GradcheckResult gradcheck(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  std::vector<Var> leaves;
  for (const Tensor& x : inputs) leaves.emplace_back(x.clone(), true);
  std::vector<Var*> pointers;
  for (Var& leaf : leaves) pointers.push_back(&leaf);
  return gradcheck([&] { return fn(leaves); }, pointers, options);
}

}  // namespace kg
