// Feet, floor and jerk.
#include "models/metrics/plausibility.h"

#include <algorithm>
#include <cmath>

#include "models/metrics/reconstruction.h"
#include "tensor/error.h"

namespace kg {

double foot_skate_ratio(const Joints& joints, double fps, const SkateOptions& options) {
  check_metric_motion(joints, "[foot_skate_ratio]");
  CHECK_INPUT(joints.size() >= 2, "[foot_skate_ratio] ", joints.size(), " frames, at least 2 are needed");
  CHECK(fps > 0 && options.window > 0, "[foot_skate_ratio] ", fps, " frames a second, a window of ", options.window);
  const int steps = int(joints.size()) - 1, before = options.window / 2;
  std::vector<bool> slides(size_t(steps), false);
  for (const Joint toe : {kLeftFoot, kRightFoot}) {
    std::vector<double> speed;
    for (size_t t = 0; t + 1 < joints.size(); ++t) {
      const Vec3 step = joints[t + 1][toe] - joints[t][toe];
      speed.push_back(std::hypot(step.x, step.z) * fps);
    }
    for (int t = 0; t < steps; ++t) {
      double mean = 0;
      for (int i = std::max(0, t - before); i < std::min(steps, t - before + options.window); ++i)
        mean += speed[size_t(i)] / options.window;
      const bool contact = std::max(joints[size_t(t)][toe].y, joints[size_t(t) + 1][toe].y) < options.contact_height;
      if (contact && mean > options.speed && speed[size_t(t)] > options.speed) slides[size_t(t)] = true;
    }
  }
  return double(std::count(slides.begin(), slides.end(), true)) / steps;
}

double floor_penetration(const Joints& joints, double tolerance) {
  check_metric_motion(joints, "[floor_penetration]");
  double sum = 0;
  for (const Pose& pose : joints) {
    double lowest = pose[0].y;
    for (const Vec3& p : pose) lowest = std::min(lowest, p.y);
    if (-lowest > tolerance) sum -= lowest;
  }
  return 1000 * sum / double(joints.size());
}

double jitter(const Joints& joints, double fps) {
  check_metric_motion(joints, "[jitter]");
  CHECK_INPUT(joints.size() >= 4, "[jitter] ", joints.size(), " frames, at least 4 are needed");
  double sum = 0;
  for (size_t t = 3; t < joints.size(); ++t)
    for (size_t j = 0; j < kJoints; ++j)
      sum += length(joints[t][j] - 3 * joints[t - 1][j] + 3 * joints[t - 2][j] - joints[t - 3][j]);
  return sum * fps * fps * fps / double((joints.size() - 3) * kJoints);
}

}  // namespace kg
