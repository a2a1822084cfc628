// The language of MotionGPT (Jiang et al. 2023): text and motions in one vocabulary, written as one text. Ids, for P
// pieces, S sentinels and K codes (Google's file: P = 32,000; S = 100; K = 512):
//   0 pad, 1 </s>, 2 unknown ... P - 1 pieces;  P <extra_id_S-1> ... P + S - 1 <extra_id_0>;
//   P + S + k <motion_id_k>: k < K a code, K the start of a motion, K + 1 its end, K + 2 a masked code.
// A motion is <motion_id_512> codes <motion_id_513>, one id each, without spaces. The vocabulary's own rules normalise
// text: NFKC, white space to single spaces, so a newline is a space. White space before a motion token is a piece of
// its own, text behind one begins with the space piece: the ids of transformers' fast tokenizer.
#pragma once

#include "data/text/unigram.h"
#include "models/model_file.h"
#include "models/motiongpt/templates.h"

namespace kg {

struct LanguageConfig {
  int64_t codes = 512;  // of the motion tokenizer
  int64_t sentinels = 100;
  int64_t pieces = 4000;  // at most, of a vocabulary trained on a data set; then those that there are
};
template <class V>
void fields(LanguageConfig& c, V&& v) {
  v(Field{"codes", "", "", size_bounds()}, c.codes);
  v(Field{"sentinels", "", "", between(1, 1000)}, c.sentinels);
  v(Field{"pieces", "pieces", "pieces of a vocabulary that is made from the captions, at most", size_bounds()},
    c.pieces);
}

// What a model wrote: a motion, a text, or both.
struct Written {
  std::vector<int32_t> codes;
  std::string text;                     // of what stands outside the motion
  bool started = false, ended = false;  // whether the motion's start and end were there
  int64_t ignored = 0;                  // ids that mean nothing where they are
  std::string report() const;           // one line on what is missing or was ignored; empty: nothing
};

class MotionLanguage {
 public:
  // Of a spiece.model (of Google's, or one's own): config().pieces becomes what it has.
  MotionLanguage(const NamedBytes& spiece, const LanguageConfig& config);
  // A vocabulary of its own: of captions, of the templates' words, and of the numbers that lengths are told with.
  // At most config.pieces of them. The same texts give the same vocabulary.
  static MotionLanguage train(const std::vector<std::string>& captions, const std::vector<Templates>& templates,
                              const LanguageConfig& config);

  // The vocabulary's file as the tensor "language.spiece" (bytes); the configuration is the model's to keep.
  void save(TensorFile& file) const;
  static MotionLanguage restore(const TensorFile& file, const LanguageConfig& config, const std::string& source);

  const LanguageConfig& config() const { return config_; }
  const UnigramTokenizer& tokenizer() const { return tokenizer_; }
  int64_t size() const { return tokenizer_.size(); }
  int32_t pad() const { return tokenizer_.pad(); }
  int32_t end() const { return tokenizer_.end(); }  // </s>
  int32_t sentinel(int64_t i) const { return tokenizer_.sentinel(int(i)); }
  // Numbers of motion tokens that are no codes.
  int32_t start_of_motion() const { return int32_t(config_.codes); }
  int32_t end_of_motion() const { return int32_t(config_.codes) + 1; }
  int32_t masked() const { return int32_t(config_.codes) + 2; }
  int32_t motion_id(int32_t number) const { return tokenizer_.motion(number); }

  // The text of a motion: its codes, of which any may be masked(), between start and end.
  std::string motion(const std::vector<int32_t>& codes) const;
  // At most `most` ids, of which the last is </s>, whatever is cut off.
  std::vector<int32_t> encode(const std::string& text, int64_t most) const;

  // Of generated ids, up to the first </s>. The motion is what stands between the first start and the first end behind
  // it; without a start it begins with the first code, without an end it takes what is there. Inside, whatever is no
  // code is ignored, outside all motion tokens are. (The released parser needs both markers, else all is the one code
  // 0, and text between codes deletes a code.)
  Written read(const std::vector<int32_t>& ids) const;

 private:
  LanguageConfig config_;
  UnigramTokenizer tokenizer_;
};

}  // namespace kg
