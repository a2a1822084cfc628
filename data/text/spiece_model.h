// The file of a SentencePiece model (a protocol-buffer message), checked before the library reads it, which trusts it:
// its table of characters is an array of offsets that are followed without looking, and bad ones end the program.
#pragma once

#include <string>
#include <string_view>

namespace kg {

// An Error (input) that names the file unless this is a model of type unigram, its pieces are UTF-8, not empty and not
// pieces of bytes, its scores are numbers, and its tables of characters lead nowhere outside themselves.
void check_spiece_model(std::string_view bytes, const std::string& name);

}  // namespace kg
