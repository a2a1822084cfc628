// The kind of a file is told by its extension, the kind of an array by its shape.
#include "data/motion/motion_file.h"

#include "data/formats/bvh.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/motion/retarget.h"
#include "tensor/error.h"

namespace kg {
namespace {

Joints joints_of_array(const Tensor& array, const std::string& file) {
  if (array.rank() == 2 && array.size(1) == kFeatures) return features_to_joints(array.to(Dtype::f32));
  CHECK_INPUT(array.rank() == 3 && array.size(1) == kJoints && array.size(2) == 3, file, ": an array of ",
              array.shape(), " is no motion; joints are (frames, ", kJoints, ", 3), features (frames, ", kFeatures,
              ")");
  return to_joints(array);
}

Joints joints_of_bvh(const std::filesystem::path& path, const std::filesystem::path& joint_map) {
  const Bvh bvh = read_bvh(path);
  if (!joint_map.empty()) return retarget(bvh, read_joint_map(joint_map), path.string());
  return retarget(bvh, find_joint_map(bvh, path.string()), path.string());
}

}  // namespace

MotionFile read_motion(const std::filesystem::path& path, double npy_fps, const std::filesystem::path& joint_map) {
  const std::string file = path.string(), kind = path.extension().string();
  CHECK_INPUT(kind == ".npy" || kind == ".bvh", file, ": motions are read from .npy and .bvh files, not from '", kind,
              "'");
  MotionFile motion;
  if (kind == ".npy") {
    motion = {joints_of_array(read_npy(path), file), npy_fps};
  } else {
    motion.joints = joints_of_bvh(path, joint_map);
  }
  CHECK_INPUT(!motion.joints.empty(), file, ": the motion has no frames");
  const std::string bad = find_bad_joint(motion.joints);
  CHECK_INPUT(bad.empty(), file, ": ", bad);
  constexpr double kReach = 5, kWorld = 1e4;  // metres
  for (std::size_t t = 0; t < motion.joints.size(); ++t)
    for (const Vec3& p : motion.joints[t])
      CHECK_INPUT(length(p - motion.joints[t][kPelvis]) < kReach && length(p) < kWorld, file, ": frame ", t,
                  " has a joint ", length(p - motion.joints[t][kPelvis]), " from the pelvis, ", length(p),
                  " from the origin; joints must be in metres, and features not normalised");
  return motion;
}

}  // namespace kg
