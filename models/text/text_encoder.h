// TextEncoder: captions to features (B, width). What T2M-GPT conditions on. The built-in one is a small transformer
// over words, trained together with the model; encoders with published weights take its place behind the same
// interface.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/text/words.h"
#include "nn/embedding.h"
#include "nn/positions.h"
#include "nn/transformer.h"

namespace kg {

class TextEncoder : public Module {
 public:
  virtual Var encode(const std::vector<std::string>& captions) const = 0;  // (B, width)
  virtual int64_t width() const = 0;
};

struct WordTransformerConfig {
  int64_t width = 256, layers = 2, heads = 4, feedforward = 1024;
  int64_t max_words = 40;
  double dropout = 0.1;
};

// Word embeddings with learned positions, pre-norm transformer, mean over the words.
class WordTransformer : public TextEncoder {
 public:
  WordTransformer(WordVocabulary vocabulary, const WordTransformerConfig& config);
  Var encode(const std::vector<std::string>& captions) const override;
  int64_t width() const override { return config_.width; }
  const WordVocabulary& vocabulary() const { return vocabulary_; }
  const WordTransformerConfig& config() const { return config_; }

 private:
  WordVocabulary vocabulary_;
  WordTransformerConfig config_;
  Embedding words;
  LearnedPositions positions;
  TransformerEncoder transformer;
};

}  // namespace kg
