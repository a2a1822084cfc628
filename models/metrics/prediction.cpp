// Average and final displacement errors.
#include "models/metrics/prediction.h"

#include "models/metrics/reconstruction.h"
#include "tensor/error.h"

namespace kg {

FrameRange predicted_frames(int64_t frames) { return {frames / 5, frames}; }
FrameRange between_frames(int64_t frames) { return {frames / 4, frames - frames / 4}; }

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
                               FrameRange (*range)(int64_t frames), const Skeleton& skeleton) {
  CHECK_INPUT(!real.empty() && real.size() == made.size(), "[displacement] ", real.size(), " originals and ",
              made.size(), " predictions");
  Displacement mean;
  for (size_t i = 0; i < real.size(); ++i) {
    const Displacement one = displacement(real[i], made[i], range(int64_t(real[i].size())), skeleton);
    const double n = double(real.size());
    mean.ade += one.ade / n, mean.fde += one.fde / n;
    mean.joint_ade += one.joint_ade / n, mean.joint_fde += one.joint_fde / n;
  }
  return mean;
}

}  // namespace kg
