#include "models/tokenizer/motion_tokenizer.h"

namespace kg {

std::vector<int32_t> MotionTokenizer::encode(const Tensor& features) {
  const int64_t frames = features.size(0) / kFramesPerToken * kFramesPerToken;
  CHECK(frames > 0, "[tokenizer] a motion needs at least ", kFramesPerToken, " frames, has ", features.size(0));
  const Tensor x = normalize_features(features.slice(0, 0, frames), statistics);
  const Tensor ids = model.encode(x.unsqueeze(0).to(model.device())).to(Device::cpu);
  return {ids.data<int32_t>(), ids.data<int32_t>() + ids.numel()};
}

Tensor MotionTokenizer::decode(const std::vector<int32_t>& tokens) {
  const Tensor ids = Tensor::from(tokens, {1, int64_t(tokens.size())}).to(model.device());
  return denormalize_features(model.decode(ids).squeeze(0).to(Device::cpu).to(Dtype::f32), statistics);
}

Tensor MotionTokenizer::reconstruct(const Tensor& features) { return decode(encode(features)); }

}  // namespace kg
