// Text encoders with published weights behind the interface of T2M-GPT: CLIP's text tower (the feature of the end
// token, not normalised) and BERT-like ones (the mean of the last states, not normalised). They are frozen.
#pragma once

#include <filesystem>
#include <memory>

#include "data/text/tokenizer.h"
#include "models/text/text_encoder.h"
#include "nn/state.h"

namespace kg {

// What a checkpoint remembers of a text encoder that it does not hold.
struct TextIdentity {
  std::string kind;             // clip or bert
  std::filesystem::path file;   // of the weights
  std::filesystem::path words;  // of the vocabulary; empty: beside the weights
  std::string weights;          // checksum of the weights that are used, in whatever file they are
  std::string vocabulary;       // checksum of the ids of some sentences
};

class PretrainedText : public TextEncoder {
 public:
  TextBatch prepare(const std::vector<std::string>& captions, int64_t length = 0) const override;
  using TextEncoder::encode;
  bool frozen() const override { return true; }
  std::vector<int> tokens(const std::string& caption) const { return tokenizer_->encode(caption, max_tokens_); }
  const TextIdentity& identity() const { return identity_; }
  // The last states of all tokens of each caption, special ones included: (tokens, width), f32 on the CPU. Of BERT-like
  // encoders; an Error (usage) for CLIP, whose tokens do not see those after them.
  virtual std::vector<Tensor> token_states(const std::vector<std::string>& captions) const;

 protected:
  // An Error (input) when the vocabulary has other ids than the `rows` of the weights.
  PretrainedText(TextIdentity identity, std::unique_ptr<Tokenizer> tokenizer, int64_t rows, int64_t max_tokens);
  void take(Module& model, const NamedTensors& weights);  // loaded and frozen

 private:
  TextIdentity identity_;
  std::unique_ptr<Tokenizer> tokenizer_;
  size_t max_tokens_;
};

// "clip:PATH" or "bert:PATH": a file of weights or its folder, by which the vocabulary is looked for, too, if none is
// given. Errors: usage for another kind, input for what is wrong with the files.
std::unique_ptr<PretrainedText> open_text_encoder(const std::string& source,
                                                  const std::filesystem::path& vocabulary = {});

// Features (N, width) f32 on the CPU, in batches of captions of about one length.
Tensor encode_captions(const PretrainedText& text, const std::vector<std::string>& captions, int64_t batch = 64);
// L2-normalised: the sentence vectors of sentence-transformers for models that pool by the mean.
Tensor sentence_vectors(const PretrainedText& text, const std::vector<std::string>& captions, int64_t batch = 64);

}  // namespace kg
