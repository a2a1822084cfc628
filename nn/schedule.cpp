#include "nn/schedule.h"

#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace kg::schedule {

double warm_up(double lr, int64_t step, int64_t steps) {
  return step < steps ? lr * double(step + 1) / double(steps + 1) : lr;
}
double multi_step(double lr, int64_t step, const std::vector<int64_t>& milestones, double gamma) {
  for (int64_t milestone : milestones)
    if (step >= milestone) lr *= gamma;
  return lr;
}
double cosine(double lr, int64_t step, int64_t total, double lowest) {
  CHECK(total > 0, "[cosine] the number of steps must be positive, is ", total);
  if (step >= total) return lowest;
  return lowest + (lr - lowest) * (1 + std::cos(std::numbers::pi * double(step) / double(total))) / 2;
}

}  // namespace kg::schedule
