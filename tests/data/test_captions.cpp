// Caption lines of HumanML3D and tables of own captions.
#include <gtest/gtest.h>

#include "data/formats/file.h"
#include "data/sets/captions.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

TEST(Captions, LineOfThePublicSet) {
  const std::vector<Caption> captions = parse_captions(
      "a man kicks.#a/DET man/NOUN kick/VERB#0.0#0.0\r\n\n"
      "he walks#he/PRON walk/VERB#nan#nan\n"
      "he sits#he/PRON sit/VERB#2.25#10\n",
      "x.txt", nullptr);
  ASSERT_EQ(captions.size(), 3u);
  EXPECT_EQ(captions[0].text, "a man kicks.");
  EXPECT_EQ(captions[0].tokens, (std::vector<std::string>{"a/DET", "man/NOUN", "kick/VERB"}));
  EXPECT_TRUE(captions[0].whole());
  EXPECT_TRUE(captions[1].whole());
  EXPECT_EQ(captions[2].start, 2.25);
  EXPECT_EQ(captions[2].end, 10);
  EXPECT_FALSE(captions[2].whole());
}

TEST(Captions, BadLinesAreNamedOrLeftOut) {
  const char* text =
      "good#good/ADJ#0#0\n"
      "no tags at all\n"
      "#a/DET#0.0#0.0\n"
      "slashes#a/b/c#0.0#0.0\n"
      "tag#word/#0.0#0.0\n"
      "end first#a/DET#5.0#2.0\n"
      "number#a/DET#x#2.0\n"
      "also good##0.0#0.0\n";
  std::vector<std::string> bad;
  EXPECT_EQ(parse_captions(text, "t.txt", &bad).size(), 2u);
  ASSERT_EQ(bad.size(), 6u);
  EXPECT_EQ(bad[0], "t.txt, line 2: expected caption#words#start#end, found 1 field(s)");
  EXPECT_EQ(bad[1], "t.txt, line 3: the caption is empty");
  EXPECT_EQ(bad[2], "t.txt, line 4: expected word/TAG, found 'a/b/c'");
  EXPECT_NE(bad[4].find("line 6: end (2 s) must come after start (5 s)"), std::string::npos);
  EXPECT_EQ(bad[5], "t.txt, line 7: start must be a number of seconds, is 'x'");
  EXPECT_EQ(input_error([&] { parse_captions(text, "t.txt"); }), bad[0]);
}

TEST(Captions, FurtherFieldsAreIgnored) {
  const std::vector<Caption> captions = parse_captions("he walks#he/PRON walk/VERB#1.0#2.5#a note#\n", "x.txt");
  ASSERT_EQ(captions.size(), 1u);
  EXPECT_EQ(captions[0].tokens.size(), 2u);
  EXPECT_EQ(captions[0].end, 2.5);
}

TEST(Captions, FormatIsReadBack) {
  const std::string text = "a man kicks.#a/DET man/NOUN#0.0#0.0\nhe walks##1.5#12.0\n";
  EXPECT_EQ(format_captions(parse_captions(text, "x")), text);
  const std::string joined =
      "\xEF\xBB\xBF"
      "he runs##0.0#0.0\n \xEF\xBB\xBF\xEF\xBB\xBF he jumps##0.0#0.0\n";
  EXPECT_EQ(format_captions(parse_captions(joined, "x")), "he runs##0.0#0.0\nhe jumps##0.0#0.0\n");
}

TEST(Captions, UntaggedOnesAreTagged) {
  std::vector<Caption> captions = parse_captions(
      "a man kicks#a/OTHER man/OTHER kicks/OTHER#0.0#0.0\nhe walks##0.0#0.0\nhe sits#he/X sit/OTHER#0.0#0.0\n",
      "x.txt");
  EXPECT_EQ(tag_untagged(captions), 2);
  EXPECT_EQ(captions[0].tokens, (std::vector<std::string>{"a/DET", "man/NOUN", "kick/VERB"}));
  EXPECT_EQ(captions[1].tokens, (std::vector<std::string>{"he/PRON", "walk/VERB"}));
  EXPECT_EQ(captions[2].tokens, (std::vector<std::string>{"he/X", "sit/OTHER"}));
}

