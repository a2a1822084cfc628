// The 12 J - 1 numbers a frame of a motion of J joints (HumanML3D 263, KIT-ML 251): joints -> features and back.
// Row t describes frames t and t+1, so N frames of joints give N-1 rows. Blocks of a row, x y z inside each:
//   half the yaw step (rad) | root velocity x, z | root height | local positions of joints 1..J-1
//   first two columns of their local rotations | velocities of joints 0..J-1 | 4 foot contacts
// All velocities are a frame's, in the body's frame; q, the heading, turns the world so that the body faces +z.
// A skeleton that is not given is HumanML3D's.
#pragma once

#include <string>
#include <vector>

#include "data/motion/skeleton.h"
#include "tensor/tensor.h"

namespace kg {

struct FeatureOptions {
  // The heading quaternion of the reference always has w >= 0, so it changes sign when the body turns through -z, and
  // the yaw step of that one row comes out with the wrong sign. True repairs it: better for new data, no longer the
  // reference's value in such a row.
  bool continuous_yaw = false;
};

// Any motion on this skeleton, (N >= 2 frames) -> (N-1, 12 J - 1) f32: canonical() and then encode_features().
Tensor joints_to_features(const Joints& joints, FeatureOptions options = {}, const Skeleton& skeleton = humanml3d());

// The steps, in their order: target bone lengths and the root's path scaled with the legs; the lowest y of the clip
// becomes 0; the root stands above 0 in frame 0; the body faces +z in frame 0. canonical() does all four.
Joints uniform_skeleton(const Joints& joints, const Skeleton& skeleton = humanml3d());
void put_on_floor(Joints& joints);
void move_to_origin(Joints& joints);
void face_forward(Joints& joints, const Skeleton& skeleton = humanml3d());
Joints canonical(const Joints& joints, const Skeleton& skeleton = humanml3d());
// q of each frame, Gaussian over 20 frames.
std::vector<Quat> smooth_headings(const Joints& canonical, const Skeleton& skeleton = humanml3d());
Tensor encode_features(const Joints& canonical, const std::vector<Quat>& headings, FeatureOptions options = {},
                       const Skeleton& skeleton = humanml3d());

// Local rotations by inverse kinematics, one a joint; slot 0 is the heading. A joint's rotation is relative to the
// joint before it in its chain; the first bone of every chain is relative to the root. No twist.
using Rotations = std::vector<Quat>;
Rotations inverse_kinematics(const Pose& pose, const Quat& heading, const Skeleton& skeleton = humanml3d());
Pose forward_kinematics(const Rotations& rotations, const Vec3& root, const Skeleton& skeleton = humanml3d());

// (T, 12 J - 1) -> T frames, from the local positions (what everyone uses), or from the rotations on the target bones.
Joints features_to_joints(const Tensor& features, const Skeleton& skeleton = humanml3d());
Joints features_to_joints_by_rotation(const Tensor& features, const Skeleton& skeleton = humanml3d());

// The numbers of the features of each part of the body, for models that see parts apart. First the root's (all four and
// its velocity), then each chain's in order, without the root: position, rotation and velocity of one joint after
// another, and the contacts of its feet. A joint in two chains is in both parts. In HumanML3D and KIT-ML the chains are
// right leg, left leg, spine, right arm, left arm.
std::vector<std::vector<int>> part_features(const Skeleton& skeleton = humanml3d());

// Left and right exchanged: x negated, joints swapped.
Joints mirror_joints(const Joints& joints, const Skeleton& skeleton = humanml3d());

// (N, J, 3) f32 or f64 <-> Joints.
Tensor to_tensor(const Joints& joints);
Joints to_joints(const Tensor& tensor, const Skeleton& skeleton = humanml3d());

// A line on the first frame with another number of joints, or the first non-finite coordinate ("joint left_knee is not
// finite in frame 3"); empty when there is none.
std::string find_bad_joint(const Joints& joints, const Skeleton& skeleton = humanml3d());

}  // namespace kg
