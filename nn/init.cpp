#include "nn/init.h"

#include <cmath>

#include "tensor/random.h"

namespace kg::init {
namespace {
thread_local bool skip_random = false;

template <class Fill>
void fill_row_major(const Tensor& t, Fill&& fill) {
  if (skip_random) return;
  if (t.is_contiguous()) return fill(t);
  const Tensor values = empty_like(t);
  fill(values);
  t.copy_from(values);
}
}  // namespace

void uniform(const Tensor& t, double bound) {
  const Philox random = default_generator().next();
  fill_row_major(t, [&](const Tensor& out) { fill_uniform(out, -bound, bound, random); });
}
void normal(const Tensor& t, double mean, double stddev) {
  const Philox random = default_generator().next();
  fill_row_major(t, [&](const Tensor& out) { fill_normal(out, mean, stddev, random); });
}
void kaiming_uniform(const Tensor& t, int64_t fan_in) {
  CHECK(fan_in > 0, "[kaiming_uniform] fan_in must be positive, is ", fan_in);
  uniform(t, 1 / std::sqrt(double(fan_in)));
}
void xavier_uniform(const Tensor& t, int64_t fan_in, int64_t fan_out, double gain) {
  CHECK(fan_in + fan_out > 0, "[xavier_uniform] fan_in + fan_out must be positive");
  uniform(t, gain * std::sqrt(6 / double(fan_in + fan_out)));
}
void xavier_normal(const Tensor& t, int64_t fan_in, int64_t fan_out) {
  CHECK(fan_in + fan_out > 0, "[xavier_normal] fan_in + fan_out must be positive");
  normal(t, 0, std::sqrt(2 / double(fan_in + fan_out)));
}

SkipRandom::SkipRandom() : before_(skip_random) { skip_random = true; }
SkipRandom::~SkipRandom() { skip_random = before_; }

void zeros(const Tensor& t) { t.fill(0); }
void ones(const Tensor& t) { t.fill(1); }

}  // namespace kg::init
