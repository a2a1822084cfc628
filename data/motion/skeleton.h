// The 22-joint HumanML3D skeleton: metres, y up, +x = the body's left, facing +z; 20 frames a second.
// A motion in memory is Joints: one Pose of 22 global positions a frame.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "data/motion/vec.h"

namespace kg {

inline constexpr int kJoints = 22;
inline constexpr int kFeatures = 12 * kJoints - 1;  // 263, see features.h
inline constexpr double kFps = 20;

using Pose = std::array<Vec3, kJoints>;
using Joints = std::vector<Pose>;

enum Joint : int {
  kPelvis,
  kLeftHip,
  kRightHip,
  kSpine1,
  kLeftKnee,
  kRightKnee,
  kSpine2,
  kLeftAnkle,
  kRightAnkle,
  kSpine3,
  kLeftFoot,
  kRightFoot,
  kNeck,
  kLeftCollar,
  kRightCollar,
  kHead,
  kLeftShoulder,
  kRightShoulder,
  kLeftElbow,
  kRightElbow,
  kLeftWrist,
  kRightWrist
};

inline constexpr std::array<std::string_view, kJoints> kJointNames = {
    "pelvis",     "left_hip",    "right_hip",    "spine1",     "left_knee",     "right_knee",
    "spine2",     "left_ankle",  "right_ankle",  "spine3",     "left_foot",     "right_foot",
    "neck",       "left_collar", "right_collar", "head",       "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist",   "right_wrist"};

inline constexpr std::array<int, kJoints> kParents = {-1, 0, 0, 0, 1,  2,  3,  4,  5,  6,  7,
                                                      8,  9, 9, 9, 12, 13, 14, 16, 17, 18, 19};

// The other side's joint (itself on the midline).
inline constexpr std::array<int, kJoints> kMirror = {0,  2,  1,  3,  5,  4,  6,  8,  7,  9,  11,
                                                     10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20};

// Unit direction of each bone (parent to joint) in the rest pose.
inline constexpr std::array<Vec3, kJoints> kRestDirections = {
    {{0, 0, 0},  {1, 0, 0},  {-1, 0, 0}, {0, 1, 0},  {0, -1, 0}, {0, -1, 0}, {0, 1, 0},  {0, -1, 0},
     {0, -1, 0}, {0, 1, 0},  {0, 0, 1},  {0, 0, 1},  {0, 1, 0},  {1, 0, 0},  {-1, 0, 0}, {0, 0, 1},
     {0, -1, 0}, {0, -1, 0}, {0, -1, 0}, {0, -1, 0}, {0, -1, 0}, {0, -1, 0}}};

// Bone lengths of the data set's target skeleton, metres, measured from its clips (all agree within 1e-7). Seven digits
// matter: the heading comes from shoulders minus hips, a short vector.
inline constexpr std::array<double, kJoints> kBoneLengths = {
    0,        .1030740, .1098834, .1315682, .3936232, .3901882, .1431902, .4324330, .4256434, .0573647, .1433818,
    .1494191, .2193601, .1374868, .1433828, .1030392, .1316140, .1229844, .2568399, .2630919, .2660118, .2698764};

// The kinematic chains that inverse kinematics walks, in its order: right leg, left leg, spine, right arm, left arm.
inline const std::array<std::vector<int>, 5> kChains = {
    {{0, 2, 5, 8, 11}, {0, 1, 4, 7, 10}, {0, 3, 6, 9, 12, 15}, {9, 14, 17, 19, 21}, {9, 13, 16, 18, 20}}};

}  // namespace kg
