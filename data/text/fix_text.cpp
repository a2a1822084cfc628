#include "data/text/fix_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "data/text/html_entities.h"
#include "data/text/unicode.h"

namespace kg {
namespace {

bool is_unwanted(char32_t c) {
  const bool white = c == '\t' || c == '\n' || c == '\f' || c == '\r';
  return (c < 0x20 && !white) || c == 0x7f || (c >= 0x206a && c <= 0x206f) || (c >= 0xfff9 && c <= 0xfffc) ||
         c == 0xfeff;
}

// Letters in one character that are not letters of their own, as letters.
std::u32string_view ligature(char32_t c) {
  static constexpr std::array<std::pair<char32_t, std::u32string_view>, 22> kLigatures = {{
      {0x132, U"IJ"},       {0x133, U"ij"},  {0x149, U"\u02bcn"}, {0x1c4, U"D\u017d"}, {0x1c5, U"D\u017e"},
      {0x1c6, U"d\u017e"},  {0x1c7, U"LJ"},  {0x1c8, U"Lj"},      {0x1c9, U"lj"},      {0x1ca, U"NJ"},
      {0x1cb, U"Nj"},       {0x1cc, U"nj"},  {0x1f1, U"DZ"},      {0x1f2, U"Dz"},      {0x1f3, U"dz"},
      {0xfb00, U"ff"},      {0xfb01, U"fi"}, {0xfb02, U"fl"},     {0xfb03, U"ffi"},    {0xfb04, U"ffl"},
      {0xfb05, U"\u017ft"}, {0xfb06, U"st"},
  }};
  const auto found = std::find_if(kLigatures.begin(), kLigatures.end(), [c](const auto& l) { return l.first == c; });
  return found == kLigatures.end() ? std::u32string_view() : found->second;
}

void append_fixed(std::u32string& to, char32_t c) {
  if (c >= 0x20 && c < 0x7f) {
    to += c;
  } else if (is_unwanted(c)) {
    return;
  } else if (const std::u32string_view letters = ligature(c); !letters.empty()) {
    to += letters;
  } else if (c == 0x3000) {
    to += U' ';
  } else if (c >= 0xff01 && c <= 0xffef) {
    to += decomposed(std::u32string(1, c), true);
  } else if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b)) {
    to += U'\'';
  } else if (c >= 0x201c && c <= 0x201f) {
    to += U'"';
  } else {
    to += windows_1252(c);
  }
}

// Length of an escape sequence of a terminal (ESC [ 36;44 m) that `text` begins with, 0 when there is none.
size_t terminal_escape(std::u32string_view text) {
  if (text.size() < 3 || text[0] != 0x1b || text[1] != '[') return 0;
  size_t at = 2;
  while (at < text.size() && ((text[at] >= '0' && text[at] <= '9') || text[at] == ';')) ++at;
  const bool letter = at < text.size() && (text[at] | 0x20) >= 'a' && (text[at] | 0x20) <= 'z';
  return letter ? at + 1 : 0;
}

std::u32string fix_line(std::u32string line, bool html) {
  // Each round undoes one level of nesting ("&amp;amp;lt;"). Nobody wrote more than a few; the bound keeps a megabyte
  // of them harmless.
  constexpr int kRounds = 16;
  for (int round = 0; round < kRounds; ++round) {
    const std::u32string before = line;
    if (html) line = unescape_html_strictly(line);
    std::u32string to;
    to.reserve(line.size());
    for (size_t at = 0; at < line.size();) {
      if (const size_t escape = terminal_escape(std::u32string_view(line).substr(at))) {
        at += escape;
      } else {
        append_fixed(to, line[at++]);
      }
    }
    line = recomposed(to);
    if (line == before) break;
  }
  return line;
}

bool is_plain(std::u32string_view text) {
  return std::all_of(text.begin(), text.end(), [](char32_t c) { return c >= 0x20 && c < 0x7f && c != '&'; });
}

}  // namespace

std::u32string fix_text(std::u32string_view text) {
  if (is_plain(text)) return std::u32string(text);
  std::u32string to;
  bool html = true;  // text with a '<' is HTML already, and so is all that follows it
  while (!text.empty()) {
    const size_t size = std::min(text.find(U'\n'), text.size() - 1) + 1;
    const std::u32string_view line = text.substr(0, size);
    html = html && line.find(U'<') == std::u32string_view::npos;
    to += fix_line(std::u32string(line), html);
    text.remove_prefix(size);
  }
  return to;
}

}  // namespace kg
