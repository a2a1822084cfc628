// T5's tokenizer against transformers' on odd strings and on all shared captions; added tokens, training, bad models.
#include "data/text/unigram.h"

#include "data/text/spiece_model.h"
#include "tests/data/tiny_spiece.h"
#include "tests/data/token_golden.h"

namespace kg {
namespace {

using Ids = std::vector<int>;
UnigramTokenizer tiny_unigram(int motions = 3) {
  return UnigramTokenizer::from_model({"tiny", tiny_spiece()}, {2, motions});
}
UnigramTokenizer golden_model() {
  return UnigramTokenizer::from_model({"golden", TokenGolden().bytes("t5_model")}, {100, 515});
}

TEST(Unigram, IdsByHand) {
  // 0 pad 1 </s> 2 unknown 3 space 4 " walk" 5 s 6 " w" 7 alk; sentinels 9 8; motions 10 11 12.
  const UnigramTokenizer t5 = tiny_unigram();
  EXPECT_EQ(t5.size(), 13);
  EXPECT_EQ(t5.encode("", 9), (Ids{1}));
  EXPECT_EQ(t5.encode("walks", 9), (Ids{4, 5, 1}));
  EXPECT_EQ(t5.encode(" walk   s qz ", 9), (Ids{4, 3, 5, 3, 2, 1}));
  EXPECT_EQ(t5.encode("walk<motion_id_0><motion_id_2>s <extra_id_0>walk</s> <extra_id_1>", 19),
            (Ids{4, 10, 12, 3, 5, 9, 4, 1, 8, 1}));
  EXPECT_EQ(t5.encode("walk walk walk", 3), (Ids{4, 4, 1}));  // the end stays
  EXPECT_EQ(t5.encode("walk", 1), (Ids{1}));
  EXPECT_EQ(t5.motion(2), 12);
  EXPECT_EQ(t5.sentinel(0), 9);
  error_of(ErrorCode::runtime, [&] { t5.motion(3); });
  error_of(ErrorCode::runtime, [&] { t5.sentinel(-1); });
  error_of(ErrorCode::runtime, [&] { t5.encode("walk", 0); });
}

TEST(Unigram, SpaceBeforeAddedTokens) {
  const UnigramTokenizer t5 = UnigramTokenizer::from_model({"tiny", tiny_spiece()}, {2, 3, true});
  EXPECT_EQ(t5.encode(" <motion_id_0>walk <motion_id_2> s <extra_id_0>", 19), (Ids{3, 10, 4, 3, 12, 3, 5, 3, 9, 1}));
  EXPECT_EQ(t5.encode("walk <motion_id_0>", 2), (Ids{4, 1}));
}

TEST(Unigram, LongestAddedTokenWins) {
  const UnigramTokenizer t5 = tiny_unigram(515);
  EXPECT_EQ(t5.encode("<motion_id_51><motion_id_5><motion_id_511><motion_id_512>", 9),
            (Ids{t5.motion(51), t5.motion(5), t5.motion(511), t5.motion(512), 1}));
}

TEST(Unigram, LongTextsInParts) {
  const UnigramTokenizer t5 = tiny_unigram();
  std::string text = "walks", word;
  Ids want = {4, 5};
  for (int i = 0; i < 10000; ++i) {
    text += " walks";
    want.insert(want.end(), {4, 5});
  }
  want.push_back(1);
  EXPECT_EQ(t5.encode(text, 1 << 20), want);
  // A word beyond all measure is read as several.
  while (word.size() < 40000) word += "s";
  const Ids ids = t5.encode(word, 1 << 20);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 5), 40000);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 3), 10);
}

TEST(Unigram, DecodesBack) {
  const UnigramTokenizer t5 = tiny_unigram();
  const std::string text = "walk walks<motion_id_2><motion_id_0><extra_id_1> s";
  EXPECT_EQ(t5.decode(t5.encode(text, 99)), text);
  EXPECT_EQ(t5.decode({0, 4, 2, 5, 1, 0}), "walks");
  EXPECT_EQ(t5.decode({}), "");
  error_of(ErrorCode::runtime, [&] { t5.decode({13}); });
  error_of(ErrorCode::runtime, [&] { t5.decode({-1}); });
}

TEST(Unigram, OddStrings) { expect_golden_ids(golden_model(), "t5", 256); }

TEST(Unigram, SharedCaptions) {
  if (!shared_data()) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const auto captions = shared_captions();
  ASSERT_GT(captions.size(), 10000u) << "the captions of the shared data are not those of tests/golden/tokens.npz";
  const UnigramTokenizer t5 = golden_model();
  EXPECT_EQ(count_different(t5, "t5", 256, captions), 0);
}

