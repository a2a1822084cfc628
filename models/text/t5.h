// T5 (Raffel et al. 2020) and its version 1.1: an encoder-decoder transformer with relative position biases,
// RMS norms before each part and no biases in linear layers. Letters: B batch, Ts source tokens, Tt target tokens,
// C width, H heads, D width of a head, V vocabulary. Names of modules and parameters are those of Hugging
// Face's T5ForConditionalGeneration.
#pragma once

#include <map>
#include <optional>

#include "nn/config.h"
#include "nn/decode.h"
#include "nn/embedding.h"
#include "nn/state.h"
#include "nn/transformer.h"

namespace kg {

struct T5Config {
  int64_t vocabulary = 32128;
  int64_t width = 768, feedforward = 2048;
  int64_t heads = 12, head_width = 64;
  int64_t layers = 12, decoder_layers = 12;
  bool gated = true;                // feed-forward part: gelu_tanh(wi_0 x) * wi_1 x, as in version 1.1, or relu(wi x)
  bool tied = false;                // the head is the embedding, on states scaled by C^-0.5, or a matrix of its own
  int64_t buckets = 32, far = 128;  // relative positions: buckets, and the distance from which all share the last one
  double dropout = 0.1;
  double eps = 1e-6;
  int64_t end = 1;  // the token that ends a text
};
template <class V>
void fields(T5Config& c, V&& v) {
  v(Field{"vocabulary", "", "", size_bounds()}, c.vocabulary);
  v(Field{"width", "width", "transformer width", between(1, 16384)}, c.width);
  v(rare({"feedforward", "feedforward", "width of the feed-forward part", size_bounds()}), c.feedforward);
  v(rare({"heads", "heads", "attention heads", between(1, 256)}), c.heads);
  v(rare({"head_width", "head-width", "width of a head", between(1, 1024)}), c.head_width);
  v(Field{"layers", "layers", "of the encoder", between(1, 256)}, c.layers);
  v(rare({"decoder_layers", "decoder-layers", "of the decoder", between(1, 256)}), c.decoder_layers);
  v(Field{"gated"}, c.gated);
  v(Field{"tied"}, c.tied);
  v(Field{"buckets", "", "", between(4, 1024)}, c.buckets);
  v(Field{"far", "", "", between(4, 65536)}, c.far);
  v(rare({"dropout", "dropout", "dropout", between(0, 0.9)}), c.dropout);
  v(Field{"eps", "", "", above(0)}, c.eps);
  v(Field{"end", "", "", at_least(0)}, c.end);
}
// t5-small, t5-base, t5-large, flan-t5-small, flan-t5-base, flan-t5-large
T5Config t5_preset(const std::string& name);
int64_t parameter_count(const T5Config& config);  // of a model that need not exist

inline constexpr int32_t kT5Pad = 0;  // also begins every target

// (Tq, Tk) i32: the bucket of each relative position key - query, of queries first, first + 1, ...
// Buckets are one wide for near keys, then grow like the logarithm of the distance (section 2.1).
// Looking forward, if allowed, has half of them.
Tensor t5_buckets(int64_t queries, int64_t keys, bool bidirectional, const T5Config& config, int64_t first = 0);

class T5Block : public Module {
 public:
  T5Block(const T5Config& config, bool decoder);
  // x (B, T, C), bias (1, H, T, T) of its scores; memory (B, Ts, C) for a decoder.
  Var operator()(const Var& x, const AttentionOptions& mask, const Var& bias, const Var& memory,
                 const Tensor& memory_mask) const;
  Tensor step(const Tensor& x, int64_t layer, const DecodeState& state) const;  // (B, C), one position of a decoder
  KeyValueCache source(const Tensor& memory) const { return cross_attention->keys_and_values(memory); }

 private:
  ProjectedAttention self_attention;
  std::optional<ProjectedAttention> cross_attention;
  RMSNorm norm1, norm2, norm3;  // before self-attention, cross-attention, feed-forward
  Linear wi;                    // wi_0 where gated
  std::optional<Linear> wi_1;
  Linear wo;
  Dropout dropout;
};

class T5Stack : public Module {
 public:
  T5Stack(const T5Config& config, bool decoder);
  // embedded (B, T, C) -> states (B, T, C), normed.
  Var operator()(const Var& embedded, const Tensor& mask, const Var& memory = {}, const Tensor& memory_mask = {}) const;
  DecodeState start(const Tensor& memory, const Tensor& mask, int64_t most) const;
  Tensor step(const Tensor& embedded, const DecodeState& state) const;  // (B, C)

 private:
  T5Config config_;
  bool decoder_;
  mutable std::map<int64_t, Tensor> buckets_;  // of every length so far, 4 T^2 bytes each: captured steps read them
  Var relative_bias;                           // (buckets, H), of all layers
  ModuleList<T5Block> blocks;
  RMSNorm final_layer_norm;
  Dropout dropout;
};

class T5 : public Module, public TokenWriter {
 public:
  explicit T5(const T5Config& config);

  Var encode(const Tensor& ids, const Tensor& mask) const;  // (B, Ts) i32 and u8, 0 at pads -> (B, Ts, C)
  Var decode(const Tensor& ids, const Var& memory, const Tensor& memory_mask) const;  // (B, Tt) -> (B, Tt, C)
  Var logits(const Var& states) const;                                                // (..., C) -> (..., V)
  // Position t of the target sees decoder_ids up to t: their logits (B, Tt, V).
  // The loss is cross_entropy_loss() of them.
  Var operator()(const Tensor& ids, const Tensor& mask, const Tensor& decoder_ids) const;

  // Decoding (nn/decode.h) of at most `most` positions, from memory (B, Ts, C) of encode() and its mask (B, Ts). The
  // first position reads a pad.
  DecodeState start(const Tensor& memory, const Tensor& mask, int64_t most) const;
  Tensor step(const Tensor& ids, const DecodeState& state) const override;
  int32_t first_id() const override { return kT5Pad; }
  int32_t end_id() const override { return int32_t(config_.end); }
  const T5Config& config() const { return config_; }

 private:
  T5Config config_;
  Embedding shared;
  T5Stack encoder, decoder;
  std::optional<Linear> lm_head;
};

// Targets (B, Tt) i32 with -100 where nothing counts -> what the decoder reads: moved right by one place, a pad first.
// On the CPU. An Error where no target counts: their loss would be NaN.
Tensor t5_decoder_ids(const Tensor& labels);

// The model's weights out of a file that may list the shared embedding under three names, and its sizes by their
// shapes. Whether the head is tied is said by the config.json beside the file: with a tied head, files may hold it all
// the same.
NamedTensors t5_weights(const NamedTensors& file, bool tied, const std::string& source);
T5Config t5_config(const NamedTensors& file, bool tied, const std::string& source);

}  // namespace kg
