// A trained motion tokenizer: motion features to tokens and back. It is shared by all systems that write motions as
// tokens, and by itself a system that can only reconstruct.
#pragma once

#include "models/model_file.h"
#include "models/text_to_motion.h"
#include "models/tokenizer/vqvae.h"

namespace kg {

class MotionTokenizer : public TextToMotion {
 public:
  explicit MotionTokenizer(const VqVaeConfig& config, Skeleton body);

  std::vector<int32_t> encode(const Tensor& features);  // (T, D), T >= 4 -> T / 4 ids; whole clip at once
  Tensor decode(const std::vector<int32_t>& tokens);    // n ids -> (4n, D)

  Abilities abilities() const override { return {.generates = false, .reconstructs = true}; }
  Tensor reconstruct(const Tensor& features) override;  // (T, D) -> (4 (T / 4), D)
  int64_t max_frames() const override { return 0; }
  const Skeleton& skeleton() const override { return body; }
  void to(Device device) override { model.to(device); }
  TrainingProbe training_probe(int64_t batch, int64_t frames) override;

  // As a file: weights under vqvae., the statistics, the configuration.
  static constexpr const char* kKind = "vqvae";
  struct Settings {};
  Settings settings;
  static SystemInfo info();
  static std::unique_ptr<MotionTokenizer> open(const TensorFile& file, const TextEncoderChoice& text,
                                               const std::string& source);
  TensorFile save() const;
  void load(const TensorFile& file, const std::string& source);  // into one of the same configuration and statistics

  VqVae model;
  Skeleton body;          // of the motions
  Statistics statistics;  // what the model's input is normalised with (eval_statistics of the data set)
};
template <class V>
void fields(MotionTokenizer::Settings&, V&&) {}

// A checkpoint file or run folder of train_tokenizer.
std::unique_ptr<MotionTokenizer> open_tokenizer(const std::filesystem::path& path);

}  // namespace kg
