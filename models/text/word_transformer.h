// The built-in text encoder: a small transformer over the words of a data set's captions, trained together with the
// model that reads it.
#pragma once

#include "data/text/words.h"
#include "models/text/text_encoder.h"
#include "nn/config.h"
#include "nn/embedding.h"
#include "nn/positions.h"
#include "nn/transformer.h"

namespace kg {

struct WordTransformerConfig {
  int64_t width = 256, layers = 2, heads = 4, feedforward = 1024;
  int64_t max_words = 40;
  double dropout = 0.1;
};

template <class V>
void fields(WordTransformerConfig& c, V&& v) {
  v(Field{"width", "", "", size_bounds()}, c.width);
  v(Field{"layers", "", "", size_bounds()}, c.layers);
  v(Field{"heads", "", "", size_bounds()}, c.heads);
  v(Field{"feedforward", "", "", size_bounds()}, c.feedforward);
  v(Field{"max_words", "", "", size_bounds()}, c.max_words);
  v(Field{"dropout", "", "", between(0, 0.99)}, c.dropout);
}

// Word embeddings with learned positions, pre-norm transformer, mean over the words.
class WordTransformer : public TextEncoder {
 public:
  WordTransformer(WordVocabulary vocabulary, const WordTransformerConfig& config);
  TextBatch prepare(const std::vector<std::string>& captions, int64_t length = 0) const override;
  std::vector<int> tokens(const std::string& caption) const override;
  Var states(const TextBatch& batch) const override;
  int64_t width() const override { return config_.width; }
  int64_t state_width() const override { return config_.width; }
  int64_t max_tokens() const override { return config_.max_words; }
  int64_t vocabulary_size() const override { return vocabulary_.size(); }
  void set_trainable(bool on) override;
  Json identity() const override;
  std::vector<std::string> notes(const std::vector<std::string>& prompts) const override;

 private:
  std::string stored_vocabulary() const override { return vocabulary_.to_string(); }
  void check_same(const TensorFile& file, const Json& stored, const std::string& source) const override;

  WordVocabulary vocabulary_;
  WordTransformerConfig config_;
  Embedding words;
  LearnedPositions positions;
  TransformerEncoder transformer;
};

}  // namespace kg
