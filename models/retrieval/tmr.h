// TMR (Petrovich et al., ICCV 2023): a variational autoencoder of motions that texts share. Two transformers give the
// mean and the log-variance of a latent, of a motion and of a text, one decoder makes motions of either, and latents of
// one pair are drawn together by InfoNCE. The mean is the feature. Letters: B pairs, T frames, D features a frame,
// L tokens, W width of the latent.
#pragma once

#include "models/retrieval/retriever.h"
#include "models/retrieval/sequence_encoder.h"

namespace kg {

struct TmrConfig {
  SequenceEncoderConfig network{.width = 256, .layers = 6, .heads = 4, .feedforward = 1024, .dropout = 0.1};
  int64_t frames = 1024;                                                // of the longest motion
  double reconstruction = 1, kl = 1e-5, latent = 1e-5, contrast = 0.1;  // weights of the loss
  double temperature = 0.1;                                             // of InfoNCE
};
template <class V>
void fields(TmrConfig& c, V&& v) {
  fields(c.network, v);
  v(Field{"frames", "", "", between(1, 65536)}, c.frames);
  v(rare({"reconstruction", "reconstruction", "weight of the reconstructions", at_least(0)}), c.reconstruction);
  v(rare({"kl", "kl", "weight of the divergences", at_least(0)}), c.kl);
  v(rare({"latent", "latent", "weight of the distance of a pair's latents", at_least(0)}), c.latent);
  v(rare({"contrast", "contrast", "weight of InfoNCE", at_least(0)}), c.contrast);
  v(rare({"temperature", "temperature", "that similarities are divided by", above(0)}), c.temperature);
}

// N(mean, exp(log_variance)), (B, W) each.
struct Latent {
  Var mean, log_variance;
};
// The mean over all elements of KL(q || p), element by element.
Var kl_divergence(const Latent& q, const Latent& p);

// Positions as queries, cross-attention to the one latent.
class LatentDecoder : public Module {
 public:
  LatentDecoder(int64_t features, int64_t longest, const SequenceEncoderConfig& config);
  // latent (B, W), mask u8 (B, T) -> (B, T, D), 0 where the mask is.
  Var operator()(const Var& latent, const Tensor& mask) const;

 private:
  FixedPositions positions;
  Dropout dropout;
  TransformerDecoder transformer;
  Linear final_layer;
};

struct TmrNetwork : Module {
  TmrNetwork(const TmrConfig& config, int64_t features, int64_t text_width, int64_t text_tokens);
  Latent motion(const MotionInput& x) const;
  Latent text(const Var& states, const Tensor& mask) const;

  SequenceEncoder motion_encoder, text_encoder;
  LatentDecoder motion_decoder;
};

class Tmr : public Retriever {
 public:
  Tmr(const TmrConfig& config, std::unique_ptr<TextEncoder> text, const Skeleton& body = humanml3d());
  static constexpr const char* kKind = "tmr";

  int64_t width() const override { return config_.network.width; }
  int64_t max_frames() const override { return config_.frames; }
  const char* kind() const override { return kKind; }
  LossTerms loss(const RetrievalBatch& batch) override;  // loss, reconstruction, kl, latent, contrast
  const TmrConfig& config() const { return config_; }
  TmrNetwork& network() const override { return network_; }

 protected:
  Json configuration() const override;
  Var embed_motion(const MotionInput& motion) const override { return network_.motion(motion).mean; }
  Var embed_text(const Var& states, const Tensor& mask) const override { return network_.text(states, mask).mean; }

 private:
  TmrConfig config_;
  mutable TmrNetwork network_;
};

}  // namespace kg
