// The HumanML3D layout: what is written is read back; items, sub-clips, lengths, bad files;
// splits; nothing half-written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/sets/humanml3d.h"
#include "data/text/pos_tagger.h"
#include "tensor/parallel.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

namespace fs = std::filesystem;

// A body that rocks, turns and walks; `kind` makes clips differ.
Joints swaying_motion(int frames, int kind) {
  Pose rest(kJoints);
  for (int j = 1; j < kJoints; ++j)
    rest[j] = rest[humanml3d().parents[j]] + humanml3d().rest_directions[j] * humanml3d().bone_lengths[j];
  Joints joints(static_cast<size_t>(frames), Pose(kJoints));
  for (int t = 0; t < frames; ++t)
    for (int j = 0; j < kJoints; ++j)
      joints[size_t(t)][j] =
          rotate(axis_angle({0, 1, 0}, .01 * kind * std::sin(.1 * t)), rest[j]) +
          Vec3{.01 * std::sin(.3 * t + j), .01 * std::cos(.2 * t + kind), .06 * (t + 5 * std::sin(.1 * t))};
  return joints;
}

Caption caption(const std::string& text, double start = 0, double end = 0) {
  return {text, tag_caption(text), start, end};
}

std::vector<Clip> some_clips(int count) {
  std::vector<Clip> list;
  for (int i = 0; i < count; ++i)
    list.push_back({"clip" + std::to_string(i),
                    "file" + std::to_string(i / 2),
                    "",
                    swaying_motion(60 + i, i),
                    {caption("a person turns left")},
                    {caption("a person turns right")}});
  return list;
}

std::string bytes_of_folder(const fs::path& root) {
  std::set<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file()) files.insert(entry.path());
  std::string all;
  for (const fs::path& file : files) all += file.lexically_relative(root).string() + ' ' + read_file(file, 1 << 30);
  return all;
}

// A folder in the layout, for bad input to be put in.
class Layout : public testing::Test {
 protected:
  void SetUp() override { write_humanml3d(root(), some_clips(12), {.seed = 1}); }
  fs::path root() const { return folder_ / "set"; }
  std::string error(const char* split = "all") const {
    return input_error([&] { load_humanml3d(root(), split); });
  }
  void write(const std::string& file, const std::string& text) const { write_file_atomically(root() / file, text); }

  TemporaryFolder folder_;
};

TEST_F(Layout, IsReadBack) {
  const Dataset all = load_humanml3d(root(), "all");
  ASSERT_EQ(all.items.size(), 24u);
  EXPECT_EQ(all.items[0].name, "clip0");
  EXPECT_EQ(all.items[1].name, "Mclip0");
  EXPECT_EQ(all.items[0].captions[0].text, "a person turns left");
  EXPECT_EQ(all.items[1].captions[0].text, "a person turns right");
  EXPECT_EQ(all.items[1].captions[0].tokens[3], "right/ADV");
  const Tensor expected = joints_to_features(swaying_motion(60, 0), {.continuous_yaw = true});
  EXPECT_EQ(all.items[0].features.to_vector(), expected.to_vector());
  const Tensor joints = read_npy(root() / "new_joints" / "clip0.npy");
  EXPECT_EQ(joints.to_vector(), to_tensor(features_to_joints(expected)).to_vector());

  StatisticsBuilder builder;
  for (const Item& item : all.items) builder.add(item.features);
  EXPECT_EQ(builder.finish().std.to_vector(), all.statistics.std.to_vector());
  EXPECT_EQ(all.summary(), "24 items from 24 clips");
  EXPECT_EQ(all.skeleton, humanml3d());
  EXPECT_FALSE(fs::exists(root() / "skeleton.json"));  // the readers of other programs expect none
}

TEST_F(Layout, SplitsKeepSourcesTogether) {
  std::set<std::string> sources[3];
  size_t count = 0;
  const char* splits[] = {"train", "val", "test"};
  for (int s = 0; s < 3; ++s)
    for (std::string name : read_split(root(), splits[s])) {
      if (name[0] == 'M') name.erase(0, 1);
      sources[s].insert(std::to_string(std::stoi(name.substr(4)) / 2));
      ++count;
    }
  EXPECT_EQ(count, 24u);
  EXPECT_EQ(sources[0].size() + sources[1].size() + sources[2].size(), 6u);
  for (const auto& s : sources) EXPECT_FALSE(s.empty());
  EXPECT_EQ(read_split(root(), "train_val").size() + read_split(root(), "test").size(), 24u);
}

