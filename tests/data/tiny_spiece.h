// A SentencePiece model of a few pieces, written by hand, for tests and fuzzing.
#pragma once

#include <cstring>
#include <string>

namespace kg {

inline std::string spiece_field(int number, const std::string& bytes) {
  return std::string() + char(number << 3 | 2) + char(bytes.size()) + bytes;  // below 128 bytes
}

// 128 to 16,383 bytes.
inline std::string spiece_long_field(int number, const std::string& bytes) {
  return std::string() + char(number << 3 | 2) + char(0x80 | (bytes.size() & 0x7f)) + char(bytes.size() >> 7) + bytes;
}

// Types: 1 normal, 2 unknown, 3 control.
inline std::string spiece_piece(const std::string& piece, float score, int type = 1) {
  std::string number(4, 0);
  std::memcpy(number.data(), &score, 4);
  return spiece_field(1, spiece_field(1, piece) + "\x15" + number + "\x18" + char(type));
}

// Type 1 is unigram, 2 BPE.
inline std::string tiny_spiece(int type = 1) {
  const std::string space = "\u2581";
  return spiece_piece("<pad>", 0, 3) + spiece_piece("</s>", 0, 3) + spiece_piece("<unk>", 0, 2) +
         spiece_piece(space, -2) + spiece_piece(space + "walk", -3) + spiece_piece("s", -2.5f) +
         spiece_piece(space + "w", -6) + spiece_piece("alk", -6) + spiece_field(2, std::string("\x18") + char(type)) +
         spiece_field(3, "");
}

}  // namespace kg
