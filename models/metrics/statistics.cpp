// Mean and interval of repeats.
#include "models/metrics/statistics.h"

#include <cmath>

#include "tensor/error.h"

namespace kg {

Interval interval_of(const std::vector<double>& values) {
  CHECK_INPUT(!values.empty(), "[interval] no values to average");
  const double n = double(values.size());
  Interval result{0, std::numeric_limits<double>::quiet_NaN()};
  for (size_t i = 0; i < values.size(); ++i) {
    CHECK_INPUT(std::isfinite(values[i]), "[interval] value ", i, " is ", values[i], ", expected a finite number");
    result.mean += values[i] / n;
  }
  if (values.size() == 1) return result;
  double variance = 0;
  for (const double value : values) variance += (value - result.mean) * (value - result.mean) / n;
  result.half_width = 1.96 * std::sqrt(variance / n);
  return result;
}

}  // namespace kg
