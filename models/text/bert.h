// BERT (Devlin et al. 2019) and DistilBERT (Sanh et al. 2019): a post-norm transformer encoder over WordPiece tokens,
// and sentence vectors made from its states. Letters: B sentences, L tokens, C width. Names of modules and parameters
// are those of Hugging Face's BertModel and DistilBertModel.
#pragma once

#include "nn/embedding.h"
#include "nn/state.h"
#include "nn/transformer.h"

namespace kg {

struct BertConfig {
  bool distil = false;  // DistilBERT: no token types, no dropout after attention, its own names
  bool pooler = true;   // BERT's tanh layer over the first state
  int64_t vocabulary = 30522;
  int64_t width = 768, layers = 12, heads = 12, feedforward = 3072;
  int64_t positions = 512, token_types = 2;
  Activation activation = Activation::gelu;
  double dropout = 0.1;
  double eps = 1e-12;
};
template <class V>
void fields(BertConfig& c, V&& v) {
  v(Field{"distil"}, c.distil);
  v(Field{"pooler"}, c.pooler);
  v(Field{"vocabulary", "", "", size_bounds()}, c.vocabulary);
  v(Field{"width", "", "", size_bounds()}, c.width);
  v(Field{"layers", "", "", size_bounds()}, c.layers);
  v(Field{"heads", "", "", size_bounds()}, c.heads);
  v(Field{"feedforward", "", "", size_bounds()}, c.feedforward);
  v(Field{"positions", "", "", between(2, kLargestSize)}, c.positions);
  v(Field{"token_types", "", "", between(0, kLargestSize)}, c.token_types);
  v(Field{"activation"}, c.activation);
  v(Field{"dropout", "", "", between(0, 0.99)}, c.dropout);
  v(Field{"eps", "", "", between(0, 1)}, c.eps);
}
BertConfig bert_preset(const std::string& name);  // bert-base, distilbert-base, minilm-l6

class BertLayer : public Module {
 public:
  explicit BertLayer(const BertConfig& config);
  Var operator()(const Var& x, const AttentionOptions& mask) const;

  ProjectedAttention attention;
  LayerNorm norm1, norm2;
  Linear in, out;
  Dropout dropout;
  Activation activation;
  bool distil;
};

class Bert : public Module {
 public:
  explicit Bert(const BertConfig& config);

  // ids (B, L) i32, L <= positions; mask (B, L) u8, 0 at pads; token_types (B, L) i32, all 0 if undefined -> (B, L, C)
  Var hidden(const Tensor& ids, const Tensor& mask, const Tensor& token_types = {}) const;
  Var pooled(const Var& hidden) const;  // (B, C): tanh(dense(first state)), of a model with a pooler
  const BertConfig& config() const { return config_; }

 private:
  BertConfig config_;
  Embedding words, positions;
  Var token_types_;  // (token_types, C)
  LayerNorm norm;
  Dropout dropout;
  ModuleList<BertLayer> layers;
  Linear pooler;
};

// A model's own weights out of a file that may hold heads as well ("bert.", "distilbert." before the names), with the
// older names gamma and beta of norms made weight and bias.
NamedTensors bert_weights(const NamedTensors& file, const std::string& source);

}  // namespace kg
