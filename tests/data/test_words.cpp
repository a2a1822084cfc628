// The word vocabulary: splitting, order, unknown words, storage, bad text.
#include "data/text/words.h"

#include <gtest/gtest.h>

#include "tests/data/bad_input.h"

namespace kg {
namespace {

using Words = std::vector<std::string>;

TEST(Words, SplitsAndLowersCase) {
  EXPECT_EQ(split_words("A person WALKS, then jumps 2 times."),
            (Words{"a", "person", "walks", "then", "jumps", "2", "times"}));
  EXPECT_EQ(split_words("side-step\tand\nhe's"), (Words{"side", "step", "and", "he", "s"}));
  EXPECT_EQ(split_words("he\u2019s \u201cup\u201d\u2014down"), (Words{"he", "s", "up", "down"}));
  EXPECT_EQ(split_words("caf\u00e9 \u4eba walks \U0001F600"), (Words{"caf\u00e9", "\u4eba", "walks", "\U0001F600"}));
  EXPECT_TRUE(split_words(" .,!").empty());
  EXPECT_TRUE(split_words("").empty());
}

TEST(Words, OrdersByCountThenAlphabet) {
  const Words captions = {"b a c", "c d b", "c"};
  const WordVocabulary all = WordVocabulary::build(captions);
  EXPECT_EQ(all.to_string(), "c\nb\na\nd\n");
  EXPECT_EQ(all.size(), 6);
  EXPECT_EQ(WordVocabulary::build(captions, 2).to_string(), "c\nb\n");
  EXPECT_EQ(WordVocabulary::build({"c", "b a c", "c d b"}).to_string(), all.to_string());
}

TEST(Words, EncodesWithUnknownAndLimit) {
  const WordVocabulary words = WordVocabulary::build({"walk walk walk left left"});
  EXPECT_EQ(words.encode("Walk to the left", 10), (std::vector<int>{2, 1, 1, 3}));
  EXPECT_EQ(words.encode("Walk to the left", 2), (std::vector<int>{2, 1}));
  EXPECT_EQ(words.unknown_words("Walk TO the left"), (Words{"to", "the"}));
  const WordVocabulary back = WordVocabulary::from_string(words.to_string());
  EXPECT_EQ(back.encode("left", 10), (std::vector<int>{3}));
  EXPECT_EQ(back.size(), words.size());
}

TEST(Words, RefusesBadText) {
  const WordVocabulary words = WordVocabulary::build({"walk"});
  EXPECT_NE(input_error([&] { words.encode("", 10); }).find("holds no word"), std::string::npos);
  EXPECT_NE(input_error([&] { words.encode("?!", 10); }).find("holds no word"), std::string::npos);
  // A lone continuation byte, a cut character, an overlong slash, a surrogate, beyond U+10FFFF, Latin-1.
  for (const std::string bad : {"\x80", "a\xe4\xba", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "caf\xe9 walk"}) {
    EXPECT_NE(input_error([&] { WordVocabulary::build({"walk", bad}); }).find("not UTF-8"), std::string::npos);
  }
  input_error([] { WordVocabulary::from_string("a\na\n"); });
  input_error([] { WordVocabulary::from_string("a\n\nb\n"); });
}

}  // namespace
}  // namespace kg
