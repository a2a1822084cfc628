// How near a reconstructed motion is to its original: per-joint position errors and the error of acceleration, as the
// motion-language papers report them (MotionGPT, Jiang et al., NeurIPS 2023, section 4). Two motions of equal length
// on one skeleton, whose metres_per_unit makes them millimetres.
#pragma once

#include <cstdint>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

// Millimetres. Mean over frames of the mean distance over joints, the root moved to the origin in both.
double mpjpe(const Joints& real, const Joints& made, const Skeleton& skeleton = humanml3d());

// The same after the similarity (scale, rotation, shift) that brings each frame of `made` nearest to `real`. The
// rotation is the eigenvector of Horn's 4 x 4 matrix ("Closed-form solution of absolute orientation using unit
// quaternions", JOSA A 1987), which is the rotation of the SVD with its determinant mended.
double pa_mpjpe(const Joints& real, const Joints& made, const Skeleton& skeleton = humanml3d());

// Millimetres a frame^2: |a_real - a_made| with a = p[t-1] - 2 p[t] + p[t+1] of global positions; mean over joints and
// over the frames but the first and last. At least 3 frames.
double acceleration_error(const Joints& real, const Joints& made, const Skeleton& skeleton = humanml3d());

// Means over all frames of all clips, so that long clips count for more; clips below 3 frames have no acceleration (NaN
// where all are so short).
struct ReconstructionScores {
  double mpjpe = 0, pa_mpjpe = 0, acceleration_error = 0;
  int64_t clips = 0, frames = 0;
};
ReconstructionScores score_reconstruction(const std::vector<Joints>& real, const std::vector<Joints>& made,
                                          const Skeleton& skeleton = humanml3d());

// An Error (input) that begins with `what`: no frame, another number of joints, or a coordinate that is not finite; for
// two motions also other lengths.
void check_metric_motion(const Joints& joints, const std::string& what, const Skeleton& skeleton);
void check_metric_motions(const Joints& real, const Joints& made, const std::string& what, const Skeleton& skeleton);

}  // namespace kg
