#include "models/retrieval/tmr.h"

#include "models/model_file.h"
#include "models/retrieval/contrastive.h"
#include "models/text/pooling.h"
#include "nn/losses.h"

namespace kg {
namespace {
constexpr int64_t kTokens = 2;  // mean and log-variance

Latent latent_of(const Var& answers) { return {select(answers, 1, 0), select(answers, 1, 1)}; }
}  // namespace

// (exp(a) + (m_p - m_q)^2 / v_p - 1 - a) / 2 with a = ln(v_q / v_p)
Var kl_divergence(const Latent& q, const Latent& p) {
  const Var a = q.log_variance - p.log_variance;
  return 0.5 * mean(exp(a) + square(p.mean - q.mean) * exp(-p.log_variance) - a - 1);
}

LatentDecoder::LatentDecoder(int64_t features, int64_t longest, const SequenceEncoderConfig& c)
    : positions(longest, c.width),
      dropout(c.dropout),
      transformer(c.layers, transformer_options(c)),
      final_layer(c.width, features) {
  start_alike(transformer);
  reg("positions", positions);
  reg("dropout", dropout);
  reg("seqTransDecoder", transformer);
  reg("final_layer", final_layer);
}

Var LatentDecoder::operator()(const Var& latent, const Tensor& mask) const {
  const int64_t batch = latent.size(0), time = mask.size(1), width = latent.size(1);
  const Var empty(Tensor::zeros({batch, time, width}, latent.dtype(), latent.value.device()));
  const Var states = transformer(dropout(positions(empty)), reshape(latent, {batch, 1, width}), {.key_mask = mask});
  return final_layer(states) * Var(mask.to(latent.dtype()).reshape({batch, time, 1}));
}

TmrNetwork::TmrNetwork(const TmrConfig& c, int64_t features, int64_t text_width, int64_t text_tokens)
    : motion_encoder(features, kTokens, c.frames, c.network),
      text_encoder(text_width, kTokens, text_tokens, c.network),
      motion_decoder(features, c.frames, c.network) {
  reg("motion_encoder", motion_encoder);
  reg("text_encoder", text_encoder);
  reg("motion_decoder", motion_decoder);
}
Latent TmrNetwork::motion(const MotionInput& x) const {
  return latent_of(motion_encoder(Var(x.frames.to(dtype())), x.mask));
}
Latent TmrNetwork::text(const Var& states, const Tensor& mask) const {
  return latent_of(text_encoder(in_dtype(states, dtype()), mask));
}

Tmr::Tmr(const TmrConfig& config, std::unique_ptr<TextEncoder> encoder, const Skeleton& body)
    : Retriever(std::move(encoder), body),
      config_(config),
      network_(config, body.features(), text->state_width(), text->max_tokens()) {}

Json Tmr::configuration() const { return to_json(config_); }

LossTerms Tmr::loss(const RetrievalBatch& batch) {
  const Dtype dtype = accumulator(network_.dtype());
  const auto wide = [&](const Latent& l) { return Latent{in_dtype(l.mean, dtype), in_dtype(l.log_variance, dtype)}; };
  const Latent text = wide(network_.text(text_states(batch), batch.text.mask)),
               motion = wide(network_.motion(batch.motion));
  const auto sampled = [&](const Latent& l, int64_t place) {
    if (!batch.noise.defined()) return l.mean;
    return l.mean + exp(0.5 * l.log_variance) * Var(batch.noise.select(0, place).to(dtype));
  };
  const Var t = sampled(text, 0), m = sampled(motion, 1);

  // The mean over the batch padded to its longest motion: padding adds nothing but counts.
  const Tensor& mask = batch.motion.mask;
  const Tensor longest =
      batch.longest.defined() ? batch.longest.to(dtype).reshape({}) : max(sum(mask.to(dtype), {1}), 0);
  const Var target(batch.motion.frames.to(dtype));
  const double rows = double(target.size(0) * target.size(2));
  const auto reconstruction_of = [&](const Var& latent) {
    const Var made = in_dtype(network_.motion_decoder(in_dtype(latent, network_.dtype()), mask), dtype);
    return sum(smooth_l1(made - target, 1)) / Var(affine(longest, rows, 0));
  };
  const Var reconstruction = reconstruction_of(t) + reconstruction_of(m);

  const Tensor zeros = zeros_like(t.value);
  const Latent standard{zeros, zeros};
  const Var kl = kl_divergence(text, motion) + kl_divergence(motion, text) + kl_divergence(motion, standard) +
                 kl_divergence(text, standard);
  const Var latent = smooth_l1_loss(t, m);
  const PairLogits near = pair_logits(l2_normalize(t), l2_normalize(m), batch.size());
  const double sharp = 1 / config_.temperature;
  const Var contrast =
      contrastive_loss({near.text_to_motion * sharp, near.motion_to_text * sharp}, batch.targets, batch.mask).total;
  const Var total =
      config_.reconstruction * reconstruction + config_.kl * kl + config_.latent * latent + config_.contrast * contrast;
  return {{"loss", total}, {"reconstruction", reconstruction}, {"kl", kl}, {"latent", latent}, {"contrast", contrast}};
}

}  // namespace kg
