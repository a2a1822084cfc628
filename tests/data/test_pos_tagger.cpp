// Tags of captions: against hand-tagged ones, the published files and spaCy's.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/formats/file.h"
#include "data/sets/captions.h"
#include "data/text/pos_tagger.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

std::string tagged(std::string_view caption) {
  std::string line;
  for (const std::string& token : tag_caption(caption)) line += (line.empty() ? "" : " ") + token;
  return line;
}

TEST(PosTagger, Sentences) {
  EXPECT_EQ(tagged("A person walks forward, then turns around and sits down."),
            "a/DET person/NOUN walk/VERB forward/ADV then/ADV turn/VERB around/ADV and/CCONJ sit/VERB down/ADP");
  EXPECT_EQ(tagged("the man is slowly raising both arms above his head"),
            "the/DET man/NOUN is/AUX slowly/ADV raise/VERB both/DET arm/NOUN above/ADP his/DET head/NOUN");
  EXPECT_EQ(tagged("he throws a punch with his right fist"),
            "he/PRON throw/VERB a/DET punch/NOUN with/ADP his/DET right/ADJ fist/NOUN");
  EXPECT_EQ(tagged("they take two large steps to the left"),
            "they/PRON take/VERB two/NUM large/ADJ step/NOUN to/ADP the/DET left/NOUN");
  EXPECT_EQ(tagged("a person starts to walk in a circle"),
            "a/DET person/NOUN start/VERB to/PART walk/VERB in/ADP a/DET circle/NOUN");
  EXPECT_EQ(tagged("the figure does five jumping jacks"), "the/DET figure/NOUN does/AUX five/NUM jump/VERB jack/NOUN");
  EXPECT_EQ(tagged("a woman steps sideways and does single forward jumps"),
            "a/DET woman/NOUN step/VERB sideways/ADV and/CCONJ does/AUX single/ADJ forward/ADJ jump/NOUN");
}

TEST(PosTagger, ContextDecides) {
  EXPECT_EQ(tagged("her hands touch her"), "her/DET hand/NOUN touch/VERB her/PRON");
  EXPECT_EQ(tagged("a man turns right to his right side"),
            "a/DET man/NOUN turn/VERB right/ADV to/ADP his/DET right/ADJ side/NOUN");
  EXPECT_EQ(tagged("he kicks twice with two kicks"), "he/PRON kick/VERB twice/ADV with/ADP two/NUM kick/NOUN");
  EXPECT_EQ(tagged("walks back holding his back"), "walk/VERB back/ADV hold/VERB his/DET back/NOUN");
  // A verb that no list has, in its place.
  EXPECT_EQ(tagged("a person zorbs to the side"), "a/DET person/NOUN zorb/VERB to/ADP the/DET side/NOUN");
}

TEST(PosTagger, WhatIsAWord) {
  EXPECT_EQ(tagged("A semi-circle, 2 Steps; don't!"), "a/DET semicircle/NOUN step/NOUN do/AUX");
  EXPECT_EQ(tagged("it\xE2\x80\x99s the man's turn \xE2\x80\x93 now"), "it/PRON the/DET man/NOUN turn/NOUN now/ADV");
  EXPECT_EQ(tagged("12 - 3"), "");
  EXPECT_EQ(tagged(""), "");
  // What is no text is still no token with a space, a slash or '#'.
  std::string bytes;
  for (int i = 1; i < 256; ++i) bytes += static_cast<char>(i);
  for (const std::string& token : tag_caption(bytes)) {
    EXPECT_EQ(token.find_first_of(" \t\n#"), token.npos);
    EXPECT_EQ(std::count(token.begin(), token.end(), '/'), 1);
  }
}

TEST(PosTagger, Lemmas) {
  const std::map<std::string, std::string> verbs = {
      {"kicks", "kick"},    {"jogging", "jog"},    {"waved", "wave"},    {"knelt", "kneel"},
      {"crosses", "cross"}, {"tries", "try"},      {"carried", "carry"}, {"falling", "fall"},
      {"passing", "pass"},  {"swung", "swing"},    {"racing", "race"},   {"lying", "lie"},
      {"tying", "tie"},     {"flying", "fly"},     {"begins", "begin"},  {"tiptoeing", "tiptoe"},
      {"goes", "go"},       {"stopped", "stop"},   {"catches", "catch"}, {"sneezing", "sneeze"},
      {"zorbing", "zorb"},  {"zoggled", "zoggle"}, {"swimming", "swim"}, {"brought", "bring"}};
  for (const auto& [form, lemma] : verbs) EXPECT_EQ(verb_lemma(form), lemma);
  const std::map<std::string, std::string> nouns = {
      {"legs", "leg"},      {"feet", "foot"},   {"knives", "knife"}, {"boxes", "box"}, {"benches", "bench"},
      {"bodies", "body"},   {"glass", "glass"}, {"women", "woman"},  {"bus", "bus"},   {"toes", "toe"},
      {"shelves", "shelf"}, {"balls", "ball"},  {"tennis", "tennis"}};
  for (const auto& [form, lemma] : nouns) EXPECT_EQ(noun_lemma(form), lemma);
}

TEST(PosTagger, PublishedFileExactly) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const auto path = *folder / "golden" / "texts" / "000000.txt";
  for (const Caption& caption : parse_captions(read_file(path, 1 << 20), path.string()))
    EXPECT_EQ(tag_caption(caption.text), caption.tokens) << caption.text;
}

char letter(const std::string& token) {
  static const std::map<std::string, char> letters = {{"VERB", 'V'}, {"NOUN", 'N'}, {"DET", 'D'},
                                                      {"ADP", 'P'},  {"NUM", '#'},  {"AUX", 'X'},
                                                      {"PRON", 'R'}, {"ADJ", 'J'},  {"ADV", 'A'}};
  const auto found = letters.find(token.substr(token.rfind('/') + 1));
  return found == letters.end() ? '-' : found->second;
}

// make_pos_golden.py: spaCy's tags, which have errors of their own ("a person waves" as a noun).
TEST(PosTagger, AgreesWithSpacyOnRealCaptions) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  std::ifstream file(*folder / "texts" / "humanml3d_captions.jsonl"), golden(KG_TEST_DIR "/golden/pos_tags.txt");
  int captions = 0, words = 0, same = 0, other_words = 0;
  for (std::string line, tags; std::getline(file, line);)
    for (const std::string& caption : nlohmann::json::parse(line)["captions"].get<std::vector<std::string>>()) {
      if (captions++ % 4) continue;
      ASSERT_TRUE(std::getline(golden, tags));
      const std::vector<std::string> tokens = tag_caption(caption);
      if (tokens.size() != tags.size()) {  // words glued together or split otherwise
        ++other_words;
        continue;
      }
      for (size_t i = 0; i < tokens.size(); ++i) {
        ++words;
        same += letter(tokens[i]) == tags[i];
      }
    }
  EXPECT_FALSE(golden.peek() != EOF) << "the captions are not those that were tagged";
  EXPECT_LT(other_words, 10);
  EXPECT_GT(words, 15000);
  EXPECT_GT(double(same) / words, 0.95);
  RecordProperty("agreement", std::to_string(double(same) / words));
}

}  // namespace
}  // namespace kg
