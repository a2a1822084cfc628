// Drawing one of many from logits: greedily, or from the softmax with temperature, top-k and top-p.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace kg {

struct SampleOptions {
  bool greedy = false;
  double temperature = 1;
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // the smallest set with at least this probability, among the top k
  int64_t min_tokens = 1;  // the end may not come before
  int64_t max_tokens = 0;  // 0: as many as the model allows
  uint64_t seed = 0;
};
void check_sampling(const SampleOptions& options);

// One draw from a row of logits (n) by a uniform number u in [0, 1).
int32_t draw_token(const Tensor& logits, const SampleOptions& options, double u);

}  // namespace kg
