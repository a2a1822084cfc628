// Golden files: values that PyTorch computed in f64, read by name and compared by the largest difference relative to
// the largest reference value. The scripts beside this file make them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "data/formats/safetensors.h"

namespace kg {

class Golden {
 public:
  explicit Golden(const std::string& file) : file_(read_safetensors(std::string(KG_TEST_DIR "/golden/") + file)) {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  // As stored; the other overload converts.
  Tensor get(const std::string& name) const {
    const Tensor* found = file_.find(name);
    CHECK(found, "[golden] no tensor ", name);
    return *found;
  }
  Tensor get(const std::string& name, Dtype dtype) const { return get(name).to(dtype); }
  const TensorFile& file() const { return file_; }

 private:
  TensorFile file_;
};

// max |got - want| / max(max |want|, floor); infinite for another shape or a NaN. `floor` is for references that are
// zero but for rounding.
inline double relative_error(const Tensor& got, const Tensor& want, double floor = 1e-30) {
  if (!got.defined() || !(got.shape() == want.shape())) return INFINITY;
  const std::vector<double> a = got.to_vector(), b = want.to_vector();
  double difference = 0, scale = floor;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) return INFINITY;
    difference = std::max(difference, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return difference / scale;
}

inline void expect_same_ids(const Tensor& got, const Tensor& want, const std::string& what) {
  EXPECT_EQ(got.to_vector(), want.to_vector()) << what;
}

}  // namespace kg