TEST(Unigram, TrainsItsOwn) {
  std::vector<std::string> texts;
  for (const char* who : {"a person", "a man", "someone", "the figure"}) {
    for (const char* does : {"walks forward", "jumps twice", "waves both arms", "turns to the left", "sits down"}) {
      texts.push_back(std::string(who) + " " + does);
    }
  }
  const std::string model = UnigramTokenizer::train(texts, 36);
  EXPECT_EQ(UnigramTokenizer::train(texts, 36), model);
  const UnigramTokenizer t5 = UnigramTokenizer::from_model({"own", model}, {10, 515});
  EXPECT_EQ(t5.size(), 36 + 10 + 515);
  EXPECT_EQ(t5.pad(), 0);
  EXPECT_EQ(t5.end(), 1);
  EXPECT_EQ(t5.unknown(), 2);
  EXPECT_EQ(t5.motion(0), 46);
  EXPECT_EQ(t5.model(), model);
  for (const std::string& text : texts) EXPECT_EQ(t5.decode(t5.encode(text, 99)), text);
  EXPECT_NE(input_error([&] { UnigramTokenizer::train(texts, 5000); }).find("5000 pieces from 20 texts"),
            std::string::npos);
  const std::string fewer = UnigramTokenizer::train(texts, 5000, UnigramTokenizer::Pieces::at_most);
  EXPECT_LT(UnigramTokenizer::from_model({"own", fewer}, {0, 0}).size(), 5000);
  input_error([] { UnigramTokenizer::train({}, 60); });
  input_error([] { UnigramTokenizer::train({"a\xff"}, 60); });
}

TEST(Unigram, ModelsOfOtherFamilies) {
  const auto error = [](const std::string& bytes) {
    return input_error([&] { UnigramTokenizer::from_model({"m", bytes}); });
  };
  EXPECT_EQ(error(""), "m: not a SentencePiece model (spiece.model): it has no pieces");
  EXPECT_NE(error("#version: 0.2\nt h\n").find("not a SentencePiece model"), std::string::npos);
  EXPECT_NE(error(tiny_spiece(2)).find("not of type unigram"), std::string::npos);
  const std::string pieces = spiece_piece("<unk>", 0, 2), settings = spiece_field(2, "") + spiece_field(3, "");
  EXPECT_EQ(error(pieces), "m: the model is cut off after 1 pieces; fetch it again");
  EXPECT_NE(error(pieces + spiece_piece("a", -1) + settings).find("no piece for padding"), std::string::npos);
  EXPECT_NE(error(pieces + spiece_piece("<0x41>", 0, 6)).find("piece 1 stands for a byte"), std::string::npos);
  EXPECT_NE(error(pieces + spiece_piece("a", NAN)).find("score of piece 1"), std::string::npos);
  EXPECT_NE(error(pieces + spiece_piece("a\xff", 0)).find("piece 1 is empty or not text"), std::string::npos);
  EXPECT_NE(error(pieces + spiece_piece("", 0)).find("piece 1 is empty"), std::string::npos);
  input_error([&] { UnigramTokenizer::from_model({"m", tiny_spiece() + spiece_piece("s", 0)}); });  // twice
  const TemporaryFolder folder;
  EXPECT_NE(input_error([&] { UnigramTokenizer::open(folder.path().string()); }).find("expected spiece.model"),
            std::string::npos);
  std::ofstream(folder / "spiece.model", std::ios::binary) << tiny_spiece();
  EXPECT_EQ(UnigramTokenizer::open(folder.path().string()).size(), 108);
}

void load_and_use(const std::string& bytes) {
  const UnigramTokenizer t5 = UnigramTokenizer::from_model({"m", bytes}, {2, 3});
  for (const char* text : {"walks qs", "\uff37\u00e9 \u4eba\u304c\ufb01 \u2460 a\u0301", "<extra_id_1>walk\u3000s"}) {
    const Ids ids = t5.encode(text, 99);
    EXPECT_EQ(ids.back(), t5.end());
    t5.decode(ids);
  }
}

TEST(Unigram, SurvivesDamage) {
  expect_prefixes_refused(load_and_use, tiny_spiece(), tiny_spiece().size());
  survive_corruption(load_and_use, tiny_spiece());
  // The real table of characters with damage here and there.
  const std::string model = TokenGolden().bytes("t5_model");
  std::mt19937 rng(1);
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    std::string changed = model;
    for (int k = 0; k < 1 + i % 4; ++k) changed[rng() % changed.size()] = static_cast<char>(rng());
    refused += !accepted(load_and_use, changed);
    EXPECT_FALSE(accepted(load_and_use, model.substr(0, rng() % (model.size() - 100))));
  }
  EXPECT_GT(refused, 10);
}

// The way into the table of characters is unit 0, whatever else it says about itself.
TEST(Unigram, TableLeadingOutside) {
  const auto with_root = [](const std::string& root) {
    const std::string table = std::string("\x00\x04\x00\x00", 4) + root + std::string(1020, 0) + std::string("a\0", 2);
    return tiny_spiece() + spiece_long_field(3, spiece_long_field(2, table));
  };
  EXPECT_TRUE(accepted(load_and_use, with_root(std::string(4, 0))));
  for (const char* root : {"\x01\x01\x01\xe1", "\x01\x02\x01\x61", "\x01\x06\x04\x01"}) {
    EXPECT_NE(input_error([&] { load_and_use(with_root(root)); }).find("table of characters is damaged"),
              std::string::npos);
  }
}

TEST(Unigram, AnyText) {
  const UnigramTokenizer t5 = tiny_unigram();
  expect_any_text_survives(t5, -1, t5.end());
  EXPECT_NE(input_error([&] { t5.encode("walk \xe9 on", 9); }).find("byte 5 is not UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace kg
