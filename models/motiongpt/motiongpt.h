// MotionGPT whole (Jiang et al. 2023): a motion tokenizer and a T5 whose vocabulary holds the motion's tokens, so that
// one model answers in text and in motion what it is asked in either.
#pragma once

#include "models/motiongpt/language.h"
#include "models/motiongpt/presets.h"
#include "models/sampling.h"
#include "models/tokenizer/motion_tokenizer.h"

namespace kg {

class MotionGpt : public TextToMotion {
 public:
  MotionGpt(const VqVaeConfig& tokenizer, const MotionGptConfig& config, MotionLanguage language, const Skeleton& body);

  Abilities abilities() const override {
    return {.captions = true, .reconstructs = true, .completes = true, .answers = true};
  }
  // A request that gives a part is completed; captions are no part of its prompt.
  std::vector<Tensor> generate(const std::vector<MotionRequest>& requests, uint64_t seed) override;
  // A beginning is answered with what follows it, both ends (the request then says how long the motion is) with a whole
  // motion, of which what lies between them is taken. Only what is given is encoded.
  std::vector<Completion> complete(const std::vector<MotionRequest>& requests, uint64_t seed) override;
  std::vector<std::string> caption(const std::vector<Tensor>& motions) override;
  Answer answer(const Question& question, uint64_t seed) override;
  Tensor reconstruct(const Tensor& features) override { return tokenizer.reconstruct(features); }
  int64_t max_frames() const override { return most_codes() * kFramesPerToken; }
  const Skeleton& skeleton() const override { return tokenizer.body; }
  std::vector<std::string> notes(const std::vector<std::string>& captions) const override;
  void to(Device device) override;
  void train(bool on) { t5.train(on); }
  // Of text to motion: one caption, and motions of `frames` frames (0: 196, the longest of HumanML3D).
  TrainingProbe training_probe(int64_t batch, int64_t frames) override;

  static constexpr const char* kKind = "motiongpt";
  struct Settings {
    SampleOptions sampling{.top_k =
                               50};  // of motions; the library of the published code takes 50 where nothing is said
    int64_t beams = 1;               // of texts; 1: greedy
    bool only_motion = true;         // where a motion is asked for, no other token may be written
  };
  Settings settings;
  static SystemInfo info();
  static std::unique_ptr<MotionGpt> open(const TensorFile& file, const TextEncoderChoice& text,
                                         const std::string& source);
  TensorFile save() const;
  void load(const TensorFile& file, const std::string& source);

  const MotionGptConfig& config() const { return config_; }

  MotionTokenizer tokenizer;
  MotionLanguage language;
  T5 t5;

 private:
  struct Prompt {
    std::vector<int32_t> ids;  // of a prompt, its end included
    uint64_t stream = 0;
    int64_t fewest = 1, most = 0;  // codes of the motion that is asked for; 0: text is asked for
  };
  int64_t most_codes() const { return config_.written - 3; }  // beside start, end and the end of the answer
  // Cut off where it has too many tokens; an Error (input) instead where `whole` says what may not be.
  Prompt prompt(const std::string& text, const std::string& whole = {}) const;
  Prompt prompt_of(const MotionRequest& request);
  std::vector<std::vector<int32_t>> written_codes(const std::vector<MotionRequest>& requests, uint64_t seed);
  Tensor joined(const MotionRequest& request, const std::vector<int32_t>& codes);
  Sequences write_answers(const std::vector<Prompt>& prompts, const SampleOptions& options);
  DecodeState read(const std::vector<Prompt>& prompts) const;

  MotionGptConfig config_;
  std::unique_ptr<Decoder> decoder_;  // keeps its captured steps for batches of one size
};
template <class V>
void fields(MotionGpt::Settings& s, V&& v) {
  fields(s.sampling, v);
  v(rare({"beams", "beams", "of texts; 1: greedy", between(1, 64)}), s.beams);
  v(rare({"only_motion", "only-motion", "where a motion is asked for, write nothing else"}), s.only_motion);
}

// A caption as it is told: half of those that are learned stand in double quotes (SequenceConfig::quoted), which are no
// part of them.
std::string without_quotes(const std::string& text);
// Mean cross-entropy over the targets of the whole batch, of which these rows may be a part: logits (B, Tt, V), labels
// (B, Tt) i32 with -100 where nothing counts, weight (1) = 1 / number of targets.
Var language_loss(const Var& logits, const Tensor& labels, const Tensor& weight);
// Share of the targets that the largest logit predicts, f32 (), on the device.
Tensor language_accuracy(const Tensor& logits, const Tensor& labels);
// The head of a T5 that begins from nothing, scaled by C^-0.5: as it is drawn, N(0, 1), its loss is far above log V.
void scale_new_head(T5& model);
// The weights of a public T5 in one with more rows, those of the motion tokens: rows that both have become the public
// ones, further ones are new (embedding N(0, 1), head N(0, 1/C); the released code draws the head's uniformly).
void take_public_weights(T5& model, const T5& pretrained, const std::string& source);

}  // namespace kg
