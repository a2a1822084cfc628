// Average and final displacement errors, and the controls beside them.
#include "models/metrics/prediction.h"

#include <algorithm>

#include "models/metrics/reconstruction.h"
#include "tensor/error.h"

namespace kg {

namespace {

constexpr int64_t kToken = 4;          // frames
constexpr int64_t kVelocitySteps = 4;  // of the last given frames
constexpr int64_t kLongest = 10'000;   // frames, of a search for the shortest

void check_missing(const Joints& motion, const FrameRange& missing, int64_t before, int64_t behind) {
  CHECK_INPUT(missing.begin >= before && missing.begin < missing.end && missing.end + behind <= int64_t(motion.size()),
              "[controls] frames ", missing.begin, " to ", missing.end, " of a motion of ", motion.size(),
              " are missing; at least ", before, " must be given before and ", behind, " behind them");
}

}  // namespace

FrameRange predicted_frames(int64_t frames) { return {frames / 5, frames}; }
FrameRange between_frames(int64_t frames) { return {frames / 4, frames - frames / 4}; }

std::optional<FrameRange> missing_frames(CompletionTask task, int64_t frames, double share) {
  CHECK_INPUT(share > 0 && share < (task == CompletionTask::between ? .5 : 1), "[completion] a share of ", share,
              " is given; it must be above 0 and below ", task == CompletionTask::between ? "0.5 at each end" : "1");
  const int64_t tokens = frames / kToken, first = int64_t(share * double(tokens));
  const int64_t last = task == CompletionTask::between ? int64_t((1 - share) * double(tokens)) : tokens;
  if (first == 0 || first >= last || (task == CompletionTask::between && last == tokens)) return {};
  return FrameRange{kToken * first, kToken * last};
}
int64_t fewest_frames(CompletionTask task, double share) {
  int64_t frames = kToken;
  while (frames < kLongest && !missing_frames(task, frames, share)) frames += kToken;
  return frames;
}

Displacement displacement(const Joints& real, const Joints& made, const FrameRange& frames, const Skeleton& skeleton) {
  check_metric_motions(real, made, "[displacement]", skeleton);
  CHECK_INPUT(frames.begin >= 0 && frames.begin < frames.end && frames.end <= int64_t(real.size()),
              "[displacement] frames ", frames.begin, " to ", frames.end, " of a motion of ", real.size());
  const double count = double(frames.end - frames.begin);
  Displacement result;
  for (int64_t t = frames.begin; t < frames.end; ++t) {
    double squares = 0, distances = 0;
    for (int j = 0; j < skeleton.joints(); ++j) {
      const Vec3 error = (real[size_t(t)][j] - made[size_t(t)][j]) * skeleton.metres_per_unit;
      squares += dot(error, error);
      distances += length(error) / skeleton.joints();
    }
    result.fde = std::sqrt(squares), result.joint_fde = distances;
    result.ade += result.fde / count, result.joint_ade += distances / count;
  }
  return result;
}

Displacement mean_displacement(const std::vector<Joints>& real, const std::vector<Joints>& made,
                               const std::vector<FrameRange>& ranges, const Skeleton& skeleton) {
  CHECK_INPUT(!real.empty() && real.size() == made.size(), "[displacement] ", real.size(), " originals and ",
              made.size(), " predictions");
  CHECK_INPUT(ranges.size() == real.size(), "[displacement] ", real.size(), " motions, but frames of ", ranges.size());
  Displacement mean;
  for (size_t i = 0; i < real.size(); ++i) {
    const Displacement one = displacement(real[i], made[i], ranges[i], skeleton);
    const double n = double(real.size());
    mean.ade += one.ade / n, mean.fde += one.fde / n;
    mean.joint_ade += one.joint_ade / n, mean.joint_fde += one.joint_fde / n;
  }
  return mean;
}
Displacement mean_displacement(const std::vector<Joints>& real, const std::vector<Joints>& made,
                               FrameRange (*range)(int64_t frames), const Skeleton& skeleton) {
  std::vector<FrameRange> ranges;
  for (const Joints& motion : real) ranges.push_back(range(int64_t(motion.size())));
  return mean_displacement(real, made, ranges, skeleton);
}

Joints hold_last_pose(Joints motion, const FrameRange& missing) {
  check_missing(motion, missing, 1, 0);
  for (int64_t t = missing.begin; t < missing.end; ++t) motion[size_t(t)] = motion[size_t(missing.begin - 1)];
  return motion;
}

Joints constant_velocity(Joints motion, const FrameRange& missing) {
  check_missing(motion, missing, 2, 0);
  const int64_t last = missing.begin - 1, steps = std::min(kVelocitySteps, last);
  const Pose from = motion[size_t(last - steps)], pose = motion[size_t(last)];
  for (int64_t t = missing.begin; t < missing.end; ++t)
    for (size_t j = 0; j < pose.size(); ++j)
      motion[size_t(t)][j] = pose[j] + (pose[j] - from[j]) * (double(t - last) / double(steps));
  return motion;
}

Joints straight_between(Joints motion, const FrameRange& missing) {
  check_missing(motion, missing, 1, 1);
  const int64_t last = missing.begin - 1;
  const Pose from = motion[size_t(last)], to = motion[size_t(missing.end)];
  for (int64_t t = missing.begin; t < missing.end; ++t)
    for (size_t j = 0; j < from.size(); ++j)
      motion[size_t(t)][j] = from[j] + (to[j] - from[j]) * (double(t - last) / double(missing.end - last));
  return motion;
}

}  // namespace kg
