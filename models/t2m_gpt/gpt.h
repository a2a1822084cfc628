// T2M-GPT's transformer (Zhang et al. 2023, section 3.2): a causal transformer over [condition, token_0, token_1, ...]
// that predicts token_0, token_1, ..., end. C width, K codes; ids 0..K-1 are codes, K ends a motion, K + 1 pads. Names
// of modules and parameters are those of the public checkpoints.
#pragma once

#include "nn/config.h"
#include "nn/decode.h"
#include "nn/embedding.h"
#include "nn/losses.h"
#include "nn/positions.h"

namespace kg {

struct GptConfig {
  int64_t codes = 512;
  int64_t condition = 512;  // width of the text feature
  int64_t width = 1024, heads = 16, layers = 18, feedforward = 4096;
  int64_t context = 51;  // positions: the condition and up to context - 1 tokens
  double dropout = 0.1;
};

template <class V>
void fields(GptConfig& c, V&& v) {
  v(Field{"codes", "", "", size_bounds()}, c.codes);
  v(Field{"condition", "", "", size_bounds()}, c.condition);
  v(Field{"width", "width,embed-dim-gpt", "transformer width", between(1, 16384)}, c.width);
  v(Field{"heads", "heads,n-head-gpt", "attention heads", between(1, 256)}, c.heads);
  v(Field{"layers", "layers,num-layers", "transformer layers", between(1, 256)}, c.layers);
  v(Field{"feedforward", "", "", size_bounds()}, c.feedforward);
  v(Field{"context", "", "", size_bounds()}, c.context);
  v(Field{"dropout", "drop-out-rate,dropout", "dropout", between(0, 0.9)}, c.dropout);
}

class GptBlock : public Module {
 public:
  explicit GptBlock(const GptConfig& config);
  // From x and ln1(x) to the block's output y and next(y), `next` being what reads y: the next block's ln1, or ln_f.
  ResidualNormed operator()(const ResidualNormed& x, const LayerNorm& next) const;
  Tensor step(const Tensor& x, const KeyValueCache& cache, const Tensor& position) const;  // (B, C)

  LayerNorm ln1;

 private:
  LayerNorm ln2;
  ProjectedAttention attn;
  Sequential mlp;
  double dropout_;
};

class Gpt : public Module, public TokenWriter {
 public:
  explicit Gpt(const GptConfig& config);

  // condition (B, condition), ids (B, T) i32 with T < context -> logits (B, T + 1, K + 1): position i predicts token i.
  Var operator()(const Var& condition, const Tensor& ids) const;

  // Decoding (nn/decode.h) from condition (B, condition), whose embedding position 0 reads; the logits are (B, K + 1).
  // With room for as many positions as a motion has tokens at most, context - 1, or for `most`.
  DecodeState start(const Tensor& condition, int64_t most = 0) const;
  Tensor step(const Tensor& ids, const DecodeState& state) const override;
  int32_t first_id() const override { return 0; }  // not read
  // Rounds the linear layers' weights to bf16, for decoding only: half the memory and nearly twice the speed, where one
  // sequence at a time is bound by reading weights. The full forward needs f32.
  void round_weights_to_bf16();

  const GptConfig& config() const { return config_; }
  int32_t end_id() const override { return int32_t(config_.codes); }
  int32_t pad_id() const { return int32_t(config_.codes) + 1; }

 private:
  GptConfig config_;
  Tensor positions_;  // (context, C), fixed sinusoidal
  struct Base : Module {
    explicit Base(const GptConfig& config);
    Embedding tok_emb;
    Linear cond_emb;
    Embedding pos_embedding;  // in the public checkpoints, never used
    ModuleList<GptBlock> blocks;
  } trans_base;
  struct Head : Module {
    explicit Head(const GptConfig& config);
    ModuleList<GptBlock> blocks;
    LayerNorm ln_f;
    Linear head;
  } trans_head;
};

// A batch of token rows for training: ids (B, context) holds len tokens, end, pads.
struct GptBatch {
  Tensor ids;
  std::vector<int64_t> lengths;  // tokens, without end
};
// Replaces each id with probability 1 - keep by a random code (section 3.2, "corrupted sequence"),
// ends and pads included.
Tensor corrupt(const Tensor& ids, double keep, int64_t codes, Philox random);
// Mean cross-entropy over tokens and end of each sample, then over samples. `inputs` (B, context - 1).
Var gpt_loss(const Var& logits, const GptBatch& batch);
// Share of the tokens (and ends) that the largest logit predicts.
double gpt_accuracy(const Tensor& logits, const GptBatch& batch);
// The same for targets that are already on the model's device; the accuracy stays there, f32 ().
SampleTargets gpt_targets(const GptBatch& batch, Dtype dtype, Device device);
Var gpt_loss(const Var& logits, const SampleTargets& targets);
Tensor gpt_accuracy(const Tensor& logits, const SampleTargets& targets);

}  // namespace kg
