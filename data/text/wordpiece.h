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
  // How a text is made ready; false, false for the "cased" models.
  struct Normal {
    bool lower_case = true, strip_accents = true;
    bool split_ideographs = true;  // Chinese characters are words of their own
  };

  // tokenizer.json or vocab.txt, or a folder, of which the first of these two that is there counts. A
  // tokenizer_config.json beside it has the last word about Normal.
  static WordPieceTokenizer open(const std::string& path) { return from_files(read_files(path)); }
  // What open() reads.
  static std::vector<NamedBytes> read_files(const std::string& path);
  static WordPieceTokenizer from_files(const std::vector<NamedBytes>& files);

  // One piece a line.
  static WordPieceTokenizer from_vocabulary(const NamedBytes& file, const Normal& normal);
  static WordPieceTokenizer from_vocabulary(const NamedBytes& file) { return from_vocabulary(file, Normal()); }
  static WordPieceTokenizer from_tokenizer_json(const NamedBytes& file);

  // [CLS] pieces [SEP].
  std::vector<int> encode(std::string_view text, size_t max_length) const override;
  int size() const override { return size_; }
  int pad() const override { return pad_; }
  int start() const { return start_; }
  int end() const { return end_; }
  int unknown() const override { return unknown_; }
  std::map<std::string, bool> settings() const override;

 private:
  WordPieceTokenizer(const std::vector<std::string>& pieces, const std::map<std::string, int>& added,
                     const Normal& normal, const std::string& name);
  void encode_segment(std::string_view text, std::vector<int>& ids) const;
  void encode_word(std::u32string_view word, std::vector<int>& ids) const;
  std::u32string normalized(std::string_view text) const;

  int size_ = 0, pad_ = 0, start_ = 0, end_ = 0, unknown_ = 0;
  Normal normal_;
  size_t longest_ = 0;                                     // characters of the longest piece
  std::unordered_map<std::u32string, int> first_, inner_;  // pieces that begin a word, and those that go on (no ##)
  AddedTokens added_;
};

}  // namespace kg
