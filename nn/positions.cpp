#include "nn/positions.h"

#include <cmath>

#include "nn/init.h"

namespace kg {
namespace {
void check_rows(const Var& x, int64_t offset, int64_t length) {
  CHECK(offset >= 0 && offset + x.size(1) <= length, "[positions] positions ", offset, " to ", offset + x.size(1),
        " asked of a table of ", length);
}
}  // namespace

Tensor sinusoidal_positions(int64_t length, int64_t width) {
  CHECK(width % 2 == 0, "[positions] sinusoidal positions need an even width, got ", width);
  std::vector<double> table;
  for (int64_t p = 0; p < length; ++p)
    for (int64_t i = 0; i < width; i += 2) {
      const double angle = double(p) * std::exp(-double(i) * std::log(10000.0) / double(width));
      table.push_back(std::sin(angle));
      table.push_back(std::cos(angle));
    }
  return Tensor::from(table, {length, width}).to(Dtype::f32);
}

Var FixedPositions::operator()(const Var& x, int64_t offset) const {
  check_rows(x, offset, table.size(0));
  return x + Var(table.slice(0, offset, offset + x.size(1)).to(x.dtype()));
}

LearnedPositions::LearnedPositions(int64_t length, int64_t width, double stddev)
    : weight(Tensor::empty({length, width})) {
  init::normal(weight.value, 0, stddev);
  reg("weight", weight);
}
Var LearnedPositions::operator()(const Var& x, int64_t offset) const {
  check_rows(x, offset, weight.size(0));
  return x + slice(weight, 0, offset, offset + x.size(1));
}

}  // namespace kg
