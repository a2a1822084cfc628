// The same values on the device in its dtype and on the CPU in f64, for comparing an op with the CPU's.
#pragma once

#include "tensor/ops.h"
#include "tests/cuda/device_test.h"

namespace kg {

struct Twin {
  Tensor cuda, cpu;
};
// Values rounded to `dtype`. A misaligned tensor begins one element after a whole number of 16 bytes.
inline Twin twin_of(const Tensor& values, Dtype dtype, bool misaligned = false) {
  const Tensor rounded = values.to(dtype);
  const int64_t n = values.numel();
  const Tensor room = Tensor::zeros({n + 1}, dtype, Device::cuda);
  const Tensor there = room.slice(0, misaligned, n + misaligned).reshape(values.shape());
  if (n > 0) there.copy_from(rounded.to(Device::cuda));
  return {there, rounded.to(Dtype::f64)};
}
inline Twin random_twin(const Shape& shape, Dtype dtype, uint64_t stream, bool misaligned = false) {
  const Tensor values = Tensor::empty(shape, Dtype::f64);
  fill_normal(values, 0.2, 1, {42, stream});
  return twin_of(values, dtype, misaligned);
}

// |cuda - cpu| <= tolerance (1 + |cpu|), and half a unit of the last place more where the result is rounded to bf16,
// element by element; NaN only where the other is.
inline void expect_close(const Tensor& cuda, const Tensor& cpu, double tolerance, const std::string& what) {
  ASSERT_EQ(cuda.shape(), cpu.shape()) << what;
  const double rounding = cuda.dtype() == Dtype::bf16 ? 0x1p-8 : 0;
  const std::vector<double> got = cuda.to_vector(), want = cpu.to_vector();
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isnan(want[i]) && std::isnan(got[i])) continue;
    ASSERT_LE(std::abs(got[i] - want[i]), tolerance * (1 + std::abs(want[i])) + rounding * std::abs(want[i]))
        << what << ": element " << i << " is " << got[i] << ", on the CPU " << want[i];
  }
}

}  // namespace kg
