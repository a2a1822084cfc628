// PL-TMR, the retriever of ReMoGPT: the part network, trained by the symmetric cross-entropy of cosines
// times exp(s). Its s begins at ln(1 / 0.07); the released code that it follows leaves s there.
#pragma once

#include "models/retrieval/part_network.h"

namespace kg {

struct PlTmrConfig {
  PartNetworkConfig network;
  bool learn_scale = true;
};
template <class V>
void fields(PlTmrConfig& c, V&& v) {
  fields(c.network, v);
  v(rare({"learn_scale", "learn-scale", "train the scale of the similarities"}), c.learn_scale);
}

struct PlTmrNetwork : PartNetwork {
  PlTmrNetwork(const PlTmrConfig& config, const Skeleton& body, int64_t text_width);
  Var logit_scale;  // s, (1)
};

class PlTmr : public Retriever {
 public:
  PlTmr(const PlTmrConfig& config, std::unique_ptr<TextEncoder> text, const Skeleton& body = humanml3d());
  static constexpr const char* kKind = "pltmr";

  int64_t width() const override { return config_.network.projection; }
  int64_t max_frames() const override { return config_.network.frames; }
  bool crops() const override { return true; }
  const char* kind() const override { return kKind; }
  // loss, text_to_motion, motion_to_text, scale (exp s)
  LossTerms loss(const RetrievalBatch& batch) override;
  const PlTmrConfig& config() const { return config_; }
  PlTmrNetwork& network() const override { return network_; }

 protected:
  Json configuration() const override;
  Var embed_motion(const MotionInput& motion) const override { return network_.motion(motion); }
  Var embed_text(const Var& states, const Tensor& mask) const override { return network_.text(states, mask); }

 private:
  PlTmrConfig config_;
  mutable PlTmrNetwork network_;
};

}  // namespace kg
