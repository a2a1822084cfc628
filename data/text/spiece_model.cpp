#include "data/text/spiece_model.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace kg {
namespace {

// One field of a message: a number (varint, or 4 or 8 bytes), or bytes.
struct WireField {
  uint64_t number = 0;
  int wire = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

// The fields of a message, one after another.
class Message {
 public:
  Message(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {}

  bool next(WireField& field) {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    field = {key >> 3, static_cast<int>(key & 7), 0, {}};
    require(field.number > 0);
    switch (field.wire) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.value = fixed(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.value = fixed(4);
        break;
      default:
        require(false);
    }
    return true;
  }

 private:
  void require(bool condition) const {
    CHECK_INPUT(condition, name_, ": not a SentencePiece model (spiece.model), or cut off");
  }
  std::string_view take(uint64_t size) {
    require(size <= rest_.size());
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    require(false);
    return 0;
  }
  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }

  std::string_view rest_;
  const std::string& name_;
};

// SentencePiece: 1 piece, 2 score, 3 type. 6 is the type of a piece that stands for a byte.
void check_piece(std::string_view bytes, int index, const std::string& name) {
  constexpr uint64_t kByte = 6;
  Message message(bytes, name);
  std::string_view piece;
  for (WireField field; message.next(field);) {
    if (field.number == 1) piece = field.bytes;
    if (field.number == 2) {
      CHECK_INPUT(field.wire == 5 && std::isfinite(std::bit_cast<float>(static_cast<uint32_t>(field.value))), name,
                  ": the score of piece ", index, " is not a number");
    }
    CHECK_INPUT(field.number != 3 || field.value != kByte, name, ": piece ", index,
                " stands for a byte, as no piece of a T5 model does; this is the model of another family");
  }
  CHECK_INPUT(!piece.empty() && is_utf8(piece) && piece.find('\0') == std::string_view::npos, name, ": piece ", index,
              " is empty or not text");
}

// A map from characters to text: the size of a double-array trie, the trie, then texts that each end in a zero byte.
// Following a byte leads from unit i to (i ^ offset) ^ byte; where a key ends,
// unit i ^ offset holds a place in the texts.
void check_characters(std::string_view map, const std::string& name) {
  const auto require = [&](bool condition) {
    CHECK_INPUT(condition, name, ": the table of characters is damaged; fetch the model again");
  };
  if (map.empty()) return;
  uint32_t size = 0;
  require(map.size() > sizeof size);
  std::memcpy(&size, map.data(), sizeof size);
  map.remove_prefix(sizeof size);
  require(size > 0 && size % 4 == 0 && size < map.size());
  const std::string_view texts = map.substr(size);
  require(texts.back() == '\0' && is_utf8(texts));
  const uint32_t count = size / 4;
  const auto unit = [&](uint32_t i) {
    uint32_t value = 0;
    std::memcpy(&value, map.data() + 4 * size_t(i), 4);
    return value;
  };
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t u = unit(i);
    if (i > 0 && u >> 31) continue;  // holds a place; unit 0 is always the way in
    const uint32_t to = i ^ ((u >> 10) << ((u & 0x200) >> 6));
    require((to | 0xff) < count);
    const bool ends_here = (u >> 8) & 1;
    require(!ends_here || (unit(to) & 0x7fffffff) < texts.size());
  }
}

// NormalizerSpec: 2 is the map of characters.
void check_normalizer(std::string_view bytes, const std::string& name) {
  Message message(bytes, name);
  for (WireField field; message.next(field);) {
    if (field.number == 2) check_characters(field.bytes, name);
  }
}

// TrainerSpec: 3 is the type of the model, 1 (unigram) where it is not given.
void check_type(std::string_view bytes, const std::string& name) {
  Message message(bytes, name);
  for (WireField field; message.next(field);) {
    CHECK_INPUT(field.number != 3 || field.value == 1, name,
                ": the model is not of type unigram; this is not the vocabulary of a T5 model");
  }
}

}  // namespace

// ModelProto: 1 the pieces, 2 the trainer's settings, 3 and 5 how text is normalised before and after.
void check_spiece_model(std::string_view bytes, const std::string& name) {
  Message message(bytes, name);
  int pieces = 0, settings = 0;
  for (WireField field; message.next(field);) {
    settings |= field.number == 2 ? 1 : field.number == 3 ? 2 : 0;
    if (field.number == 1) check_piece(field.bytes, pieces++, name);
    if (field.number == 2) check_type(field.bytes, name);
    if (field.number == 3 || field.number == 5) check_normalizer(field.bytes, name);
  }
  CHECK_INPUT(pieces > 0, name, ": not a SentencePiece model (spiece.model): it has no pieces");
  CHECK_INPUT(settings == 3, name, ": the model is cut off after ", pieces, " pieces; fetch it again");
}

}  // namespace kg
