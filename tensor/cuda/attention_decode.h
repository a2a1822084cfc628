// Attention of one query (decoding): the scores of a head fit into shared memory, and its keys are split over a block.
#pragma once

#include "tensor/ops.h"

namespace kg::cuda {

inline constexpr int64_t kDecodeKeys = 1024;
inline bool decodes(const Tensor& q, const Tensor& k) {
  return q.size(1) == 1 && k.size(1) > 0 && k.size(1) <= kDecodeKeys && q.size(3) <= 128;
}
// As attention_forward, where decodes() holds. A causal mask hides nothing from the last query.
void attention_decode(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                      const AttentionOptions& options);

}  // namespace kg::cuda
