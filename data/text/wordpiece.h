// The tokenizer of BERT, DistilBERT and the sentence encoders made from them (Devlin et al. 2019): words without
// accents and in lower case, each cut into the longest pieces that the vocabulary has, from the left; a piece within a
// word is stored as "##piece". A word with a part that no piece fits, or of more than 100 characters, is [UNK]. Agrees
// with Hugging Face's BertTokenizer on the characters of Unicode 8, to which that one keeps in judging punctuation,
// accents and format characters; later ones are judged as Unicode 15 has them.
#pragma once

#include <string>
#include <unordered_map>

#include "data/text/added_tokens.h"
#include "data/text/tokenizer.h"
#include "data/text/vocabulary_file.h"

namespace kg {

class WordPieceTokenizer : public Tokenizer {
 public:
  // tokenizer.json or vocab.txt, or a folder, of which the first of these two that is there counts.
  static WordPieceTokenizer open(const std::string& path);

  // One piece a line. `lower_case` also takes the accents away; false for the "cased" models.
  static WordPieceTokenizer from_vocabulary(const NamedBytes& file, bool lower_case = true);
  static WordPieceTokenizer from_tokenizer_json(const NamedBytes& file);

  // [CLS] pieces [SEP].
  std::vector<int> encode(std::string_view text, size_t max_length) const override;
  int size() const override { return size_; }
  int pad() const override { return pad_; }
  int start() const { return start_; }
  int end() const { return end_; }
  int unknown() const { return unknown_; }

 private:
  WordPieceTokenizer(const std::vector<std::string>& pieces, const std::map<std::string, int>& added, bool lower_case,
                     const std::string& name);
  void encode_segment(std::string_view text, std::vector<int>& ids) const;
  void encode_word(std::u32string_view word, std::vector<int>& ids) const;
  std::u32string normalized(std::string_view text) const;

  int size_ = 0, pad_ = 0, start_ = 0, end_ = 0, unknown_ = 0;
  bool lower_case_ = true;
  size_t longest_ = 0;                                     // characters of the longest piece
  std::unordered_map<std::u32string, int> first_, inner_;  // pieces that begin a word, and those that go on (no ##)
  AddedTokens added_;
};

}  // namespace kg
