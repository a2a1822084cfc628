// Unicode text as code points (std::u32string), for the tokenizers: UTF-8 in and out, classes of characters, lower case
// and normal forms. The tables are utf8proc's (Unicode 15). Everything is linear in the length of the text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kg {

// Bytes of the character that `text` begins with: 0 when it is not well-formed UTF-8 (RFC 3629: no overlong forms, no
// surrogates, at most U+10FFFF).
size_t utf8_size(std::string_view text);
bool is_utf8(std::string_view text);

// Text that is not UTF-8 is an Error (input).
std::u32string from_utf8(std::string_view text);
std::string to_utf8(std::u32string_view text);
void append_utf8(std::string& to, char32_t c);

bool is_space(char32_t c);            // the property White_Space
bool is_letter(char32_t c);           // categories L*
bool is_number(char32_t c);           // N*
bool is_punctuation(char32_t c);      // P*
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_invisible(char32_t c);        // Cc, Cf, Cs, Co: control, format, private use

bool is_ascii(std::u32string_view text);
std::u32string_view trim(std::u32string_view text);

// A character may become two (U+0130).
std::u32string lower_case(char32_t c);
// Also knows that a sigma that ends a word has a form of its own (Unicode 15, section 3.13, Final_Sigma).
std::u32string lower_case(std::u32string_view text);
std::u32string upper_case(std::u32string_view text);  // one to one, but for the German sharp s

std::u32string decomposed(std::u32string_view text, bool compatible = false);  // NFD, NFKD
std::u32string recomposed(std::u32string_view text);                           // NFC

}  // namespace kg
