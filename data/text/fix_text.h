// Text as it was meant: what the ftfy package's fix_text (6.3) does before CLIP's tokenizer reads a caption.
// Done: HTML references (unless a '<' was met), C1 controls as Windows-1252, ligatures, full- and half-width forms,
// straight quotes, terminal escapes, control characters, NFC; repeated until nothing changes.
// Not done: guessing that text was decoded with a wrong encoding ("Ã©" stays as it is). Line breaks are left alone:
// the tokenizers take every white space as a space.
#pragma once

#include <string>
#include <string_view>

namespace kg {

std::u32string fix_text(std::u32string_view text);

}  // namespace kg
