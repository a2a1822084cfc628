// Retrieval between texts and motions: recall among the k best and the median rank, in the protocols of TMR (Petrovich
// et al., ICCV 2023, section 4) and MotionPatches (Yu et al., CVPR 2024). Similarities are (texts, motions), pair i at
// (i, i).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

inline constexpr std::array<int, 5> kRecallAt = {1, 2, 3, 5, 10};

struct RetrievalScores {
  std::array<double, kRecallAt.size()> recall = {};  // percent of the queries, at kRecallAt
  double median_rank = 0;                            // 1 is best
  int64_t queries = 0;
};
struct Retrieval {
  RetrievalScores text_to_motion, motion_to_text;
};

// Cosines of all pairs, (N, D) and (M, D) -> (N, M) f64.
Tensor cosine_similarity(const Tensor& texts, const Tensor& motions);

// "all": only the query's own item is right.
Retrieval retrieve(const Tensor& similarity);
// "threshold": right is every item whose caption is more similar to the query's than the threshold. caption_similarity
// (N, N) in 0..1: (1 + cosine) / 2 of sentence vectors.
Retrieval retrieve_by_threshold(const Tensor& similarity, const Tensor& caption_similarity, double threshold = .95);
// MotionPatches: right is every item with the same caption, letter by letter.
Retrieval retrieve_same_caption(const Tensor& similarity, const std::vector<std::string>& captions);
// "dissimilar subset": "all" among the named items only.
Retrieval retrieve_subset(const Tensor& similarity, const std::vector<int64_t>& items);
// "small batches": "all" within groups in the given order, the last incomplete one dropped, averaged over the groups.
Retrieval retrieve_small_batches(const Tensor& similarity, const std::vector<int64_t>& order, int64_t batch = 32);

// The rank of the best right item in each row of (queries, items), from 1; items exactly as similar share the mean of
// their ranks. right (queries, items) u8 is 1 where an item counts; the diagonal always does.
std::vector<double> target_ranks(const Tensor& similarity, const Tensor& right = {});
RetrievalScores retrieval_scores(const std::vector<double>& ranks);
// Recall in percent at 1, 2, ..., up_to.
std::vector<double> recall_curve(const std::vector<double>& ranks, int up_to);

}  // namespace kg
