// Mean and standard deviation of the features over a data set, and normalisation by them.
#pragma once

#include <filesystem>
#include <vector>

#include "data/motion/skeleton.h"
#include "tensor/tensor.h"

namespace kg {

struct Statistics {
  Tensor mean, std;  // (D) f32 for D features a frame; std is positive
  int64_t features() const { return mean.numel(); }
};

// Adds up any number of clips; finish() takes the mean and the population deviation of each dimension and then averages
// the deviation inside each block (root yaw, root velocity, height, positions, rotations, velocities, contacts).
class StatisticsBuilder {
 public:
  explicit StatisticsBuilder(const Skeleton& skeleton = humanml3d());
  void add(const Tensor& features);  // (T, D)
  int64_t frames() const { return frames_; }
  Statistics finish() const;

 private:
  FeatureLayout layout_;
  int64_t frames_ = 0;
  std::vector<double> mean_, squares_;  // squares_: sum of squared differences from the mean
};

// The statistics of the evaluators and of the VQ-VAEs of T2M-GPT and MotionGPT: std of root (0..3) and contacts / 25.
// Another divisor weighs them otherwise.
Statistics eval_statistics(const Statistics& statistics, double divisor = 25);

// Mean.npy and Std.npy of a data set folder, both of one width that a skeleton can have. A wrong shape, a value that is
// not finite or a deviation that is not positive is an input error.
Statistics read_statistics(const std::filesystem::path& folder);
// Those that a published tokenizer or evaluator was trained under: mean.npy and std.npy of its "meta" folder as they
// are, or eval_statistics() of a data set's.
Statistics read_eval_statistics(const std::filesystem::path& folder);
void write_statistics(const std::filesystem::path& folder, const Statistics& statistics);
void check_statistics(const Statistics& statistics, const std::string& where);

// (x - mean) / std over the last axis, and back. Any leading axes, f32.
Tensor normalize_features(const Tensor& features, const Statistics& statistics);
Tensor denormalize_features(const Tensor& features, const Statistics& statistics);

}  // namespace kg
