// The look of a body: 22 joints as tapered limbs, left blue, right orange. Metres; shared by pictures and player.
#pragma once

#include "data/export/image.h"
#include "data/motion/skeleton.h"

namespace kg {

// Points beside the joints on which limbs end.
enum BodyPoint : int { kLeftHand = kJoints, kRightHand, kSkull, kFaceLeft, kFaceRight, kBodyPoints };
enum class BodySide { middle, left, right, face };

// A limb is the hull of two balls.
struct Limb {
  int a, b;
  double radius_a, radius_b;
  BodySide side;
};
inline constexpr std::array kLimbs = {
    Limb{kPelvis, kSpine1, .105, .10, BodySide::middle},
    Limb{kSpine1, kSpine2, .10, .105, BodySide::middle},
    Limb{kSpine2, kSpine3, .105, .11, BodySide::middle},
    Limb{kSpine3, kNeck, .10, .055, BodySide::middle},
    Limb{kSpine1, kLeftCollar, .085, .08, BodySide::middle},
    Limb{kSpine1, kRightCollar, .085, .08, BodySide::middle},
    Limb{kNeck, kSkull, .05, .05, BodySide::middle},
    Limb{kSkull, kSkull, .108, .108, BodySide::middle},
    Limb{kFaceLeft, kFaceRight, .03, .03, BodySide::face},
    Limb{kPelvis, kLeftHip, .095, .09, BodySide::middle},
    Limb{kPelvis, kRightHip, .095, .09, BodySide::middle},
    Limb{kSpine3, kLeftCollar, .09, .085, BodySide::middle},
    Limb{kSpine3, kRightCollar, .09, .085, BodySide::middle},
    Limb{kLeftCollar, kLeftShoulder, .075, .06, BodySide::left},
    Limb{kRightCollar, kRightShoulder, .075, .06, BodySide::right},
    Limb{kLeftShoulder, kLeftElbow, .056, .042, BodySide::left},
    Limb{kRightShoulder, kRightElbow, .056, .042, BodySide::right},
    Limb{kLeftElbow, kLeftWrist, .042, .031, BodySide::left},
    Limb{kRightElbow, kRightWrist, .042, .031, BodySide::right},
    Limb{kLeftWrist, kLeftHand, .034, .036, BodySide::left},
    Limb{kRightWrist, kRightHand, .034, .036, BodySide::right},
    Limb{kLeftHip, kLeftKnee, .079, .056, BodySide::left},
    Limb{kRightHip, kRightKnee, .079, .056, BodySide::right},
    Limb{kLeftKnee, kLeftAnkle, .056, .04, BodySide::left},
    Limb{kRightKnee, kRightAnkle, .056, .04, BodySide::right},
    Limb{kLeftAnkle, kLeftFoot, .044, .032, BodySide::left},
    Limb{kRightAnkle, kRightFoot, .044, .032, BodySide::right},
};

constexpr Color side_color(BodySide side) {
  if (side == BodySide::left) return rgb(0x2f7ed8);
  if (side == BodySide::right) return rgb(0xf08a24);
  return side == BodySide::face ? rgb(0x39424e) : rgb(0xb9c2cc);
}

using BodyPose = std::array<Vec3, kBodyPoints>;
BodyPose body_pose(const Pose& pose);

// Unit vector in the ground plane to which the body faces: across hips and shoulders; +z where that is undefined.
Vec3 facing(const Pose& pose);
// Height of the ground under the soles: a low quantile over frames, so that one bad frame does not move it.
double ground_height(const Joints& joints);
// Every joint of every frame must be finite and there must be a frame; `who` names the caller in the error.
void check_motion(const Joints& joints, double fps, const char* who);

}  // namespace kg
