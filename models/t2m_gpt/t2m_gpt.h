// T2M-GPT whole: text encoder, transformer, motion tokenizer. Captions in, motion features out.
#pragma once

#include "models/sampling.h"
#include "models/t2m_gpt/presets.h"
#include "models/tokenizer/motion_tokenizer.h"

namespace kg {

enum class DecodingWeights { f32, bf16 };
template <>
struct Names<DecodingWeights> {
  static constexpr const char* const of[] = {"f32", "bf16"};
};

class T2mGpt : public TextToMotion {
 public:
  T2mGpt(const VqVaeConfig& tokenizer, const GptConfig& gpt, std::unique_ptr<TextEncoder> text,
         const Skeleton& body = humanml3d());

  Abilities abilities() const override { return {.reconstructs = true}; }
  std::vector<Tensor> generate(const std::vector<MotionRequest>& requests, uint64_t seed) override;
  Tensor reconstruct(const Tensor& features) override { return tokenizer.reconstruct(features); }
  int64_t max_frames() const override { return (gpt.config().context - 1) * kFramesPerToken; }
  const Skeleton& skeleton() const override { return tokenizer.body; }
  std::vector<std::string> notes(const std::vector<std::string>& captions) const override;
  void to(Device device) override;
  void train(bool on);
  // The tokenizer stays as it is, and so does a frozen text encoder.
  NamedParameters trained_parameters();
  TrainingProbe training_probe(int64_t batch, int64_t frames) override;

  // One file: everything but a pretrained text encoder, of which it holds the checksums.
  static constexpr const char* kKind = "t2m_gpt";
  struct Settings {
    SampleOptions sampling;
    DecodingWeights weights = DecodingWeights::f32;
  };
  Settings settings;
  static SystemInfo info();
  static std::unique_ptr<T2mGpt> open(const TensorFile& file, const TextEncoderChoice& text, const std::string& source);
  TensorFile save() const;
  void load(const TensorFile& file, const std::string& source);

  MotionTokenizer tokenizer;
  std::unique_ptr<TextEncoder> text;
  Gpt gpt;

 private:
  std::unique_ptr<Decoder> decoder_;  // keeps its captured steps for batches of one size
  bool rounded_ = false;
};
template <class V>
void fields(T2mGpt::Settings& s, V&& v) {
  fields(s.sampling, v);
  v(Field{"weights", "weights", "bf16: rounded, half the memory, faster for large models"}, s.weights);
}

}  // namespace kg
