// The tokenizer of T5, also with motion tokens as MotionGPT adds them: SentencePiece's unigram model (Kudo 2018) by the
// sentencepiece library. The ids, for T5's 32,000 pieces:
//   0 pad, 1 </s>, 2 unknown ... 31999 pieces;  32000 <extra_id_99> ... 32099 <extra_id_0>;
//   32100 <motion_id_0> ... 32614 <motion_id_514>.
// Added tokens are found first and are one id each; spaces beside them are not kept (but see UnigramLayout). The library
// normalises what is between them (NFKC, white space to single spaces).
#pragma once

#include <memory>
#include <string>

#include "data/text/added_tokens.h"
#include "data/text/tokenizer.h"
#include "data/text/vocabulary_file.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace kg {

struct UnigramLayout {
  int sentinels = 100;
  int motions = 0;  // MotionGPT: 515 for a codebook of 512 (start, end, mask)
  // White space before an added token is the lone space piece, as transformers' fast tokenizer has it; else it is lost.
  bool space_before_added = false;
};

class UnigramTokenizer : public Tokenizer {
 public:
  // spiece.model, or a folder with it.
  static UnigramTokenizer open(const std::string& path, const UnigramLayout& layout = {});
  static UnigramTokenizer from_model(const NamedBytes& file, const UnigramLayout& layout = {});

  // A model of its own for a set of texts, with the special tokens and the normalisation of T5's: its file. `pieces`
  // counts the special ones; where the texts cannot give as many, that is an Error (input), or there are fewer.
  // The same texts give the same bytes.
  enum class Pieces { exactly, at_most };
  static std::string train(const std::vector<std::string>& texts, int pieces, Pieces count = Pieces::exactly);

  // Pieces </s>. The library is given 4 kB at once: a word that is longer is read as several.
  std::vector<int> encode(std::string_view text, size_t max_length) const override;
  // Text of pieces and added tokens; pad, </s> and the unknown piece leave nothing behind.
  std::string decode(const std::vector<int>& ids) const;

  int size() const override { return pieces_ + layout_.sentinels + layout_.motions; }
  int pad() const override { return pad_; }
  int end() const { return end_; }
  int unknown() const override { return unknown_; }
  int sentinel(int index) const;  // <extra_id_INDEX>
  int motion(int index) const;    // <motion_id_INDEX>
  const std::string& model() const { return model_; }

 private:
  UnigramTokenizer() = default;
  void encode_segment(std::string_view text, size_t max_ids, std::vector<int>& ids) const;

  std::string model_;
  std::shared_ptr<const sentencepiece::SentencePieceProcessor> processor_;
  UnigramLayout layout_;
  int pieces_ = 0, pad_ = 0, end_ = 0, unknown_ = 0, space_ = 0;
  AddedTokens added_;
};

}  // namespace kg
