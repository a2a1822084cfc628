// MotionGPT's language: the layout of its ids, motions as text and back, own vocabularies, checkpoints.
#include "tests/models/motiongpt/tiny_language.h"

namespace kg {
namespace {

using Ids = std::vector<int32_t>;

TEST(MotionLanguage, IdsOfThePublishedLayout) {
  std::string model = tiny_spiece();
  for (int i = 8; i < 32000; ++i) model += spiece_piece("piece" + std::to_string(i), -9);
  const MotionLanguage language({"spiece.model", model}, {});
  EXPECT_EQ(language.config().pieces, 32000);
  EXPECT_EQ(language.size(), 32615);
  EXPECT_EQ(language.sentinel(0), 32099);
  EXPECT_EQ(language.sentinel(99), 32000);
  EXPECT_EQ(language.motion_id(0), 32100);
  EXPECT_EQ(language.encode(language.motion({511}), 9), (Ids{32612, 32611, 32613, 1}));
  EXPECT_EQ(language.motion_id(language.masked()), 32614);
  EXPECT_EQ(language.pad(), 0);
  EXPECT_EQ(language.end(), 1);
}

TEST(MotionLanguage, MotionsAsText) {
  const MotionLanguage language = tiny_language();
  EXPECT_EQ(language.motion({0, 3}), "<motion_id_4><motion_id_0><motion_id_3><motion_id_5>");
  EXPECT_EQ(language.motion({}), "<motion_id_4><motion_id_5>");
  EXPECT_EQ(language.encode(language.motion({0, 6, 3}), 9), (Ids{14, 10, 16, 13, 15, 1}));
  for (const int32_t bad : {-1, 4, 5, 7}) error_of(ErrorCode::runtime, [&] { language.motion({bad}); });
  // White space before a motion token is a piece; behind one it is the space of the next word.
  EXPECT_EQ(language.encode("walk <motion_id_1>", 9), (Ids{4, 3, 11, 1}));
  EXPECT_EQ(language.encode("walk  <motion_id_1> <motion_id_1> walk", 9), (Ids{4, 3, 11, 3, 11, 4, 1}));
  EXPECT_EQ(language.encode("walk<motion_id_1>s", 9), (Ids{4, 11, 3, 5, 1}));
  const MotionLanguage& trained = caption_language();
  EXPECT_EQ(trained.encode("\uff57alks \n forward\t", 9), trained.encode("walks forward", 9));
  EXPECT_EQ(trained.encode("walks\n<motion_id_1>", 9), trained.encode("walks <motion_id_1>", 9));
}

TEST(MotionLanguage, TruncationKeepsTheEnd) {
  const MotionLanguage& language = caption_language();
  Ids codes;
  for (int i = 0; i < 513; ++i) codes.push_back(i % 512);
  const Ids whole = language.encode(language.motion(codes), 1000), cut = language.encode(language.motion(codes), 256);
  ASSERT_EQ(whole.size(), 516u);  // 515 tokens and </s>
  ASSERT_EQ(cut.size(), 256u);
  EXPECT_EQ(cut.back(), language.end());
  EXPECT_TRUE(std::equal(cut.begin(), cut.end() - 1, whole.begin()));
  EXPECT_EQ(language.encode(" <motion_id_0>", 1), Ids{language.end()});
}

struct Read {
  Ids ids, codes;
  std::string text, report;
};
TEST(MotionLanguage, ReadsWhatWasWritten) {
  const MotionLanguage language = tiny_language();
  const int32_t start = 14, end = 15, mask = 16;
  const std::vector<Read> cases = {
      {{0, start, 10, 13, end, 1, 4}, {0, 3}, "", ""},
      {{4, 5, 1}, {}, "walks", ""},
      {{4, start, 10, end, 4}, {0}, "walk walk", ""},
      {{}, {}, "", ""},
      {{1}, {}, "", ""},
      {{start, 10, 13, 1}, {0, 3}, "", "the motion has no end"},
      {{10, 13, end, 1}, {0, 3}, "", "the motion has no start"},
      {{4, 10, 13, 1}, {0, 3}, "walk", "the motion has no start, the motion has no end"},
      {{start, end, 1}, {}, "", "the motion has no codes"},
      {{end, 4, 1}, {}, "walk", "1 tokens out of place"},
      {{end, start, 11, 1}, {1}, "", "the motion has no end, 1 tokens out of place"},
      {{start, 10, 4, mask, start, 13, end, 1},
       {0, 3},
       "",
       "3 tokens out of place"},  // text between codes deletes none
      {{start, 10, end, 11, start, 12, end, 4, 1}, {0}, "walk", "4 tokens out of place"},
      {{start, 10, 17, 99, end, 1}, {0}, "", "2 tokens out of place"},  // rows of the table that stand for nothing
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Written got = language.read(cases[i].ids);
    EXPECT_EQ(got.codes, cases[i].codes) << i;
    EXPECT_EQ(got.text, cases[i].text) << i;
    EXPECT_EQ(got.report(), cases[i].report) << i;
  }
  const Ids codes = {3, 1, 2, 0, 0};
  EXPECT_EQ(language.read(language.encode(language.motion(codes), 99)).codes, codes);
}

TEST(MotionLanguage, TrainsItsOwn) {
  const MotionLanguage& language = caption_language();
  const int64_t pieces = language.config().pieces;
  EXPECT_GT(pieces, 500);  // these few captions have no 4,000
  EXPECT_LT(pieces, 2000);
  EXPECT_EQ(language.size(), pieces + 100 + 515);
  EXPECT_EQ(language.motion_id(512), pieces + 100 + 512);
  EXPECT_EQ(MotionLanguage::train(made_up_captions(20), {}, {.pieces = 60}).config().pieces, 60);
  const MotionLanguage again = MotionLanguage::train(made_up_captions(200), {instruction_templates()}, {});
  EXPECT_EQ(again.tokenizer().model(), language.tokenizer().model());
  const auto expect_known = [&](const std::string& text) {
    const Ids ids = language.encode(text, 4096);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), language.tokenizer().unknown()), 0) << text;
    EXPECT_EQ(language.read(ids).text, text);
  };
  for (const std::string& caption : made_up_captions(50)) {
    expect_known(caption);
    expect_known('"' + caption + '"');
  }
  expect_known("It takes 196 frames, or 9.0 seconds.");
  input_error([] { MotionLanguage::train({"walk\xff"}, {}, {}); });
  input_error([] { MotionLanguage::train({"walk"}, {}, {.pieces = 5}); });
}

TEST(MotionLanguage, CheckpointHoldsTheVocabulary) {
  const MotionLanguage& language = caption_language();
  TensorFile file;
  language.save(file);
  const MotionLanguage restored = MotionLanguage::restore(file, language.config(), "m");
  EXPECT_EQ(restored.tokenizer().model(), language.tokenizer().model());
  EXPECT_EQ(restored.encode("walks <motion_id_512>", 9), language.encode("walks <motion_id_512>", 9));
  LanguageConfig other = language.config();
  other.pieces = 900;
  EXPECT_EQ(
      input_error([&] { MotionLanguage::restore(file, other, "m"); }),
      "m: the vocabulary has " + std::to_string(language.config().pieces) + " pieces, the configuration says 900");
  EXPECT_NE(input_error([&] { MotionLanguage::restore({}, other, "m"); }).find("m: the vocabulary (language.spiece"),
            std::string::npos);
  file.tensors[0].second.fill(7);
  EXPECT_NE(input_error([&] { MotionLanguage::restore(file, language.config(), "m"); }).find("not a SentencePiece"),
            std::string::npos);
  EXPECT_EQ(to_json(read_config<LanguageConfig>(to_json(other), "c")), to_json(other));
}

}  // namespace
}  // namespace kg
