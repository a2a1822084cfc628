// libFuzzer target of the readers of vocabulary files; the first byte chooses one. Any bytes parse or throw kg::Error
// (input). Models of SentencePiece also as the hand-made one with some bytes changed.
#include "data/text/clip_bpe.h"
#include "data/text/unigram.h"
#include "data/text/wordpiece.h"
#include "tests/data/tiny_spiece.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace kg;

// A table of characters of 256 units with one text behind it, so that its check is reached.
std::string spiece_with_table(const std::string& table) {
  return tiny_spiece() + spiece_long_field(3, spiece_long_field(2, table));
}

std::string changed(std::string bytes, std::string_view changes) {
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(changes[i]); };
    bytes[(byte(0) << 8 | byte(1)) % bytes.size()] = changes[2];
  }
  return bytes;
}

void use(const std::string& model) {
  const UnigramTokenizer t5 = UnigramTokenizer::from_model({"fuzz", model});
  t5.decode(t5.encode("walks \u4eba\uff11 \u00e9a \x01", 99));
}

void parse(std::string_view input) {
  if (input.empty()) return;
  const char kind = input[0];
  const NamedBytes file{"fuzz", std::string(input.substr(1))};
  switch (kind) {
    case 'm':
      ClipTokenizer::from_merges(file, 3).encode("the and");
      break;
    case 'v':
      ClipTokenizer::from_vocabulary(file, {"merges", "#version: 0.2\n"}).encode("the and");
      break;
    case 'c':
      ClipTokenizer::from_tokenizer_json(file).encode("the and");
      break;
    case 'w':
      WordPieceTokenizer::from_vocabulary(file).encode("the and \u4eba", 99);
      break;
    case 'b':
      WordPieceTokenizer::from_tokenizer_json(file).encode("the and \u4eba", 99);
      break;
    case 'z':
      gunzip(file.bytes, "fuzz");
      break;
    case 's':
      use(file.bytes);
      break;
    case 'p':
      use(changed(tiny_spiece(), file.bytes));
      break;
    default:
      use(spiece_with_table(changed(std::string("\x00\x04\x00\x00", 4) + std::string(1024, 0) + "ab\0", file.bytes) +
                            '\0'));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return kg::fuzz_parser(data, size, parse); }
