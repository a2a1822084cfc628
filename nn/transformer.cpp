#include "nn/transformer.h"

namespace kg {

Var activate(const Var& x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return relu(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    case Activation::quick_gelu:
      return quick_gelu(x);
  }
  fail(ErrorCode::runtime, "[activate] unknown activation ", int(activation));
}

namespace {
// One residual part of a layer.
template <class Part>
Var residual(const Var& x, const LayerNorm& norm, bool pre_norm, const Dropout& dropout, Part&& part) {
  return pre_norm ? x + dropout(part(norm(x))) : norm.residual(x, part(x), dropout.p).norm;
}
}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(const TransformerOptions& o)
    : self_attn(o.width, o.heads, o.dropout),
      linear1(o.width, o.feedforward),
      linear2(o.feedforward, o.width),
      norm1(o.width, o.eps),
      norm2(o.width, o.eps),
      dropout(o.dropout),
      activation(o.activation),
      pre_norm(o.pre_norm) {
  reg("self_attn", self_attn);
  reg("linear1", linear1);
  reg("linear2", linear2);
  reg("norm1", norm1);
  reg("norm2", norm2);
  reg("dropout", dropout);
}
Var TransformerEncoderLayer::operator()(const Var& x, const AttentionOptions& mask) const {
  const auto feed = [&](const Var& h) { return linear2(dropout(activate(linear1(h), activation))); };
  if (!pre_norm) {
    const Var y = norm1.residual(x, self_attn(x, mask), dropout.p).norm;
    return norm2.residual(y, feed(y), dropout.p).norm;
  }
  const auto [y, h] = norm2.residual(x, self_attn(norm1(x), mask), dropout.p);
  return y + dropout(feed(h));
}

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerOptions& o)
    : self_attn(o.width, o.heads, o.dropout),
      multihead_attn(o.width, o.heads, o.dropout),
      linear1(o.width, o.feedforward),
      linear2(o.feedforward, o.width),
      norm1(o.width, o.eps),
      norm2(o.width, o.eps),
      norm3(o.width, o.eps),
      dropout(o.dropout),
      activation(o.activation),
      pre_norm(o.pre_norm) {
  reg("self_attn", self_attn);
  reg("multihead_attn", multihead_attn);
  reg("linear1", linear1);
  reg("linear2", linear2);
  reg("norm1", norm1);
  reg("norm2", norm2);
  reg("norm3", norm3);
  reg("dropout", dropout);
}
Var TransformerDecoderLayer::operator()(const Var& x, const Var& memory, const AttentionOptions& self_mask,
                                        const AttentionOptions& memory_mask) const {
  const Var y = residual(x, norm1, pre_norm, dropout, [&](const Var& h) { return self_attn(h, self_mask); });
  const Var z =
      residual(y, norm2, pre_norm, dropout, [&](const Var& h) { return multihead_attn(h, memory, memory_mask); });
  return residual(z, norm3, pre_norm, dropout,
                  [&](const Var& h) { return linear2(dropout(activate(linear1(h), activation))); });
}

TransformerEncoder::TransformerEncoder(int64_t count, const TransformerOptions& o)
    : norm(o.width, o.eps), pre_norm(o.pre_norm) {
  for (int64_t i = 0; i < count; ++i) layers.add(o);
  reg("layers", layers);
  if (pre_norm) reg("norm", norm);
}
Var TransformerEncoder::operator()(Var x, const AttentionOptions& mask) const {
  for (const auto& layer : layers) x = layer(x, mask);
  return pre_norm ? norm(x) : x;
}

TransformerDecoder::TransformerDecoder(int64_t count, const TransformerOptions& o)
    : norm(o.width, o.eps), pre_norm(o.pre_norm) {
  for (int64_t i = 0; i < count; ++i) layers.add(o);
  reg("layers", layers);
  if (pre_norm) reg("norm", norm);
}
Var TransformerDecoder::operator()(Var x, const Var& memory, const AttentionOptions& self_mask,
                                   const AttentionOptions& memory_mask) const {
  for (const auto& layer : layers) x = layer(x, memory, self_mask, memory_mask);
  return pre_norm ? norm(x) : x;
}

}  // namespace kg
