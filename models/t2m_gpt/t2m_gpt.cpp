#include "models/t2m_gpt/t2m_gpt.h"

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

T2mGpt::T2mGpt(const VqVaeConfig& tokenizer_config, const GptConfig& gpt_config, std::unique_ptr<TextEncoder> encoder)
    : tokenizer(tokenizer_config), text(std::move(encoder)), gpt(gpt_config) {
  CHECK(gpt_config.codes == tokenizer_config.codes, "[t2m_gpt] the transformer has ", gpt_config.codes,
        " codes, the tokenizer ", tokenizer_config.codes);
  CHECK(gpt_config.condition == text->width(), "[t2m_gpt] the transformer takes a text feature of ",
        gpt_config.condition, ", the encoder gives ", text->width());
  tokenizer.model.eval();
}

void T2mGpt::to(Device device) {
  tokenizer.model.to(device);
  text->to(device);
  gpt.to(device);
  decoder_.reset();
}

void T2mGpt::train(bool on) {
  text->train(on && !text->frozen());
  gpt.train(on);
}

std::vector<Tensor> T2mGpt::generate(const std::vector<std::string>& captions, const std::vector<uint64_t>& streams,
                                     const SampleOptions& options) {
  NoGrad guard;
  train(false);
  // One caption at a time: a longer neighbour would pad it, and with other row counts products may round differently.
  std::vector<Tensor> conditions;
  for (const std::string& caption : captions) conditions.push_back(text->encode({caption}).value);
  std::vector<Tensor> motions;
  const int64_t batch = int64_t(captions.size());
  if (!decoder_ || decoder_->batch() != batch) decoder_ = std::make_unique<Decoder>(gpt, batch);
  for (const auto& tokens : sample(*decoder_, concat(conditions, 0), streams, options))
    motions.push_back(tokenizer.decode(tokens));
  return motions;
}

}  // namespace kg
