// The network that PL-TMR and BMM share: motions by parts, texts by a transformer's states, a projection head behind
// each. Letters: B items, T frames, D features, L tokens, C width of their states, W width of the common space.
#pragma once

#include "models/retrieval/part_encoder.h"
#include "models/retrieval/projection.h"
#include "models/retrieval/retriever.h"

namespace kg {

// What of a text's states goes to its head: the first ([CLS] of BERT-like encoders), or their mean.
enum class TextPool { first, mean };
template <>
struct Names<TextPool> {
  static constexpr const char* const of[] = {"first", "mean"};
};

// What suits the encoder that a user chooses: only BERT-like ones have a first state that stands for the sentence.
inline TextPool pool_for(const TextEncoderChoice& choice) {
  return choice.source.starts_with("bert:") ? TextPool::first : TextPool::mean;
}

struct PartNetworkConfig {
  SequenceEncoderConfig part;  // of each part
  int64_t frames = 224;        // a motion is cropped, or padded with zeros, to so many
  bool mask_padding = false;   // whether the padding is hidden; the originals attend to it
  int64_t projection = 256;    // W
  double head_dropout = 0.5;
  TextPool pool = TextPool::first;
};
template <class V>
void fields(PartNetworkConfig& c, V&& v) {
  fields(c.part, v);
  v(Field{"frames", "", "", between(1, 65536)}, c.frames);
  v(Field{"mask_padding", "mask-padding", "hide the padding behind short motions"}, c.mask_padding);
  v(Field{"projection", "", "", size_bounds()}, c.projection);
  v(rare({"head_dropout", "head-dropout", "of the projection heads", between(0, 0.99)}), c.head_dropout);
  v(Field{"pool"}, c.pool);
}

class PartNetwork : public Module {
 public:
  PartNetwork(const PartNetworkConfig& config, const Skeleton& body, int64_t text_width);
  Var motion(const MotionInput& x) const;                 // (B, W)
  Var text(const Var& states, const Tensor& mask) const;  // (B, L, C), u8 (B, L) -> (B, W)

 private:
  PartNetworkConfig config_;
  PartEncoder motion_encoder;
  ProjectionHead motion_projection, text_projection;
};

}  // namespace kg
