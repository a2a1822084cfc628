// What the retrievers' contrastive losses share. In a batch of B pairs text i belongs to motion i, and every other
// motion is a negative of it unless a mask says otherwise. Letters: N texts, M motions, W width.
#pragma once

#include <string>
#include <vector>

#include "autograd/functions.h"

namespace kg {

// i32 (count): 0, 1, 2, ..., the targets of a batch.
Tensor places(int64_t count);

// Masks u8 (B, B), symmetric, 0 on the diagonal, 1 where two different pairs are no negatives of each other:
// those of one id,
Tensor same_item_mask(const std::vector<int32_t>& ids);
// or with captions that say the same: vectors (B, W) of sentences in host memory, of any length; similar is what has
// (1 + cosine) / 2 above the threshold (TMR: 0.8).
Tensor false_negative_mask(const Tensor& vectors, double threshold);

// logits with those under the mask so low that their share is 0, whatever the others are.
Var without_masked(const Var& logits, const Tensor& mask);

// The rows (B, W) of all processes, of which this one has part_of(B) (nn/distributed.h), with the gradients that all of
// them have for its own.
Var rows_over_ranks(const Var& own, int64_t count);

// Inner products of this process's n texts with all B motions, and of its motions with all texts: (n, B) each.
struct PairLogits {
  Var text_to_motion, motion_to_text;
};
PairLogits pair_logits(const Var& text, const Var& motion, int64_t count);

// The mean cross-entropy of both, and the mean of the two. targets i32 (n); mask u8 (n, B) or undefined.
struct ContrastiveLoss {
  Var total, text_to_motion, motion_to_text;
};
ContrastiveLoss contrastive_loss(const PairLogits& logits, const Tensor& targets, const Tensor& mask = {});

}  // namespace kg
