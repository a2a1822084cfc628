// The 263 numbers a frame of HumanML3D: joints -> features and back.
// Row t describes frames t and t+1, so N frames of joints give N-1 rows. Blocks of a row, x y z inside each:
//   0 half the yaw step (rad) | 1:3 root velocity x, z | 3 root height | 4:67 local positions of joints 1..21
//   67:193 first two columns of their local rotations | 193:259 velocities of joints 0..21 | 259:263 foot contacts
// All velocities are metres a frame in the body's frame; q, the heading, turns the world so that the body faces +z.
#pragma once

#include <string>
#include <vector>

#include "data/motion/skeleton.h"
#include "tensor/tensor.h"

namespace kg {

// Where the blocks of a row begin.
inline constexpr int kRootYaw = 0, kRootVelocity = 1, kRootHeight = 3, kLocalPositions = 4,
                     kLocalRotations = kLocalPositions + 3 * (kJoints - 1),
                     kVelocities = kLocalRotations + 6 * (kJoints - 1), kContacts = kVelocities + 3 * kJoints;
static_assert(kContacts + 4 == kFeatures);

// A foot touches the ground while it moves less than this (squared, m^2 a frame).
inline constexpr double kContactThreshold = 0.002;

// The joints whose contacts are the last four features.
inline constexpr std::array<Joint, 4> kContactJoints = {kLeftAnkle, kLeftFoot, kRightAnkle, kRightFoot};

struct FeatureOptions {
  // The heading quaternion of the reference always has w >= 0, so it changes sign when the body turns through -z, and
  // the yaw step of that one row comes out with the wrong sign. True repairs it: better for new data, no longer the
  // reference's value in such a row.
  bool continuous_yaw = false;
};

// Any motion on this skeleton, (N >= 2 frames) -> (N-1, 263) f32: canonical() and then encode_features().
Tensor joints_to_features(const Joints& joints, FeatureOptions options = {});

// The steps, in their order.
Joints uniform_skeleton(const Joints& joints);               // target bone lengths, root path scaled with the legs
void put_on_floor(Joints& joints);                           // lowest y of the clip becomes 0
void move_to_origin(Joints& joints);                         // x and z of the pelvis in frame 0 become 0
void face_forward(Joints& joints);                           // the body faces +z in frame 0
Joints canonical(const Joints& joints);                      // all four
std::vector<Quat> smooth_headings(const Joints& canonical);  // q of each frame, Gaussian over 20 frames
Tensor encode_features(const Joints& canonical, const std::vector<Quat>& headings, FeatureOptions options = {});

// Local rotations by inverse kinematics, one a joint; slot 0 is the heading. A joint's rotation is relative to the
// joint before it in kChains; the first bones of the arms are relative to the root. No twist.
using Rotations = std::array<Quat, kJoints>;
Rotations inverse_kinematics(const Pose& pose, const Quat& heading);
Pose forward_kinematics(const Rotations& rotations, const Vec3& root, const std::array<double, kJoints>& bone_lengths);

// (T, 263) -> T frames, from the local positions (what everyone uses), or from the rotations on the target skeleton.
Joints features_to_joints(const Tensor& features);
Joints features_to_joints_by_rotation(const Tensor& features);

// Left and right exchanged: x negated, joints swapped.
Joints mirror_joints(const Joints& joints);

// (N, 22, 3) f32 or f64 <-> Joints.
Tensor to_tensor(const Joints& joints);
Joints to_joints(const Tensor& tensor);

// A line on the first non-finite coordinate ("joint left_knee is not finite in frame 3"), empty when there is none.
std::string find_bad_joint(const Joints& joints);

}  // namespace kg
