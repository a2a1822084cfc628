// Learning rates as pure functions of the step, so that a resumed run needs no state. Steps count from 0.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/config.h"

namespace kg {

enum class Decay { step, cosine, constant };
template <>
struct Names<Decay> {
  static constexpr const char* const of[] = {"step", "cosine", "constant"};
};

// Warm-up, then a decay over the steps that are left.
struct Schedule {
  Decay decay = Decay::constant;
  double lr = 1e-3;
  int64_t warm_up = 0;                  // lr (i + 1) / (warm_up + 1) for the first steps
  std::vector<double> milestones = {};  // step: times gamma from each of these shares of the steps after warm-up on
  double gamma = 0.1;
  double lowest = 0;   // cosine: half a cosine from lr down to this
  double stretch = 1;  // cosine: it is as long as this many trainings, which see its first part

  double at(int64_t step, int64_t total) const;
};

template <class V>
void fields(Schedule& s, V&& v) {
  v(Field{"decay", "schedule,lr-scheduler", "of the learning rate"}, s.decay);
  v(Field{"lr", "lr,learning-rate", "learning rate", above(0)}, s.lr);
  v(rare({"warm_up", "warm-up,warm-up-iter", "steps of linear warm-up", at_least(0)}), s.warm_up);
  v(rare({"milestones", "milestones", "of step: shares of the steps at which the rate falls", between(0, 1)}),
    s.milestones);
  v(rare({"gamma", "gamma", "of step: factor at each milestone", between(0, 1)}), s.gamma);
  v(rare({"lowest", "lowest-lr", "of cosine: rate at the end", at_least(0)}), s.lowest);
  v(rare({"stretch", "stretch", "of cosine: its length in trainings; 2: the rate ends at half", at_least(1), true}),
    s.stretch);
}

}  // namespace kg
