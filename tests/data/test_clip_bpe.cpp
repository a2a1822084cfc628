// CLIP's tokenizer against openai-clip's on odd strings and on all shared captions; its files, good and bad.
#include "data/text/clip_bpe.h"

#include "data/text/unicode.h"
#include "tests/data/token_golden.h"

namespace kg {
namespace {

// A small list of merges: th, the, he</w>, "the</w>".
const char* kTinyMerges = "#version: 0.2\nt h\nth e\nth e</w>\na n\nan d</w>\n";
ClipTokenizer tiny_clip() { return ClipTokenizer::from_merges({"tiny", kTinyMerges}, 5); }

TEST(ClipBpe, IdsByHand) {
  // 0..255 bytes ('!' is 0), 256..511 bytes at the end of a word, merges 512..516, start 517, end 518.
  const ClipTokenizer clip = tiny_clip();
  EXPECT_EQ(clip.size(), 519);
  EXPECT_EQ(clip.encode(""), (std::vector<int>{517, 518}));
  EXPECT_EQ(clip.encode("The"), (std::vector<int>{517, 514, 518}));
  EXPECT_EQ(clip.encode(" the\nand "), (std::vector<int>{517, 514, 516, 518}));
  EXPECT_EQ(clip.encode("then!"), (std::vector<int>{517, 513, 'n' - '!' + 256, 256, 518}));
  EXPECT_EQ(clip.encode("the the the the", 4), (std::vector<int>{517, 514, 514, 518}));  // the end stays
  EXPECT_EQ(clip.encode("the", 2), (std::vector<int>{517, 518}));
  EXPECT_EQ(clip.encode("a\u00a0the"), clip.encode("a the"));
  error_of(ErrorCode::runtime, [&] { clip.encode("the", 1); });
}

TEST(ClipBpe, OddStrings) {
  const TokenGolden golden;
  const std::vector<int> rows = golden.ints("clip_rows");
  const ClipTokenizer clip = ClipTokenizer::from_merges({"golden", golden.bytes("clip_merges")}, rows.size() - 514);
  ASSERT_EQ(size_t(clip.size()), rows.size());
  expect_golden_ids(clip, "clip", 77, rows);
}

TEST(ClipBpe, SharedCaptions) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const ClipTokenizer clip = ClipTokenizer::open((*folder / "vocab" / "bpe_simple_vocab_16e6.txt.gz").string());
  EXPECT_EQ(clip.size(), 49408);
  EXPECT_EQ(clip.start(), 49406);
  EXPECT_EQ(clip.end(), 49407);
  expect_golden_ids(clip, "clip", 77);
  const auto captions = shared_captions();
  ASSERT_GT(captions.size(), 10000u) << "the captions of the shared data are not those of tests/golden/tokens.npz";
  EXPECT_EQ(count_different(clip, "clip", 77, captions), 0);
}

// The tiny vocabulary as other files have it.
nlohmann::json tiny_vocabulary() {
  nlohmann::json ids;
  const std::string empty = "#version: 0.2\n";
  const std::vector<std::string> made = {"th", "the", "the</w>", "an", "and</w>", "<|startoftext|>", "<|endoftext|>"};
  int next = 0;
  for (const char* end : {"", "</w>"}) {
    for (const bool itself : {true, false}) {
      char32_t other = 0x100;
      for (int b = 0; b < 256; ++b) {
        const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
        if (printable == itself) ids[to_utf8(std::u32string(1, itself ? char32_t(b) : other++)) + end] = next++;
      }
    }
  }
  for (const std::string& piece : made) ids[piece] = next++;
  return ids;
}

TEST(ClipBpe, EveryFormGivesTheSame) {
  const TemporaryFolder folder;
  const std::string text = "The and\u00e9 then <|endoftext|>";
  const auto want = tiny_clip().encode(text);
  const auto save = [&](const char* name, const std::string& bytes) { std::ofstream(folder / name) << bytes; };
  nlohmann::json pieces = tiny_vocabulary();
  pieces["model"] = 519;  // a word of the real one too
  const std::string vocabulary = pieces.dump();
  EXPECT_EQ(ClipTokenizer::from_vocabulary({"v", vocabulary}, {"m", kTinyMerges}).encode(text), want);
  save("vocab.json", vocabulary);
  EXPECT_NE(input_error([&] { ClipTokenizer::open(folder.path().string()); }).find("merges.txt"), std::string::npos);
  save("merges.txt", kTinyMerges);
  EXPECT_EQ(ClipTokenizer::open(folder.path().string()).encode(text), want);
  EXPECT_EQ(ClipTokenizer::open((folder / "vocab.json").string()).encode(text), want);

  nlohmann::json json = {
      {"added_tokens", {{{"id", 517}, {"content", "<|startoftext|>"}}}},
      {"model", {{"vocab", tiny_vocabulary()}, {"merges", {"t h", "th e", "th e</w>", "a n", "an d</w>"}}}}};
  EXPECT_EQ(ClipTokenizer::from_tokenizer_json({"t", json.dump()}).encode(text), want);
  json["model"]["merges"] =
      nlohmann::json::parse(R"([["t","h"], ["th","e"], ["th","e</w>"], ["a","n"], ["an","d</w>"]])");
  json["model"]["type"] = "BPE";
  save("tokenizer.json", json.dump());
  EXPECT_EQ(ClipTokenizer::open(folder.path().string()).encode(text), want);
}

TEST(ClipBpe, FilesOfOtherModels) {
  const auto merges = [](const std::string& text, size_t n = 5) {
    return input_error([&] { ClipTokenizer::from_merges({"m.txt", text}, n); });
  };
  EXPECT_EQ(merges(kTinyMerges, 6),
            "m.txt: expected 6 merges, found 5; this is the list of another model, or the file is cut off");
  EXPECT_NE(merges("a b\n").find("#version"), std::string::npos);
  EXPECT_NE(merges("").find("#version"), std::string::npos);
  EXPECT_NE(merges("#version: 0.2\nt h\nth\n").find("m.txt, line 3: expected two pieces"), std::string::npos);
  EXPECT_NE(merges("#version: 0.2\nth e\nt h\n", 2).find("a part that no merge before it makes"), std::string::npos);
  EXPECT_NE(merges("#version: 0.2\nt h\nt h\n", 2).find("\"th\" has two ids"), std::string::npos);
  EXPECT_NE(merges("#version: 0.2\nt \u4eba\n", 1).find("lacks"), std::string::npos);

  const auto vocabulary = [](const nlohmann::json& json, const std::string& list = kTinyMerges) {
    return input_error([&] { ClipTokenizer::from_vocabulary({"v.json", json.dump()}, {"m.txt", list}); });
  };
  nlohmann::json other = tiny_vocabulary();
  other.erase("<|startoftext|>");
  other["<|endoftext|>"] = 517;
  EXPECT_EQ(vocabulary(other),
            "v.json: the vocabulary lacks \"<|startoftext|>\"; this is not the vocabulary of a CLIP model");
  other["<|startoftext|>"] = 517;
  EXPECT_NE(vocabulary(other).find("id 517 is given to"), std::string::npos);
  other["<|startoftext|>"] = 9999;
  EXPECT_NE(vocabulary(other).find("is 9999, but there are only 519 pieces"), std::string::npos);
  other["<|startoftext|>"] = -1;
  EXPECT_NE(vocabulary(other).find("whole number from 0, is -1"), std::string::npos);
  EXPECT_NE(vocabulary(nlohmann::json::array()).find("expected {\"piece\": id, ...}"), std::string::npos);
  EXPECT_NE(vocabulary(tiny_vocabulary(), "#version: 0.2\nx y\n").find("lacks \"xy\""), std::string::npos);

  const auto json = [](const std::string& text) {
    return input_error([&] { ClipTokenizer::from_tokenizer_json({"t.json", text}); });
  };
  EXPECT_EQ(json("{\"model\": "), "t.json: not JSON: wrong at byte 11 of 10");
  EXPECT_NE(json("[1e999]").find("a number that is too large"), std::string::npos);
  EXPECT_NE(json("[]").find("expected a tokenizer.json"), std::string::npos);
  EXPECT_NE(json(R"({"model": {"type": "WordPiece", "vocab": {}}})").find("of type \"WordPiece\", expected \"BPE\""),
            std::string::npos);
  EXPECT_NE(json(R"({"model": {"type": 7, "vocab": {}}})").find("t.json"), std::string::npos);
}

TEST(ClipBpe, DamagedArchive) {
  const TemporaryFolder folder;
  const auto open = [&](const std::string& bytes) {
    std::ofstream(folder / "m.gz", std::ios::binary) << bytes;
    return input_error([&] { ClipTokenizer::open((folder / "m.gz").string()); });
  };
  std::string packed(200, 0);  // "#version: 0.2\n" packed by gzip
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string plain = "#version: 0.2\n";
  stream.next_in = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_in = uInt(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = uInt(packed.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  EXPECT_EQ(gunzip(packed, "m"), plain);
  EXPECT_NE(open(packed).find("expected 48894 merges, found 0"), std::string::npos);
  for (size_t n = 2; n < packed.size(); ++n)
    EXPECT_NE(open(packed.substr(0, n)).find("cut off or damaged"), std::string::npos);
  packed[packed.size() - 6] ^= 1;  // the CRC
  EXPECT_NE(open(packed).find("damaged"), std::string::npos);
  EXPECT_NE(open("<!DOCTYPE html>").find("web page"), std::string::npos);
  EXPECT_NE(open("version https://git-lfs.github.com/spec/v1").find("LFS"), std::string::npos);
  input_error([&] { ClipTokenizer::open((folder / "none").string()); });
  EXPECT_NE(input_error([&] { ClipTokenizer::open(folder.path().string()); }).find("no vocabulary of CLIP"),
            std::string::npos);
}

TEST(ClipBpe, AnyText) {
  const ClipTokenizer clip = tiny_clip();
  expect_any_text_survives(clip, clip.start(), clip.end());
  EXPECT_EQ(input_error([&] { clip.encode("walk \xe9 on"); }),
            "caption \"walk \": byte 5 is not UTF-8; save the text as UTF-8");
}

}  // namespace
}  // namespace kg
