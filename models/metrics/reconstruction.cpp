// Position and acceleration errors.
#include "models/metrics/reconstruction.h"

#include <limits>

#include "data/motion/features.h"
#include "models/metrics/linalg.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

double millimetres(const Skeleton& skeleton) { return 1000 * skeleton.metres_per_unit; }

double joint_distance(const Pose& a, const Pose& b) {
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += length(a[j] - b[j]);
  return sum / double(a.size());
}

Pose minus(Pose pose, const Vec3& origin) {
  for (Vec3& p : pose) p = p - origin;
  return pose;
}

Vec3 centroid(const Pose& pose) {
  Vec3 sum;
  for (const Vec3& p : pose) sum += p;
  return sum / double(pose.size());
}

double root_aligned_error(const Pose& real, const Pose& made) {
  return joint_distance(minus(real, real[0]), minus(made, made[0]));
}

// Horn's matrix of the sums S_ab = sum over joints of a of `from` times b of `to`, for the quaternion (w, x, y, z).
Tensor horn_matrix(const Pose& from, const Pose& to) {
  double xx = 0, xy = 0, xz = 0, yx = 0, yy = 0, yz = 0, zx = 0, zy = 0, zz = 0;
  for (size_t j = 0; j < from.size(); ++j) {
    const Vec3 &a = from[j], &b = to[j];
    xx += a.x * b.x, xy += a.x * b.y, xz += a.x * b.z;
    yx += a.y * b.x, yy += a.y * b.y, yz += a.y * b.z;
    zx += a.z * b.x, zy += a.z * b.y, zz += a.z * b.z;
  }
  return Tensor::from<double>({xx + yy + zz, yz - zy, zx - xz, xy - yx,   //
                               yz - zy, xx - yy - zz, xy + yx, zx + xz,   //
                               zx - xz, xy + yx, -xx + yy - zz, yz + zy,  //
                               xy - yx, zx + xz, yz + zy, -xx - yy + zz},
                              {4, 4});
}

double procrustes_error(const Pose& real, const Pose& made) {
  const Pose target = minus(real, centroid(real));
  Pose aligned = minus(made, centroid(made));
  double size = 0;
  for (const Vec3& p : aligned) size += dot(p, p);
  const Eigen eigen = eigen_symmetric(horn_matrix(aligned, target));
  const double* q = eigen.vectors.data<double>() + 3 * 4;
  const double scale = size > 0 ? eigen.values[3] / size : 0;  // the greatest value is the sum of target . R aligned
  for (Vec3& p : aligned) p = scale * rotate(Quat{q[0], q[1], q[2], q[3]}, p);
  return joint_distance(target, aligned);
}

Vec3 acceleration(const Joints& joints, size_t t, size_t j) {
  return joints[t - 1][j] - 2 * joints[t][j] + joints[t + 1][j];
}

// Sums over the frames of a clip.
struct Sums {
  double position = 0, aligned = 0, acceleration = 0;
};

Sums sums_of(const Joints& real, const Joints& made) {
  Sums sums;
  for (size_t t = 0; t < real.size(); ++t) {
    sums.position += root_aligned_error(real[t], made[t]);
    sums.aligned += procrustes_error(real[t], made[t]);
    if (t == 0 || t + 1 == real.size()) continue;
    for (size_t j = 0; j < real[t].size(); ++j)
      sums.acceleration += length(acceleration(real, t, j) - acceleration(made, t, j)) / double(real[t].size());
  }
  return sums;
}

}  // namespace

void check_metric_motion(const Joints& joints, const std::string& what, const Skeleton& skeleton) {
  CHECK_INPUT(!joints.empty(), what, ": a motion without frames");
  const std::string bad = find_bad_joint(joints, skeleton);
  CHECK_INPUT(bad.empty(), what, ": ", bad);
}

void check_metric_motions(const Joints& real, const Joints& made, const std::string& what, const Skeleton& skeleton) {
  check_metric_motion(real, what + " original", skeleton);
  check_metric_motion(made, what + " reconstruction", skeleton);
  CHECK_INPUT(real.size() == made.size(), what, ": the motions have ", real.size(), " and ", made.size(),
              " frames, expected equally many");
}

double mpjpe(const Joints& real, const Joints& made, const Skeleton& skeleton) {
  check_metric_motions(real, made, "[mpjpe]", skeleton);
  double sum = 0;
  for (size_t t = 0; t < real.size(); ++t) sum += root_aligned_error(real[t], made[t]);
  return millimetres(skeleton) * sum / double(real.size());
}

double pa_mpjpe(const Joints& real, const Joints& made, const Skeleton& skeleton) {
  check_metric_motions(real, made, "[pa_mpjpe]", skeleton);
  double sum = 0;
  for (size_t t = 0; t < real.size(); ++t) sum += procrustes_error(real[t], made[t]);
  return millimetres(skeleton) * sum / double(real.size());
}

double acceleration_error(const Joints& real, const Joints& made, const Skeleton& skeleton) {
  check_metric_motions(real, made, "[acceleration_error]", skeleton);
  CHECK_INPUT(real.size() >= 3, "[acceleration_error] ", real.size(), " frames, at least 3 are needed");
  return millimetres(skeleton) * sums_of(real, made).acceleration / double(real.size() - 2);
}

ReconstructionScores score_reconstruction(const std::vector<Joints>& real, const std::vector<Joints>& made,
                                          const Skeleton& skeleton) {
  CHECK_INPUT(!real.empty() && real.size() == made.size(), "[reconstruction] ", real.size(), " originals and ",
              made.size(), " reconstructions");
  for (size_t i = 0; i < real.size(); ++i)
    check_metric_motions(real[i], made[i], "[reconstruction] clip " + std::to_string(i), skeleton);
  std::vector<Sums> clips(real.size());
  parallel_for(int64_t(real.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) clips[size_t(i)] = sums_of(real[size_t(i)], made[size_t(i)]);
  });
  ReconstructionScores scores;
  int64_t inner_frames = 0;
  for (size_t i = 0; i < clips.size(); ++i) {
    scores.mpjpe += clips[i].position, scores.pa_mpjpe += clips[i].aligned;
    scores.acceleration_error += clips[i].acceleration;
    scores.frames += int64_t(real[i].size());
    inner_frames += std::max<int64_t>(0, int64_t(real[i].size()) - 2);
  }
  scores.clips = int64_t(real.size());
  scores.mpjpe *= millimetres(skeleton) / double(scores.frames);
  scores.pa_mpjpe *= millimetres(skeleton) / double(scores.frames);
  scores.acceleration_error *= inner_frames > 0 ? millimetres(skeleton) / double(inner_frames) : std::nan("");
  return scores;
}

}  // namespace kg
