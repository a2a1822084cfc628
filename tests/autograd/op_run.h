// Comparing what rows of the op table give.
#pragma once

#include <gtest/gtest.h>

#include "tests/autograd/op_checks.h"

namespace kg {

inline void PrintTo(const OpCase& op, std::ostream* out) { *out << op.name(); }

inline void expect_alike(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const std::string what = i == 0 ? "value" : "gradient of input " + std::to_string(i - 1);
    ASSERT_EQ(got[i].defined(), want[i].defined()) << what;
    if (!want[i].defined()) continue;
    ASSERT_EQ(got[i].shape(), want[i].shape()) << what;
    EXPECT_LE(relative_norm(got[i], want[i]), tolerance) << what;  // fails for NaN, too
  }
}

}  // namespace kg
