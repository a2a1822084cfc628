// Drawing one of many from logits: greedily, or from the softmax with temperature, top-k and top-p.
#pragma once

#include <cstdint>

#include "nn/config.h"
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
template <class V>
void fields(SampleOptions& o, V&& v) {
  v(Field{"greedy", "greedy", "always the most probable code"}, o.greedy);
  v(Field{"temperature", "temperature", "of the softmax", above(0)}, o.temperature);
  v(Field{"top_k", "top-k,topkr", "sample among the k most probable codes; 0: all", at_least(0)}, o.top_k);
  v(Field{"top_p", "top-p", "sample within this probability mass", between(0.001, 1)}, o.top_p);
}
void check_sampling(const SampleOptions& options);

// One draw from a row of logits (n) by a uniform number u in [0, 1).
int32_t draw_token(const Tensor& logits, const SampleOptions& options, double u);

}  // namespace kg
