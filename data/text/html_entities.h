// Character references of HTML ("&amp;", "&#233;", "&#xe9;") to the characters that they stand for.
#pragma once

#include <string>
#include <string_view>

namespace kg {

// As browsers read text and Python's html.unescape does: all names of HTML 5, the oldest of them without a semicolon
// too (the longest name that fits), numbers of the C1 range as Windows-1252, numbers of no character as nothing.
std::u32string unescape_html(std::u32string_view text);

// As ftfy does before it: only what ends with a semicolon, and names in capitals that HTML knows in small letters.
std::u32string unescape_html_strictly(std::u32string_view text);

// The character that a byte of the C1 range (0x80 to 0x9f) stands for in Windows-1252; itself where there is none.
char32_t windows_1252(char32_t c);

extern const std::string_view kHtmlEntityTable;

}  // namespace kg
