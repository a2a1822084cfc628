// Small helpers of the tests of nn/.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tensor/tensor.h"
#include "tests/error_of.h"

namespace kg {

template <class Named>
std::vector<std::string> names_of(const Named& entries) {
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.first);
  return names;
}

inline double max_of(const Tensor& t) {
  const auto values = t.to_vector();
  return *std::max_element(values.begin(), values.end());
}

inline void expect_near(const Tensor& got, const std::vector<double>& expected, double tolerance,
                        const std::string& what = "") {
  const auto values = got.to_vector();
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], tolerance) << what << " at " << i;
}

}  // namespace kg
