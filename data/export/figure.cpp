// Geometry of the drawn body.
#include "data/export/figure.h"

#include <algorithm>

#include "tensor/error.h"

namespace kg {
namespace {

Vec3 unit_or(const Vec3& v, const Vec3& otherwise) {
  const double n = length(v);
  return n > 1e-9 ? v / n : otherwise;
}

}  // namespace

DrawnPose body_pose(const Body& body, const Pose& pose) {
  DrawnPose out = pose;
  for (const BodyPoint& p : body.points)
    out.push_back(pose[p.joint] + unit_or(pose[p.joint] - pose[p.from], {}) * p.beyond);
  if (body.head) {
    const Head& head = *body.head;
    const Vec3 up = unit_or(pose[head.joint] - pose[head.chest], {0, 1, 0});
    const Vec3 left = unit_or(pose[head.left] - pose[head.right], {1, 0, 0});
    const Vec3 forward = unit_or(cross(left, up), {0, 0, 1});
    const Vec3 skull = pose[head.joint] + up * head.above;
    for (const Vec3& p : {skull, skull + forward * head.forward + left * head.aside,
                          skull + forward * head.forward - left * head.aside})
      out.push_back(p);
  }
  return out;
}

Vec3 facing(const Pose& pose, const Skeleton& skeleton) {
  const auto& [left_hip, right_hip] = skeleton.hips;
  const auto& [left_shoulder, right_shoulder] = skeleton.shoulders;
  const Vec3 left = pose[left_hip] - pose[right_hip] + pose[left_shoulder] - pose[right_shoulder];
  return unit_or(cross({left.x, 0, left.z}, {0, 1, 0}), {0, 0, 1});
}

double ground_height(const Joints& joints, double size) {
  constexpr double kSole = .02;
  std::vector<double> lowest;
  for (const Pose& pose : joints)
    lowest.push_back(std::min_element(pose.begin(), pose.end(), [](auto& a, auto& b) { return a.y < b.y; })->y);
  const auto low = lowest.begin() + static_cast<std::ptrdiff_t>(lowest.size() / 20);
  std::nth_element(lowest.begin(), low, lowest.end());
  return *low - kSole * size;
}

Joints checked_metres(const Joints& joints, double fps, const Skeleton& skeleton, const char* who) {
  CHECK(!joints.empty(), "[", who, "] a motion without frames cannot be shown");
  CHECK(fps > 0 && std::isfinite(fps), "[", who, "] frames a second must be above 0, are ", fps);
  Joints out = joints;
  for (std::size_t t = 0; t < out.size(); ++t) {
    CHECK(out[t].size() == skeleton.parents.size(), "[", who, "] frame ", t, " has ", out[t].size(),
          " joints, the skeleton ", skeleton.name, " has ", skeleton.joints());
    for (std::size_t j = 0; j < out[t].size(); ++j) {
      CHECK(std::isfinite(dot(out[t][j], out[t][j])), "[", who, "] frame ", t, ", joint ", skeleton.joint_names[j],
            " has no finite position");
      out[t][j] = out[t][j] * skeleton.metres_per_unit;
    }
  }
  return out;
}

}  // namespace kg