TEST_F(Layout, SubClipsAndLengths) {
  write("texts/clip0.txt", "all of it##0.0#0.0\nthe end##0.5#99.0\nthe middle##0.0#2.0\ntoo short##0.0#1.0\n");
  write("texts/clip1.txt", "only a part##0.0#2.5\n");
  write("all.txt", "clip0\nclip1\n");
  const Dataset set = load_humanml3d(root(), "all");
  ASSERT_EQ(set.items.size(), 4u);
  EXPECT_EQ(set.items[0].name, "A_clip0");
  EXPECT_EQ(set.items[0].features.size(0), 49);  // of 59 rows, from row 10 on
  EXPECT_EQ(set.items[1].name, "B_clip0");
  EXPECT_EQ(set.items[1].features.size(0), 40);
  EXPECT_EQ(set.items[1].clip, "clip0");
  EXPECT_EQ(set.items[2].name, "clip0");
  EXPECT_EQ(set.items[2].clip, "clip0");
  EXPECT_EQ(set.items[3].name, "A_clip1");
  EXPECT_EQ(set.items[3].captions[0].text, "only a part");
  EXPECT_EQ(set.wrong_length, 1);
  const Tensor whole = read_npy(root() / "new_joint_vecs" / "clip0.npy");
  EXPECT_EQ(set.items[0].features.to_vector(), whole.slice(0, 10, 59).to_vector());

  write("all.txt", "clip0\nclip2\n");
  EXPECT_EQ(load_humanml3d(root(), "all", {.min_frames = 60}).items.size(), 1u);  // clip2 has 61 rows
  EXPECT_EQ(load_humanml3d(root(), "all", {.max_frames = 60}).items.size(), 3u);
  EXPECT_EQ(load_humanml3d(root(), "all", whole_clips(1)).items.size(), 2u);
}

TEST_F(Layout, UncutClipsComeWithAllCaptions) {
  write("texts/clip0.txt", "all of it##0.0#0.0\nthe end##0.5#99.0\nshort##0.0#1.0\n");
  write("texts/clip1.txt", "only a part##0.0#2.5\n");
  write("all.txt", "clip0\nclip1\n");
  const Dataset set = load_humanml3d(root(), "all", {.sub_clips = false});
  ASSERT_EQ(set.items.size(), 2u);
  EXPECT_EQ(set.items[0].name, "clip0");
  EXPECT_EQ(set.items[0].features.size(0), 59);
  ASSERT_EQ(set.items[0].captions.size(), 3u);
  EXPECT_EQ(set.items[0].captions[1].start, .5);
  EXPECT_EQ(set.items[0].captions[1].end, 99);
  EXPECT_EQ(set.items[0].captions[2].text, "short");  // a part has no least length here
  EXPECT_EQ(set.items[1].captions.size(), 1u);
  EXPECT_EQ(set.wrong_length, 0);
  EXPECT_EQ(load_humanml3d(root(), "all", {.min_frames = 60, .sub_clips = false}).items.size(), 1u);  // the whole has
}

TEST_F(Layout, ABadLineCanLeaveItsWholeClipOut) {
  write("texts/clip7.txt", "bad\ngood##0.0#0.0\na part##0.0#2.0\n");
  EXPECT_EQ(load_humanml3d(root(), "all").items.size(), 25u);
  const Dataset set = load_humanml3d(root(), "all", {.drop_clip_on_bad_caption = true});
  EXPECT_EQ(set.items.size(), 23u);
  EXPECT_EQ(set.with_bad_caption, 1);
  EXPECT_EQ(set.bad_captions.size(), 1u);
  EXPECT_EQ(set.summary(), "23 items from 24 clips, 1 with a bad caption line, 1 bad caption lines");
}

TEST_F(Layout, LeavesOutAndCounts) {
  Tensor bad = read_npy(root() / "new_joint_vecs" / "clip2.npy");
  bad.data<float>()[1000] = NAN;
  write_npy(root() / "new_joint_vecs" / "clip2.npy", bad);
  fs::remove(root() / "new_joint_vecs" / "clip3.npy");
  write("texts/clip4.txt", "only##0.0\n");
  fs::remove(root() / "texts" / "clip5.txt");
  write_npy(root() / "new_joint_vecs" / "clip6.npy", Tensor::zeros({200, kFeatures}));
  write("texts/clip7.txt", "bad\ngood##0.0#0.0\n");
  const Dataset set = load_humanml3d(root(), "all");
  EXPECT_EQ(set.items.size(), 19u);
  EXPECT_EQ(set.not_finite, 1);
  EXPECT_EQ(set.absent, 1);
  EXPECT_EQ(set.without_caption, 2);
  EXPECT_EQ(set.wrong_length, 1);
  ASSERT_EQ(set.bad_captions.size(), 2u);
  EXPECT_NE(set.bad_captions[1].find("clip7.txt, line 1"), std::string::npos);
  EXPECT_EQ(set.summary(),
            "19 items from 24 clips, 1 without file, 1 with NaN, 1 too short or too long, 2 without caption, 2 bad "
            "caption lines, 1 captions tagged by rules");
}

