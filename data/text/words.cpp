#include "data/text/words.h"

#include <algorithm>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace kg {
namespace {
bool is_word_character(std::string_view character) {
  const char c = character[0];
  if (character.size() == 1) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return !character.starts_with("\xE2\x80");  // U+2000 to U+203F: spaces, dashes, quotes
}
}  // namespace

std::vector<std::string> split_words(std::string_view caption) {
  std::vector<std::string> words;
  bool inside = false;
  while (!caption.empty()) {
    const size_t size = utf8_size(caption);
    CHECK_INPUT(size > 0, "caption \"", caption.substr(0, 40), "\": the text is not UTF-8; save it as UTF-8");
    const std::string_view character = caption.substr(0, size);
    caption.remove_prefix(size);
    const bool was_inside = inside;
    inside = is_word_character(character);
    if (!inside) continue;
    if (!was_inside) words.emplace_back();
    const char c = character[0];
    words.back() += c >= 'A' && c <= 'Z' ? std::string(1, char(c - 'A' + 'a')) : std::string(character);
  }
  return words;
}

WordVocabulary WordVocabulary::build(const std::vector<std::string>& captions, int min_count) {
  std::map<std::string, int> counts;
  for (const std::string& caption : captions)
    for (const std::string& word : split_words(caption)) ++counts[word];
  std::vector<std::pair<std::string, int>> kept;
  for (const auto& entry : counts)
    if (entry.second >= min_count) kept.push_back(entry);
  std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [word, count] : kept) text += word + '\n';
  return from_string(text);
}

std::vector<int> WordVocabulary::encode(std::string_view caption, size_t max_words) const {
  std::vector<int> ids;
  for (const std::string& word : split_words(caption)) {
    if (ids.size() == max_words) break;
    const auto found = ids_.find(word);
    ids.push_back(found == ids_.end() ? kUnknown : found->second);
  }
  CHECK_INPUT(!ids.empty(), "caption \"", caption, "\" holds no word; write what the person does");
  return ids;
}

std::vector<std::string> WordVocabulary::unknown_words(std::string_view caption) const {
  std::vector<std::string> unknown;
  for (std::string& word : split_words(caption))
    if (!ids_.contains(word)) unknown.push_back(std::move(word));
  return unknown;
}

std::string WordVocabulary::to_string() const {
  std::string text;
  for (const std::string& word : words_) text += word + '\n';
  return text;
}

WordVocabulary WordVocabulary::from_string(std::string_view text) {
  WordVocabulary v;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string word(text.substr(0, end));
    CHECK_INPUT(!word.empty() && v.ids_.emplace(word, v.size()).second, "vocabulary: word ", v.words_.size() + 1,
                " (\"", word, "\") is empty or there twice");
    v.words_.push_back(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return v;
}

}  // namespace kg
