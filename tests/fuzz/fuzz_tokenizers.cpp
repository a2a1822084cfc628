// libFuzzer target of the tokenizers: any bytes, and the same bytes made UTF-8, give ids in range through each of them,
// or kg::Error (input) for what is not UTF-8.
#include <cstdlib>

#include "data/text/clip_bpe.h"
#include "data/text/unicode.h"
#include "data/text/unigram.h"
#include "data/text/wordpiece.h"
#include "tests/data/tiny_spiece.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace kg;

void encode(const Tokenizer& tokenizer, std::string_view text) {
  constexpr size_t kLengths[] = {2, 77, size_t{1} << 20};
  for (const size_t length : kLengths) {
    const std::vector<int> ids = tokenizer.encode(text, length);
    if (ids.empty() || ids.size() > length) std::abort();
    for (const int id : ids) {
      if (id < 0 || id >= tokenizer.size()) std::abort();
    }
  }
}

void encode_with_all(std::string_view text) {
  static const ClipTokenizer kClip =
      ClipTokenizer::from_merges({"clip", "#version: 0.2\nt h\nth e\nth e</w>\na m\nam p\n# 1\n"}, 6);
  static const WordPieceTokenizer kBert =
      WordPieceTokenizer::from_vocabulary({"bert", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\nthe\n##amp\n\u4eba\n"});
  static const UnigramTokenizer kT5 = UnigramTokenizer::from_model({"t5", tiny_spiece()}, {2, 20});
  encode(kClip, text);
  encode(kBert, text);
  encode(kT5, text);
  kT5.decode(kT5.encode(text, 1 << 20));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text;
  for (size_t at = 0; at < size;) {
    const std::string_view rest(reinterpret_cast<const char*>(data) + at, size - at);
    const size_t length = utf8_size(rest);
    if (length > 0) text += rest.substr(0, length);
    if (length == 0) append_utf8(text, 0x2000u + data[at]);
    at += length > 0 ? length : 1;
  }
  encode_with_all(text);
  return fuzz_parser(data, size, encode_with_all);
}
