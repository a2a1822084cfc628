// Text encoders with published weights: CLIP's text tower (the feature is the projected state of the end token, not
// normalised) and BERT-like ones (the mean of the last states, not normalised). They are frozen until they are made
// trainable; a trainable one is kept whole in a checkpoint, of a frozen one the checkpoint remembers which it was.
#pragma once

#include <filesystem>

#include "data/text/tokenizer.h"
#include "data/text/vocabulary_file.h"
#include "models/text/text_encoder.h"

namespace kg {

// Where a pretrained encoder came from.
struct TextOrigin {
  std::string kind;                    // clip or bert
  std::filesystem::path file;          // of the weights
  std::filesystem::path words;         // of the vocabulary; empty: beside the weights
  std::string weights;                 // checksum of the weights that are used, in whatever file they are
  std::vector<NamedBytes> vocabulary;  // the tokenizer's files
};

class PretrainedText : public TextEncoder {
 public:
  TextBatch prepare(const std::vector<std::string>& captions, int64_t length = 0) const override;
  std::vector<int> tokens(const std::string& caption) const override {
    return tokenizer_->encode(caption, max_tokens_);
  }
  int64_t max_tokens() const override { return int64_t(max_tokens_); }
  int64_t vocabulary_size() const override { return tokenizer_->size(); }
  const TextOrigin& origin() const { return origin_; }
  void set_trainable(bool on) override;
  // kind, file, words; weights and vocabulary, the checksums of the weights and of the ids of some sentences;
  // configuration and tokenizer, with all that changes a feature; trainable where it is. Earlier versions wrote the
  // first five.
  Json identity() const override;
  std::vector<std::string> notes(const std::vector<std::string>& prompts) const override;
  // The last states of all tokens of each caption, special ones included: (tokens, width), f32 on the CPU. Of BERT-like
  // encoders; an Error (usage) for CLIP, whose tokens do not see those after them.
  std::vector<Tensor> token_states(const std::vector<std::string>& captions) const;

 protected:
  // An Error (input) when the vocabulary has other ids than the `rows` of the weights.
  PretrainedText(TextOrigin origin, int64_t rows, int64_t max_tokens);
  void take(Module& model, const NamedTensors& weights);  // loaded and frozen
  virtual Json configuration() const = 0;

 private:
  std::string stored_vocabulary() const override;
  void check_same(const TensorFile& file, const Json& stored, const std::string& source) const override;

  TextOrigin origin_;
  std::unique_ptr<Tokenizer> tokenizer_;
  size_t max_tokens_;
};

// "clip:PATH" or "bert:PATH": a file of weights or its folder, by which the vocabulary is looked for, too, if none is
// given. Errors: usage for another kind, input for what is wrong with the files.
std::unique_ptr<PretrainedText> open_text_encoder(const std::string& source,
                                                  const std::filesystem::path& vocabulary = {});
// A trainable one out of a checkpoint that save() wrote and whose configuration holds `stored`.
std::unique_ptr<PretrainedText> pretrained_text_from(const TensorFile& file, const Json& stored,
                                                     const std::string& source);

// Whether a checkpoint's configuration of a text encoder is of a pretrained one.
bool is_pretrained(const Json& stored);
// A text under a key of it; an Error (input) where it lacks one.
std::string text_of(const Json& stored, const char* key, const std::string& source);

// L2-normalised features (N, width) f32 on the CPU: the sentence vectors of sentence-transformers for models that pool
// by the mean.
Tensor sentence_vectors(const PretrainedText& text, const std::vector<std::string>& captions, int64_t batch = 64);

}  // namespace kg
