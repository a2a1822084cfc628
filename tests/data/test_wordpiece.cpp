// BERT's tokenizer against transformers' on odd strings and on all shared captions; its files, good and bad.
#include "data/text/wordpiece.h"

#include "tests/data/token_golden.h"

namespace kg {
namespace {

const char* kTinyPieces = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwalk\nwalking\n##ing\n##s\n##i\ne\n##t\n.\n\u4eba\nk\n";
WordPieceTokenizer tiny_wordpiece() { return WordPieceTokenizer::from_vocabulary({"tiny", kTinyPieces}); }

TEST(WordPiece, IdsByHand) {
  const WordPieceTokenizer bert = tiny_wordpiece();
  using Ids = std::vector<int>;
  EXPECT_EQ(bert.size(), 15);
  EXPECT_EQ(bert.encode("", 9), (Ids{2, 3}));
  EXPECT_EQ(bert.encode("Walks WALKING walkings.", 9), (Ids{2, 5, 8, 6, 6, 8, 12, 3}));
  EXPECT_EQ(bert.encode("w\u00e1lks \u00c9t\u00e9 et", 9), (Ids{2, 5, 8, 1, 10, 11, 3}));  // ##e is not there
  EXPECT_EQ(bert.encode("walk\u4eba.k", 9), (Ids{2, 5, 13, 12, 14, 3}));
  EXPECT_EQ(bert.encode("walk[MASK]walk [mask]", 9), (Ids{2, 5, 4, 5, 1, 1, 1, 3}));
  EXPECT_EQ(bert.encode("wa\x01lk\tk\u00a0k", 9), (Ids{2, 5, 14, 14, 3}));
  EXPECT_EQ(bert.encode("k k k k k", 4), (Ids{2, 14, 14, 3}));  // the end stays
  std::string word = "k";
  while (word.size() < 100) word += "s";
  EXPECT_EQ(bert.encode(word, 200).size(), 102u);
  EXPECT_EQ(bert.encode(word + "s", 200), (Ids{2, 1, 3}));
  error_of(ErrorCode::runtime, [&] { bert.encode("k", 1); });
}

TEST(WordPiece, KeepsCaseIfAsked) {
  const NamedBytes file{"tiny", std::string(kTinyPieces) + "Walk\n\u00c9\n\u00e9\nk\u4ebak\n"};
  using Ids = std::vector<int>;
  const auto ids = [&](const WordPieceTokenizer::Normal& normal) {
    return WordPieceTokenizer::from_vocabulary(file, normal).encode("Walk walk \u00c9 e k\u4ebak", 19);
  };
  EXPECT_EQ(ids({.lower_case = false, .strip_accents = false}), (Ids{2, 15, 5, 16, 10, 14, 13, 14, 3}));
  EXPECT_EQ(ids({.lower_case = true, .strip_accents = false}), (Ids{2, 5, 5, 17, 10, 14, 13, 14, 3}));
  EXPECT_EQ(ids({.lower_case = false, .strip_accents = true}), (Ids{2, 15, 5, 1, 10, 14, 13, 14, 3}));
  EXPECT_EQ(ids({.split_ideographs = false}), (Ids{2, 5, 5, 10, 10, 18, 3}));
}

TEST(WordPiece, TheConfigurationBesideItHasTheLastWord) {
  const TemporaryFolder folder;
  std::ofstream(folder / "vocab.txt") << std::string(kTinyPieces) + "Walk\n";
  const auto with = [&](const std::string& config) {
    std::ofstream(folder / "tokenizer_config.json") << config;
    return WordPieceTokenizer::open(folder.path().string());
  };
  using Settings = std::map<std::string, bool>;
  EXPECT_EQ(with("{}").settings(),
            (Settings{{"lower_case", true}, {"strip_accents", true}, {"split_ideographs", true}}));
  const WordPieceTokenizer cased = with(R"({"do_lower_case": false, "strip_accents": null})");
  EXPECT_EQ(cased.settings(), (Settings{{"lower_case", false}, {"strip_accents", false}, {"split_ideographs", true}}));
  EXPECT_EQ(cased.encode("Walk", 9), (std::vector<int>{2, 15, 3}));
  EXPECT_FALSE(with(R"({"tokenize_chinese_chars": false})").settings().at("split_ideographs"));
  EXPECT_TRUE(with(R"({"do_lower_case": false, "strip_accents": true})").settings().at("strip_accents"));
  EXPECT_NE(input_error([&] { with(R"({"do_lower_case": 1})"); }).find("do_lower_case must be true or false, is 1"),
            std::string::npos);
  EXPECT_NE(input_error([&] { with("{"); }).find("tokenizer_config.json: not JSON"), std::string::npos);
}

// The pieces that matter, with their ids in the whole vocabulary of 30,522.
WordPieceTokenizer golden_pieces() {
  return WordPieceTokenizer::from_vocabulary({"golden", TokenGolden().bytes("bert_vocab")});
}

TEST(WordPiece, OddStrings) { expect_golden_ids(golden_pieces(), "bert", 128, TokenGolden().ints("bert_rows")); }

TEST(WordPiece, SharedCaptions) {
  if (!shared_data()) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const auto captions = shared_captions();
  ASSERT_GT(captions.size(), 10000u) << "the captions of the shared data are not those of tests/golden/tokens.npz";
  EXPECT_EQ(count_different(golden_pieces(), "bert", 128, captions, TokenGolden().ints("bert_rows")), 0);
}

// The whole vocabulary: KINEGRAD_BERT names the folder of a model in lower case with 30,522 pieces.
TEST(WordPiece, WholeVocabulary) {
  const char* folder = std::getenv("KINEGRAD_BERT");
  if (!folder) GTEST_SKIP() << "KINEGRAD_BERT is not set to the folder of a BERT model (uncased)";
  const WordPieceTokenizer bert = WordPieceTokenizer::open(folder);
  EXPECT_EQ(bert.size(), 30522);
  EXPECT_EQ(bert.start(), 101);
  EXPECT_EQ(bert.end(), 102);
  expect_golden_ids(bert, "bert", 128);
  expect_golden_ids(WordPieceTokenizer::open(std::string(folder) + "/vocab.txt"), "bert", 128);
  if (const auto captions = shared_captions(); !captions.empty()) {
    EXPECT_EQ(count_different(bert, "bert", 128, captions), 0);
  }
}

TEST(WordPiece, TokenizerJson) {
  nlohmann::json vocabulary;
  int next = 0;
  for (const auto line : split_lines(kTinyPieces)) vocabulary[std::string(line)] = next++;
  nlohmann::json json = {{"model", {{"type", "WordPiece"}, {"vocab", vocabulary}}},
                         {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
                         {"added_tokens", nlohmann::json::parse(R"([{"id": 0, "content": "[PAD]"},
                                                                   {"id": 15, "content": "[NEW]"}])")}};
  const auto read = [&] { return WordPieceTokenizer::from_tokenizer_json({"t.json", json.dump()}); };
  const TemporaryFolder folder;
  EXPECT_NE(input_error([&] { WordPieceTokenizer::open(folder.path().string()); }).find("no vocabulary of BERT"),
            std::string::npos);
  std::ofstream(folder / "vocab.txt") << kTinyPieces;
  EXPECT_EQ(WordPieceTokenizer::open(folder.path().string()).size(), 15);
  std::ofstream(folder / "tokenizer.json") << json.dump();
  EXPECT_EQ(WordPieceTokenizer::open(folder.path().string()).size(), 16);
  EXPECT_EQ(read().encode("Walks[NEW]", 9), (std::vector<int>{2, 5, 8, 15, 3}));
  json["normalizer"]["lowercase"] = false;
  EXPECT_EQ(read().encode("Walk walk", 9), (std::vector<int>{2, 1, 5, 3}));
  json["normalizer"]["lowercase"] = "no";
  EXPECT_NE(input_error(read).find("must be true or false"), std::string::npos);
  json["added_tokens"][1]["id"] = 5;
  EXPECT_NE(input_error(read).find("id 5 is given to \"walk\" and to \"[NEW]\""), std::string::npos);
  json["added_tokens"] = 3;
  EXPECT_NE(input_error(read).find("added_tokens must be a list"), std::string::npos);
  json["model"]["vocab"].erase("k");
  json["model"]["vocab"]["far"] = 20;
  EXPECT_NE(input_error(read).find("is 20, but there are only 15"), std::string::npos);
}

TEST(WordPiece, FilesOfOtherModels) {
  const auto error = [](const std::string& text) {
    return input_error([&] { WordPieceTokenizer::from_vocabulary({"v.txt", text}); });
  };
  EXPECT_EQ(error("[PAD]\n[UNK]\nwalk\n"),
            "v.txt: no [CLS] among the 3 pieces; this is not the vocabulary of a BERT model");
  EXPECT_NE(error("").find("no [CLS] among the 0 pieces"), std::string::npos);
  EXPECT_EQ(error("[PAD]\na\n\nb\n"), "v.txt: piece 2 (\"\") is empty, or also piece 2");
  EXPECT_EQ(error("a\nb\na\n"), "v.txt: piece 2 (\"a\") is empty, or also piece 0");
  EXPECT_NE(error("a\n\xff\n").find("not UTF-8"), std::string::npos);
}

TEST(WordPiece, AnyText) {
  const WordPieceTokenizer bert = tiny_wordpiece();
  expect_any_text_survives(bert, bert.start(), bert.end());
  EXPECT_NE(input_error([&] { bert.encode("walk \xe9 on", 9); }).find("byte 5 is not UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace kg
