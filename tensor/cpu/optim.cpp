#include "tensor/cpu/optim.h"

#include <cmath>

#include "tensor/parallel.h"

namespace kg::cpu {

void adam_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v, int64_t t, const AdamOptions& o,
               double grad_scale, const Tensor& scale, const Tensor& half) {
  if (scale.defined()) {
    const double factor = scale.item();
    if (factor - factor != 0) return;
    grad_scale *= factor;
  }
  for_float(p.dtype(), "adam_step", [&](auto zero) {
    using T = decltype(zero);
    const double correct1 = 1 - std::pow(o.beta1, double(t)), correct2 = 1 - std::pow(o.beta2, double(t));
    const T b1 = T(o.beta1), b2 = T(o.beta2), c1 = T(1 - o.beta1), c2 = T(1 - o.beta2), by = T(grad_scale);
    const T step = T(o.lr / correct1), root = T(1 / std::sqrt(correct2)), eps = T(o.eps);
    const T decay = o.decoupled ? T(1 - o.lr * o.weight_decay) : T(1), l2 = o.decoupled ? T(0) : T(o.weight_decay);
    parallel_for(p.numel(), kGrain, [&](int64_t b, int64_t e) {
      T* w = p.data<T>();
      const T* gradient = g.data<T>();
      T *first = m.data<T>(), *second = v.data<T>();
#pragma omp simd
      for (int64_t i = b; i < e; ++i) {
        const T d = gradient[i] * by + l2 * w[i];
        first[i] = b1 * first[i] + c1 * d;
        second[i] = b2 * second[i] + c2 * d * d;
        w[i] = w[i] * decay - step * first[i] / (std::sqrt(second[i]) * root + eps);
      }
    });
  });
  if (half.defined()) half.copy_from(p);
}

}  // namespace kg::cpu
