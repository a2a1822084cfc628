#include "data/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "tensor/error.h"

namespace kg {
namespace {

static_assert(sizeof(char32_t) == sizeof(utf8proc_int32_t));

bool category_between(char32_t c, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return first <= category && category <= last;
}

char32_t read_character(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() == 1) return byte(0);
  char32_t c = byte(0) & (0x7f >> bytes.size());
  for (size_t i = 1; i < bytes.size(); ++i) c = c << 6 | (byte(i) & 0x3f);
  return c;
}

bool is_cased(char32_t c) {
  return category_between(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LT) || c == 0xaa || c == 0xba;
}

bool is_case_ignorable(char32_t c) {
  constexpr std::u32string_view kWordInner =
      U"'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a";
  return category_between(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MN) ||
         category_between(c, UTF8PROC_CATEGORY_ME, UTF8PROC_CATEGORY_ME) ||
         category_between(c, UTF8PROC_CATEGORY_CF, UTF8PROC_CATEGORY_CF) ||
         category_between(c, UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_LM) ||
         category_between(c, UTF8PROC_CATEGORY_SK, UTF8PROC_CATEGORY_SK) ||
         kWordInner.find(c) != std::u32string_view::npos;
}

// Whether the sigma at `at` stands after a cased letter and before none.
bool is_final_sigma(std::u32string_view text, size_t at) {
  size_t before = at, after = at + 1;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return before > 0 && is_cased(text[before - 1]) && !(after < text.size() && is_cased(text[after]));
}

int combining_class(char32_t c) { return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class; }

}  // namespace

size_t utf8_size(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    return continues(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = continues(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = utf8_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::u32string from_utf8(std::string_view text) {
  std::u32string to;
  to.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t size = utf8_size(text.substr(at));
    CHECK_INPUT(size > 0, "caption \"", text.substr(0, std::min<size_t>(at, 40)), "\": byte ", at,
                " is not UTF-8; save the text as UTF-8");
    to += read_character(text.substr(at, size));
    at += size;
  }
  return to;
}

void append_utf8(std::string& to, char32_t c) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  to.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

std::string to_utf8(std::u32string_view text) {
  std::string to;
  to.reserve(text.size());
  for (const char32_t c : text) append_utf8(to, c);
  return to;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x85 ||
         category_between(c, UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);  // Zs, Zl, Zp
}
bool is_letter(char32_t c) { return category_between(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO); }
bool is_number(char32_t c) { return category_between(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }
bool is_punctuation(char32_t c) { return category_between(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO); }
bool is_nonspacing_mark(char32_t c) { return category_between(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MN); }
bool is_invisible(char32_t c) { return category_between(c, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO); }

bool is_ascii(std::u32string_view text) {
  return std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
}

std::u32string_view trim(std::u32string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::u32string lower_case(char32_t c) {
  if (c == 0x130) return U"i\u0307";
  return std::u32string(1, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string to;
  to.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c < 0x80) {
      to += c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
    } else if (c == U'\u03a3') {
      to += is_final_sigma(text, i) ? U'\u03c2' : U'\u03c3';
    } else {
      to += lower_case(c);
    }
  }
  return to;
}

std::u32string upper_case(std::u32string_view text) {
  std::u32string to;
  for (const char32_t c : text) {
    if (c == 0xdf) {
      to += U"SS";
    } else {
      to += static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
    }
  }
  return to;
}

std::u32string decomposed(std::u32string_view text, bool compatible) {
  if (is_ascii(text)) return std::u32string(text);
  std::u32string to;
  to.reserve(text.size());
  const int options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
  for (const char32_t c : text) {
    utf8proc_int32_t parts[32];  // no character has more than 18 (U+FDFA)
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32,
                                               static_cast<utf8proc_option_t>(options), nullptr);
    CHECK(count > 0 && count <= 32, "[unicode] utf8proc does not decompose U+", std::hex, int64_t(c));
    to.append(parts, parts + count);
  }
  // Runs of marks in canonical order; a stable sort, so that a megabyte of marks is no trap.
  for (size_t begin = 0; begin < to.size(); ++begin) {
    if (combining_class(to[begin]) == 0) continue;
    size_t end = begin;
    while (end < to.size() && combining_class(to[end]) != 0) ++end;
    std::stable_sort(to.begin() + std::ptrdiff_t(begin), to.begin() + std::ptrdiff_t(end),
                     [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
  return to;
}

std::u32string recomposed(std::u32string_view text) {
  if (is_ascii(text)) return std::u32string(text);
  std::u32string to = decomposed(text);
  const auto count =
      utf8proc_normalize_utf32(reinterpret_cast<utf8proc_int32_t*>(to.data()), utf8proc_ssize_t(to.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  CHECK(count >= 0, "[unicode] utf8proc does not compose: ", utf8proc_errmsg(count));
  to.resize(static_cast<size_t>(count));
  return to;
}

}  // namespace kg
