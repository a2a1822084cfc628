// Folders of captures: what becomes a clip, how it is cut and named, and what is said of the rest.
#include <gtest/gtest.h>

#include <cmath>

#include "data/export/bvh_writer.h"
#include "data/formats/file.h"
#include "data/sets/captures.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

Joints arm_motion(int frames) {
  Joints joints(static_cast<size_t>(frames), Pose(kJoints));
  for (int t = 0; t < frames; ++t) {
    Pose& pose = joints[size_t(t)];
    pose[kPelvis] = {0, 1, .03 * t};
    for (int j = 1; j < kJoints; ++j)
      pose[j] = pose[humanml3d().parents[j]] + humanml3d().rest_directions[j] * humanml3d().bone_lengths[j];
    for (int j : {kLeftElbow, kLeftWrist}) pose[j].x += .1 * std::sin(.2 * t);
  }
  return joints;
}

class Folder : public testing::Test {
 protected:
  void add(const std::string& name, int frames) const { write_bvh(folder_ / (name + ".bvh"), arm_motion(frames)); }
  void add_text(const std::string& file, const std::string& text) const { write_file_atomically(folder_ / file, text); }
  Captures collect(const std::string& table, const CaptureOptions& options = {}) const {
    return collect_captures(folder_.path(), parse_caption_table(table, "c.tsv"), options);
  }
  TemporaryFolder folder_;
};

TEST_F(Folder, ClipsCaptionsAndMirrors) {
  add("b", 61);
  add("a", 101);
  const Captures captures = collect("a\traises the left arm\na\twaves\nb\tstands\n");
  ASSERT_EQ(captures.clips.size(), 2u);
  const Clip& clip = captures.clips[0];
  EXPECT_EQ(clip.name, "a");
  EXPECT_EQ(clip.source, "a");
  EXPECT_EQ(clip.joints.size(), 101u);
  ASSERT_EQ(clip.captions.size(), 2u);
  EXPECT_EQ(clip.captions[0].text, "raises the left arm");
  EXPECT_TRUE(clip.captions[0].whole());
  EXPECT_EQ(clip.mirrored_captions[0].text, "raises the right arm");
  EXPECT_EQ(clip.mirrored_captions[0].tokens[2], "right/ADJ");
  CaptureOptions plain;
  plain.mirror = false;
  EXPECT_TRUE(collect("a\tb\n", plain).clips[0].mirrored_captions.empty());
}

TEST_F(Folder, LongOnesAreCutInEqualParts) {
  add("long", 501);  // 500 rows
  const Captures captures = collect("long\twalks\n");
  ASSERT_EQ(captures.clips.size(), 3u);
  size_t rows = 0;
  for (size_t i = 0; i < 3; ++i) {
    const Clip& clip = captures.clips[i];
    EXPECT_EQ(clip.name, "long-" + std::to_string(i + 1));
    EXPECT_EQ(clip.source, "long");
    EXPECT_NEAR(clip.joints[0][kPelvis].z, .03 * double(rows), 1e-4);  // goes on where the last one ended
    rows += clip.joints.size() - 1;
    EXPECT_LE(clip.joints.size() - 1, 196u);
  }
  EXPECT_EQ(rows, 500u);
  EXPECT_EQ(captures.outcomes[0].remark, "cut: 25.0 s in 3");
  CaptureOptions uncut;
  uncut.cut = false;
  EXPECT_TRUE(collect("long\twalks\n", uncut).clips.empty());
  EXPECT_EQ(collect("long\twalks\n", uncut).outcomes[0].remark, "too long: 25.0 s, at most 9.8 s");
}

TEST_F(Folder, SpansOfCaptions) {
  add("a", 201);
  const Captures captures = collect(
      "a\ts\t0\t0\tall\na\ts\t2\t6.5\tpart\na\ts\t2\t6.5\tthe same part\na\ts\t0\t99\talso all\na\ts\t3\t4\tshort\n"
      "a\ts\t20\t30\tbeyond\n");
  ASSERT_EQ(captures.clips.size(), 3u);
  EXPECT_EQ(captures.clips[0].captions.size(), 2u);  // all, also all: 200 rows in two
  EXPECT_EQ(captures.clips[1].captions[1].text, "also all");
  EXPECT_EQ(captures.clips[2].name, "a-3");
  EXPECT_EQ(captures.clips[2].joints.size(), 91u);
  EXPECT_NEAR(captures.clips[2].joints[0][kPelvis].z, .03 * 40, 1e-4);
  EXPECT_EQ(captures.clips[2].captions.size(), 2u);
  const std::string& remark = captures.outcomes[0].remark;
  EXPECT_NE(remark.find("caption outside: line 6"), std::string::npos) << remark;
  EXPECT_NE(remark.find("too short: 1.0 s, needs 2.0 s"), std::string::npos) << remark;
}

