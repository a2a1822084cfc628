// Motions from the files that people have: joints .npy (frames, J, 3), features .npy (frames, 12 J - 1), BVH.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/motion/skeleton.h"
#include "tensor/tensor.h"

namespace kg {

struct MotionFile {
  Joints joints;
  double fps = kFps;
  Skeleton skeleton = humanml3d();
};

struct MotionReading {
  double npy_fps = 0;  // .npy does not say; 0: the skeleton's
  // Of names of joints, for a BVH on a skeleton that is not built in; or empty.
  std::filesystem::path joint_map = {};
  // Whose joints they are. Nothing: an array's width tells HumanML3D from KIT-ML, and BVH is brought to HumanML3D's.
  std::optional<Skeleton> skeleton = {};
};
// Errors (input) name the file. BVH is resampled to the skeleton's rate.
MotionFile read_motion(const std::filesystem::path& path, const MotionReading& options = {});

// The features (T, 12 J - 1) of a motion file for a model of this skeleton; features .npy are taken as they are. Errors
// (input) as above, and for a motion on another skeleton or of fewer than `fewest` frames.
Tensor read_motion_features(const std::filesystem::path& path, const Skeleton& skeleton,
                            const std::filesystem::path& joint_map = {}, int64_t fewest = 4);

}  // namespace kg
