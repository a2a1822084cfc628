// Motions from the files that people have: joints .npy (frames, 22, 3), features .npy (frames, 263), BVH.
#pragma once

#include <filesystem>
#include <string>

#include "data/motion/skeleton.h"

namespace kg {

struct MotionFile {
  Joints joints;
  double fps = kFps;
};

// Errors (input) name the file. `npy_fps` holds for .npy, which does not say; BVH is resampled to kFps. `joint_map` is
// a file of joint names for a skeleton that is not built in, or empty.
MotionFile read_motion(const std::filesystem::path& path, double npy_fps = kFps,
                       const std::filesystem::path& joint_map = {});

}  // namespace kg
