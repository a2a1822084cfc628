// Stepping: a plan of footsteps, from which feet, pelvis, arm swing and trunk rotation of every gait follow.
// The pelvis moves with the smoothed mean of the feet; arms and trunk answer to how far the feet are apart.
#pragma once

#include <vector>

#include "data/sets/procedural_body.h"

namespace kg {

struct GaitStyle {
  double heel_off = 28;     // heel-up angle when a foot leaves the floor, degrees
  double heel_strike = 14;  // toe-up angle when it lands; negative: lands on the toes
  double lift = 0.07;       // height of the swinging foot, metres
  double lift_early = 1;    // below 1 the top of the swing comes early
  double smoothing = 0.2;   // seconds, of the pelvis against the feet
  double unload = 0.25;     // how far the pelvis shifts to the standing foot
  double arm_swing = 34;    // degrees a metre between the feet
  double arm_elbow = 18;    // degrees
  double arm_in = 10;       // forearms turned inwards, degrees
  double trunk_turn = 8;    // degrees a metre
  double forward_lean = 2;  // degrees
};

class StepPlan {
 public:
  // Feet flat at `left` and `right` (y = 0).
  StepPlan(const Vec3& left, const Vec3& right, double left_yaw, double right_yaw, const GaitStyle& style);
  // Foot `side` swings during [start, end] to the floor point `to`. Steps of a foot must follow one another in time.
  void step(int side, double start, double end, const Vec3& to, double yaw);
  const Vec3& place(int side) const { return feet_[side].back().to; }
  double last_end() const { return last_end_; }

  FootPose foot(int side, double t) const;
  Vec3 centre(double t) const;     // pelvis over the floor
  double heading(double t) const;  // degrees
  // A copy of `base` (arms and spine at rest, pelvis height) that walks.
  BodyPose pose(double t, const BodyPose& base) const;

 private:
  struct Step {
    double start, end;
    Vec3 to;
    double yaw;
  };
  // The flat foot under the ankle, its yaw, and how far its swing is (0 and 1: on the floor).
  struct Flat {
    Vec3 ground;
    double yaw, swing;
  };
  Flat flat(int side, double t) const;
  double pitch(int side, double t) const;

  GaitStyle style_;
  std::vector<Step> feet_[2];  // the first entry is where the foot stands at the beginning
  double last_end_ = 0;
};

}  // namespace kg
