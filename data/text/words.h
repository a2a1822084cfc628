// Word-level vocabulary of a set of captions: lower-case words, the most frequent first. Id 0 pads, id 1 is unknown.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kg {

// Lower-case words of a caption: runs of ASCII letters, digits and characters beyond ASCII; everything else separates,
// typographic quotes and dashes (U+2000 to U+203F) like their plain forms. Text that is not UTF-8 is an Error (input).
std::vector<std::string> split_words(std::string_view caption);

class WordVocabulary {
 public:
  static constexpr int kPad = 0, kUnknown = 1;

  WordVocabulary() = default;
  // Words that occur at least min_count times, by count descending, then alphabetically.
  static WordVocabulary build(const std::vector<std::string>& captions, int min_count = 1);

  int size() const { return 2 + int(words_.size()); }
  // Ids of the first max_words words. An Error (input) for a caption without a word.
  std::vector<int> encode(std::string_view caption, size_t max_words) const;
  // The words of a caption that the vocabulary lacks.
  std::vector<std::string> unknown_words(std::string_view caption) const;

  // One word a line, in the order of the ids; checkpoints store it.
  std::string to_string() const;
  static WordVocabulary from_string(std::string_view text);

 private:
  std::vector<std::string> words_;
  std::map<std::string, int, std::less<>> ids_;
};

}  // namespace kg
