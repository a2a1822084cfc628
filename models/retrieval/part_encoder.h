// The motion encoder of PL-TMR (Yu et al., "ReMoGPT") and of ReMoMask's retriever: a light transformer of
// its own for each part of the body, root, legs, backbone and arms, whose answers stand side by side.
// Letters: B motions, T frames, D features a frame, P parts, C width of a part.
#pragma once

#include <deque>

#include "models/retrieval/sequence_encoder.h"

namespace kg {

class PartEncoder : public Module {
 public:
  // parts: the numbers of the features that each sees (part_features() of a skeleton).
  PartEncoder(const std::vector<std::vector<int>>& parts, int64_t longest, const SequenceEncoderConfig& config);
  // x (B, T, D) -> (B, P C). mask u8 (B, T) or undefined.
  Var operator()(const Var& x, const Tensor& mask = {}) const;

 private:
  ModuleList<SequenceEncoder> encoders;
  std::deque<Tensor> features;  // i32, of each part
};

}  // namespace kg
