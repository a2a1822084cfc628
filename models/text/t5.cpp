#include "models/text/t5.h"

#include <algorithm>
#include <cmath>

#include "models/text/weight_names.h"

namespace kg {

T5Config t5_preset(const std::string& name) {
  struct Sizes {
    const char* name;
    int64_t width, feedforward, heads, layers;
    bool flan;
  };
  static constexpr Sizes kSizes[] = {
      {"t5-small", 512, 2048, 8, 6, false},      {"t5-base", 768, 3072, 12, 12, false},
      {"t5-large", 1024, 4096, 16, 24, false},   {"flan-t5-small", 512, 1024, 6, 8, true},
      {"flan-t5-base", 768, 2048, 12, 12, true}, {"flan-t5-large", 1024, 2816, 16, 24, true}};
  std::string known;
  for (const Sizes& s : kSizes) {
    if (name == s.name) {
      T5Config c;
      c.width = s.width, c.feedforward = s.feedforward, c.heads = s.heads;
      c.layers = c.decoder_layers = s.layers;
      c.gated = s.flan, c.tied = !s.flan;
      return c;
    }
    known += (known.empty() ? "" : ", ") + std::string(s.name);
  }
  fail(ErrorCode::runtime, "T5 preset \"", name, "\" is unknown; use one of ", known);
}

int64_t parameter_count(const T5Config& c) {
  const int64_t attention = 4 * c.width * c.heads * c.head_width;
  const int64_t feedforward = (c.gated ? 3 : 2) * c.width * c.feedforward;
  const int64_t encoder = c.layers * (attention + feedforward + 2 * c.width);
  const int64_t decoder = c.decoder_layers * (2 * attention + feedforward + 3 * c.width);
  const int64_t ends = 2 * (c.buckets * c.heads + c.width);  // position biases and last norms
  return (c.tied ? 1 : 2) * c.vocabulary * c.width + encoder + decoder + ends;
}

Tensor t5_buckets(int64_t queries, int64_t keys, bool bidirectional, const T5Config& c, int64_t first) {
  const Tensor out = Tensor::empty({queries, keys}, Dtype::i32);
  const int64_t n = bidirectional ? c.buckets / 2 : c.buckets, near = n / 2;
  for (int64_t q = 0; q < queries; ++q)
    for (int64_t k = 0; k < keys; ++k) {
      const int64_t relative = k - (first + q);
      const int64_t distance = bidirectional ? std::abs(relative) : std::max<int64_t>(-relative, 0);
      int64_t bucket = distance;
      if (distance >= near) {  // in f32, as the public code: a boundary must fall on the same side
        const float share = std::log(float(distance) / float(near)) / float(std::log(double(c.far) / double(near)));
        bucket = std::min(n - 1, near + int64_t(share * float(n - near)));
      }
      if (bidirectional && relative > 0) bucket += n;
      out.data<int32_t>()[q * keys + k] = int32_t(bucket);
    }
  return out;
}

namespace {
ProjectedAttentionOptions attention_options(const T5Config& c) {
  return {.q = "q",
          .k = "k",
          .v = "v",
          .out = "o",
          .width = c.width,
          .heads = c.heads,
          .head_width = c.head_width,
          .dropout = c.dropout,
          .scale = 1,  // none: the initialisation of q makes up for it
          .with_bias = false};
}
void init_attention(const ProjectedAttention& a, const T5Config& c) {
  const double width = double(c.width);
  init::normal(a.q.weight.value, 0, std::pow(width * double(c.head_width), -0.5));
  init::normal(a.k.weight.value, 0, std::pow(width, -0.5));
  init::normal(a.v.weight.value, 0, std::pow(width, -0.5));
  init::normal(a.out.weight.value, 0, std::pow(double(c.heads * c.head_width), -0.5));
}
}  // namespace

T5Block::T5Block(const T5Config& c, bool decoder)
    : self_attention(attention_options(c)),
      norm1(c.width, c.eps),
      norm2(c.width, c.eps),
      norm3(c.width, c.eps),
      wi(c.width, c.feedforward, false),
      wo(c.feedforward, c.width, false),
      dropout(c.dropout) {
  reg("layer.0.SelfAttention", self_attention);
  reg("layer.0.layer_norm", norm1);
  init_attention(self_attention, c);
  if (decoder) {
    cross_attention.emplace(attention_options(c));
    reg("layer.1.EncDecAttention", *cross_attention);
    reg("layer.1.layer_norm", norm2);
    init_attention(*cross_attention, c);
  }
  const std::string layer = decoder ? "layer.2." : "layer.1.";
  reg(layer + (c.gated ? "DenseReluDense.wi_0" : "DenseReluDense.wi"), wi);
  init::normal(wi.weight.value, 0, std::pow(double(c.width), -0.5));
  if (c.gated) {
    wi_1.emplace(c.width, c.feedforward, false);
    reg(layer + "DenseReluDense.wi_1", *wi_1);
    init::normal(wi_1->weight.value, 0, std::pow(double(c.width), -0.5));
  }
  reg(layer + "DenseReluDense.wo", wo);
  init::normal(wo.weight.value, 0, std::pow(double(c.feedforward), -0.5));
  reg(layer + "layer_norm", norm3);
  reg("dropout", dropout);
}

Var T5Block::operator()(const Var& in, const AttentionOptions& mask, const Var& bias, const Var& memory,
                        const Tensor& memory_mask) const {
  const Var normed = norm1(in);
  Var x = in + dropout(self_attention(normed, normed, mask, bias));
  if (cross_attention) x = x + dropout((*cross_attention)(norm2(x), memory, {.key_mask = memory_mask}));
  const Var h = norm3(x);
  return x + dropout(wo(dropout(wi_1 ? gelu_tanh(wi(h)) * (*wi_1)(h) : relu(wi(h)))));
}

Tensor T5Block::step(const Tensor& in, int64_t layer, const DecodeState& s) const {
  Tensor x = self_attention.step(in, row_norm(norm1), s.written[size_t(layer)], s.position, s.bias);
  x = cross_attention->step_across(x, row_norm(norm2), s.source[size_t(layer)], s.source_mask);
  const Tensor h = decode_rows(wi, x,
                               {.norm = row_norm(norm3),
                                .activation = wi_1 ? RowActivation::gelu_tanh : RowActivation::relu,
                                .gate = wi_1 ? wi_1->weight.value : Tensor()});
  return decode_rows(wo, h, {.residual = x});
}

T5Stack::T5Stack(const T5Config& config, bool decoder)
    : config_(config),
      decoder_(decoder),
      relative_bias(Tensor::empty({config.buckets, config.heads})),
      final_layer_norm(config.width, config.eps),
      dropout(config.dropout) {
  init::normal(relative_bias.value, 0, std::pow(double(config.width), -0.5));
  for (int64_t i = 0; i < (decoder ? config.decoder_layers : config.layers); ++i) blocks.add(config, decoder);
  reg("block.0.layer.0.SelfAttention.relative_attention_bias.weight", relative_bias);
  reg("block", blocks);
  reg("final_layer_norm", final_layer_norm);
  reg("dropout", dropout);
}

Var T5Stack::operator()(const Var& embedded, const Tensor& mask, const Var& memory, const Tensor& memory_mask) const {
  const int64_t length = embedded.size(1);
  const Device device = embedded.value.device();
  Tensor& buckets = buckets_[length];
  if (!buckets.defined() || buckets.device() != device)
    buckets = t5_buckets(length, length, !decoder_, config_).to(device);
  const Var table = permute(embedding(relative_bias, buckets), {2, 0, 1});  // (H, T, T)
  const Var bias = reshape(contiguous(table), {1, config_.heads, length, length});
  Var x = dropout(embedded);
  for (const T5Block& block : blocks) x = block(x, {.causal = decoder_, .key_mask = mask}, bias, memory, memory_mask);
  return dropout(final_layer_norm(x));
}

DecodeState T5Stack::start(const Tensor& memory, const Tensor& mask, int64_t most) const {
  DecodeState state;
  state.make_room(blocks.size(), memory.size(0), most, config_.heads, config_.head_width, memory);
  for (const T5Block& block : blocks) state.source.push_back(block.source(memory));
  state.source_mask = mask;
  // The last query sees all keys: a query before it sees as many of them, from the right.
  const Tensor buckets = t5_buckets(1, most, false, config_, most - 1).reshape({most}).to(memory.device());
  state.bias =
      embedding(relative_bias.value, buckets).transpose(0, 1).contiguous().reshape({1, config_.heads, 1, most});
  return state;
}

Tensor T5Stack::step(const Tensor& embedded, const DecodeState& state) const {
  Tensor x = embedded;
  for (int64_t i = 0; i < blocks.size(); ++i) x = blocks[i].step(x, i, state);
  return decode_rows(final_layer_norm, x);
}

T5::T5(const T5Config& config)
    : config_(config), shared(config.vocabulary, config.width), encoder(config, false), decoder(config, true) {
  reg("shared", shared);
  reg("encoder", encoder);
  reg("decoder", decoder);
  if (config.tied) return;
  lm_head.emplace(config.width, config.vocabulary, false);
  init::normal(lm_head->weight.value, 0, 1);
  reg("lm_head", *lm_head);
}

Var T5::encode(const Tensor& ids, const Tensor& mask) const { return encoder(shared(ids), mask); }
Var T5::decode(const Tensor& ids, const Var& memory, const Tensor& memory_mask) const {
  return decoder(shared(ids), {}, memory, memory_mask);
}
Var T5::logits(const Var& states) const {
  return lm_head ? (*lm_head)(states) : linear(states * std::pow(double(config_.width), -0.5), shared.weight, {});
}
Var T5::operator()(const Tensor& ids, const Tensor& mask, const Tensor& decoder_ids) const {
  return logits(decode(decoder_ids, encode(ids, mask), mask));
}

DecodeState T5::start(const Tensor& memory, const Tensor& mask, int64_t most) const {
  NoGrad guard;
  CHECK(most > 0, "[t5] decoding needs a position at least, got ", most);
  return decoder.start(memory, mask, most);
}
Tensor T5::step(const Tensor& ids, const DecodeState& state) const {
  NoGrad guard;
  const Tensor states = decoder.step(embedding(shared.weight.value, ids), state);
  if (lm_head) return decode_rows(*lm_head, states);
  return linear_rows(affine(states, std::pow(double(config_.width), -0.5)), shared.weight.value, {});
}

Tensor t5_decoder_ids(const Tensor& labels) {
  const int64_t length = labels.size(1);
  const int32_t* label = labels.data<int32_t>();
  CHECK(std::any_of(label, label + labels.numel(), [](int32_t id) { return id != -100; }),
        "[t5] every label is -100, which does not count: there is nothing to learn");
  const Tensor ids = Tensor::full(labels.shape(), kT5Pad, Dtype::i32);
  for (int64_t b = 0; b < labels.size(0); ++b) {
    const int32_t* from = labels.data<int32_t>() + b * length;
    int32_t* to = ids.data<int32_t>() + b * length;
    for (int64_t t = 1; t < length; ++t) to[t] = from[t - 1] == -100 ? kT5Pad : from[t - 1];
  }
  return ids;
}

NamedTensors t5_weights(const NamedTensors& file, bool tied, const std::string& source) {
  NamedTensors out;
  for (const auto& [name, tensor] : file)
    if (!name.ends_with("embed_tokens.weight") && !(tied && name == "lm_head.weight")) out.emplace_back(name, tensor);
  if (!find_weight(out, "shared.weight")) {
    const Tensor* embedding = find_weight(file, "encoder.embed_tokens.weight");
    CHECK_INPUT(embedding, source, ": no T5 in it (neither shared.weight nor encoder.embed_tokens.weight)");
    out.emplace_back("shared.weight", *embedding);
  }
  return out;
}

T5Config t5_config(const NamedTensors& file, bool tied, const std::string& source) {
  const NamedTensors weights = t5_weights(file, tied, source);
  const auto shape = [&](const char* name) { return weight_shape(weights, name, 2, source); };
  T5Config c;
  const Shape embedding = shape("shared.weight");
  c.vocabulary = embedding[0], c.width = embedding[1], c.tied = tied;
  c.layers = count_layers(weights, "encoder.block.", source);
  c.decoder_layers = count_layers(weights, "decoder.block.", source);
  const Shape bias = shape("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  c.buckets = bias[0], c.heads = bias[1];
  const int64_t inner = shape("encoder.block.0.layer.0.SelfAttention.q.weight")[0];
  CHECK_INPUT(c.heads > 0 && inner % c.heads == 0, source, ": ", inner, " rows of q do not make ", c.heads, " heads");
  c.head_width = inner / c.heads;
  c.gated = find_weight(weights, "encoder.block.0.layer.1.DenseReluDense.wi_0.weight") != nullptr;
  c.feedforward = shape(c.gated ? "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"
                                : "encoder.block.0.layer.1.DenseReluDense.wi.weight")[0];
  return c;
}

}  // namespace kg
