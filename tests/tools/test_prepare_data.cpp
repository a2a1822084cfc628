// prepare_data as a user runs it: from BVH files, from the generator, and with everything wrong.
#include <gtest/gtest.h>

#include <cmath>

#include "data/export/bvh_writer.h"
#include "data/sets/humanml3d.h"
#include "tests/tools/run_program.h"

namespace kg::test {
namespace {

namespace fs = std::filesystem;

Joints motion(int frames, int kind) {
  Joints joints(static_cast<size_t>(frames));
  for (int t = 0; t < frames; ++t) {
    Pose& pose = joints[size_t(t)];
    pose[kPelvis] = {.2 * std::sin(.1 * t), 1 + .05 * std::sin(.2 * t + kind), .04 * (t + 4 * std::sin(.15 * t))};
    for (int j = 1; j < kJoints; ++j) {
      const Quat sway = axis_angle({1, .3, .2}, .1 * std::sin(.2 * t + j + kind));
      pose[j] = pose[kParents[j]] + rotate(sway, kRestDirections[j]) * kBoneLengths[j];
    }
  }
  return joints;
}

class PrepareData : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "bvh");
    std::string table;
    for (int i = 0; i < 8; ++i) {
      const std::string name = "clip" + std::to_string(i);
      write_bvh(folder_ / "bvh" / (name + ".bvh"), motion(50 + 40 * i, i));
      table += name + "\ta person leans to the left\n";
    }
    spill(captions(), table);
  }
  fs::path captions() const { return folder_ / "captions.tsv"; }
  RunResult run(const std::string& arguments) const {
    return run_command("'" KG_BIN_DIR "/prepare_data' --quiet " + arguments);
  }
  std::string own() const {
    return "--bvh " + (folder_ / "bvh").string() + " --captions " + captions().string() + " --out " + out().string();
  }
  fs::path out() const { return folder_ / "set"; }
  void expect_failure(const std::string& arguments, int code, const std::string& text) const {
    const RunResult result = run(arguments);
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << result.output;
    EXPECT_FALSE(fs::exists(out()));
  }
  TemporaryFolder folder_;
};

TEST_F(PrepareData, FromCaptures) {
  const RunResult result = run(own() + " --seed 3");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_NE(result.output.find("clip7"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("cut: 16.4 s in 2"), std::string::npos) << result.output;
  const Dataset all = load_humanml3d(out(), "all");
  EXPECT_EQ(all.items.size(), 24u);  // 8 files, of which 4 are cut in two, and the mirrored ones
  EXPECT_EQ(all.items[1].captions[0].text, "a person leans to the right");
  for (const char* split : {"train", "val", "test"}) EXPECT_FALSE(read_split(out(), split).empty());

  const RunResult again = run(own());
  EXPECT_EQ(again.code, 3) << again.output;
  EXPECT_NE(again.output.find("not empty"), std::string::npos) << again.output;
  EXPECT_EQ(run(own() + " --force --no-mirror").code, 0);
  EXPECT_EQ(read_split(out(), "all").size(), 12u);
}

TEST_F(PrepareData, ProceduralIsTheSameForAnyThreads) {
  const std::string set = "--procedural 20 --seed 5 --out ";
  ASSERT_EQ(run(set + out().string() + " --threads 1").code, 0);
  ASSERT_EQ(run(set + (folder_ / "other").string() + " --threads 3").code, 0);
  EXPECT_EQ(run_command("diff -r '" + out().string() + "' '" + (folder_ / "other").string() + "'").output, "");
  EXPECT_EQ(load_humanml3d(out(), "all").items.size(), 40u);
}

TEST_F(PrepareData, WrongUse) {
  expect_failure("--procedural 5", 2, "--out is required");
  expect_failure("--out " + out().string(), 2, "either --bvh DIR or --procedural N");
  expect_failure(own() + " --procedural 5", 2, "either --bvh DIR or --procedural N");
  expect_failure(own() + " --bandai-captions", 2, "--captions FILE or --bandai-captions");
  expect_failure(own() + " --test-share 0.9 --val-share 0.5", 2, "nothing to train on");
  expect_failure("--print-joint-map nobody", 2, "there is no nobody");
}

TEST_F(PrepareData, BadInput) {
  expect_failure(own() + " --joint-map /no/such/map", 3, "/no/such/map");
  spill(captions(), "clip0\ta\nclip9\tb\n");
  expect_failure(own(), 3, "no file clip9.bvh");
  spill(captions(), "clip0\t\n");
  expect_failure(own(), 3, "line 1: the caption of clip0 is empty");
  spill(captions(), "");
  expect_failure(own(), 3, "no captions");
  spill(captions(), "clip0\ta\n");
  spill(folder_ / "bvh" / "clip0.bvh", slurp(folder_ / "bvh" / "clip0.bvh").substr(0, 5000));
  expect_failure(own(), 3, "no file gave a clip");
  fs::remove_all(folder_ / "bvh");
  expect_failure(own(), 3, "No such file or directory");
}

TEST_F(PrepareData, FullDiskLeavesNothing) {
  // No file may grow beyond 20 blocks of 512 bytes.
  const RunResult result =
      run_command("trap '' XFSZ; ulimit -f 20; '" KG_BIN_DIR "/prepare_data' --quiet --procedural 5 --out '" +
                  out().string() + "'");
  EXPECT_EQ(result.code, 1) << result.output;
  EXPECT_NE(result.output.find("error: "), std::string::npos) << result.output;
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_EQ(entry.path().string().find("set"), std::string::npos) << entry.path();
}

TEST_F(PrepareData, JointMapIsAStartingPoint) {
  const RunResult printed = run("--print-joint-map humanml3d");
  ASSERT_EQ(printed.code, 0);
  spill(folder_ / "map.txt", printed.output);
  EXPECT_EQ(run(own() + " --joint-map " + (folder_ / "map.txt").string()).code, 0);
  EXPECT_EQ(read_split(out(), "all").size(), 24u);
}

}  // namespace
}  // namespace kg::test
