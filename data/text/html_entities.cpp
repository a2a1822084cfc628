#include "data/text/html_entities.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "data/text/unicode.h"

namespace kg {
namespace {

struct Entity {
  std::u32string value;
  bool without_semicolon = false;
};

const std::unordered_map<std::string_view, Entity>& entities() {
  static const auto kEntities = [] {
    std::unordered_map<std::string_view, Entity> map;
    std::string_view rest = kHtmlEntityTable;
    while (!rest.empty()) {
      const size_t end = rest.find(' '), mark = rest.find_first_of("=*");
      Entity entity{U"", rest[mark] == '*'};
      const std::string value(rest.substr(mark + 1, end - mark - 1));
      size_t at = 0;
      while (at < value.size()) {
        size_t digits = 0;
        entity.value += static_cast<char32_t>(std::stoul(value.substr(at), &digits, 16));
        at += digits + 1;
      }
      map.emplace(rest.substr(0, mark), std::move(entity));
      rest.remove_prefix(end + 1);
    }
    return map;
  }();
  return kEntities;
}

const Entity* find_entity(std::string_view name) {
  const auto found = entities().find(name);
  return found == entities().end() ? nullptr : &found->second;
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char32_t c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alphanumeric(char32_t c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// HTML, section 13.2.5.80.
std::u32string numeric_value(uint64_t n) {
  if (n == 0 || (n >= 0xd800 && n <= 0xdfff) || n > 0x10ffff) return U"\ufffd";
  if (n >= 0x80 && n <= 0x9f) return std::u32string(1, windows_1252(static_cast<char32_t>(n)));
  const bool white = n == 0x09 || n == 0x0a || n == 0x0c || n == 0x0d;
  const bool none = (n < 0x20 && !white) || n == 0x7f || (n >= 0xfdd0 && n <= 0xfdef) || (n & 0xfffe) == 0xfffe;
  return none ? U"" : std::u32string(1, static_cast<char32_t>(n));
}

struct Reference {
  std::u32string value;
  size_t size = 0;  // characters of the text that it takes, from the '&'
  bool ends_with_semicolon = false;
};

// `text` begins with "&#".
std::optional<Reference> read_number(std::u32string_view text) {
  const bool hex = text.size() > 2 && (text[2] == 'x' || text[2] == 'X');
  const size_t begin = hex ? 3 : 2;
  size_t end = begin;
  uint64_t n = 0;
  for (; end < text.size() && (hex ? is_hex_digit(text[end]) : is_digit(text[end])); ++end) {
    const char32_t c = text[end];
    const char32_t digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
    n = std::min<uint64_t>(n * (hex ? 16 : 10) + digit, 0x110000);
  }
  if (end == begin) return std::nullopt;
  const bool semicolon = end < text.size() && text[end] == ';';
  return Reference{numeric_value(n), end + semicolon, semicolon};
}

// `text` begins with '&'.
std::optional<Reference> read_name(std::u32string_view text) {
  constexpr size_t kLongest = 32;
  std::string name;  // names are ASCII letters and digits
  while (name.size() < kLongest && name.size() + 1 < text.size() && is_alphanumeric(text[name.size() + 1])) {
    name += static_cast<char>(text[name.size() + 1]);
  }
  if (name.size() + 1 < text.size() && text[name.size() + 1] == ';') {
    if (const Entity* entity = find_entity(name)) return Reference{entity->value, name.size() + 2, true};
  }
  for (; name.size() > 1; name.pop_back()) {
    const Entity* entity = find_entity(name);
    if (entity && entity->without_semicolon) return Reference{entity->value, name.size() + 1, false};
  }
  return std::nullopt;
}

std::optional<Reference> read_reference(std::u32string_view text) {
  return text.size() > 1 && text[1] == '#' ? read_number(text) : read_name(text);
}

// "&EACUTE;", of which HTML knows "&eacute;" alone.
std::optional<Reference> read_capital_name(std::u32string_view text) {
  constexpr size_t kLongest = 24;
  std::string name;
  for (size_t i = 1; i < text.size() && name.size() <= kLongest && is_alphanumeric(text[i]); ++i) {
    if (text[i] >= 'a' && text[i] <= 'z') return std::nullopt;
    name += static_cast<char>(is_digit(text[i]) ? text[i] : text[i] - 'A' + 'a');
  }
  if (name.size() + 1 >= text.size() || text[name.size() + 1] != ';') return std::nullopt;
  const Entity* entity = find_entity(name);
  if (!entity) return std::nullopt;
  return Reference{upper_case(entity->value), name.size() + 2, true};
}

template <class Read>
std::u32string replace_references(std::u32string_view text, Read read) {
  std::u32string to;
  to.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const std::optional<Reference> reference = text[at] == '&' ? read(text.substr(at)) : std::nullopt;
    if (reference) {
      to += reference->value;
      at += reference->size;
    } else {
      to += text[at++];
    }
  }
  return to;
}

}  // namespace

char32_t windows_1252(char32_t c) {
  constexpr std::u32string_view kC1 =
      U"\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f"
      U"\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178";
  return c >= 0x80 && c <= 0x9f ? kC1[c - 0x80] : c;
}

std::u32string unescape_html(std::u32string_view text) { return replace_references(text, read_reference); }

std::u32string unescape_html_strictly(std::u32string_view text) {
  return replace_references(text, [](std::u32string_view from) -> std::optional<Reference> {
    std::optional<Reference> reference = read_reference(from);
    if (!reference) return read_capital_name(from);
    return reference->ends_with_semicolon ? reference : std::nullopt;
  });
}

}  // namespace kg
