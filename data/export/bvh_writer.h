// Joints -> BVH: the skeleton as a hierarchy in its rest pose (HumanML3D's in a T-pose), centimetres, y up, angles in
// degrees (Z X Y channels).
// Bone lengths are the motion's means, so a motion whose bones keep their length comes back exactly.
#pragma once

#include <filesystem>
#include <string>

#include "data/motion/skeleton.h"

namespace kg {

std::string encode_bvh(const Joints& joints, double fps = kFps, const Skeleton& skeleton = humanml3d());
void write_bvh(const std::filesystem::path& path, const Joints& joints, double fps = kFps,
               const Skeleton& skeleton = humanml3d());

}  // namespace kg
