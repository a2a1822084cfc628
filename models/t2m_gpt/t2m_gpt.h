// T2M-GPT whole: text encoder, transformer, motion tokenizer. Captions in, motion features out.
#pragma once

#include "data/motion/statistics.h"
#include "models/t2m_gpt/presets.h"
#include "models/t2m_gpt/sample.h"

namespace kg {

// A trained tokenizer with the statistics that it was trained under.
struct MotionTokenizer {
  explicit MotionTokenizer(const VqVaeConfig& config) : model(config) {}

  std::vector<int32_t> encode(const Tensor& features);  // (T, D), T >= 4 -> T / 4 ids; whole clip at once
  Tensor decode(const std::vector<int32_t>& tokens);    // n ids -> (4n, D)
  Tensor reconstruct(const Tensor& features);           // (T, D) -> (4 (T / 4), D)

  VqVae model;
  Statistics statistics;  // what the model's input is normalised with (eval_statistics of the data set)
};

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
