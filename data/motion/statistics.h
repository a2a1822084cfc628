// Mean and standard deviation of the 263 features over a data set, and normalisation by them.
#pragma once

#include <filesystem>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

struct Statistics {
  Tensor mean, std;  // (263) f32; std is positive
};

// Adds up any number of clips; finish() takes the mean and the population deviation of each dimension and then averages
// the deviation inside each block (root yaw, root velocity, height, positions, rotations, velocities, contacts).
class StatisticsBuilder {
 public:
  StatisticsBuilder();
  void add(const Tensor& features);  // (T, 263)
  int64_t frames() const { return frames_; }
  Statistics finish() const;

 private:
  int64_t frames_ = 0;
  std::vector<double> mean_, squares_;  // squares_: sum of squared differences from the mean
};

// The statistics of the evaluators and of the VQ-VAEs of T2M-GPT and MotionGPT: std of root (0..3) and contacts / 25.
// Another divisor weighs them otherwise.
Statistics eval_statistics(const Statistics& statistics, double divisor = 25);

// Mean.npy and Std.npy of a data set folder. A wrong shape, a value that is not finite or a deviation that is not
// positive is an input error.
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
