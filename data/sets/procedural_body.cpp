// Inverse kinematics of legs (hinge knees), forward kinematics of spine and arms. See procedural_body.h.
#include "data/sets/procedural_body.h"

#include <algorithm>
#include <cmath>

#include "data/sets/procedural_curves.h"

namespace kg {
namespace {

Quat turn_x(double degrees) { return axis_angle({1, 0, 0}, radians(degrees)); }
Quat turn_y(double degrees) { return axis_angle({0, 1, 0}, radians(degrees)); }
Quat turn_z(double degrees) { return axis_angle({0, 0, 1}, radians(degrees)); }

// Directions of the fixed bones of an upright person, as people stand in the data set (not the schematic rest pose).
Vec3 hip_direction(int side) { return normalize(Vec3{0.57 * side_sign(side), -0.82, -0.06}); }
constexpr Vec3 kSpine1Up{0, 0.94, -0.34}, kSpine2Up{0, 0.98, 0.18}, kSpine3Up{0, 0.99, 0.13}, kNeckUp{0, 1, -0.06};
constexpr Vec3 kHeadUp{0, 0.80, 0.60};
Vec3 collar_direction(int side) { return normalize(Vec3{0.53 * side_sign(side), 0.84, -0.06}); }

Vec3 bone(int joint, const Quat& q, const Vec3& direction) {
  return rotate(q, normalize(direction)) * bone_length(joint);
}

int left_or_right(int left_joint, int side) { return side == 0 ? left_joint : humanml3d().mirror[left_joint]; }

Quat pelvis_rotation(const BodyPose& p) { return turn_y(p.yaw) * turn_x(p.pitch) * turn_z(p.roll); }

double leg_length(int side) {
  return bone_length(left_or_right(kLeftKnee, side)) + bone_length(left_or_right(kLeftAnkle, side));
}

// Middle joint of two bones from a to b; it bends to the side of cross(b - a, hinge).
Vec3 middle_joint(const Vec3& a, const Vec3& b, double l1, double l2, const Vec3& hinge) {
  const double d = length(b - a);
  const Vec3 axis = (b - a) / d;
  const double along = (l1 * l1 - l2 * l2 + d * d) / (2 * d);
  const double off = std::sqrt(std::max(0.0, l1 * l1 - along * along));
  return a + axis * along + normalize(cross(axis, hinge)) * off;
}

Vec3 toe_offset(int side, double yaw, double pitch) {
  const double l = bone_length(left_or_right(kLeftFoot, side));
  const double angle = radians(pitch) - std::asin(kAnkleHeight / l);
  return heading_vector(yaw) * (l * std::cos(angle)) + kUp * (l * std::sin(angle));
}

// The foot with its ankle brought within reach of the hip.
FootPose reachable(const FootPose& foot, const Vec3& hip, int side) {
  const double reach = 0.9995 * leg_length(side);
  FootPose f = foot;
  if (length(f.ankle - hip) <= reach) return f;
  if (f.planted) {  // raise the heel about the toe
    const Vec3 toe = f.ankle + toe_offset(side, f.yaw, f.pitch);
    double near = f.pitch, far = -80;
    for (int i = 0; i < 40; ++i) {
      const double mid = (near + far) / 2;
      (length(toe - toe_offset(side, f.yaw, mid) - hip) > reach ? near : far) = mid;
    }
    f.pitch = far;
    f.ankle = toe - toe_offset(side, f.yaw, far);
  }
  const double d = length(f.ankle - hip);
  if (d > reach) f.ankle = hip + (f.ankle - hip) * (reach / d);
  return f;
}

void solve_leg(const BodyPose& body, int side, Pose& pose) {
  const int hip = left_or_right(kLeftHip, side), knee = left_or_right(kLeftKnee, side),
            ankle = left_or_right(kLeftAnkle, side), toe = left_or_right(kLeftFoot, side);
  pose[hip] = pose[kPelvis] + hip_offset(body, side);
  if (body.crawling) {  // thigh to the knee's place, shank and foot along the floor behind it
    const Vec3 back = -heading_vector(body.yaw);
    pose[knee] = pose[hip] + normalize(body.knees[side] - pose[hip]) * bone_length(knee);
    pose[ankle] = pose[knee] + normalize(back + kUp * 0.03) * bone_length(ankle);
    pose[toe] = pose[ankle] + normalize(back - kUp * 0.35) * bone_length(toe);
    return;
  }
  const FootPose foot = reachable(body.feet[side], pose[hip], side);
  const Vec3 hinge = leftward_vector(foot.yaw + side_sign(side) * foot.knee_out);
  pose[ankle] = foot.ankle;
  pose[knee] = middle_joint(pose[hip], pose[ankle], bone_length(knee), bone_length(ankle), hinge);
  pose[toe] = pose[ankle] + toe_offset(side, foot.yaw, foot.pitch);
}

void solve_arm(const BodyPose& body, int side, const Quat& chest, Pose& pose) {
  const int collar = left_or_right(kLeftCollar, side), shoulder = left_or_right(kLeftShoulder, side),
            elbow = left_or_right(kLeftElbow, side), wrist = left_or_right(kLeftWrist, side);
  const double sign = side_sign(side);
  pose[collar] = pose[kSpine3] + bone(collar, chest, collar_direction(side));
  const ArmPose& arm = body.arms[side];
  const Quat upper = turn_z(sign * arm.abduct) * turn_x(-arm.flex) * turn_y(-sign * arm.twist);
  const Vec3 down = rotate(upper, -kUp);
  // The shoulder follows the upper arm: up with an arm that is raised, forward with one that reaches forward.
  const double up = body.crawling ? 0.2 : (1 + down.y) / 2, front = body.crawling ? 0.6 : down.z;
  pose[shoulder] = pose[collar] + bone(shoulder, chest, {0.95 * sign, -0.25 + 0.55 * up, -0.12 + 0.25 * front});
  if (body.crawling) {
    const double reach = 0.9995 * (bone_length(elbow) + bone_length(wrist));
    const Vec3 to = body.hands[side] - pose[shoulder];
    pose[wrist] = pose[shoulder] + to * std::min(1.0, reach / length(to));
    const Vec3 hinge = -leftward_vector(body.yaw - sign * 40);  // elbows point back and out
    pose[elbow] = middle_joint(pose[shoulder], pose[wrist], bone_length(elbow), bone_length(wrist), hinge);
    return;
  }
  pose[elbow] = pose[shoulder] + bone(elbow, chest, down);
  pose[wrist] = pose[elbow] + bone(wrist, chest * upper * turn_x(-arm.elbow), -kUp);
}

}  // namespace

Vec3 heading_vector(double yaw) { return {std::sin(radians(yaw)), 0, std::cos(radians(yaw))}; }
Vec3 leftward_vector(double yaw) { return heading_vector(yaw + 90); }

Vec3 ankle_on_toe(int side, const Vec3& ground, double yaw, double pitch) {
  const Vec3 ankle = ground + kUp * kAnkleHeight;
  return ankle + toe_offset(side, yaw, 0) - toe_offset(side, yaw, pitch);
}

Vec3 hip_offset(const BodyPose& pose, int side) {
  return bone(left_or_right(kLeftHip, side), pelvis_rotation(pose), hip_direction(side));
}

Pose solve_body(const BodyPose& body) {
  Pose pose(kJoints);
  pose[kPelvis] = body.pelvis;
  const Quat third = turn_y(body.twist / 3) * turn_x(body.bend / 3) * turn_z(body.sway / 3);
  const Quat q1 = pelvis_rotation(body) * third, q2 = q1 * third, chest = q2 * third;
  pose[kSpine1] = pose[kPelvis] + bone(kSpine1, q1, kSpine1Up);
  pose[kSpine2] = pose[kSpine1] + bone(kSpine2, q2, kSpine2Up);
  pose[kSpine3] = pose[kSpine2] + bone(kSpine3, chest, kSpine3Up);
  const Quat half = turn_y(body.look / 2) * turn_x(body.nod / 2);
  pose[kNeck] = pose[kSpine3] + bone(kNeck, chest * turn_x(body.nod / 6), kNeckUp);
  pose[kHead] = pose[kNeck] + bone(kHead, chest * half * half, kHeadUp);
  for (int side = 0; side < 2; ++side) {
    solve_leg(body, side, pose);
    solve_arm(body, side, chest, pose);
  }
  return pose;
}

void keep_within_reach(std::vector<BodyPose>& poses) {
  const int n = int(poses.size());
  std::vector<double> limit(n, 1e9), eroded(n);
  for (int t = 0; t < n; ++t) {
    for (int side = 0; side < 2; ++side) {
      const FootPose& foot = poses[t].feet[side];
      if (foot.ankle.y > 0.22) continue;
      const Vec3 hip = poses[t].pelvis + hip_offset(poses[t], side);
      const double dx = hip.x - foot.ankle.x, dz = hip.z - foot.ankle.z, reach = 0.996 * leg_length(side);
      const double drop = std::sqrt(std::max(0.01, reach * reach - dx * dx - dz * dz));
      limit[t] = std::min(limit[t], foot.ankle.y + drop - (hip.y - poses[t].pelvis.y));
    }
  }
  for (int t = 0; t < n; ++t) {
    eroded[t] = std::min(limit[t], 1.2);
    for (int k = -2; k <= 2; ++k) eroded[t] = std::min(eroded[t], limit[std::clamp(t + k, 0, n - 1)]);
  }
  constexpr double kWeights[5] = {0.0614, 0.2448, 0.3877, 0.2448, 0.0614};  // Gaussian, sigma one frame
  for (int t = 0; t < n; ++t) {
    double bound = 0;
    for (int k = -2; k <= 2; ++k) bound += kWeights[k + 2] * eroded[std::clamp(t + k, 0, n - 1)];
    const double gap = (bound - poses[t].pelvis.y) / 0.01;  // a soft minimum, 1 cm wide
    poses[t].pelvis.y = bound - 0.01 * (gap > 30 ? gap : std::log1p(std::exp(gap)));
  }
}

}  // namespace kg
