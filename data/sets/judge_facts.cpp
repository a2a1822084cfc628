// Measurements for judge.cpp, on joints that are smoothed over five frames.
#include "data/sets/judge_facts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/sets/procedural_curves.h"

namespace kg {
namespace {

// Binomial weights 1 4 6 4 1; the ends repeat.
Joints smoothed(const Joints& joints) {
  constexpr double kWeights[5] = {1 / 16., 4 / 16., 6 / 16., 4 / 16., 1 / 16.};
  const int n = int(joints.size());
  Joints out(joints.size(), Pose(kJoints));
  for (int t = 0; t < n; ++t)
    for (int k = -2; k <= 2; ++k)
      for (int j = 0; j < kJoints; ++j) out[t][j] += joints[std::clamp(t + k, 0, n - 1)][j] * kWeights[k + 2];
  return out;
}

double floor_height(const Joints& joints) {
  FrameValues lowest;
  for (const Pose& pose : joints) {
    double y = pose[0].y;
    for (const Vec3& p : pose) y = std::min(y, p.y);
    lowest.push_back(y);
  }
  const size_t at = lowest.size() / 10;
  std::nth_element(lowest.begin(), lowest.begin() + long(at), lowest.end());
  return lowest[at];
}

// Unit vector to the body's left, level.
Vec3 leftward(const Pose& p) {
  Vec3 v = p[kLeftHip] - p[kRightHip] + (p[kLeftShoulder] - p[kRightShoulder]);
  v.y = 0;
  const double l = length(v);
  return l > 1e-9 ? v / l : Vec3{1, 0, 0};
}
Vec3 forward_of(const Vec3& left) { return cross(left, {0, 1, 0}); }

Vec3 mean_point(const Joints& joints, int joint, int from, int until) {
  Vec3 sum;
  for (int t = from; t < until; ++t) sum += joints[t][joint];
  return sum / double(until - from);
}

double mean_of(const FrameValues& s, size_t from, size_t until) {
  return std::accumulate(s.begin() + long(from), s.begin() + long(until), 0.0) / double(until - from);
}

}  // namespace

Facts::Facts(const Joints& raw) : frames(int(raw.size())) {
  const Joints joints = smoothed(raw);
  const Skeleton& body = humanml3d();
  const double floor = floor_height(joints);
  FrameValues yaw;
  double last = 0;
  for (const Pose& p : joints) {
    const Vec3 left_axis = leftward(p), front = forward_of(left_axis);
    double angle = degrees_of(std::atan2(front.x, front.z));
    if (!yaw.empty()) angle += 360 * std::round((last - angle) / 360);
    yaw.push_back(last = angle);
    pelvis.push_back(p[kPelvis].y - floor);
    const Vec3 trunk = p[kNeck] - p[kPelvis];
    lean.push_back(degrees_of(std::acos(std::clamp(trunk.y / std::max(1e-9, length(trunk)), -1.0, 1.0))));
    feet_apart.push_back(dot(p[kLeftAnkle] - p[kRightAnkle], left_axis));
    for (int side = 0; side < 2; ++side) {
      const auto joint = [&](int left_joint) -> const Vec3& {
        return p[side == 0 ? left_joint : body.mirror[left_joint]];
      };
      const Vec3 arm = joint(kLeftWrist) - joint(kLeftShoulder), forearm = joint(kLeftWrist) - joint(kLeftElbow);
      const double arm_length = body.bone_lengths[kLeftElbow] + body.bone_lengths[kLeftWrist];
      arms[side].raised.push_back(arm.y / arm_length);
      arms[side].extension.push_back(length(arm) / arm_length);
      arms[side].forward.push_back(dot(arm, front) / arm_length);
      arms[side].waving.push_back(dot(forearm, left_axis));
      arms[side].above_elbow.push_back(forearm.y);
      legs[side].toe.push_back(joint(kLeftFoot).y - floor);
      legs[side].ankle.push_back(joint(kLeftAnkle).y - floor);
      legs[side].forward.push_back(dot(joint(kLeftAnkle) - p[kPelvis], front));
    }
    clearance.push_back(std::min(legs[0].toe.back(), legs[1].toe.back()));
  }
  turned = end_of(yaw) - start_of(yaw);

  const double facing = radians(start_of(yaw));
  const Vec3 front{std::sin(facing), 0, std::cos(facing)}, side{front.z, 0, -front.x};
  const Vec3 start = mean_point(joints, kPelvis, 0, 5);
  const Vec3 travel = mean_point(joints, kPelvis, frames - 5, frames) - start;
  forward = dot(travel, front);
  left = dot(travel, side);
  reach = speed = 0;
  constexpr int kHalfSecond = int(kFps / 2);
  for (int t = 0; t < frames; ++t) {
    Vec3 from_start = joints[t][kPelvis] - start;
    from_start.y = 0;
    reach = std::max(reach, length(from_start));
    if (t < kHalfSecond) continue;
    Vec3 step = joints[t][kPelvis] - joints[t - kHalfSecond][kPelvis];
    step.y = 0;
    speed = std::max(speed, length(step) * 2);
  }
}

double minimum(const FrameValues& s) { return *std::min_element(s.begin(), s.end()); }
double maximum(const FrameValues& s) { return *std::max_element(s.begin(), s.end()); }
double median(FrameValues s) {
  std::nth_element(s.begin(), s.begin() + long(s.size() / 2), s.end());
  return s[s.size() / 2];
}
double start_of(const FrameValues& s) { return mean_of(s, 0, std::min<size_t>(5, s.size())); }
double end_of(const FrameValues& s) { return mean_of(s, s.size() - std::min<size_t>(5, s.size()), s.size()); }

int count_peaks(const FrameValues& s, double low, double high) {
  int count = 0;
  bool up = false;
  for (const double v : s) {
    if (!up && v > high) up = true, ++count;
    if (up && v < low) up = false;
  }
  return count;
}

int count_reversals(const FrameValues& s, double size) {
  if (s.empty()) return 0;
  int count = 0, direction = 0;
  double extreme = s[0], low = s[0], high = s[0];
  for (const double v : s) {
    if (direction == 0) {
      low = std::min(low, v), high = std::max(high, v);
      if (v - low >= size) direction = 1, extreme = v;
      if (high - v >= size) direction = -1, extreme = v;
    } else if ((v - extreme) * direction > 0) {
      extreme = v;
    } else if ((extreme - v) * direction >= size) {
      direction = -direction, extreme = v, ++count;
    }
  }
  return count;
}

}  // namespace kg
