// Feet, floor and jerk.
#include "models/metrics/plausibility.h"

#include <algorithm>
#include <cmath>

#include "models/metrics/reconstruction.h"
#include "tensor/error.h"

namespace kg {

double foot_skate_ratio(const Joints& joints, const Skeleton& skeleton, const SkateOptions& options) {
  check_metric_motion(joints, "[foot_skate_ratio]", skeleton);
  CHECK_INPUT(joints.size() >= 2, "[foot_skate_ratio] ", joints.size(), " frames, at least 2 are needed");
  CHECK(options.window > 0, "[foot_skate_ratio] a window of ", options.window);
  const int steps = int(joints.size()) - 1, before = options.window / 2;
  std::vector<bool> slides(size_t(steps), false);
  const double metre = skeleton.metres_per_unit;
  for (const int toe : {skeleton.contacts[1], skeleton.contacts[3]}) {
    std::vector<double> speed;
    for (size_t t = 0; t + 1 < joints.size(); ++t) {
      const Vec3 step = joints[t + 1][toe] - joints[t][toe];
      speed.push_back(std::hypot(step.x, step.z) * metre * skeleton.fps);
    }
    for (int t = 0; t < steps; ++t) {
      double mean = 0;
      for (int i = std::max(0, t - before); i < std::min(steps, t - before + options.window); ++i)
        mean += speed[size_t(i)] / options.window;
      const double height = std::max(joints[size_t(t)][toe].y, joints[size_t(t) + 1][toe].y) * metre;
      const bool contact = height < options.contact_height;
      if (contact && mean > options.speed && speed[size_t(t)] > options.speed) slides[size_t(t)] = true;
    }
  }
  return double(std::count(slides.begin(), slides.end(), true)) / steps;
}

double floor_penetration(const Joints& joints, const Skeleton& skeleton, double tolerance) {
  check_metric_motion(joints, "[floor_penetration]", skeleton);
  double sum = 0;
  for (const Pose& pose : joints) {
    double lowest = pose[0].y;
    for (const Vec3& p : pose) lowest = std::min(lowest, p.y);
    lowest *= skeleton.metres_per_unit;
    if (-lowest > tolerance) sum -= lowest;
  }
  return 1000 * sum / double(joints.size());
}

double jitter(const Joints& joints, const Skeleton& skeleton) {
  check_metric_motion(joints, "[jitter]", skeleton);
  CHECK_INPUT(joints.size() >= 4, "[jitter] ", joints.size(), " frames, at least 4 are needed");
  double sum = 0;
  for (size_t t = 3; t < joints.size(); ++t)
    for (size_t j = 0; j < joints[t].size(); ++j)
      sum += length(joints[t][j] - 3 * joints[t - 1][j] + 3 * joints[t - 2][j] - joints[t - 3][j]);
  const double fps = skeleton.fps;
  return sum * skeleton.metres_per_unit * fps * fps * fps / double((joints.size() - 3) * joints[0].size());
}

}  // namespace kg
