// Losses: a scalar Var from predictions and targets. Means are over all elements unless said otherwise.
#pragma once

#include <vector>

#include "autograd/functions.h"

namespace kg {

Var mse_loss(const Var& prediction, const Var& target);
Var l1_loss(const Var& prediction, const Var& target);
// d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere. Girshick 2015.
Var smooth_l1_loss(const Var& prediction, const Var& target, double beta = 1);

// logits (..., K), target i32 (...): the mean over the positions whose target is not ignore_index, NaN where there is
// none. They are counted on the device, so that a step that is captured as a graph can hold it.
Var cross_entropy_loss(const Var& logits, const Tensor& target, int ignore_index = -100, double smoothing = 0);
// logits (B, T, K), target i32 (B, T): the mean over the first counts[b] positions of each sample, then the mean over
// samples, so that a short sample weighs as much as a long one. Targets after counts[b] may hold anything.
Var sample_mean_cross_entropy(const Var& logits, const Tensor& target, const std::vector<int64_t>& counts);
// The same in two parts, so that a step on a device has its targets there before it begins: ids (B T) i32, -100 where
// nothing counts, and weights (B T), 1 / (B count of the sample).
struct SampleTargets {
  Tensor ids, weights;
};
SampleTargets sample_targets(const Tensor& target, const std::vector<int64_t>& counts, Dtype dtype, Device device);
Var sample_mean_cross_entropy(const Var& logits, const SampleTargets& targets);

}  // namespace kg
