// Transformer layers with the parameters of torch.nn.TransformerEncoderLayer and TransformerDecoderLayer, and stacks of
// them. Sequences are (B, T, C). Post-norm: x = norm(x + f(x)); pre-norm: x = x + f(norm(x)).
#pragma once

#include "nn/attention.h"
#include "nn/config.h"
#include "nn/dropout.h"
#include "nn/norm.h"

namespace kg {

enum class Activation { relu, gelu, gelu_tanh, quick_gelu };  // gelu is the exact one, by erf
template <>
struct Names<Activation> {
  static constexpr const char* const of[] = {"relu", "gelu", "gelu_tanh", "quick_gelu"};
};
Var activate(const Var& x, Activation activation);

struct TransformerOptions {
  int64_t width = 512, heads = 8, feedforward = 2048;
  double dropout = 0.1;
  Activation activation = Activation::relu;
  bool pre_norm = false;
  double eps = 1e-5;
};

class TransformerEncoderLayer : public Module {
 public:
  explicit TransformerEncoderLayer(const TransformerOptions& options);
  Var operator()(const Var& x, const AttentionOptions& mask = {}) const;

  MultiHeadAttention self_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2;
  Dropout dropout;
  Activation activation;
  bool pre_norm;
};

// Self-attention, then attention to `memory`, then the feed-forward part.
class TransformerDecoderLayer : public Module {
 public:
  explicit TransformerDecoderLayer(const TransformerOptions& options);
  Var operator()(const Var& x, const Var& memory, const AttentionOptions& self_mask = {},
                 const AttentionOptions& memory_mask = {}) const;

  MultiHeadAttention self_attn, multihead_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout;
  Activation activation;
  bool pre_norm;
};

// layers.0, layers.1, ...; a pre-norm stack ends with its own norm.
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(int64_t count, const TransformerOptions& options);
  Var operator()(Var x, const AttentionOptions& mask = {}) const;

  ModuleList<TransformerEncoderLayer> layers;
  LayerNorm norm;
  bool pre_norm;
};

class TransformerDecoder : public Module {
 public:
  TransformerDecoder(int64_t count, const TransformerOptions& options);
  Var operator()(Var x, const Var& memory, const AttentionOptions& self_mask = {},
                 const AttentionOptions& memory_mask = {}) const;

  ModuleList<TransformerDecoderLayer> layers;
  LayerNorm norm;
  bool pre_norm;
};

}  // namespace kg
