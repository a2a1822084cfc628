// Sentences of the built-in set, read back: each tells its own parameters, and altered words are noticed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "data/sets/captions.h"
#include "data/sets/procedural_captions.h"
#include "data/sets/procedural_motion.h"

namespace kg {
namespace {

constexpr int kSentences = 6000;

MotionParameters at_normal_speed(MotionParameters p) {
  p.speed = Speed::normal;
  return p;
}

std::vector<std::string> split_words(const std::string& sentence) {
  std::istringstream text(sentence);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}
std::string joined_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

void expect_reads(const std::string& sentence, const MotionParameters& p) {
  const auto facts = read_caption(sentence);
  ASSERT_TRUE(facts) << sentence;
  ASSERT_EQ(facts->parameters, at_normal_speed(p)) << sentence << ": " << describe(facts->parameters);
  ASSERT_TRUE(facts->speeds[size_t(p.speed)]) << sentence;
}

TEST(ReadCaption, EverySentenceTellsItsOwnParameters) {
  for (const uint64_t seed : {1u, 2u})
    for (int i = 0; i < kSentences; ++i) {
      const Prompt prompt = make_prompt(seed, i);
      expect_reads(prompt.sentence, prompt.parameters);
      expect_reads(mirrored_text(prompt.sentence), mirror_parameters(prompt.parameters));
    }
}

// Every combination of the set, in many wordings.
TEST(ReadCaption, EveryCombinationIsRead) {
  Dice dice(3, 0);
  const std::vector<MotionParameters> all = all_parameters();
  EXPECT_GT(all.size(), 100u);
  for (const MotionParameters& p : all) {
    ASSERT_TRUE(valid(p)) << describe(p);
    for (int i = 0; i < 60; ++i) expect_reads(make_caption(p, dice), p);
  }
}

TEST(ReadCaption, CaptionsOfAClipAgree) {
  for (int i = 0; i < 60; ++i) {
    const ProceduralClip clip = make_procedural_clip(4, i);
    const auto facts = common_facts(clip.captions);
    ASSERT_TRUE(facts) << clip.captions[0];
    EXPECT_EQ(facts->parameters, at_normal_speed(clip.parameters));
    EXPECT_TRUE(facts->speeds[size_t(clip.parameters.speed)]);
  }
  EXPECT_FALSE(common_facts({}));
  EXPECT_FALSE(common_facts({"a man walks forward", "a man walks backward"}));
  EXPECT_FALSE(common_facts({"a man walks forward slowly", "a man walks forward quickly"}));
  EXPECT_FALSE(common_facts({"a man walks forward", "a man dances"}));
}

TEST(ReadCaption, AlteredWordsAreNoticed) {
  const std::vector<std::pair<std::string, std::string>> numbers{
      {"once", "twice"}, {"two", "three"}, {"three", "four"}, {"four", "two"}, {"single", "five"}};
  int counts = 0, sides = 0;
  for (int i = 0; i < kSentences / 4; ++i) {
    const Prompt prompt = make_prompt(5, i);
    const std::vector<std::string> words = split_words(prompt.sentence);
    const auto facts = read_caption(prompt.sentence);
    for (size_t w = 0; w < words.size(); ++w) {
      std::vector<std::string> other = words;
      other[w] = "zebra";
      EXPECT_FALSE(read_caption(joined_words(other))) << joined_words(other);
      for (const auto& [from, to] : numbers) {
        if (words[w] != from || prompt.parameters.repetitions == 0) continue;
        other[w] = to;
        const auto read = read_caption(joined_words(other));
        EXPECT_TRUE(!read || read->parameters.repetitions != prompt.parameters.repetitions) << joined_words(other);
        ++counts;
      }
    }
    const auto mirrored = read_caption(mirrored_text(prompt.sentence));
    ASSERT_TRUE(mirrored && facts);
    const bool sided = mirror_parameters(prompt.parameters) != prompt.parameters;
    EXPECT_EQ(agree(*mirrored, *facts), !sided) << prompt.sentence;
    sides += sided;
  }
  EXPECT_GT(counts, 100);
  EXPECT_GT(sides, 300);
}

TEST(ReadCaption, ByHand) {
  const auto read = [](const char* sentence) {
    const auto facts = read_caption(sentence);
    return facts ? describe(facts->parameters) : "nothing";
  };
  EXPECT_EQ(read("a person throws two left punches"), "punch side=left count=2");
  EXPECT_EQ(read("a man hops on his right foot three times and then stands still"), "hop side=right count=3");
  EXPECT_EQ(read("\"A woman turns ninety degrees to her left.\""), "turn side=left degrees=90");
  EXPECT_EQ(read("\"a woman bows once\"."), "bow count=1");
  EXPECT_EQ(read("a  person walks\tforward "), "walk direction=forward");
  const std::vector<const char*> none{"",
                                      "a person",
                                      "walks forward",
                                      "a man turns to her left",                       // whose left?
                                      "a man hops on his foot three times",            // which?
                                      "a man kicks with his left leg",                 // how often?
                                      "a man runs forward slowly",                     // this is jogging
                                      "a man jogs forward quickly",                    // and this is running
                                      "a man jumps forward once quickly",              // jumps have one speed
                                      "a man squats twice in place",                   // no ending of squats
                                      "a man walks forward and stops and stops",       // one ending
                                      "a man stands up from a chair and stops",        // it has none
                                      "a man is seated and then stands up at a slow",  // cut short
                                      "a man walks forward a man walks forward"};
  for (const char* sentence : none) EXPECT_EQ(read(sentence), "nothing") << sentence;
}

TEST(ReadCaption, SpeedIsStatedOrLeftOpen) {
  using Speeds = std::array<bool, 3>;  // slow, normal, fast
  EXPECT_EQ(read_caption("a man walks forward")->speeds, (Speeds{true, true, true}));
  EXPECT_EQ(read_caption("a man slowly walks forward")->speeds, (Speeds{true, false, false}));
  EXPECT_EQ(read_caption("a man walks forward very fast")->speeds, (Speeds{false, false, true}));
  EXPECT_EQ(read_caption("a man runs forward")->speeds, (Speeds{false, true, true}));
  EXPECT_EQ(read_caption("a man jogs forward")->speeds, (Speeds{true, false, false}));
  EXPECT_TRUE(agree(*read_caption("a man walks forward"), *read_caption("a person quickly walks ahead")));
  EXPECT_FALSE(agree(*read_caption("a man slowly walks forward"), *read_caption("a person quickly walks ahead")));
}

}  // namespace
}  // namespace kg
