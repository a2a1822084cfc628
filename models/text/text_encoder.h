// TextEncoder: captions to states (B, L, state_width) with a mask, and to features (B, width). What every system reads
// its captions through: the built-in transformer over words, which is trained together with a model, and encoders with
// published weights, which may be trained on. Letters: B captions, L tokens of the longest, special ones included.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/formats/stored.h"
#include "nn/config.h"
#include "nn/module.h"

namespace kg {

using Json = nlohmann::ordered_json;

// Captions as the tensors that an encoder reads, on its device: words (B, L) i32, mask (B, L) u8 that is 0 at pads, and
// share (B, L, 1), the weight of each state in the feature: 1 / number of tokens, or 1 at one of them; 0 at pads.
struct TextBatch {
  Tensor words, mask, share;
};

// From the ids of each text, padded to the longest, or to `length` where that is more; dtype and device are of `like`.
TextBatch text_batch(const std::vector<std::vector<int>>& ids, int64_t length, int pad, const Tensor& like);

class TextEncoder : public Module {
 public:
  // Padded to the longest caption, or to `length` tokens where that is more; what is beyond max_tokens() is cut off.
  virtual TextBatch prepare(const std::vector<std::string>& captions, int64_t length = 0) const = 0;
  virtual std::vector<int> tokens(const std::string& caption) const = 0;
  virtual Var states(const TextBatch& batch) const = 0;  // (B, L, state_width); at pads anything
  // The feature (B, width) of states(): their sum weighted by share, and what a model makes of it.
  virtual Var pooled(const Var& states, const TextBatch& batch) const;
  Var encode(const TextBatch& batch) const { return pooled(states(batch), batch); }
  Var encode(const std::vector<std::string>& captions) const { return encode(prepare(captions)); }
  virtual int64_t width() const = 0;
  virtual int64_t state_width() const = 0;
  virtual int64_t max_tokens() const = 0;
  virtual int64_t vocabulary_size() const = 0;

  // A frozen one is never trained: what it makes of a caption stays as it is, and a checkpoint only says which it was.
  bool frozen() const { return frozen_; }
  virtual void set_trainable(bool on) = 0;

  // What a checkpoint's configuration holds under "text".
  virtual Json identity() const = 0;
  // Lines about words of prompts that mean nothing to it, or that it does not read.
  virtual std::vector<std::string> notes(const std::vector<std::string>& prompts) const = 0;

  // Weights under "text." and the vocabulary, unless it is frozen.
  void save(TensorFile& file) const;
  // The reverse, into an encoder that was made anew: an Error (input) where the file is of another one.
  void load(const TensorFile& file, const std::string& source);

 protected:
  virtual std::string stored_vocabulary() const = 0;
  virtual void check_same(const TensorFile& file, const Json& stored, const std::string& source) const = 0;
  bool frozen_ = false;
};

// Which text encoder a user wants.
struct TextEncoderChoice {
  std::string source;      // builtin, clip:FILE, bert:FILE; empty: as the checkpoint says, else builtin
  std::string vocabulary;  // file or folder; empty: beside the weights
  bool pretrained() const { return !source.empty() && source != "builtin"; }
};
template <class V>
void fields(TextEncoderChoice& c, V&& v) {
  v(Field{"text_encoder", "text-encoder", "builtin, or pretrained: clip:FILE, bert:FILE"}, c.source);
  v(rare({"text_vocabulary", "text-vocabulary", "its vocabulary file or folder, if not beside the weights"}),
    c.vocabulary);
}

}  // namespace kg
