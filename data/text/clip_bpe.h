// The tokenizer of CLIP (Radford et al. 2021): byte-level BPE in lower case. 49,408 ids: the 256 bytes, the bytes that
// end a word, 48,894 merges, <|startoftext|> = 49406, <|endoftext|> = 49407. CLIP reads at most 77, padded with 0.
// A text is cleaned as the original does: fix_text.h, HTML references twice, white space to single spaces, lower case;
// whichever of the files the vocabulary came from.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "data/text/tokenizer.h"
#include "data/text/vocabulary_file.h"

namespace kg {

class ClipTokenizer : public Tokenizer {
 public:
  static constexpr size_t kContext = 77;
  static constexpr size_t kMerges = 48894;

  // bpe_simple_vocab_16e6.txt.gz (or unpacked), tokenizer.json, or vocab.json, which needs merges.txt beside it; of a
  // folder tokenizer.json, else vocab.json, else bpe_simple_vocab_16e6.txt.gz.
  static ClipTokenizer open(const std::string& path) { return from_files(read_files(path)); }
  // What open() reads: one file, or vocab.json and merges.txt.
  static std::vector<NamedBytes> read_files(const std::string& path);
  static ClipTokenizer from_files(const std::vector<NamedBytes>& files);

  // The original list: a comment, then one merge a line, of which the first `merges` count.
  static ClipTokenizer from_merges(const NamedBytes& file, size_t merges = kMerges);
  static ClipTokenizer from_vocabulary(const NamedBytes& vocabulary, const NamedBytes& merges);
  static ClipTokenizer from_tokenizer_json(const NamedBytes& file);

  std::vector<int> encode(std::string_view text, size_t max_length = kContext) const override;
  int size() const override { return size_; }
  int pad() const override { return 0; }
  int start() const { return start_; }
  int end() const { return end_; }

 private:
  struct Merge {
    int rank = 0, result = 0;
  };
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  // `pieces` in the order of their ids.
  ClipTokenizer(const std::vector<std::string>& pieces, const Pairs& merges, const std::string& name);
  const Merge* find_merge(int left, int right) const;
  void encode_word(std::string_view word, std::vector<int>& ids) const;

  int size_ = 0, start_ = 0, end_ = 0;
  int byte_[256] = {}, last_byte_[256] = {};    // ids of a byte within a word, and at its end
  std::unordered_map<uint64_t, Merge> merges_;  // left id << 32 | right id
};

}  // namespace kg
