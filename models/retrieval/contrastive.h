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
// (1 + cosine) / 2 above the threshold (TMR, section 3.3: 0.8).
Tensor false_negative_mask(const Tensor& vectors, double threshold);

// logits with those under the mask so low that their share is 0, whatever the others are.
Var without_masked(const Var& logits, const Tensor& mask);

// logits (B, B) of texts against motions: the mean cross-entropy of rows, of columns, and the mean of both.
struct ContrastiveLoss {
  Var total, text_to_motion, motion_to_text;
};
ContrastiveLoss contrastive_loss(const Var& logits, const Tensor& targets, const Tensor& mask = {});

}  // namespace kg
