// A third skeleton as data: a file of ten joints, BVH files used as they are, and the data set made of them.
#include <gtest/gtest.h>

#include <cmath>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/sets/captures.h"
#include "tests/data/bad_input.h"
#include "tests/data/motions.h"
#include "tests/data/stick_figure.h"

namespace kg {
namespace {

namespace fs = std::filesystem;
using test::kStickFeatures;
using test::kStickJoints;
using test::largest_distance;
using test::stick_bvh;
using test::stick_skeleton;

Skeleton stick(bool lengths = false) { return parse_skeleton(stick_skeleton(lengths), "stick.json"); }

std::string replaced_everywhere(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

TEST(Native, JointsAreTheFilesAtTheSkeletonsRate) {
  const Bvh bvh = parse_bvh(stick_bvh(61, 60, 0), "x.bvh");
  const Joints motion = native_motion(bvh, stick(), "x.bvh");
  ASSERT_EQ(motion.size(), 31u);  // a second at 30
  const std::vector<Vec3> places = global_positions(bvh, 20);
  size_t found = 0;  // both name the joints in one order
  for (size_t i = 0; i < bvh.joints.size() && found < size_t(kStickJoints); ++i)
    if (bvh.joints[i].name == stick().joint_names[found]) {
      EXPECT_LT(length(places[i] - motion[10][found++]), 1e-9) << bvh.joints[i].name;
    }
  EXPECT_EQ(found, size_t(kStickJoints));
  const Skeleton whole = measured(stick(), motion[0]);
  for (int j = 0; j < kStickJoints; ++j) EXPECT_NEAR(whole.bone_lengths[j], stick(true).bone_lengths[j], 1e-9) << j;
}

TEST(Native, WhatDoesNotFit) {
  const auto error = [](const std::string& text) {
    return input_error([&] { native_motion(parse_bvh(text, "x.bvh"), stick(), "x.bvh"); });
  };
  const std::string good = stick_bvh(30, 30, 0);
  const std::string missing = error(replaced_everywhere(good, "Toe", "Tip"));
  EXPECT_NE(missing.find("x.bvh: skeleton stick has joints that the file does not have: ToeL, ToeR"), std::string::npos)
      << missing;
  EXPECT_NE(missing.find("The file has World, Hips"), std::string::npos) << missing;
  EXPECT_NE(error(replaced_everywhere(good, "OFFSET 0 45 0", "OFFSET 0 0 0"))
                .find("joint Chest lies on its parent Hips in frame 0"),
            std::string::npos);
  EXPECT_NE(error(replaced_everywhere(good, "OFFSET 0 -80 0", "OFFSET 0 80 0"))
                .find("the root is below the feet in 30 of 30"),
            std::string::npos);
}

// BVH files of the ten joints, and the set that they give.
class NativeSet : public testing::Test {
 protected:
  void SetUp() override {
    std::string table;
    for (int i = 0; i < 6; ++i) {
      const std::string name = "walk" + std::to_string(i);
      write_file_atomically(folder_ / (name + ".bvh"), stick_bvh(100 + 10 * i, 60, i));
      table += name + "\ta stick walks to the left\n";
    }
    CaptureOptions options;
    options.native = stick();
    options.min_frames = 20;
    captures_ = collect_captures(folder_.path(), parse_caption_table(table, "c.tsv"), options);
    write_humanml3d(root(), captures_.clips, {.seed = 1, .skeleton = captures_.skeleton});
  }
  fs::path root() const { return folder_ / "set"; }
  std::string error() const {
    return input_error([&] { load_humanml3d(root(), "all"); });
  }

  TemporaryFolder folder_;
  Captures captures_;
};

TEST_F(NativeSet, IsReadBack) {
  ASSERT_EQ(captures_.clips.size(), 6u);
  const Dataset set = load_humanml3d(root(), "all");
  EXPECT_EQ(set.skeleton, captures_.skeleton);
  EXPECT_EQ(set.skeleton.name, "stick");
  ASSERT_EQ(set.items.size(), 12u);
  EXPECT_EQ(set.summary(), "12 items from 12 clips on skeleton stick (10 joints)");
  EXPECT_EQ(set.statistics.features(), kStickFeatures);
  EXPECT_EQ(read_npy(root() / "new_joints" / "walk0.npy").shape(), (Shape{49, kStickJoints, 3}));  // 100 frames at 60
  for (const bool mirrored : {false, true}) {
    const Item& item = set.items[mirrored];
    EXPECT_EQ(item.name, mirrored ? "Mwalk0" : "walk0");
    EXPECT_EQ(item.captions[0].text, mirrored ? "a stick walks to the right" : "a stick walks to the left");
    ASSERT_EQ(item.features.shape(), (Shape{49, kStickFeatures}));
    const Joints& joints = captures_.clips[0].joints;
    const Joints global = canonical(mirrored ? mirror_joints(joints, set.skeleton) : joints, set.skeleton);
    const Joints cut(global.begin(), global.end() - 1);
    EXPECT_LT(largest_distance(features_to_joints(item.features, set.skeleton), cut), 1e-3);  // of 100 cm
    EXPECT_LT(largest_distance(features_to_joints_by_rotation(item.features, set.skeleton), cut), 1e-3);
  }
}

TEST_F(NativeSet, GivenLengthsAreKept) {
  CaptureOptions options;
  options.native = stick(true);
  options.native->bone_lengths[7] = 50;
  options.min_frames = 20;
  const Captures captures = collect_captures(folder_.path(), parse_caption_table("walk1\twalks\n", "c"), options);
  EXPECT_EQ(captures.skeleton, *options.native);
}

TEST_F(NativeSet, ClipsOfOtherSkeletonsAndMissingFiles) {
  write_npy(root() / "new_joint_vecs" / "walk2.npy", Tensor::zeros({50, kFeatures}));
  EXPECT_NE(
      error().find("walk2.npy: a clip on the data set's skeleton, stick, must be (frames, 119), this one is (50, 263)"),
      std::string::npos)
      << error();
  write_npy(root() / "Mean.npy", Tensor::zeros({kFeatures}));
  write_npy(root() / "Std.npy", Tensor::ones({kFeatures}));
  EXPECT_NE(error().find("has 263 features, the skeleton stick of"), std::string::npos) << error();
  fs::remove(root() / "skeleton.json");
  EXPECT_NE(error().find("must be (frames, 263), this one is (49, 119)"), std::string::npos) << error();
  write_npy(root() / "Mean.npy", Tensor::zeros({kStickFeatures}));
  write_npy(root() / "Std.npy", Tensor::ones({kStickFeatures}));
  EXPECT_NE(error().find("frames of 119 features are neither"), std::string::npos) << error();
  write_file_atomically(root() / "skeleton.json", stick_skeleton(false));
  EXPECT_NE(error().find("skeleton of a data set has lengths"), std::string::npos) << error();
  EXPECT_THROW(write_humanml3d(folder_ / "other", captures_.clips, {.skeleton = stick()}), Error);
  EXPECT_NE(input_error([&] { write_humanml3d(folder_ / "other", captures_.clips); }).find("10 joints"),
            std::string::npos);
}

}  // namespace
}  // namespace kg
