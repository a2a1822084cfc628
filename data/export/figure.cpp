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

BodyPose body_pose(const Pose& pose) {
  constexpr double kHand = .085, kSkullAbove = .055, kFaceForward = .092, kFaceAside = .045;
  BodyPose body;
  std::copy_n(pose.begin(), kJoints, body.begin());
  body[kLeftHand] = pose[kLeftWrist] + unit_or(pose[kLeftWrist] - pose[kLeftElbow], {}) * kHand;
  body[kRightHand] = pose[kRightWrist] + unit_or(pose[kRightWrist] - pose[kRightElbow], {}) * kHand;
  // The head looks where the shoulders do, upright along neck and spine.
  const Vec3 up = unit_or(pose[kHead] - pose[kSpine3], {0, 1, 0});
  const Vec3 left = unit_or(pose[kLeftShoulder] - pose[kRightShoulder], {1, 0, 0});
  const Vec3 forward = unit_or(cross(left, up), {0, 0, 1});
  body[kSkull] = pose[kHead] + up * kSkullAbove;
  body[kFaceLeft] = body[kSkull] + forward * kFaceForward + left * kFaceAside;
  body[kFaceRight] = body[kSkull] + forward * kFaceForward - left * kFaceAside;
  return body;
}

Vec3 facing(const Pose& pose) {
  const Vec3 left = pose[kLeftHip] - pose[kRightHip] + pose[kLeftShoulder] - pose[kRightShoulder];
  return unit_or(cross({left.x, 0, left.z}, {0, 1, 0}), {0, 0, 1});
}

double ground_height(const Joints& joints) {
  constexpr double kSole = .02;
  std::vector<double> lowest;
  for (const Pose& pose : joints)
    lowest.push_back(std::min_element(pose.begin(), pose.end(), [](auto& a, auto& b) { return a.y < b.y; })->y);
  const auto low = lowest.begin() + static_cast<std::ptrdiff_t>(lowest.size() / 20);
  std::nth_element(lowest.begin(), low, lowest.end());
  return *low - kSole;
}

void check_motion(const Joints& joints, double fps, const char* who) {
  CHECK(!joints.empty(), "[", who, "] a motion without frames cannot be shown");
  CHECK(fps > 0 && std::isfinite(fps), "[", who, "] frames a second must be above 0, are ", fps);
  for (std::size_t t = 0; t < joints.size(); ++t) {
    CHECK(joints[t].size() == kJoints, "[", who, "] frame ", t, " has ", joints[t].size(), " joints, HumanML3D's ",
          kJoints, " are drawn");
    for (int j = 0; j < kJoints; ++j)
      CHECK(std::isfinite(dot(joints[t][j], joints[t][j])), "[", who, "] frame ", t, ", joint ",
            humanml3d().joint_names[j], " has no finite position");
  }
}

}  // namespace kg
