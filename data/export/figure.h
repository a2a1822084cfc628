// The look of a body: its joints as tapered limbs, left blue, right orange. Metres; shared by pictures and player.
// HumanML3D's and KIT-ML's bodies have hands and a head; that of any other skeleton follows from its tree.
#pragma once

#include <optional>

#include "data/export/image.h"
#include "data/motion/skeleton.h"

namespace kg {

enum class BodySide { middle, left, right, face };

// A limb is the hull of two balls around points of the body.
struct Limb {
  int a, b;
  double radius_a, radius_b;
  BodySide side;
};

// A point beside the joints: on the line from one joint through another, `beyond` metres behind the second.
struct BodyPoint {
  int from, joint;
  double beyond;
};

// A head looks where the shoulders do, upright along the neck: from `chest` to `joint`. Its three points are the skull,
// `above` that joint, and the left and right end of the face.
struct Head {
  int joint, chest, left, right;
  double above, forward, aside;
};

struct Body {
  std::vector<Limb> limbs;
  std::vector<BodyPoint> points;
  std::optional<Head> head;
  double size = 1;      // 1: a person's; distances of camera and ground go by it
  double height = 1.5;  // the player's picture is at least this high, metres
};

// `pose`, in metres, is one of the motion's: it says how large a body is that has no drawing of its own.
Body body_of(const Skeleton& skeleton, const Pose& pose);

// The joints, then the points, then those of the head: what limbs count.
using DrawnPose = std::vector<Vec3>;
DrawnPose body_pose(const Body& body, const Pose& pose);

constexpr Color side_color(BodySide side) {
  if (side == BodySide::left) return rgb(0x2f7ed8);
  if (side == BodySide::right) return rgb(0xf08a24);
  return side == BodySide::face ? rgb(0x39424e) : rgb(0xb9c2cc);
}

// Unit vector in the ground plane to which the body faces: across hips and shoulders; +z where that is undefined.
Vec3 facing(const Pose& pose, const Skeleton& skeleton = humanml3d());
// Height of the ground under the soles of a body of that size: a low quantile over frames, so that one bad frame does
// not move it.
double ground_height(const Joints& joints, double size = 1);
// The motion in metres. There must be a frame, every frame must have the skeleton's joints, and every joint must be
// finite; `who` names the caller in the error.
Joints checked_metres(const Joints& joints, double fps, const Skeleton& skeleton, const char* who);

}  // namespace kg
