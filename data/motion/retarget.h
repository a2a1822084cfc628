// Motion captures on other skeletons -> the 22 joints, 20 frames a second; or as they are, on a skeleton of their own.
// A joint map says which joint of the file stands for each of ours. It is a text of `key = value` lines, # for
// comments:
//   pelvis = Hips | hip                     the first of these names that the file has
//   spine2 = Spine1 | mix(Spine, Chest, 0.5)   a point on the way from one joint to another
//   left_foot = lFoot_end                   an End Site is called after its parent
//   up = y                                  the file's vertical axis: y (default), z, -z
//   skip_seconds = 0.1                      leading time that is no motion, such as a T-pose (default 0)
// Units need no key: the length of the legs sets the scale.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/bvh.h"
#include "data/motion/skeleton.h"

namespace kg {

struct JointMap {
  struct Source {
    std::string from, towards;  // `towards` is empty without mix()
    double amount = 0;
  };
  std::string name;
  std::array<std::vector<Source>, kJoints> joints;  // HumanML3D's; the first alternative that the file has is taken
  std::string up = "y";
  double skip_seconds = 0;
};

JointMap parse_joint_map(std::string_view text, const std::string& name);
JointMap read_joint_map(const std::filesystem::path& path);

struct BuiltinJointMap {
  std::string_view name, text;
};
extern const std::vector<BuiltinJointMap> kBuiltinJointMaps;

// The built-in map all of whose joints the file has. When there is none, an input error with the closest map, the names
// that the file lacks and those it has.
const JointMap& find_joint_map(const Bvh& bvh, const std::string& file);

// The motion of `bvh` on the target skeleton at `fps`, in the file's place and heading, y up. Joint rotations and
// offsets are interpolated between frames. An input error for a file without the map's joints, a body upside down or
// toes that point backwards (left and right exchanged).
Joints retarget(const Bvh& bvh, const JointMap& map, const std::string& file, double fps = kFps);

// The motion of `bvh` on its own skeleton: the file's joints of the skeleton's names, at the skeleton's rate, in the
// file's unit, y up. Other joints of the file are left out. An input error for a file without one of the joints, bones
// without length, or a body upside down.
Joints native_motion(const Bvh& bvh, const Skeleton& skeleton, const std::string& file);
// The skeleton with the bone lengths of a pose.
Skeleton measured(Skeleton skeleton, const Pose& pose);

// Global pose between frames; `frame` is clamped to the clip.
BvhPose interpolated_pose(const Bvh& bvh, double frame);

}  // namespace kg
