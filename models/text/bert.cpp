#include "models/text/bert.h"

#include "models/text/weight_names.h"

namespace kg {

BertConfig bert_preset(const std::string& name) {
  BertConfig c;
  if (name == "bert-base") return c;
  if (name == "distilbert-base") {
    c.distil = true, c.pooler = false, c.layers = 6, c.token_types = 0;
    return c;
  }
  CHECK(name == "minilm-l6", "BERT preset \"", name, "\" is unknown; use bert-base, distilbert-base or minilm-l6");
  c.width = 384, c.layers = 6, c.feedforward = 1536;
  return c;
}

namespace {
ProjectedAttentionOptions attention_options(const BertConfig& c) {
  ProjectedAttentionOptions o{.q = "self.query",
                              .k = "self.key",
                              .v = "self.value",
                              .out = "output.dense",
                              .width = c.width,
                              .heads = c.heads,
                              .dropout = c.dropout};
  if (c.distil) o.q = "q_lin", o.k = "k_lin", o.v = "v_lin", o.out = "out_lin";
  return o;
}
}  // namespace

BertLayer::BertLayer(const BertConfig& c)
    : attention(attention_options(c)),
      norm1(c.width, c.eps),
      norm2(c.width, c.eps),
      in(c.width, c.feedforward),
      out(c.feedforward, c.width),
      dropout(c.dropout),
      activation(c.activation),
      distil(c.distil) {
  reg("attention", attention);
  reg(distil ? "sa_layer_norm" : "attention.output.LayerNorm", norm1);
  reg(distil ? "ffn.lin1" : "intermediate.dense", in);
  reg(distil ? "ffn.lin2" : "output.dense", out);
  reg(distil ? "output_layer_norm" : "output.LayerNorm", norm2);
  reg("dropout", dropout);
}
Var BertLayer::operator()(const Var& in_, const AttentionOptions& mask) const {
  const Var seen = attention(in_, mask);
  const Var x = norm1(in_ + (distil ? seen : dropout(seen)));
  return norm2(x + dropout(out(activate(in(x), activation))));
}

Bert::Bert(const BertConfig& c)
    : config_(c),
      words(c.vocabulary, c.width),
      positions(c.positions, c.width),
      norm(c.width, c.eps),
      dropout(c.dropout),
      pooler(c.width, c.width) {
  CHECK(!c.distil || (!c.pooler && c.token_types == 0), "[bert] DistilBERT has neither token types nor a pooler");
  for (int64_t i = 0; i < c.layers; ++i) layers.add(c);
  reg("embeddings.word_embeddings", words);
  reg("embeddings.position_embeddings", positions);
  if (c.token_types > 0) {
    token_types_ = Var(Tensor::empty({c.token_types, c.width}));
    reg("embeddings.token_type_embeddings.weight", token_types_);
  }
  reg("embeddings.LayerNorm", norm);
  reg("embeddings.dropout", dropout);
  reg(c.distil ? "transformer.layer" : "encoder.layer", layers);
  if (c.pooler) reg("pooler.dense", pooler);
  for (auto& [name, parameter] : named_parameters())
    if (parameter->rank() == 2)
      init::normal(parameter->value, 0, 0.02);
    else if (name.ends_with("bias"))
      init::zeros(parameter->value);
}

Var Bert::hidden(const Tensor& ids, const Tensor& mask, const Tensor& types) const {
  const int64_t length = ids.size(1);
  CHECK(length <= config_.positions, "[bert] ", length, " tokens, the model has ", config_.positions, " positions");
  CHECK(!types.defined() || token_types_.defined(), "[bert] this model has no token types");
  Var x = words(ids) + slice(positions.weight, 0, 0, length);
  if (types.defined())
    x = x + embedding(token_types_, types);
  else if (token_types_.defined())
    x = x + slice(token_types_, 0, 0, 1);
  x = dropout(norm(x));
  for (const BertLayer& layer : layers) x = layer(x, {.key_mask = mask});
  return x;
}

Var Bert::pooled(const Var& hidden) const {
  CHECK(config_.pooler, "[bert] this model has no pooler");
  return tanh(pooler(select(hidden, 1, 0)));
}

NamedTensors bert_weights(const NamedTensors& file, const std::string& source) {
  std::string prefix;
  for (const char* candidate : {"", "bert.", "distilbert.", "model."})
    if (find_weight(file, std::string(candidate) + "embeddings.word_embeddings.weight")) prefix = candidate;
  NamedTensors out;
  for (const auto& [full, tensor] : file) {
    if (!full.starts_with(prefix)) continue;
    std::string name = full.substr(prefix.size());
    const bool own = name.starts_with("embeddings.") || name.starts_with("encoder.layer.") ||
                     name.starts_with("transformer.layer.") || name.starts_with("pooler.");
    if (!own || name.ends_with("position_ids")) continue;
    if (name.ends_with(".gamma")) name.replace(name.size() - 5, 5, "weight");
    if (name.ends_with(".beta")) name.replace(name.size() - 4, 4, "bias");
    out.emplace_back(std::move(name), tensor);
  }
  CHECK_INPUT(find_weight(out, "embeddings.word_embeddings.weight"), source,
              ": no BERT or DistilBERT in it (embeddings.word_embeddings.weight is missing)");
  return out;
}

}  // namespace kg
