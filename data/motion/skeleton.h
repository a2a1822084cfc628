// A skeleton as a value. HumanML3D's and KIT-ML's are two of one type, and any other is a JSON file, no code.
// A motion in memory is Joints: a Pose a frame, and a Pose is a global position a joint. y is up, joint 0 is the root,
// lengths are in the data set's own unit. A frame of features has 12 J - 1 numbers, see features.h.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/motion/vec.h"

namespace kg {

using Pose = std::vector<Vec3>;
using Joints = std::vector<Pose>;

// Where the blocks of a row of features begin; the first four do so for any skeleton.
inline constexpr int kRootYaw = 0, kRootVelocity = 1, kRootHeight = 3, kLocalPositions = 4;
struct FeatureLayout {
  int joints;
  constexpr int rotations() const { return kLocalPositions + 3 * (joints - 1); }
  constexpr int velocities() const { return rotations() + 6 * (joints - 1); }
  constexpr int contacts() const { return velocities() + 3 * joints; }
  constexpr int features() const { return contacts() + 4; }  // 12 J - 1
};
// Of rows of that many numbers, an input error where no skeleton has them.
FeatureLayout layout_of_features(int64_t width);

struct Skeleton {
  std::string name;
  double fps = 0;
  double metres_per_unit = 1;
  std::vector<std::string> joint_names;
  std::vector<int> parents;           // -1 for the root; else less than the joint's own number
  std::vector<int> mirror;            // the other side's joint, itself on the midline
  std::vector<Vec3> rest_directions;  // unit vector of each bone (parent to joint) in the rest pose; zero for the root
  std::vector<double> bone_lengths;  // every motion gets these; 0 for the root; empty: not known yet, see read_skeleton
  // What inverse kinematics walks, in its order: from a joint to its child and so on, every joint but the root once.
  std::vector<std::vector<int>> chains;
  std::array<int, 2> hips{}, shoulders{};  // left, right: they say where the body faces
  std::array<int, 2> scale_joints{};       // the bones that end in these set the size of a body
  std::array<int, 4> contacts{};           // left ankle and toe, right ankle and toe: the order of the features
  double contact_threshold = 0;            // a foot rests while it moves less than this a frame, squared
  int min_frames = 0, max_frames = 0;      // rows of a clip for training and evaluation, both included

  int joints() const { return int(parents.size()); }
  FeatureLayout layout() const { return {joints()}; }
  int features() const { return layout().features(); }
  bool operator==(const Skeleton&) const = default;
};

// 22 joints, 263 features, 20 frames a second, metres; +x = the body's left, facing +z.
const Skeleton& humanml3d();
// 21 joints, 251 features, 12.5 frames a second, millimetres of a body one metre tall (MMM's reference model).
const Skeleton& kit_ml();
// That of a data set which does not name its own: 263 or 251 numbers a frame, else an input error.
const Skeleton& skeleton_of_features(int64_t width, const std::string& source);

// A skeleton file holds joints by name, see skeleton_file.cpp. `length` may be left out of all joints: a data set made
// with it measures them. Errors (input) name the file.
Skeleton read_skeleton(const std::filesystem::path& path);
Skeleton parse_skeleton(std::string_view text, const std::string& source);
std::string skeleton_text(const Skeleton& skeleton);

// An input error that begins with `source` for numbers out of range, joints that are no tree, chains that do not walk
// it, a mirror that is none.
void check_skeleton(const Skeleton& skeleton, const std::string& source);

// HumanML3D's joints by name, for what is about this skeleton by nature: the generator, its judge, retargeting to it.
inline constexpr int kJoints = 22;
inline constexpr int kFeatures = FeatureLayout{kJoints}.features();  // 263
inline constexpr double kFps = 20;
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

}  // namespace kg
