// Adam and AdamW on flat buffers in one pass: reads parameter, gradient and both moments, writes three of them and, to
// compute in bf16, the rounded copy.
#include <cmath>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

struct Factors {
  float b1, b2, c1, c2, scale, step, root, eps, decay, l2;
};

// One element: writes the moments and the new value, which it returns.
KG_HD inline float adam_element(const Factors& f, float scale, float g, float& w, float& first, float& second) {
  const float d = g * scale + f.l2 * w;
  first = f.b1 * first + f.c1 * d;
  second = f.b2 * second + f.c2 * d * d;
  w = w * f.decay - f.step * first / (std::sqrt(second) * f.root + f.eps);
  return w;
}

// `factor`, if given, multiplies the gradient; when it is not finite nothing changes.
// N elements at a time, then the rest.
template <int N>
__global__ void adam(int64_t n, Factors f, Ptr<const float> factor, Ptr<float> w, Ptr<const float> gradient,
                     Ptr<float> first, Ptr<float> second, Ptr<bf16> half) {
  float scale = f.scale;
  if (factor != nullptr) {
    const float given = *factor;
    if (given - given != 0.0f) return;
    scale *= given;
  }
  const int64_t step = int64_t(gridDim.x) * blockDim.x, thread = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = thread; i < n / N; i += step) {
    const Pack<float, N> g = load_pack<N>(gradient + i * N);
    Pack<float, N> value = load_pack<N>(w + i * N), m = load_pack<N>(first + i * N), v = load_pack<N>(second + i * N);
    for (int j = 0; j < N; ++j) adam_element(f, scale, g[j], value[j], m[j], v[j]);
    store_pack(w + i * N, value), store_pack(first + i * N, m), store_pack(second + i * N, v);
    if (half != nullptr) store_floats(half + i * N, value);
  }
  for (int64_t i = n / N * N + thread; i < n; i += step) {
    const float now = adam_element(f, scale, gradient[i], w[i], first[i], second[i]);
    if (half != nullptr) half[i] = bf16(now);
  }
}

}  // namespace

void adam_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v, int64_t t, const AdamOptions& o,
               double grad_scale, const Tensor& scale, const Tensor& half) {
  CHECK(p.dtype() == Dtype::f32, "[adam_step] parameters on CUDA are f32 (with a bf16 copy), these are ",
        name_of(p.dtype()));
  const double correct1 = 1 - std::pow(o.beta1, double(t)), correct2 = 1 - std::pow(o.beta2, double(t));
  Factors f{};
  f.b1 = float(o.beta1), f.b2 = float(o.beta2), f.c1 = float(1 - o.beta1), f.c2 = float(1 - o.beta2);
  f.scale = float(grad_scale);
  f.step = float(o.lr / correct1), f.root = float(1 / std::sqrt(correct2)), f.eps = float(o.eps);
  f.decay = o.decoupled ? float(1 - o.lr * o.weight_decay) : 1.0f, f.l2 = o.decoupled ? 0.0f : float(o.weight_decay);
  bool aligned = true;
  for (const Tensor* t : {&p, &g, &m, &v, &half})
    aligned = aligned && (!t->defined() || reinterpret_cast<uintptr_t>(t->raw()) % (4 * size_of(t->dtype())) == 0);
  launch("adam_step", aligned ? adam<4> : adam<1>, blocks_for(ceil_div(p.numel(), 4), kThreads), kThreads, p.numel(), f,
         pointer<const float>(scale), pointer<float>(p), pointer<const float>(g), pointer<float>(m), pointer<float>(v),
         pointer<bf16>(half));
}

}  // namespace kg::cuda
