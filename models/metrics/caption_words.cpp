// Splitting captions, and references.
#include "models/metrics/caption_words.h"

#include "tensor/error.h"

namespace kg {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }
constexpr bool is_ascii_punctuation(char c) { return c > ' ' && c < 0x7f && !is_alphanumeric(lower(c)); }

template <class Separates, class Map>
Words split(std::string_view caption, Separates&& separates, Map&& map) {
  Words words;
  bool inside = false;
  for (const char c : caption) {
    const char mapped = map(c);
    if (separates(mapped)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    words.back() += mapped;
  }
  return words;
}

}  // namespace

Words blank_separated(std::string_view caption) {
  return split(caption, is_blank, [](char c) { return c; });
}

Words plain_words(std::string_view caption) {
  return split(
      caption, [](char c) { return is_blank(c) || is_ascii_punctuation(c); }, lower);
}

Words alphanumeric_words(std::string_view caption) {
  return split(
      caption, [](char c) { return !is_alphanumeric(c); }, lower);
}

std::string caption_of_tokens(const std::vector<std::string>& tokens) {
  std::string caption;
  for (const std::string& token : tokens) {
    const size_t tag = token.rfind('/');
    CHECK_INPUT(tag != std::string::npos && tag > 0, "[captions] token '", token, "' is not word/TAG");
    if (!caption.empty()) caption += ' ';
    caption += token.substr(0, tag);
  }
  return caption;
}

std::vector<std::string> three_references(const std::vector<std::string>& captions) {
  CHECK_INPUT(!captions.empty(), "[captions] an item without a caption has no references");
  std::vector<std::string> three(captions.begin(), captions.begin() + int64_t(std::min<size_t>(3, captions.size())));
  while (three.size() < 3) three.push_back(captions[0]);
  return three;
}

}  // namespace kg
