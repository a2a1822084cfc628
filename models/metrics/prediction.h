// Errors of motions that continue or complete a given part (MotionGPT, Jiang et al., NeurIPS 2023): average and final
// displacement over the frames that were made up.
#pragma once

#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

struct FrameRange {
  int64_t begin = 0, end = 0;  // [begin, end)
};
FrameRange predicted_frames(int64_t frames);  // the first fifth is given
FrameRange between_frames(int64_t frames);    // the first and last quarter are given

// Metres. ade, fde: the distance of poses as vectors of 3 J numbers, as the published code has it: about sqrt(J) times
// an error a joint. joint_ade, joint_fde: the mean distance of joints.
struct Displacement {
  double ade = 0, fde = 0;  // mean over the frames, and the last one
  double joint_ade = 0, joint_fde = 0;
};
Displacement displacement(const Joints& real, const Joints& made, const FrameRange& frames,
                          const Skeleton& skeleton = humanml3d());

// Mean over clips, each with the frames that `range` names for its length.
Displacement mean_displacement(const std::vector<Joints>& real, const std::vector<Joints>& made,
                               FrameRange (*range)(int64_t frames), const Skeleton& skeleton = humanml3d());

}  // namespace kg
