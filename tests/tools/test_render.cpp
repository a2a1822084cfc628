// The render program on joints, features and BVH, and its refusals.
#include <gtest/gtest.h>

#include <cmath>

#include "data/export/bvh_writer.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/motion/motion_file.h"
#include "tests/data/motions.h"
#include "tests/tools/run_program.h"

namespace kg {
namespace {

using test::largest_distance;
using test::slurp;
using test::spill;
using test::TemporaryFolder;
using test::walk;
namespace fs = std::filesystem;

class RenderTest : public testing::Test {
 protected:
  void SetUp() override {
    write_npy(folder_ / "walk.npy", to_tensor(walk(12)));
    write_bvh(folder_ / "walk.bvh", walk(12));
  }
  test::RunResult run(const std::string& arguments) const {
    return test::run_command("cd " + folder_.path().string() + " && " KG_BIN_DIR "/render " + arguments);
  }
  TemporaryFolder folder_;
};

TEST_F(RenderTest, ReadsJointsFeaturesAndBvh) {
  const Joints joints = walk(12);
  EXPECT_LT(largest_distance(read_motion(folder_ / "walk.npy").joints, joints), 1e-6);
  EXPECT_EQ(read_motion(folder_ / "walk.npy", {.npy_fps = 30}).fps, 30);
  EXPECT_LT(largest_distance(read_motion(folder_ / "walk.bvh").joints, joints), 1e-4);  // through our BVH reader
  const Joints placed = canonical(joints);
  write_npy(folder_ / "features.npy", joints_to_features(joints));
  const Joints back = read_motion(folder_ / "features.npy").joints;
  EXPECT_LT(largest_distance(back, Joints(placed.begin(), placed.end() - 1)), 1e-5);
}

TEST_F(RenderTest, ReadsAnySkeleton) {
  const Joints kit = test::wild_motion(12, 1, kit_ml()), bird = test::wild_motion(12, 1, test::bird());
  write_npy(folder_ / "kit.npy", to_tensor(kit));
  write_npy(folder_ / "kit_features.npy", joints_to_features(kit, {}, kit_ml()));
  write_npy(folder_ / "bird.npy", to_tensor(bird));
  spill(folder_ / "bird.json", skeleton_text(test::bird()));
  EXPECT_LT(largest_distance(read_motion(folder_ / "kit.npy").joints, kit), 1e-3);  // f32, in its own unit
  EXPECT_EQ(read_motion(folder_ / "kit.npy").fps, 12.5);
  EXPECT_EQ(read_motion(folder_ / "kit_features.npy").joints[0].size(), 21u);
  const MotionReading as_bird{.skeleton = test::bird()};
  EXPECT_LT(largest_distance(read_motion(folder_ / "bird.npy", as_bird).joints, bird), 1e-4);
  ASSERT_EQ(run("kit.npy kit_features.npy walk.npy --out mixed --size 160").code, 0);
  const std::string page = slurp(folder_ / "mixed/motions.html");
  EXPECT_NE(page.find("\"joints\":21"), std::string::npos);
  EXPECT_NE(page.find("\"joints\":22"), std::string::npos);
  const auto result = run("bird.npy --skeleton bird.json --format html,bvh --out .");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_NE(slurp(folder_ / "bird.bvh").find("JOINT left_wing"), std::string::npos);
  for (const char* wrong : {"bird.npy", "walk.npy --skeleton bird.json", "kit.npy walk.npy --skeleton nowhere.json"})
    EXPECT_EQ(run(std::string(wrong) + " --out wrong").code, 3) << wrong;
}

TEST_F(RenderTest, WritesEveryFormat) {
  const auto result = run("walk.npy --text 'a person <walks>' --format html,gif,png,bvh --out pictures --size 160");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_EQ(slurp(folder_ / "pictures/walk.gif").substr(0, 6), "GIF89a");
  EXPECT_EQ(slurp(folder_ / "pictures/walk.png").substr(1, 3), "PNG");
  EXPECT_NE(slurp(folder_ / "pictures/walk.html").find("a person &lt;walks&gt;"), std::string::npos);
  EXPECT_LT(largest_distance(read_motion(folder_ / "pictures/walk.bvh").joints, walk(12)), 1e-4);
  for (const char* name : {"walk.html", "walk.gif", "walk.png", "walk.bvh"})
    EXPECT_NE(result.output.find(std::string("pictures/") + name), std::string::npos) << result.output;
}

TEST_F(RenderTest, OnePageOfSeveralMotions) {
  const auto result = run("walk.npy walk.bvh -f html -o page/index.html --text one --text two");
  ASSERT_EQ(result.code, 0) << result.output;
  const std::string page = slurp(folder_ / "page/index.html");
  for (const char* caption : {"<b>walk</b> <span>one", "<b>walk-2</b> <span>two"})
    EXPECT_NE(page.find(caption), std::string::npos) << caption;
  EXPECT_EQ(run("walk.npy walk.bvh -f png --out .").code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "walk.png") && fs::exists(folder_ / "walk-2.png"));
}

TEST_F(RenderTest, CaptionsFromTextFiles) {
  fs::create_directory(folder_ / "texts");
  spill(folder_ / "texts/walk.txt", "a man walks.#a/DET man/NOUN walk/VERB#0.0#0.0\nanother#x/X#0.0#0.0\n");
  ASSERT_EQ(run("walk.npy -f html --texts texts").code, 0);
  EXPECT_NE(slurp(folder_ / "walk.html").find("<span>a man walks.</span>"), std::string::npos);
  EXPECT_EQ(run("walk.npy -f html --texts nowhere").code, 3);
}

TEST_F(RenderTest, WrongUse) {
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("walk.npy --format jpeg").code, 2);
  EXPECT_EQ(run("walk.npy walk.bvh --text a --text b --text c").code, 2);
  EXPECT_EQ(run("walk.npy walk.bvh -f gif --out x.gif").code, 2);
  EXPECT_EQ(run("walk.bvh --skeleton a.json --joint-map b.txt").code, 2);
  const std::string before = slurp(folder_ / "walk.bvh");
  EXPECT_EQ(run("walk.bvh -f bvh --out .").code, 2);  // would replace its own input
  EXPECT_EQ(slurp(folder_ / "walk.bvh"), before);
  const auto help = run("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_LE(std::count(help.output.begin(), help.output.end(), '\n'), 30) << help.output;
}

TEST_F(RenderTest, BadInputLeavesNothing) {
  Joints joints = walk(12);
  joints[3][kNeck].x = std::nan("");
  write_npy(folder_ / "nan.npy", to_tensor(joints));
  joints = walk(12);
  for (Pose& pose : joints)
    for (Vec3& p : pose) p = p * 1000;
  write_npy(folder_ / "millimetres.npy", to_tensor(joints));
  write_npy(folder_ / "shape.npy", Tensor::zeros({5, 20, 3}));
  write_npy(folder_ / "none.npy", Tensor::zeros({0, 22, 3}));
  spill(folder_ / "cut.bvh", slurp(folder_ / "walk.bvh").substr(0, 2000));
  spill(folder_ / "other.txt", "text");
  for (const char* name :
       {"nan.npy", "millimetres.npy", "shape.npy", "none.npy", "cut.bvh", "other.txt", "missing.npy"}) {
    const auto result = run(std::string("walk.npy ") + name + " --out pictures");
    EXPECT_EQ(result.code, 3) << result.output;
    EXPECT_NE(result.output.find(name), std::string::npos) << result.output;
    EXPECT_FALSE(fs::exists(folder_ / "pictures")) << name;
  }
  spill(folder_ / "file", "");
  EXPECT_EQ(run("walk.npy --out file/pictures").code, 1);
}

}  // namespace
}  // namespace kg
