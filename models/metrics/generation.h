// How good generated motions are, from embeddings of texts and motions in the evaluator's space (Guo et al.,
// "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022, section 5): FID, R-Precision, MM-Dist,
// Diversity and MModality. Embeddings are rows (N, D) of any float type; all sums are double.
#pragma once

#include <optional>
#include <vector>

#include "models/metrics/linalg.h"
#include "models/metrics/statistics.h"
#include "tensor/random.h"

namespace kg {

// Frechet distance of Gaussians fitted to two sets (Heusel et al., NeurIPS 2017):
//   |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)),
// the trace of the root as the sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), negative ones being
// rounding. The real side is worked out once.
class FidReference {
 public:
  explicit FidReference(const Tensor& real);
  double operator()(const Tensor& generated) const;

 private:
  Moments real_;
  Tensor root_;
};
double fid(const Tensor& real, const Tensor& generated);

// Pools of `pool` pairs in the given order, the last incomplete one dropped. In each the texts look for their motions.
struct Matching {
  std::vector<double> r_precision;  // [k - 1]: the own motion is among the k nearest
  double mm_dist = 0;               // mean distance between a text and its own motion
  int64_t items = 0;                // pairs in whole pools
};
// A motion that is as near as others gets its share of the places that they fill together, so that equal motions match
// by chance only. Fewer pairs than a pool: an Error (input).
Matching matching_score(const Tensor& text, const Tensor& motion, const std::vector<int64_t>& order, int pool = 32,
                        int top = 3);
// Row i: how many of the pool's motions are nearer to text i than its own, and how many others are exactly as near.
struct Place {
  int64_t nearer = 0, equal = 0;
  double within(int64_t k) const;  // the probability to be among the k nearest, equal ones in random order
};
// The distance of each pair, and its mean over all pairs.
std::vector<double> pair_distances(const Tensor& text, const Tensor& motion);
double mm_dist(const Tensor& text, const Tensor& motion);

// Mean distance between two random subsets, drawn independently, each without replacement.
struct Diversity {
  double value = 0;
  int64_t pairs = 0;  // as asked for; of fewer items than that, 100; of fewer than 101 items, all but one
};
Diversity diversity(const Tensor& motion, Philox random, int64_t pairs = 300);

// (texts, generations, D): the mean over texts of the distance between two random subsets of a text's generations,
// drawn as above, the same ones for all texts. Fewer generations than pairs: an Error (input).
double multimodality(const Tensor& motions, Philox random, int64_t pairs = 10);

// The protocol: repeats in fresh random orders. Texts and motions are given once for all repeats, or once for each
// (where captions, crops or generations are drawn anew).
struct GenerationProtocol {
  int repeats = 20;
  uint64_t seed = 0;
  int pool = 32, top = 3;
  int64_t diversity_pairs = 300;
  bool shuffle_texts = false;  // the random control: each motion is paired with some text
};
struct GenerationScores {
  std::vector<Interval> r_precision;  // [k - 1]
  Interval mm_dist, diversity, fid;   // FID is over all items, so its spread comes from new motions only
  int64_t items = 0, matched_items = 0, diversity_pairs = 0;
};
GenerationScores score_generation(const std::vector<Tensor>& texts, const std::vector<Tensor>& motions,
                                  const FidReference* real, const GenerationProtocol& options);

}  // namespace kg
