// Motions that continue or complete a given part (MotionGPT, Jiang et al., NeurIPS 2023): what is given, the average
// and final displacement over the frames that were made up, and motions that anyone could make up.
#pragma once

#include <optional>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

struct FrameRange {
  int64_t begin = 0, end = 0;  // [begin, end)
};
FrameRange predicted_frames(int64_t frames);  // the first fifth is given
FrameRange between_frames(int64_t frames);    // the first and last quarter are given

// The same in whole tokens, for who gives a part to a model: of T = frames / 4 tokens, the first int(share T) are
// given, and in between those from int((1 - share) T) on as well. The frames that are to be made; nothing where a
// motion is too short for that.
enum class CompletionTask { prediction, between };
inline constexpr double given_share(CompletionTask task) { return task == CompletionTask::prediction ? .2 : .25; }
std::optional<FrameRange> missing_frames(CompletionTask task, int64_t frames, double share);
int64_t fewest_frames(CompletionTask task, double share);  // that are not too short, up to 10,000

// Metres. ade, fde: the distance of poses as vectors of 3 J numbers, as the published code has it: about sqrt(J) times
// an error a joint. joint_ade, joint_fde: the mean distance of joints.
struct Displacement {
  double ade = 0, fde = 0;  // mean over the frames, and the last one
  double joint_ade = 0, joint_fde = 0;
};
Displacement displacement(const Joints& real, const Joints& made, const FrameRange& frames,
                          const Skeleton& skeleton = humanml3d());

// Mean over clips, each with its frames, or with those that `range` names for its length.
Displacement mean_displacement(const std::vector<Joints>& real, const std::vector<Joints>& made,
                               const std::vector<FrameRange>& ranges, const Skeleton& skeleton = humanml3d());
Displacement mean_displacement(const std::vector<Joints>& real, const std::vector<Joints>& made,
                               FrameRange (*range)(int64_t frames), const Skeleton& skeleton = humanml3d());

// Controls: the motion with its missing frames as the last given pose; as that pose going on with the mean velocity of
// each joint over the last 4 given steps; as straight lines from the pose before to the pose behind.
Joints hold_last_pose(Joints motion, const FrameRange& missing);
Joints constant_velocity(Joints motion, const FrameRange& missing);
Joints straight_between(Joints motion, const FrameRange& missing);

}  // namespace kg