TEST_F(Folder, EveryFileLeftOutHasAReason) {
  add("good", 60);
  add("mute", 60);
  add("short", 30);
  add_text("broken.bvh", "HIERARCHY\nROOT x\n{\n");
  add_text("wheel.bvh",
           "HIERARCHY\nROOT Wheel\n{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n}\nMOTION\nFrames: 1\n"
           "Frame Time: 0.1\n0\n");
  add_text("notes.txt", "no motion");
  const Captures captures = collect("good\ta\nshort\ta\nbroken\ta\nwheel\ta\n");
  ASSERT_EQ(captures.outcomes.size(), 5u);
  EXPECT_NE(captures.outcomes[0].remark.find("cannot be used: "), std::string::npos);
  EXPECT_NE(captures.outcomes[0].remark.find("broken.bvh, line "), std::string::npos);
  EXPECT_EQ(captures.outcomes[1].remark, "");
  EXPECT_EQ(captures.outcomes[1].clips, 1);
  EXPECT_EQ(captures.outcomes[1].fps, 20);
  EXPECT_EQ(captures.outcomes[2].remark, "no caption");
  EXPECT_EQ(captures.outcomes[3].remark, "too short: 1.4 s, needs 2.0 s");
  EXPECT_NE(captures.outcomes[4].remark.find("no built-in joint map fits"), std::string::npos);
  EXPECT_EQ(captures.clips.size(), 1u);
}

TEST_F(Folder, UnknownCaptions) {
  add("a", 60);
  const std::string error = input_error([&] { collect("a\tx\nb\ty\n"); });
  EXPECT_NE(error.find("line 2"), std::string::npos) << error;
  EXPECT_NE(error.find("no file b.bvh"), std::string::npos) << error;
  CaptureOptions allow;
  allow.unknown_captions = true;
  const Captures captures = collect("a\tx\nb\ty\nb\tz\n", allow);
  EXPECT_EQ(captures.clips.size(), 1u);
  EXPECT_EQ(captures.outcomes.back().name, "b");
  EXPECT_EQ(captures.outcomes.back().remark, "no such file");
}

TEST_F(Folder, RatesOfWrongHeaders) {
  add("a", 60);
  CaptureOptions options;
  options.source_fps = 10;  // half as fast as the header says
  EXPECT_EQ(collect("a\tx\n", options).clips[0].joints.size(), 119u);
}

TEST_F(Folder, BadFolders) {
  EXPECT_NE(input_error([&] { collect("a\tx\n"); }).find("no .bvh file"), std::string::npos);
  add("a", 60);
  std::filesystem::create_directory(folder_ / "sub");
  write_bvh(folder_ / "sub" / "a.bvh", arm_motion(60));
  EXPECT_NE(input_error([&] { collect("a\tx\n"); }).find("two files are called a"), std::string::npos);
  EXPECT_NE(input_error([] { find_bvh_files("/no/such/place"); }).find("No such file or directory"), std::string::npos);
}

TEST(BandaiCaptions, SayContentAndStyle) {
  const std::vector<CaptionRow> rows = bandai_captions({"x/dataset-2_wave-left-hand_exhausted_003.bvh"});
  ASSERT_EQ(rows.size(), 3u);
  for (const CaptionRow& row : rows) {
    EXPECT_EQ(row.name, "dataset-2_wave-left-hand_exhausted_003");
    EXPECT_NE(row.caption.find("left hand"), std::string::npos) << row.caption;
    EXPECT_TRUE(row.caption.find("exhausted") != std::string::npos || row.caption.find("wearily") != std::string::npos);
  }
  EXPECT_NE(rows[0].caption, rows[1].caption);
  for (const char* bad : {"walk.bvh", "dataset-2_fly_normal_001.bvh", "dataset-2_walk_grim_001.bvh"})
    EXPECT_NE(input_error([&] { bandai_captions({bad}); }).find("expected a name such as"), std::string::npos);
}

}  // namespace
}  // namespace kg
