// TextEncoder: captions to features (B, width). What T2M-GPT conditions on.
// The built-in one is a small transformer over words, trained together with the model;
// encoders with published weights take its place behind the same interface.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/text/words.h"
#include "nn/config.h"
#include "nn/embedding.h"
#include "nn/positions.h"
#include "nn/transformer.h"

namespace kg {

// Captions as the tensors that an encoder reads, on its device: words (B, L) i32, mask (B, L) u8 that is 0 at pads, and
// share (B, L, 1), 1 / number of words and 0 at pads.
struct TextBatch {
  Tensor words, mask, share;
};

// From the ids of each text, padded to the longest, or to `length` where that is more; dtype and device are of `like`.
TextBatch text_batch(const std::vector<std::vector<int>>& ids, int64_t length, int pad, const Tensor& like);

class TextEncoder : public Module {
 public:
  // Padded to the longest caption, or to `length` words where that is more.
  virtual TextBatch prepare(const std::vector<std::string>& captions, int64_t length = 0) const = 0;
  virtual Var encode(const TextBatch& batch) const = 0;  // (B, width)
  Var encode(const std::vector<std::string>& captions) const { return encode(prepare(captions)); }
  virtual int64_t width() const = 0;
  virtual bool frozen() const { return false; }  // never trained: a caption's feature stays as it is
  // Lines about words of the captions that mean nothing to it, or that it does not read.
  virtual std::vector<std::string> notes(const std::vector<std::string>&) const { return {}; }
};

// Which text encoder a user wants.
struct TextEncoderChoice {
  std::string source;      // builtin, clip:FILE, bert:FILE; empty: as the checkpoint says, else builtin
  std::string vocabulary;  // empty: beside the weights
  bool pretrained() const { return !source.empty() && source != "builtin"; }
};
template <class V>
void fields(TextEncoderChoice& c, V&& v) {
  v(Field{"text_encoder", "text-encoder", "builtin, or pretrained: clip:FILE, bert:FILE"}, c.source);
  v(rare({"text_vocabulary", "text-vocabulary", "its vocabulary file or folder, if not beside the weights"}),
    c.vocabulary);
}

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
  using TextEncoder::encode;
  Var encode(const TextBatch& batch) const override;
  int64_t width() const override { return config_.width; }
  std::vector<std::string> notes(const std::vector<std::string>& captions) const override;
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
