// CLIP's text tower (Radford et al. 2021, section 2.4): a causal pre-norm transformer over byte-pair tokens; the state
// of the end token, projected, is the feature. Letters: B captions, L tokens, C width.
// Names of modules and parameters are those of Hugging Face's CLIPTextModelWithProjection.
#pragma once

#include "nn/embedding.h"
#include "nn/state.h"
#include "nn/transformer.h"

namespace kg {

struct ClipTextConfig {
  int64_t vocabulary = 49408;
  int64_t width = 512, layers = 12, heads = 8, feedforward = 2048;
  int64_t positions = 77;
  int64_t projection = 512;  // width of the feature
  Activation activation = Activation::quick_gelu;
  double dropout = 0;  // on the attention weights
  double eps = 1e-5;
};
template <class V>
void fields(ClipTextConfig& c, V&& v) {
  v(Field{"vocabulary", "", "", size_bounds()}, c.vocabulary);
  v(Field{"width", "", "", size_bounds()}, c.width);
  v(Field{"layers", "", "", size_bounds()}, c.layers);
  v(Field{"heads", "", "", size_bounds()}, c.heads);
  v(Field{"feedforward", "", "", size_bounds()}, c.feedforward);
  v(Field{"positions", "", "", between(2, kLargestSize)}, c.positions);
  v(Field{"projection", "", "", size_bounds()}, c.projection);
  v(Field{"activation"}, c.activation);
  v(Field{"dropout", "", "", between(0, 0.99)}, c.dropout);
  v(Field{"eps", "", "", between(0, 1)}, c.eps);
}
ClipTextConfig clip_preset(const std::string& name);  // vit-b/32, vit-b/16 (the same text tower), vit-l/14

class ClipTextLayer : public Module {
 public:
  explicit ClipTextLayer(const ClipTextConfig& config);
  Var operator()(const Var& x) const;

  LayerNorm layer_norm1, layer_norm2;
  ProjectedAttention self_attn;
  Linear fc1, fc2;
  Activation activation;
};

class ClipText : public Module {
 public:
  explicit ClipText(const ClipTextConfig& config);

  // ids (B, L) i32, L <= positions -> (B, L, C), after the last norm. No token sees those after it: pads need no mask.
  Var hidden(const Tensor& ids) const;
  // The feature (B, projection), not normalised. share (B, L, 1) is 1 at the end token and 0 elsewhere.
  Var feature(const Var& hidden, const Tensor& share) const;
  Var operator()(const Tensor& ids, const Tensor& share) const { return feature(hidden(ids), share); }
  const ClipTextConfig& config() const { return config_; }

 private:
  ClipTextConfig config_;
  Embedding token_embedding, position_embedding;
  ModuleList<ClipTextLayer> layers;
  LayerNorm final_layer_norm;
  Linear text_projection;
};

// 1 at the first place of each row's largest id, which is the end token: ids (B, L) on the CPU -> (B, L, 1).
Tensor clip_end(const Tensor& ids);

// The text tower's weights under the names above, out of a whole CLIP or of its text model, by Hugging Face's names or
// by those of the original archive (transformer.resblocks.0.attn.in_proj_weight).
NamedTensors clip_text_weights(const NamedTensors& file, const std::string& source);
// Sizes by the weights' shapes, as they come from clip_text_weights(); heads are 64 wide.
ClipTextConfig clip_text_config(const NamedTensors& weights, const std::string& source);

}  // namespace kg
