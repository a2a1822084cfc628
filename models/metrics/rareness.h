// How well rare prompts are served (ReMoDiffuse, Zhang et al., ICCV 2023, section 4; ReMoGPT, table 8). A prompt is the
// rarer the less similar the nearest training caption is, in the space of a text encoder.
#pragma once

#include <cstdint>
#include <vector>

#include "models/metrics/generation.h"

namespace kg {

// 1 - the largest cosine to a training caption, for each prompt: (N, D), (M, D) -> N values in 0..2.
std::vector<double> rareness(const Tensor& prompts, const Tensor& training);

// The rarest prompts, rarest first; equal ones in their order. `part` of all, rounded, at least one.
std::vector<int64_t> rarest(const std::vector<double>& rareness, double part = .05);

// Mean distance between text and motion (pair_distances) over the rarest prompts.
double tail_mm_dist(const std::vector<double>& rareness, const std::vector<double>& distances, double part = .05);
// Diversity of the motions (N, D) of the rarest prompts: min(300, prompts - 1) pairs. At least two such prompts.
Diversity tail_diversity(const std::vector<double>& rareness, const Tensor& motion, Philox random, double part = .05);

// The range of rareness in bins of equal width: the mean over non-empty bins of the mean distance in each. The papers
// do not give the number of bins; report 100 and 10. Empty bins are left out of rareness_bins.
struct Bin {
  double centre = 0, mean = 0;  // of rareness; of the distances
  int64_t prompts = 0;
};
std::vector<Bin> rareness_bins(const std::vector<double>& rareness, const std::vector<double>& distances, int bins);
double balanced_mm_dist(const std::vector<double>& rareness, const std::vector<double>& distances, int bins);

}  // namespace kg
