// Motions frame by frame: the tokenizer's reconstructions, plausibility, and what noise and reversal do to FID.
#include <algorithm>
#include <cmath>

#include "data/motion/features.h"
#include "models/metrics/plausibility.h"
#include "models/metrics/reconstruction.h"
#include "tensor/parallel.h"
#include "tools/common/evaluate/run.h"

namespace kg::tools {
namespace {

constexpr int64_t kNoisyItems = 1024;  // more make the curve no smoother
constexpr int kReconstructed = 0;      // version of the crops

struct Plausibility {
  double skating = 0, penetration = 0, jitter = 0;
};
// Means over clips.
Plausibility plausibility_of(const std::vector<Joints>& clips, const Skeleton& skeleton) {
  std::vector<Plausibility> each(clips.size());
  parallel_for(int64_t(clips.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Joints& joints = clips[size_t(i)];
      each[size_t(i)] = {100 * foot_skate_ratio(joints, skeleton), floor_penetration(joints, skeleton),
                         kg::jitter(joints, skeleton)};
    }
  });
  Plausibility mean;
  for (const Plausibility& p : each) {
    mean.skating += p.skating / double(each.size());
    mean.penetration += p.penetration / double(each.size());
    mean.jitter += p.jitter / double(each.size());
  }
  return mean;
}

// Noise in the units of each feature's deviation.
std::vector<Tensor> with_noise(const std::vector<Tensor>& motions, const Tensor& deviation, double level,
                               uint64_t seed) {
  std::vector<Tensor> noisy(motions.size());
  parallel_for(int64_t(motions.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Tensor x = motions[size_t(i)].clone();
      const Philox random = draw(seed, i, Draw::noise);
      for (int64_t k = 0; k < x.numel(); ++k)
        x.data<float>()[k] +=
            float(level * random.normal(uint64_t(k)) * deviation.data<float>()[k % deviation.numel()]);
      noisy[size_t(i)] = x;
    }
  });
  return noisy;
}

// Last frame first: velocities no longer agree with positions.
Tensor reversed(const Tensor& motion) {
  const Tensor out = Tensor::empty(motion.shape());
  const int64_t frames = motion.size(0), width = motion.size(1);
  for (int64_t t = 0; t < frames; ++t)
    std::copy_n(motion.data<float>() + (frames - 1 - t) * width, width, out.data<float>() + t * width);
  return out;
}

}  // namespace

std::vector<Joints> joints_of(const std::vector<Tensor>& motions, const Skeleton& skeleton) {
  std::vector<Joints> joints(motions.size());
  parallel_for(int64_t(motions.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      joints[size_t(i)] = features_to_joints(motions[size_t(i)].contiguous(), skeleton);
  });
  return joints;
}

void EvaluationRun::reconstruction() {
  const std::vector<Tensor> real = crops(kReconstructed);
  std::vector<Tensor> made, same;
  for (const Tensor& motion : real) {
    made.push_back(contender_.reconstruct(motion.contiguous()));
    same.push_back(motion.slice(0, 0, made.back().size(0)));
  }
  const int64_t n = set_.size();
  const char* group = "reconstruction";
  const Skeleton& skeleton = set_.data.skeleton;
  const std::vector<Joints> made_joints = joints_of(made, skeleton);
  const ReconstructionScores error = score_reconstruction(joints_of(same, skeleton), made_joints, skeleton);
  row(group, "MPJPE, mm", n, 1, 1).model = single(error.mpjpe);
  row(group, "PA-MPJPE, mm", n, 1, 1).model = single(error.pa_mpjpe);
  row(group, "acceleration error, mm/frame^2", n, 1, 2).model = single(error.acceleration_error);
  if (embedder_) {
    const Tensor embedded = embed_motions(*embedder_, made, "the tokenizer's reconstruction");
    std::vector<Tensor> texts;
    for (int repeat = 0; repeat < options_.repeats; ++repeat) {
      std::vector<int64_t> chosen;
      for (int64_t i = 0; i < n; ++i) chosen.push_back(set_.caption(i, repeat));
      texts.push_back(texts_of(chosen));
    }
    add_scores(group, score(texts, {embedded}, fid_.get()));
  }
  if (!from_text()) first_ = std::move(made);
}

void EvaluationRun::plausibility() {
  const Skeleton& skeleton = set_.data.skeleton;
  const Plausibility truth = plausibility_of(joints_of(crops(kReconstructed), skeleton), skeleton);
  const Plausibility model = first_.empty() ? Plausibility{} : plausibility_of(joints_of(first_, skeleton), skeleton);
  const auto add = [&](const char* name, double own, double real, int decimals, const char* remark) {
    ReportRow& r = row("plausibility", name, set_.size(), 1, decimals);
    if (!first_.empty()) r.model = single(own);
    r.truth = single(real), r.note = remark;
  };
  add("foot skating, % of frames", model.skating, truth.skating, 2, "toe below 5 cm, faster than 0.5 m/s (GMD)");
  add("floor penetration, mm", model.penetration, truth.penetration, 2, "lowest joint, beyond 5 mm (PhysDiff)");
  add("jitter, m/s^3", model.jitter, truth.jitter, 1, "mean jerk of all joints (TransPose)");
}

void EvaluationRun::noise() {
  std::vector<Tensor> motions = crops(kReconstructed);
  motions.resize(std::min(motions.size(), size_t(kNoisyItems)));
  const FidReference reference(embed_motions(*embedder_, motions, "ground truth, item"));
  const int64_t n = int64_t(motions.size());
  Curve curve{"noise on every feature", {}, {}};
  for (const double level : {0., .05, .1, .2, .3, .5, .7, 1.}) {
    const auto noisy = with_noise(motions, set_.data.statistics.std, level, set_.seed);
    curve.x.push_back(level);
    curve.y.push_back(reference(embed_motions(*embedder_, noisy, "noisy motion")));
    std::string name = "FID, noise of ";
    name += std::to_string(level).substr(0, 4) + " deviations";
    row("noise", name, n, 1).truth = single(curve.y.back());
  }
  std::vector<Tensor> backwards;
  for (const Tensor& motion : motions) backwards.push_back(reversed(motion.contiguous()));
  const double value = reference(embed_motions(*embedder_, backwards, "reversed motion"));
  row("noise", "FID, played backwards", n, 1).truth = single(value);
  result_.noise.push_back(std::move(curve));
}

}  // namespace kg::tools
