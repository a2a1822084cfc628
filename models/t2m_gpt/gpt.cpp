#include "models/t2m_gpt/gpt.h"

namespace kg {

namespace {
ProjectedAttentionOptions attention_options(const GptConfig& c) {
  return {.q = "query",
          .k = "key",
          .v = "value",
          .out = "proj",
          .width = c.width,
          .heads = c.heads,
          .dropout = c.dropout,
          .key_first = true};
}
}  // namespace

GptBlock::GptBlock(const GptConfig& c) : ln1(c.width), ln2(c.width), attn(attention_options(c)), dropout_(c.dropout) {
  mlp.add<Linear>(c.width, c.feedforward).add(gelu).add<Linear>(c.feedforward, c.width);
  reg("ln1", ln1);
  reg("ln2", ln2);
  reg("attn", attn);
  reg("mlp", mlp);
}
ResidualNormed GptBlock::operator()(const ResidualNormed& in, const LayerNorm& next) const {
  const auto [x, h] = ln2.residual(in.sum, attn(in.norm, {.causal = true}), dropout_);  // x = in + dropout, h = ln2(x)
  return next.residual(x, mlp(h), dropout_);
}
Tensor GptBlock::step(const Tensor& in, const KeyValueCache& cache, const Tensor& position) const {
  const Tensor x = attn.step(in, row_norm(ln1), cache, position);
  const Tensor h = decode_rows(mlp.at<Linear>(0), x, {.norm = row_norm(ln2), .activation = RowActivation::gelu});
  return decode_rows(mlp.at<Linear>(2), h, {.residual = x});
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
  std::vector<const GptBlock*> blocks;
  for (const ModuleList<GptBlock>* half : {&trans_base.blocks, &trans_head.blocks})
    for (const GptBlock& block : *half) blocks.push_back(&block);
  ResidualNormed h{x, blocks[0]->ln1(x)};
  for (size_t i = 0; i < blocks.size(); ++i)
    h = (*blocks[i])(h, i + 1 < blocks.size() ? blocks[i + 1]->ln1 : trans_head.ln_f);
  return trans_head.head(h.norm);
}

void Gpt::round_weights_to_bf16() {
  for (auto& [name, parameter] : named_parameters()) {
    const bool table = name.ends_with("tok_emb.weight") || name.ends_with("pos_embedding.weight");
    if (parameter->rank() == 2 && !table) *parameter = Var(parameter->value.to(Dtype::bf16));
  }
}

DecodeState Gpt::start(const Tensor& condition, int64_t most) const {
  CHECK(most <= config_.context, "[gpt] ", most, " positions are outside the context of ", config_.context);
  DecodeState state;
  state.make_room(config_.layers, condition.size(0), most > 0 ? most : config_.context - 1, config_.heads,
                  config_.width / config_.heads, trans_head.ln_f.weight.value);
  state.condition = decode_rows(trans_base.cond_emb, condition);
  return state;
}

Tensor Gpt::step(const Tensor& ids, const DecodeState& state) const {
  NoGrad guard;
  Tensor x = embedding_rows(state.condition, trans_base.tok_emb.weight.value, ids,
                            positions_.to(state.condition.dtype()), state.position);
  size_t layer = 0;
  for (const ModuleList<GptBlock>* blocks : {&trans_base.blocks, &trans_head.blocks})
    for (const GptBlock& block : *blocks) x = block.step(x, state.written[layer++], state.position);
  return decode_rows(trans_head.head, x, {.norm = row_norm(trans_head.ln_f)});
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
