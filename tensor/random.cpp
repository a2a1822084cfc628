#include "tensor/random.h"

#include "tensor/parallel.h"

namespace kg {
namespace {
template <class Fn>
void fill_each(const Tensor& t, const char* op, Fn&& value) {
  CHECK(t.is_contiguous(), "[", op, "] tensor must be contiguous");
  if (t.device() != Device::cpu) {  // the host's bits: a device rounds logarithms and cosines its own way
    const Tensor host = Tensor::empty(t.shape(), t.dtype() == Dtype::bf16 ? Dtype::f32 : t.dtype());
    fill_each(host, op, value);
    return t.copy_from(host);
  }
  t.bump_version();
  for_float(t.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    T* out = t.data<T>();
    parallel_for(t.numel(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = T(value(uint64_t(i)));
    });
  });
}
}  // namespace

void fill_uniform(const Tensor& t, double low, double high, Philox random) {
  fill_each(t, "fill_uniform", [&](uint64_t i) { return low + (high - low) * double(random.uniform(i)); });
}
void fill_normal(const Tensor& t, double mean, double stddev, Philox random) {
  fill_each(t, "fill_normal", [&](uint64_t i) { return mean + stddev * random.normal(i); });
}
Generator& default_generator() {
  thread_local Generator generator;
  return generator;
}
}  // namespace kg
