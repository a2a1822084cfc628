// Words as the evaluators of Guo et al. read them: tokens word/POS of a caption become ids of words and of word
// classes, at most 20 between "sos" and "eos", padded with "unk" to 22. Words that name a direction, a body part, an
// object, an action or a manner have a class of their own, which replaces their part of speech.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

inline constexpr int kWordClasses = 15;                                    // nine tags, five lists, OTHER
inline constexpr int kSentenceWords = 20, kSentence = kSentenceWords + 2;  // + 2: sos, eos

struct Sentence {
  std::array<int32_t, kSentence> words{}, classes{};
  int32_t length = 0;  // with sos and eos
};

// Number of a tag such as VERB; OTHER for any that has none.
int word_class(std::string_view tag);
// Of the five lists, the class of a word; -1 for one that is in none.
int special_class(std::string_view word);

// The vocabulary of an evaluator: ids by the order of the words.
class EvaluatorWords {
 public:
  EvaluatorWords() = default;
  // sos, eos and unk must be among them; twice the same is an Error (input), too. `source` names where they are from.
  EvaluatorWords(std::vector<std::string> words, const std::string& source);
  // sos, eos, unk, and the words that occur at least min_count times, the most frequent first, then alphabetically.
  static EvaluatorWords build(const std::vector<std::vector<std::string>>& tokens, int min_count);

  int64_t size() const { return int64_t(words_.size()); }
  const std::vector<std::string>& words() const { return words_; }
  // A word that is not known becomes unk of the class OTHER. An Error (input) for a token that is not word/POS.
  Sentence encode(const std::vector<std::string>& tokens) const;

  std::string to_string() const;  // one word a line
  static EvaluatorWords from_string(std::string_view text, const std::string& source);

 private:
  std::vector<std::string> words_;
  std::map<std::string, int32_t, std::less<>> ids_;
  int32_t sos_ = 0, eos_ = 0, unknown_ = 0;
};

// The published vectors: our_vab_data.npy (V, 300), our_vab_words.pkl (a list) and our_vab_idx.pkl (word to row).
struct WordVectors {
  EvaluatorWords words;
  Tensor vectors;  // (words.size(), 300) f32
};
WordVectors read_word_vectors(const std::filesystem::path& folder);

}  // namespace kg
