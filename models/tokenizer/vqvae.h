// Motion VQ-VAE of T2M-GPT (Zhang et al. 2023, figure 2): x (B, T, D) normalised features, T a multiple of 4
//   encoder: conv, two stages of [strided conv, residual blocks], conv      (B, T, D) -> (B, T/4, W)
//   quantiser                                                               (B, T/4, W) -> codes
//   decoder: conv, two stages of [residual blocks, upsample, conv], 2 convs (B, T/4, W) -> (B, T, D)
// Names of modules and parameters are those of the public checkpoints.
#pragma once

#include "models/tokenizer/quantizer.h"
#include "nn/config.h"
#include "nn/module.h"

namespace kg {

struct VqVaeConfig {
  int64_t features = 263;
  int64_t width = 512;  // channels, and the width of a code
  int64_t codes = 512;
  CodebookUpdate update = CodebookUpdate::ema_reset;
  double decay = 0.99;       // of the codebook's moving averages
  double reset_below = 1;    // a code is dead when fewer vectors of a batch fall to it (moving average)
  double commitment = 0.02;  // weight of the commitment loss
  double position = 0.5;     // weight of the extra loss on the local joint positions
};

template <class V>
void fields(VqVaeConfig& c, V&& v) {
  v(Field{"features", "", "", size_bounds()}, c.features);
  v(Field{"width", "width", "channels, and width of a code", between(1, 8192)}, c.width);
  v(Field{"codes", "codes,nb-code", "codebook size", between(2, 65536)}, c.codes);
  v(Field{"quantizer", "quantizer", "codebook update"}, c.update);
  v(rare({"decay", "codebook-decay", "of the codebook's moving averages", between(0, 0.99999)}), c.decay);
  v(rare({"reset_below", "reset-below", "a code with fewer vectors in a batch is dead", at_least(0)}), c.reset_below);
  v(Field{"commitment", "commit", "weight of the commitment loss", at_least(0)}, c.commitment);
  v(Field{"position", "loss-vel", "weight of the joint position loss", at_least(0)}, c.position);
}

inline constexpr int64_t kFramesPerToken = 4;

// The sizes of encoder and decoder.
struct MotionLayers {
  int64_t features, width;
  int64_t stages = 2;  // each halves the frames
  int64_t depth = 3;   // residual blocks of a stage, with dilations growth^(depth - 1), ..., growth, 1
  int growth = 3;
  double dropout = 0;  // of what a residual block adds
};

class MotionEncoder : public Module {
 public:
  explicit MotionEncoder(const MotionLayers& layers);
  Var operator()(const Var& x) const { return model(x); }

 private:
  Sequential model;
};
class MotionDecoder : public Module {
 public:
  explicit MotionDecoder(const MotionLayers& layers);
  Var operator()(const Var& x) const { return model(x); }

 private:
  Sequential model;
};

class VqVae : public Module {
 public:
  explicit VqVae(const VqVaeConfig& config);

  struct Output {
    Var reconstruction;  // (B, T, D)
    Var encoded;         // (B, T/4, W) before quantisation
    Quantizer::Output quantized;
  };
  Output operator()(const Var& x);
  struct Loss {
    Var total, reconstruction, commitment, position;
  };
  // SmoothL1 over all features + commitment + SmoothL1 over the local joint positions (features 4:67 of 263).
  Loss loss(const Output& output, const Tensor& x) const;

  Tensor encode(const Tensor& x) const;    // (B, T, D) -> (B, T/4) i32
  Tensor decode(const Tensor& ids) const;  // (B, n) i32 -> (B, 4n, D)

  const VqVaeConfig& config() const { return config_; }
  MotionEncoder& encoder() { return vqvae.encoder; }
  MotionDecoder& decoder() { return vqvae.decoder; }
  Quantizer& quantizer() { return vqvae.quantizer; }

 private:
  VqVaeConfig config_;
  struct Parts : Module {
    explicit Parts(const VqVaeConfig& config);
    MotionEncoder encoder;
    MotionDecoder decoder;
    Quantizer quantizer;
  } vqvae;
};

}  // namespace kg
