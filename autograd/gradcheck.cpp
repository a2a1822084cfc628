#include "autograd/gradcheck.h"

#include <cmath>

namespace kg {
namespace {

Var weighted_sum(const Var& y, uint64_t seed) {
  if (y.numel() == 1) return reshape(y, {});
  const Tensor w = Tensor::empty(y.shape(), Dtype::f64);
  fill_uniform(w, 0.5, 1.5, Philox{seed, 77});
  return sum(y * Var(w));
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

}  // namespace

GradcheckResult gradcheck(const std::function<Var()>& loss, const std::vector<Var*>& leaves,
                          const GradcheckOptions& o) {
  int64_t total = 0;
  for (Var* leaf : leaves) {
    CHECK(leaf->requires_grad() && leaf->dtype() == Dtype::f64, "[gradcheck] leaves must be f64 and require gradients");
    leaf->meta->grad = Tensor();
    leaf->meta->owned = false;
    total += leaf->numel();
  }
  backward(weighted_sum(loss(), o.seed));
  std::vector<Tensor> gradients;
  for (Var* leaf : leaves) {
    gradients.push_back(leaf->grad().defined() ? leaf->grad().clone() : zeros_like(leaf->value));
    leaf->meta->grad = Tensor();
    leaf->meta->owned = false;
  }

  auto value = [&] {
    NoGrad guard;
    return weighted_sum(loss(), o.seed).item();
  };
  GradcheckResult result;
  auto judge = [&](double analytic, double numeric, const std::string& where) {
    const double excess = std::fabs(analytic - numeric) / (o.absolute + o.relative * std::fabs(numeric));
    if (!(excess <= result.worst)) result.worst = excess;
    if (excess <= 1 || !result.ok) return;
    result.ok = false;
    std::ostringstream text;
    text.precision(12);
    text << where << ": analytic " << analytic << ", numeric " << numeric;
    result.message = text.str();
  };

  if (total <= o.every_element_up_to) {
    for (size_t n = 0; n < leaves.size(); ++n)
      for (int64_t i = 0; i < leaves[n]->numel(); ++i) {
        double& x = element(leaves[n]->value, i);
        const double x0 = x, h = o.step * std::max(1.0, std::fabs(x0));
        x = x0 + h;
        const double up = value(), reached_up = x;
        x = x0 - h;
        const double down = value(), reached_down = x;
        x = x0;
        judge(element(gradients[n], i), (up - down) / (reached_up - reached_down),
              "leaf " + std::to_string(n) + ", element " + std::to_string(i));
      }
    return result;
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
    auto at = [&](double h) {
      for (size_t n = 0; n < leaves.size(); ++n) leaves[n]->value.copy_from(add(origin[n], affine(direction[n], h, 0)));
      return value();
    };
    const double h = o.step * 10;
    const double numeric = (at(h) - at(-h)) / (2 * h);
    for (size_t n = 0; n < leaves.size(); ++n) leaves[n]->value.copy_from(origin[n]);
    judge(analytic, numeric, "direction " + std::to_string(d));
  }
  return result;
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
