#include "nn/attention.h"

#include "nn/decode.h"

namespace kg {

MultiHeadAttention::MultiHeadAttention(int64_t width, int64_t heads, double dropout, bool with_bias)
    : in_proj_weight(Tensor::empty({3 * width, width})),
      out_proj(width, width, with_bias),
      heads(heads),
      dropout(dropout) {
  CHECK(heads > 0 && width % heads == 0, "[attention] width ", width, " is not a multiple of ", heads, " heads");
  init::xavier_uniform(in_proj_weight.value, width, 3 * width);
  reg("in_proj_weight", in_proj_weight);
  if (with_bias) {
    in_proj_bias = Var(Tensor::zeros({3 * width}));
    reg("in_proj_bias", in_proj_bias);
    init::zeros(out_proj.bias.value);
  }
  reg("out_proj", out_proj);
}

// q (B, Tq, H, D), k and v (B, Tk, H, D) -> (B, Tq, C)
Var MultiHeadAttention::attend(const Var& q, const Var& k, const Var& v, AttentionOptions o, const Var& bias) const {
  o.dropout = training() ? dropout : 0;
  const Var y = attention(q, k, v, o, bias);
  return out_proj(reshape(y, {q.size(0), q.size(1), q.size(2) * q.size(3)}));
}

Var MultiHeadAttention::operator()(const Var& x, const AttentionOptions& mask) const {
  const int64_t width = x.size(2);
  AttentionOptions o = mask;
  o.dropout = training() ? dropout : 0;
  const Var qkv = linear(x, in_proj_weight, in_proj_bias);
  const Var y = self_attention(reshape(qkv, {x.size(0), x.size(1), 3, heads, width / heads}), o);
  return out_proj(reshape(y, x.shape()));
}

Var MultiHeadAttention::operator()(const Var& x, const Var& memory, const AttentionOptions& mask,
                                   const Var& bias) const {
  const int64_t width = x.size(2), head = width / heads;
  const auto project = [&](const Var& from, int64_t begin, int64_t end) {
    const Var bias = in_proj_bias.defined() ? slice(in_proj_bias, 0, begin, end) : Var();
    const Var y = linear(from, slice(in_proj_weight, 0, begin, end), bias);
    return reshape(y, {from.size(0), from.size(1), (end - begin) / head, head});
  };
  const Var kv = project(memory, width, 3 * width);
  return attend(project(x, 0, width), slice(kv, 2, 0, heads), slice(kv, 2, heads, 2 * heads), mask, bias);
}

namespace {
int64_t inner_width(const ProjectedAttentionOptions& o) {
  CHECK(o.heads > 0 && (o.head_width > 0 || o.width % o.heads == 0), "[attention] width ", o.width,
        " is not a multiple of ", o.heads, " heads");
  return o.head_width > 0 ? o.heads * o.head_width : o.width;
}
}  // namespace

ProjectedAttention::ProjectedAttention(const ProjectedAttentionOptions& o)
    : q(o.width, inner_width(o), o.with_bias),
      k(o.width, inner_width(o), o.with_bias),
      v(o.width, inner_width(o), o.with_bias),
      out(inner_width(o), o.width, o.with_bias),
      heads(o.heads),
      dropout(o.dropout),
      scale(o.scale) {
  if (!o.key_first) reg(o.q, q);
  reg(o.k, k);
  if (o.key_first) reg(o.q, q);
  reg(o.v, v);
  reg(o.out, out);
}

Var ProjectedAttention::operator()(const Var& x, const Var& memory, AttentionOptions o, const Var& bias) const {
  const auto split = [&](const Var& y) { return reshape(y, {y.size(0), y.size(1), heads, y.size(2) / heads}); };
  o.scale = scale;
  o.dropout = training() ? dropout : 0;
  // A GPU is kept busier by one product than by three. It is worth gathering the weights where a backward follows.
  const bool together = &x == &memory && x.value.device() == Device::cuda && grad_enabled();
  const auto in_one = [&] {  // in the order in which they lie in an optimizer's buffer
    const bool key_first = k.weight.value.offset() < q.weight.value.offset();
    const Linear &first = key_first ? k : q, &second = key_first ? q : k;
    std::vector<Var> biases;
    if (q.bias.defined()) biases = {first.bias, second.bias, v.bias};
    const Var qkv = linear_side_by_side(x, {first.weight, second.weight, v.weight}, biases);
    return self_attention(reshape(qkv, {x.size(0), x.size(1), 3, heads, qkv.size(2) / (3 * heads)}), o, bias,
                          key_first);
  };
  const Var y = together ? in_one() : attention(split(q(x)), split(k(memory)), split(v(memory)), o, bias);
  return out(reshape(y, {x.size(0), x.size(1), y.size(2) * y.size(3)}));
}

Tensor ProjectedAttention::step(const Tensor& x, const RowNorm& norm, const KeyValueCache& cache,
                                const Tensor& position, const Tensor& bias) const {
  const Tensor queries =
      project_rows(x, norm, row_projection(q), row_projection(k), row_projection(v), cache.k, cache.v, position);
  const Tensor y = attention_rows(queries, cache.k, cache.v, {.scale = scale, .bias = bias}, position);
  return decode_rows(out, y, {.residual = x});
}
KeyValueCache ProjectedAttention::keys_and_values(const Tensor& memory) const {
  const int64_t batch = memory.size(0), time = memory.size(1);
  const Tensor rows = memory.reshape({batch * time, memory.size(2)});
  const auto of = [&](const Linear& layer) {
    const Tensor y = decode_rows(layer, rows);
    return y.reshape({batch, time, heads, y.size(1) / heads});
  };
  return {of(k), of(v)};
}
Tensor ProjectedAttention::step_across(const Tensor& x, const RowNorm& norm, const KeyValueCache& source,
                                       const Tensor& key_mask) const {
  const Tensor queries = decode_rows(q, x, {.norm = norm});
  const Tensor y = attention_rows(queries, source.k, source.v, {.scale = scale, .key_mask = key_mask});
  return decode_rows(out, y, {.residual = x});
}

}  // namespace kg
