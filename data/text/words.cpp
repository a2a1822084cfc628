#include "data/text/words.h"

#include <algorithm>

#include "tensor/error.h"

namespace kg {
namespace {
bool is_word_byte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u >= 0x80;
}
}  // namespace

std::vector<std::string> split_words(std::string_view caption) {
  std::vector<std::string> words;
  bool inside = false;
  for (char c : caption) {
    if (!is_word_byte(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    words.back() += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    inside = true;
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