TEST_F(Layout, ReadsDoubles) {
  const Tensor plain = read_npy(root() / "new_joint_vecs" / "clip0.npy");
  write_npy(root() / "new_joint_vecs" / "clip0.npy", plain.to(Dtype::f64));
  EXPECT_EQ(load_humanml3d(root(), "all").items[0].features.to_vector(), plain.to_vector());
}

TEST_F(Layout, BadInput) {
  EXPECT_NE(input_error([&] { load_humanml3d(folder_ / "none", "train"); }).find("HumanML3D's layout"),
            std::string::npos);
  EXPECT_NE(error("night").find("night.txt"), std::string::npos);
  write("empty.txt", "\n");
  EXPECT_NE(error("empty").find("lists no clips"), std::string::npos);
  write("escape.txt", "../../etc/passwd\n");
  EXPECT_NE(error("escape").find("is no clip name"), std::string::npos);
  write("none.txt", "nobody\n");
  EXPECT_NE(error("none").find("nothing can be used: 0 items from 1 clips, 1 without file"), std::string::npos);
  write_npy(root() / "new_joint_vecs" / "clip0.npy", Tensor::zeros({50, 251}));
  EXPECT_NE(error().find("must be (frames, 263), this one is (50, 251)"), std::string::npos);
  write("new_joint_vecs/clip0.npy", "no array");
  EXPECT_NE(error().find("clip0.npy"), std::string::npos);
  fs::remove(root() / "Std.npy");
  EXPECT_NE(error().find("Std.npy"), std::string::npos);
}

TEST(WriteHumanML3D, SameSeedSameBytesForAnyThreads) {
  const TemporaryFolder folder;
  const int before = threads();
  set_threads(1);
  write_humanml3d(folder / "a", some_clips(9), {.seed = 7});
  set_threads(4);
  write_humanml3d(folder / "b/", some_clips(9), {.seed = 7});
  set_threads(before);
  EXPECT_EQ(bytes_of_folder(folder / "a"), bytes_of_folder(folder / "b"));
}

TEST(WriteHumanML3D, SharesOfSplitsAndStability) {
  std::vector<Clip> many;
  for (int i = 0; i < 4000; ++i) many.push_back({"n" + std::to_string(i), "s" + std::to_string(i), "", {}, {}, {}});
  const std::vector<Split> splits = split_clips(many, {.seed = 3});
  EXPECT_NEAR(double(std::count(splits.begin(), splits.end(), Split::test)), 600, 75);
  EXPECT_NEAR(double(std::count(splits.begin(), splits.end(), Split::val)), 200, 45);
  many.resize(2000);
  const std::vector<Split> fewer = split_clips(many, {.seed = 3});
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), splits.begin()));
  EXPECT_NE(split_clips(many, {.seed = 4}), fewer);
  many.resize(3);
  // Nothing falls in the small splits by itself, and one source each is put there.
  const std::vector<Split> few = split_clips(many, {.seed = 3, .test_share = 1e-9, .val_share = 1e-9});
  for (const Split split : {Split::train, Split::val, Split::test})
    EXPECT_EQ(std::count(few.begin(), few.end(), split), 1);
}

TEST(WriteHumanML3D, NothingHalfWritten) {
  const TemporaryFolder folder;
  std::vector<Clip> list = some_clips(5);
  list[4].joints[3][kHead].x = NAN;
  EXPECT_EQ(input_error([&] { write_humanml3d(folder / "set", list); }),
            "clip clip4: joint head is not finite in frame 3");
  EXPECT_TRUE(fs::is_empty(folder.path()));
  list = some_clips(2);
  list[1].name = "Mclip0";
  EXPECT_NE(input_error([&] { write_humanml3d(folder / "set", list); }).find("Mclip0"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(WriteHumanML3D, ReplacesOnlyDataSets) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "home");
  std::ofstream(folder / "home" / "letter.txt") << "dear";
  const auto refused = [&](const char* name, bool overwrite, ErrorCode code, const std::string& mention) {
    const std::string message =
        error_of(code, [&] { write_humanml3d(folder / name, some_clips(3), {.overwrite = overwrite}); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused("home", false, ErrorCode::usage, "not empty");
  refused("home", true, ErrorCode::usage, "not replaced");
  refused("home/letter.txt", true, ErrorCode::runtime, "is a file");
  EXPECT_TRUE(fs::exists(folder / "home" / "letter.txt"));
  write_humanml3d(folder / "set", some_clips(6));
  refused("set", false, ErrorCode::usage, "--force");
  EXPECT_EQ(write_humanml3d(folder / "set", some_clips(3), {.overwrite = true}).clips, 6);
  EXPECT_EQ(read_split(folder / "set", "all").size(), 6u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
}

}  // namespace
}  // namespace kg
