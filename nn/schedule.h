// Learning rates as pure functions of the step, so that a resumed run needs no state. Each takes the rate that it
// scales, so they compose: multi_step(warm_up(lr, step, 1000), step, {200000}, 0.05). Steps count from 0.
#pragma once

#include <cstdint>
#include <vector>

namespace kg::schedule {

inline double constant(double lr, int64_t /*step*/) { return lr; }
// lr (step + 1) / (steps + 1) for the first `steps` steps, then lr.
double warm_up(double lr, int64_t step, int64_t steps);
// Times gamma from each milestone on.
double multi_step(double lr, int64_t step, const std::vector<int64_t>& milestones, double gamma);
// Half a cosine from lr at step 0 to `lowest` at step `total`, and `lowest` after it.
double cosine(double lr, int64_t step, int64_t total, double lowest = 0);

}  // namespace kg::schedule
