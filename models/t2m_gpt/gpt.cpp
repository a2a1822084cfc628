#include "models/t2m_gpt/gpt.h"

namespace kg {

CausalSelfAttention::CausalSelfAttention(int64_t width, int64_t heads, double dropout)
    : key(width, width), query(width, width), value(width, width), proj(width, width), heads(heads), dropout(dropout) {
  CHECK(width % heads == 0, "[gpt] width ", width, " is not a multiple of ", heads, " heads");
  reg("key", key);
  reg("query", query);
  reg("value", value);
  reg("proj", proj);
}

Var CausalSelfAttention::operator()(const Var& x) const {
  const int64_t b = x.size(0), t = x.size(1), c = x.size(2);
  const Shape split{b, t, heads, c / heads};
  AttentionArgs args;
  args.causal = true;
  args.dropout = training() ? dropout : 0;
  const Var y = attention(reshape(query(x), split), reshape(key(x), split), reshape(value(x), split), args);
  return proj(reshape(y, {b, t, c}));
}

Tensor CausalSelfAttention::step(const Tensor& x, int64_t position, const KeyValueCache& cache) const {
  const int64_t b = x.size(0), c = x.size(1);
  const Shape split{b, 1, heads, c / heads};
  const auto project = [&](const Linear& l) { return linear_rows(x, l.weight.value, l.bias.value).reshape(split); };
  cache.k.slice(1, position, position + 1).copy_from(project(key));
  cache.v.slice(1, position, position + 1).copy_from(project(value));
  const Tensor y =
      attention(project(query), cache.k.slice(1, 0, position + 1), cache.v.slice(1, 0, position + 1), {}).y;
  return linear_rows(y.reshape({b, c}), proj.weight.value, proj.bias.value);
}

GptBlock::Mlp::Mlp(const GptConfig& c) : in(c.width, c.feedforward), out(c.feedforward, c.width) {
  reg("0", in);
  reg("2", out);
}
GptBlock::GptBlock(const GptConfig& c)
    : ln1(c.width), ln2(c.width), attn(c.width, c.heads, c.dropout), mlp(c), dropout_(c.dropout) {
  reg("ln1", ln1);
  reg("ln2", ln2);
  reg("attn", attn);
  reg("mlp", mlp);
}
Var GptBlock::operator()(const Var& in) const {
  const auto [x, h] = ln2.residual(in, attn(ln1(in)), dropout_);  // x = in + dropout(attn), h = ln2(x)
  return x + dropout(mlp.out(gelu(mlp.in(h))), dropout_, training());
}
Tensor GptBlock::step(const Tensor& in, int64_t position, const KeyValueCache& cache) const {
  const auto norm = [](const LayerNorm& l, const Tensor& x) {
    return layer_norm(x, l.weight.value, l.bias.value, l.eps).y;
  };
  const Tensor x = add(in, attn.step(norm(ln1, in), position, cache));
  const Tensor h = gelu(linear_rows(norm(ln2, x), mlp.in.weight.value, mlp.in.bias.value));
  return add(x, linear_rows(h, mlp.out.weight.value, mlp.out.bias.value));
}

Gpt::Base::Base(const GptConfig& c)
    : tok_emb(c.codes + 2, c.width), cond_emb(c.condition, c.width), pos_embedding(c.context, c.width) {
  for (int64_t i = 0; i < c.layers / 2; ++i) blocks.add(c);
  reg("tok_emb", tok_emb);
  reg("cond_emb", cond_emb);
  reg("pos_embedding", pos_embedding);
  reg("blocks", blocks);
}
Gpt::Head::Head(const GptConfig& c) : ln_f(c.width), head(c.width, c.codes + 1, false) {
  for (int64_t i = c.layers / 2; i < c.layers; ++i) blocks.add(c);
  reg("blocks", blocks);
  reg("ln_f", ln_f);
  reg("head", head);
}

Gpt::Gpt(const GptConfig& config)
    : config_(config),
      positions_(sinusoidal_positions(config.context, config.width)),
      trans_base(config),
      trans_head(config) {
  reg("trans_base", trans_base);
  reg("trans_head", trans_head);
  reg_buffer("positions", positions_, false);
  // Weights of linear layers and embeddings from N(0, 0.02), biases 0, norms 1 and 0.
  for (auto& [name, parameter] : named_parameters()) {
    if (parameter->rank() == 2)
      init::normal(parameter->value, 0, 0.02);
    else if (name.ends_with("bias"))
      init::zeros(parameter->value);
  }
}

Var Gpt::operator()(const Var& condition, const Tensor& ids) const {
  const int64_t b = ids.size(0), t = ids.size(1);
  CHECK(t < config_.context, "[gpt] ", t, " tokens and the condition do not fit a context of ", config_.context);
  Var x = concat({reshape(trans_base.cond_emb(condition), {b, 1, config_.width}), trans_base.tok_emb(ids)}, 1);
  x = x + Var(positions_.slice(0, 0, t + 1).to(x.dtype()));
  for (const GptBlock& block : trans_base.blocks) x = block(x);
  for (const GptBlock& block : trans_head.blocks) x = block(x);
  return trans_head.head(trans_head.ln_f(x));
}

void Gpt::round_weights_to_bf16() {
  for (auto& [name, parameter] : named_parameters()) {
    const bool table = name.ends_with("tok_emb.weight") || name.ends_with("pos_embedding.weight");
    if (parameter->rank() == 2 && !table) *parameter = Var(parameter->value.to(Dtype::bf16));
  }
}

std::vector<KeyValueCache> Gpt::make_caches(int64_t batch) const {
  const Shape shape{batch, config_.context, config_.heads, config_.width / config_.heads};
  const Tensor& like = trans_head.ln_f.weight.value;
  std::vector<KeyValueCache> caches;
  for (int64_t i = 0; i < config_.layers; ++i)
    caches.push_back(
        {Tensor::empty(shape, like.dtype(), like.device()), Tensor::empty(shape, like.dtype(), like.device())});
  return caches;
}

Tensor Gpt::step(const Tensor& condition, const Tensor& ids, int64_t position,
                 std::vector<KeyValueCache>& caches) const {
  NoGrad guard;
  CHECK(position >= 0 && position < config_.context, "[gpt] position ", position, " is outside the context of ",
        config_.context);
  Tensor x = position == 0 ? linear_rows(condition, trans_base.cond_emb.weight.value, trans_base.cond_emb.bias.value)
                           : embedding(trans_base.tok_emb.weight.value, ids);
  x = add(x, positions_.slice(0, position, position + 1).to(x.dtype()));
  size_t layer = 0;
  for (const GptBlock& block : trans_base.blocks) x = block.step(x, position, caches[layer++]);
  for (const GptBlock& block : trans_head.blocks) x = block.step(x, position, caches[layer++]);
  x = layer_norm(x, trans_head.ln_f.weight.value, trans_head.ln_f.bias.value, trans_head.ln_f.eps).y;
  return linear_rows(x, trans_head.head.weight.value, {});
}

Tensor corrupt(const Tensor& ids, double keep, int64_t codes, Philox random) {
  const Tensor out = ids.clone();
  int32_t* id = out.data<int32_t>();
  for (int64_t i = 0; i < out.numel(); ++i)
    if (random.uniform(2 * uint64_t(i)) >= float(keep))
      id[i] = int32_t(random.below(2 * uint64_t(i) + 1, uint32_t(codes)));
  return out;
}

SampleTargets gpt_targets(const GptBatch& batch, Dtype dtype, Device device) {
  std::vector<int64_t> counts = batch.lengths;
  for (int64_t& n : counts) ++n;  // the end counts
  return sample_targets(batch.ids, counts, dtype, device);
}
Var gpt_loss(const Var& logits, const SampleTargets& targets) { return sample_mean_cross_entropy(logits, targets); }
Var gpt_loss(const Var& logits, const GptBatch& batch) {
  return gpt_loss(logits, gpt_targets(batch, logits.dtype(), logits.value.device()));
}

Tensor gpt_accuracy(const Tensor& logits, const SampleTargets& targets) {
  const Tensor best = argmax(logits.reshape({targets.ids.numel(), logits.size(-1)}), -1);
  const Dtype dtype = targets.weights.dtype();
  const Tensor right = equal(best, targets.ids).to(dtype), zero = Tensor::scalar(0, dtype, logits.device());
  const Tensor counted = sub(Tensor::scalar(1, dtype, logits.device()), equal(targets.weights, zero).to(dtype));
  return div(sum(mul(right, counted)), sum(counted));
}
double gpt_accuracy(const Tensor& logits, const GptBatch& batch) {
  return gpt_accuracy(logits, gpt_targets(batch, logits.dtype(), logits.device())).item();
}

}  // namespace kg
