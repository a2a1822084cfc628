#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace kg {

double Schedule::at(int64_t i, int64_t steps) const {
  CHECK(i >= 0 && warm_up >= 0, "[schedule] step ", i, " and a warm-up of ", warm_up, " steps must not be negative");
  if (i < warm_up) return lr * double(i + 1) / double(warm_up + 1);
  const int64_t step = i - warm_up, total = std::max<int64_t>(steps - warm_up, 1);
  switch (decay) {
    case Decay::constant:
      return lr;
    case Decay::cosine: {
      const double length = double(total) * stretch;
      if (double(step) >= length) return lowest;
      return lowest + (lr - lowest) * (1 + std::cos(std::numbers::pi * double(step) / length)) / 2;
    }
    case Decay::step: {
      double rate = lr;
      for (double milestone : milestones)
        if (step >= int64_t(double(total) * milestone)) rate *= gamma;
      return rate;
    }
  }
  fail(ErrorCode::runtime, "[schedule] unknown decay ", int(decay));
}

}  // namespace kg
