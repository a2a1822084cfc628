// Joints -> BVH: the 22 joints as a hierarchy in a T-pose, centimetres, y up, angles in degrees (Z X Y channels).
// Bone lengths are the motion's means, so a motion whose bones keep their length comes back exactly.
#pragma once

#include <filesystem>
#include <string>

#include "data/motion/skeleton.h"

namespace kg {

std::string encode_bvh(const Joints& joints, double fps = kFps);
void write_bvh(const std::filesystem::path& path, const Joints& joints, double fps = kFps);

}  // namespace kg
