// A metric over repeats: the mean and its 95 % interval as the field prints them (Guo et al. 2022, section 5).
#pragma once

#include <limits>
#include <vector>

namespace kg {

// mean +- half_width. A mean of NaN: not measured; a half width of NaN: one value only, its spread is unknown.
struct Interval {
  double mean = std::numeric_limits<double>::quiet_NaN();
  double half_width = std::numeric_limits<double>::quiet_NaN();
};

// 1.96 std / sqrt(n) with the population's standard deviation. No values, or one that is not finite: an Error (input).
Interval interval_of(const std::vector<double>& values);

}  // namespace kg
