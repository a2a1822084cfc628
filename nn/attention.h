// Multi-head attention. Letters: B batch, T time, C width, H heads, D width of a head.
// MultiHeadAttention has the parameters of torch.nn.MultiheadAttention: in_proj_weight (3C, C) and in_proj_bias (3C)
// hold query, key and value above each other; then out_proj. ProjectedAttention has four linear layers with names to
// choose, as the public text encoders do.
#pragma once

#include "nn/linear.h"

namespace kg {

// Of AttentionOptions, layers take `causal` and `key_mask` (PyTorch's padding mask says the opposite of key_mask); scale
// and dropout are their own.
class MultiHeadAttention : public Module {
 public:
  MultiHeadAttention(int64_t width, int64_t heads, double dropout = 0, bool with_bias = true);
  // Self-attention: x (B, T, C) -> (B, T, C).
  Var operator()(const Var& x, const AttentionOptions& mask = {}) const;
  // Cross-attention: queries from x (B, Tq, C), keys and values from memory (B, Tk, C) -> (B, Tq, C). bias (B or 1,
  // H or 1, Tq, Tk) is added to the scores.
  Var operator()(const Var& x, const Var& memory, const AttentionOptions& mask = {}, const Var& bias = {}) const;

  Var in_proj_weight, in_proj_bias;
  Linear out_proj;
  int64_t heads;
  double dropout;

 private:
  Var attend(const Var& q, const Var& k, const Var& v, AttentionOptions o, const Var& bias = {}) const;
};

// Keys and values that decoding keeps: (B, T, H, D) each.
struct KeyValueCache {
  Tensor k, v;
};

struct ProjectedAttentionOptions {
  const char *q, *k, *v, *out;  // names of the layers, such as "self.query"
  int64_t width, heads;
  int64_t head_width = 0;  // 0: width / heads
  double dropout = 0;      // on the attention weights
  double scale = 0;        // of the scores; 0: 1 / sqrt(D)
  bool with_bias = true;
  bool key_first = false;  // the layers' order as parameters: k, q, v, out
};

class ProjectedAttention : public Module {
 public:
  explicit ProjectedAttention(const ProjectedAttentionOptions& options);
  Var operator()(const Var& x, const AttentionOptions& mask = {}) const { return (*this)(x, x, mask); }
  // As above.
  Var operator()(const Var& x, const Var& memory, AttentionOptions mask = {}, const Var& bias = {}) const;

  // One position of a causal decoder (nn/decode.h) with its norm and its residual, x (B, C) -> x + attention(norm(x)):
  // its key and value go into the cache, its query sees those of all positions up to it. bias (1, H, 1, most) is for
  // the scores of the last position; one before it takes as many from the right as it sees keys.
  Tensor step(const Tensor& x, const RowNorm& norm, const KeyValueCache& cache, const Tensor& position,
              const Tensor& bias = {}) const;
  // The same towards a source, whose keys and values are made once of memory (B, Ts, C). key_mask u8 (B, Ts).
  KeyValueCache keys_and_values(const Tensor& memory) const;
  Tensor step_across(const Tensor& x, const RowNorm& norm, const KeyValueCache& source, const Tensor& key_mask) const;

  Linear q, k, v, out;  // C -> H D, three times, and back
  int64_t heads;
  double dropout, scale;
};

}  // namespace kg
