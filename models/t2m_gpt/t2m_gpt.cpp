#include "models/t2m_gpt/t2m_gpt.h"

namespace kg {

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
