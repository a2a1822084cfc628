// T2M-GPT whole: text encoder, transformer, motion tokenizer. Captions in, motion features out.
#pragma once

#include "models/t2m_gpt/presets.h"
#include "models/t2m_gpt/sample.h"
#include "models/tokenizer/motion_tokenizer.h"

namespace kg {

struct T2mGpt {
  T2mGpt(const VqVaeConfig& tokenizer, const GptConfig& gpt, std::unique_ptr<TextEncoder> text);

  // One motion a caption, (T, D) features each; caption i draws from stream streams[i] of options.seed.
  std::vector<Tensor> generate(const std::vector<std::string>& captions, const std::vector<uint64_t>& streams,
                               const SampleOptions& options);
  void train(bool on);
  void to(Device device);

  MotionTokenizer tokenizer;
  std::unique_ptr<TextEncoder> text;
  Gpt gpt;

 private:
  std::unique_ptr<Decoder> decoder_;  // of the last batch's size
};

}  // namespace kg