TEST(Captions, MirroredText) {
  EXPECT_EQ(mirrored_text("raises the left arm, then the RIGHT."), "raises the right arm, then the Left.");
  EXPECT_EQ(mirrored_text("Left-handed, leftwards; leftover upright bright rightly"),
            "Right-handed, rightwards; leftover upright bright rightly");
  EXPECT_EQ(mirrored_text("clockwise counterclockwise counter-clockwise anti clockwise anticlockwise Clockwise"),
            "counterclockwise clockwise clockwise clockwise clockwise Counterclockwise");
  EXPECT_EQ(mirrored_text("over the counter"), "over the counter");
  EXPECT_EQ(mirrored_text(""), "");
}

TEST(CaptionTable, FiveColumnsAndTwo) {
  const std::vector<CaptionRow> rows = parse_caption_table(
      "\xEF\xBB\xBFtrial\tsource\tstart_s\tend_s\tcaption\r\n"
      "01_01\tindex\t0\t0\tjump\r\n"
      "01_01\tkit:1\t0.95\t10.95\ta person hops \r\n",
      "c.tsv");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].name, "01_01");
  EXPECT_EQ(rows[1].source, "kit:1");
  EXPECT_EQ(rows[1].start, 0.95);
  EXPECT_EQ(rows[1].caption, "a person hops");
  EXPECT_EQ(rows[1].line, 3);

  const std::vector<CaptionRow> simple = parse_caption_table("walk.bvh\ta person walks\nname\tb\n", "c.tsv");
  ASSERT_EQ(simple.size(), 2u);  // "name" is a header on the first line only
  EXPECT_EQ(simple[0].name, "walk");
  EXPECT_EQ(parse_caption_table("name\tcaption\nx\ty\n", "c.tsv").size(), 1u);
}

TEST(CaptionTable, Errors) {
  const auto error = [](const char* text) { return input_error([&] { parse_caption_table(text, "c.tsv"); }); };
  EXPECT_NE(error("a\tb\nc\n").find("c.tsv, line 2: expected name, source"), std::string::npos);
  EXPECT_EQ(error("a\tb\n\nc\t \n"), "c.tsv, line 3: the caption of c is empty");
  EXPECT_EQ(error("a\ts\t0\t0\tb\na\ts\tsoon\t0\tb\n"), "c.tsv, line 2: start must be a number of seconds, is 'soon'");
  EXPECT_NE(error("a\ts\t-1\t0\tb\na\ts\t0\t0\tb").find("from 0"), std::string::npos);
  EXPECT_NE(error("a\ts\t3\t2\tb\n").find("must come after start"), std::string::npos);
  EXPECT_NE(error("a\tone # two\n").find("'#'"), std::string::npos);
  EXPECT_NE(error("").find("no captions"), std::string::npos);
  EXPECT_NE(error("name\tcaption\n").find("no captions"), std::string::npos);
}

TEST(CaptionTable, SurvivesCorruption) {
  const std::string text = "a\ts\t0.5\t2\tb c\n";
  survive_corruption([](const std::string& bytes) { parse_caption_table(bytes, "c.tsv"); }, text);
  survive_corruption([](const std::string& bytes) { parse_captions(bytes, "c.txt"); }, "a b#a/X b/Y#0.5#1.0\n");
}

TEST(Captions, PublishedFile) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const auto path = *folder / "golden" / "texts" / "000000.txt";
  const std::vector<Caption> captions = parse_captions(read_file(path, 1 << 20), path.string());
  EXPECT_EQ(captions.size(), 4u);
  std::string text = read_file(path, 1 << 20);
  if (!text.ends_with('\n')) text += '\n';
  EXPECT_EQ(format_captions(captions), text);
}

}  // namespace
}  // namespace kg
