// The generator's body: a pose in an animator's terms (pelvis, spine angles, arm angles, foot places) and the solver
// that turns it into the 22 joint positions of HumanML3D with its exact bone lengths.
// Angles are in degrees; index 0 is the left side, 1 the right; "out" and "in" mirror by side.
#pragma once

#include <array>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

inline constexpr double kAnkleHeight = 0.05;      // of a flat foot; its toe joint is on the floor
inline constexpr double kStandingHeight = 0.946;  // of the pelvis, knees almost straight

// Relative to the chest; all zero: the arm hangs straight down.
struct ArmPose {
  double flex = 0;    // upper arm forward and up (90 forward, 180 overhead)
  double abduct = 0;  // upper arm out and up
  double twist = 0;   // a bent forearm turns inwards
  double elbow = 0;   // bend
  ArmPose operator+(const ArmPose& b) const {
    return {flex + b.flex, abduct + b.abduct, twist + b.twist, elbow + b.elbow};
  }
  ArmPose operator*(double s) const { return {flex * s, abduct * s, twist * s, elbow * s}; }
  ArmPose operator-(const ArmPose& b) const { return *this + b * -1; }
};

struct FootPose {
  Vec3 ankle;
  double yaw = 0;       // heading of the foot, and of the knee above it
  double pitch = 0;     // toe up; 0 is flat
  bool planted = true;  // the toe must not move: a leg that cannot reach raises the heel
  double knee_out = 0;  // the knee points further outwards than the foot
};

struct BodyPose {
  Vec3 pelvis{0, kStandingHeight, 0};
  double yaw = 0, pitch = 0, roll = 0;   // pelvis: heading to the left, forward lean, lean to the right
  double bend = 0, sway = 0, twist = 0;  // spine against pelvis: forward, to the right, turned to the left
  double nod = 0, look = 0;              // head against chest: down, to the left
  std::array<ArmPose, 2> arms;
  std::array<FootPose, 2> feet;
  bool crawling = false;  // knees and hands are placed instead of feet and arm angles
  std::array<Vec3, 2> knees, hands;
};

inline double side_sign(int side) { return side == 0 ? 1 : -1; }  // +x is the body's left
Vec3 heading_vector(double yaw);                                  // (sin, 0, cos)
Vec3 leftward_vector(double yaw);

// Ankle of a foot whose toe keeps the place that it has when the foot is flat with its ankle above `ground`.
Vec3 ankle_on_toe(int side, const Vec3& ground, double yaw, double pitch);

// From the pelvis to a hip, for the pelvis' rotation.
Vec3 hip_offset(const BodyPose& pose, int side);
inline double bone_length(int joint) { return humanml3d().bone_lengths[joint]; }
inline double thigh_length(int side) { return bone_length(side == 0 ? kLeftKnee : kRightKnee); }

Pose solve_body(const BodyPose& pose);

// Lowers the pelvis, smoothly in time, wherever a foot near the floor would be out of reach.
void keep_within_reach(std::vector<BodyPose>& poses);

}  // namespace kg
