// Reference for the kernel tests: tensors, reading elements through strides, comparing, errors, thread counts.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tensor/ops.h"
#include "tensor/parallel.h"

namespace kg {

using Values = std::vector<double>;
inline constexpr Dtype kDtypes[] = {Dtype::f32, Dtype::f64};
inline constexpr float kInf = std::numeric_limits<float>::infinity();

inline Tensor random_tensor(const Shape& shape, Dtype dtype, uint64_t seed, double stddev = 1) {
  const Tensor t = Tensor::empty(shape, dtype);
  fill_normal(t, 0, stddev, {seed, 7});
  return t;
}

// Element at an index, by strides, as a double.
inline double at(const Tensor& t, std::initializer_list<int64_t> index) {
  int64_t offset = 0;
  int axis = 0;
  for (int64_t i : index) offset += i * t.strides()[axis++];
  return t.dtype() == Dtype::f64 ? t.data<double>()[offset] : double(t.data<float>()[offset]);
}

// |value - expected| within a few roundings of sums of terms that add up to `magnitude` in absolute value.
inline void expect_close(double value, double expected, double magnitude, Dtype dtype, const std::string& where) {
  const double unit = dtype == Dtype::f64 ? 0x1p-53 : 0x1p-24;
  ASSERT_LE(std::fabs(value - expected), 16 * unit * (magnitude + std::fabs(expected)) + 1e-300) << where;
}

inline Tensor of(const std::vector<double>& values, const Shape& shape, Dtype dtype) {
  return Tensor::from(values, shape).to(dtype);
}

// Tolerance for results of a few roundings of numbers about 1.
inline double rounding(Dtype dtype) { return dtype == Dtype::f64 ? 1e-14 : 2e-6; }

inline void expect_values(const Tensor& got, const std::vector<double>& want, double tolerance) {
  const std::vector<double> values = got.to_vector();
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isinf(want[i])) {
      EXPECT_EQ(values[i], want[i]) << i;
    } else {
      EXPECT_NEAR(values[i], want[i], tolerance) << i;
    }
  }
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous(), y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() && std::memcmp(x.raw(), y.raw(), size_t(x.bytes())) == 0;
}

// Runs make() on one thread and on two.
template <class Make>
void expect_same_for_any_threads(Make&& make) {
  set_threads(1);
  const Tensor one = make();
  set_threads(2);
  const Tensor two = make();
  set_threads(3);
  const Tensor three = make();
  set_threads(0);
  EXPECT_TRUE(same_bytes(one, two));
  EXPECT_TRUE(same_bytes(one, three));
}

template <class Call>
void expect_error(Call&& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "no error that says: " << part;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

// Central differences of sum(w * f()) by the elements of x (f64), against the given gradient.
template <class F>
void expect_gradient(const Tensor& x, const Tensor& gradient, const Tensor& w, F&& f) {
  const std::vector<double> weights = w.to_vector(), grad = gradient.to_vector();
  auto loss = [&] {
    const std::vector<double> y = f().to_vector();
    double total = 0;
    for (size_t i = 0; i < y.size(); ++i) total += y[i] * weights[i];
    return total;
  };
  ASSERT_EQ(int64_t(grad.size()), x.numel());
  ASSERT_TRUE(x.is_contiguous());
  double* p = x.data<double>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double before = p[i], h = 1e-6;
    p[i] = before + h;
    const double up = loss();
    p[i] = before - h;
    const double down = loss();
    p[i] = before;
    const double numeric = (up - down) / (2 * h);
    ASSERT_NEAR(grad[size_t(i)], numeric, 1e-7 + 1e-6 * std::fabs(numeric)) << "element " << i;
  }
}

}  // namespace kg
