// The kind of a file is told by its extension, the kind of an array by its shape.
#include "data/motion/motion_file.h"

#include "data/formats/bvh.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/motion/retarget.h"
#include "tensor/error.h"

namespace kg {
namespace {

MotionFile of_array(const Tensor& array, const MotionReading& options, const std::string& file) {
  const Skeleton* skeleton = options.skeleton ? &*options.skeleton : nullptr;
  const bool joints = array.rank() == 3 && array.size(2) == 3, features = array.rank() == 2;
  for (const Skeleton* known : {&humanml3d(), &kit_ml()}) {
    const bool fits = (joints && array.size(1) == known->joints()) || (features && array.size(1) == known->features());
    if (!skeleton && fits) skeleton = known;
  }
  CHECK_INPUT(skeleton, file, ": an array of ", array.shape(), " is no motion; joints are (frames, ", kJoints,
              ", 3), features (frames, ", kFeatures, "), on KIT-ML's skeleton 21 and 251; name another one");
  CHECK_INPUT((joints || features) && array.size(1) == (joints ? skeleton->joints() : skeleton->features()), file,
              ": an array of ", array.shape(), " is no motion on the skeleton ", skeleton->name,
              ": joints are (frames, ", skeleton->joints(), ", 3), features (frames, ", skeleton->features(), ")");
  return {joints ? to_joints(array, *skeleton) : features_to_joints(array.to(Dtype::f32), *skeleton),
          options.npy_fps > 0 ? options.npy_fps : skeleton->fps, *skeleton};
}

MotionFile of_bvh(const std::filesystem::path& path, const MotionReading& options) {
  const Bvh bvh = read_bvh(path);
  const std::string file = path.string();
  if (options.skeleton) return {native_motion(bvh, *options.skeleton, file), options.skeleton->fps, *options.skeleton};
  const JointMap map = options.joint_map.empty() ? find_joint_map(bvh, file) : read_joint_map(options.joint_map);
  return {retarget(bvh, map, file), kFps, humanml3d()};
}

}  // namespace

MotionFile read_motion(const std::filesystem::path& path, const MotionReading& options) {
  const std::string file = path.string(), kind = path.extension().string();
  CHECK_INPUT(kind == ".npy" || kind == ".bvh", file, ": motions are read from .npy and .bvh files, not from '", kind,
              "'");
  const MotionFile motion = kind == ".npy" ? of_array(read_npy(path), options, file) : of_bvh(path, options);
  CHECK_INPUT(!motion.joints.empty(), file, ": the motion has no frames");
  const std::string bad = find_bad_joint(motion.joints, motion.skeleton);
  CHECK_INPUT(bad.empty(), file, ": ", bad);
  constexpr double kReach = 5, kWorld = 1e4;  // metres
  const double metres = motion.skeleton.metres_per_unit;
  for (std::size_t t = 0; t < motion.joints.size(); ++t)
    for (const Vec3& p : motion.joints[t]) {
      const double reach = metres * length(p - motion.joints[t][0]), away = metres * length(p);
      CHECK_INPUT(reach < kReach && away < kWorld, file, ": frame ", t, " has a joint ", reach, " m from the root, ",
                  away, " m from the origin; lengths must be in the skeleton's unit (", metres,
                  " m), and features not normalised");
    }
  return motion;
}

Tensor read_motion_features(const std::filesystem::path& path, const Skeleton& skeleton,
                            const std::filesystem::path& joint_map, int64_t fewest) {
  const bool own = skeleton.name != humanml3d().name;  // BVH is brought to HumanML3D's, to another it must fit
  MotionReading reading{0, joint_map, {}};
  if (own) reading.skeleton = skeleton;
  const MotionFile motion = read_motion(path, reading);
  CHECK_INPUT(motion.skeleton.name == skeleton.name, path.string(), ": a motion on the skeleton ", motion.skeleton.name,
              ", but the model's is ", skeleton.name);
  Tensor features;
  if (path.extension() == ".npy") features = read_npy(path);
  if (!features.defined() || features.rank() != 2) {
    CHECK_INPUT(motion.joints.size() > 1, path.string(), ": one frame is no motion");
    features = joints_to_features(motion.joints, {}, skeleton);
  }
  CHECK_INPUT(features.size(0) >= fewest, path.string(), ": ", features.size(0), " frames, at least ", fewest,
              " are needed");
  return features.to(Dtype::f32).contiguous();
}

}  // namespace kg
