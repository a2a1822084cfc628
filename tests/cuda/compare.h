// CUDA results beside those of the CPU in f64 on the same values: what tests of single kernels share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/ops.h"
#include "tests/cuda/device_test.h"

namespace kg {

inline constexpr Dtype kDeviceFloats[] = {Dtype::f32, Dtype::bf16};
inline constexpr int64_t kEdges[] = {1, 7, 31, 32, 33, 255, 256, 257, 1023, 1025};

// Values of a normal distribution that `dtype` can hold, in f64 on the CPU.
inline Tensor random_values(const Shape& shape, uint64_t stream, Dtype dtype) {
  const Tensor x = Tensor::empty(shape, Dtype::f64);
  fill_normal(x, 0, 1, {17, stream});
  return x.to(dtype).to(Dtype::f64);
}
inline Tensor random_ids(int64_t n, int64_t below, uint64_t stream) {
  const Tensor ids = Tensor::empty({n}, Dtype::i32);
  for (int64_t i = 0; i < n; ++i)
    ids.data<int32_t>()[i] = int32_t(Philox{18, stream}.below(uint64_t(i), uint32_t(below)));
  return ids;
}
// On the device in `dtype`; with `shift`, as a view that begins `shift` elements into its memory, so that no address in
// it is a multiple of 16 bytes.
inline Tensor on_device(const Tensor& x, Dtype dtype, int64_t shift = 0) {
  const Tensor whole = Tensor::zeros({x.numel() + shift}, dtype, Device::cuda);
  const Tensor view = whole.slice(0, shift, x.numel() + shift).reshape(x.shape());
  if (x.numel() > 0) view.copy_from(x.to(dtype).to(Device::cuda));
  return view;
}
struct Twin {
  Tensor cuda, cpu;
};
// The same values on the device in `dtype` and on the CPU in f64. A misaligned tensor begins one element after a whole
// number of 16 bytes.
inline Twin twin_of(const Tensor& values, Dtype dtype, bool misaligned = false) {
  return {on_device(values, dtype, misaligned), values.to(dtype).to(Dtype::f64)};
}
inline Twin random_twin(const Shape& shape, Dtype dtype, uint64_t stream, bool misaligned = false) {
  return twin_of(random_values(shape, stream, dtype), dtype, misaligned);
}
// |got - want| <= tolerance * (largest |want|), element by element, for sums whose terms cancel;
// NaN only where NaN is wanted.
inline void expect_within(const Tensor& got, const Tensor& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  const std::vector<double> g = got.to_vector(), w = want.to_vector();
  double size = 0;
  for (double v : w) size = std::max(size, std::fabs(v));
  for (size_t i = 0; i < w.size(); ++i) {
    ASSERT_EQ(std::isnan(g[i]), std::isnan(w[i])) << what << ", element " << i;
    if (!std::isnan(w[i])) {
      ASSERT_NEAR(g[i], w[i], tolerance * size) << what << ", element " << i;
    }
  }
}
// For results whose elements stand alone: |cuda - cpu| <= tolerance (1 + |cpu|), and half a unit of the last place more
// where the result is rounded to bf16, element by element; NaN only where the other is.
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

// For a result that was rounded to `dtype` once.
inline double tolerance_of(Dtype dtype) { return dtype == Dtype::bf16 ? 0x1p-8 : 2e-6; }

}  // namespace kg
