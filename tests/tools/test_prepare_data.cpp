// prepare_data as a user runs it: from the generator, from BVH files, and with everything wrong; what stands in the
// folder afterwards.
#include <cmath>
#include <set>

#include "data/export/bvh_writer.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/sets/humanml3d.h"
#include "data/sets/procedural.h"
#include "tests/data/stick_figure.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

// A body that sways, walks and bobs.
Joints motion(int frames, int kind) {
  Joints joints(static_cast<size_t>(frames), Pose(kJoints));
  for (int t = 0; t < frames; ++t) {
    Pose& pose = joints[size_t(t)];
    pose[kPelvis] = {.2 * std::sin(.1 * t), 1 + .05 * std::sin(.2 * t + kind), .04 * (t + 4 * std::sin(.15 * t))};
    for (int j = 1; j < kJoints; ++j) {
      const Quat sway = axis_angle({1, .3, .2}, .1 * std::sin(.2 * t + j + kind));
      pose[j] =
          pose[humanml3d().parents[j]] + rotate(sway, humanml3d().rest_directions[j]) * humanml3d().bone_lengths[j];
    }
  }
  return joints;
}

class PrepareData : public testing::Test {
 protected:
  RunResult run(const std::string& arguments) const { return run_in(folder_.path(), "prepare_data", arguments); }
  void expect_failure(const std::string& arguments, int code, const std::string& text) const {
    const RunResult result = run(arguments);
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_NE(result.output.find("error: "), std::string::npos) << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << result.output;
    EXPECT_FALSE(fs::exists(folder_ / "set")) << arguments;
  }
  // bvh/clip0.bvh ... clip7.bvh and captions.tsv; the arguments that make set/ of them.
  std::string own() const {
    fs::create_directory(folder_ / "bvh");
    std::string table;
    for (int i = 0; i < 8; ++i) {
      const std::string name = "clip" + std::to_string(i);
      write_bvh(folder_ / ("bvh/" + name + ".bvh"), motion(50 + 40 * i, i));
      table += name + "\ta person leans to the left\n";
    }
    spill(folder_ / "captions.tsv", table);
    return "--bvh bvh --captions captions.tsv --out set ";
  }
  TemporaryFolder folder_;
};

TEST_F(PrepareData, SameSeedSameBytes) {
  ASSERT_EQ(run("--procedural 8 --out a --threads 1").code, 0);
  ASSERT_EQ(run("--procedural 8 --out b/c/ --threads 3 --quiet").code, 0);
  expect_same_files(folder_ / "a", folder_ / "b/c");
  ASSERT_EQ(run("--procedural 8 --out a --seed 1 --force").code, 0);
  EXPECT_FALSE(slurp(folder_ / "a/Mean.npy") == slurp(folder_ / "b/c/Mean.npy"));
  ASSERT_EQ(run("--procedural 11 --out more").code, 0);  // more clips leave the first ones as they were
  for (const std::string& name : lines_of(folder_ / "b/c/all.txt"))
    EXPECT_TRUE(slurp(folder_ / ("b/c/new_joint_vecs/" + name + ".npy")) ==
                slurp(folder_ / ("more/new_joint_vecs/" + name + ".npy")))
        << name;
  ASSERT_EQ(run("--procedural 8 --no-mirror --out plain").code, 0);
  EXPECT_EQ(lines_of(folder_ / "plain/all.txt").size(), 8u);
}

TEST_F(PrepareData, SplitsAndFiles) {
  const fs::path set = SmallModel::get().set();
  const std::vector<std::string> all = lines_of(set / "all.txt");
  EXPECT_EQ(all.size(), 48u);
  std::multiset<std::string> names, train_val;
  std::map<std::string, std::string> split_of;
  for (const char* split : {"train", "val", "test"}) {
    const std::vector<std::string> own = lines_of(set / (std::string(split) + ".txt"));
    EXPECT_FALSE(own.empty()) << split;
    names.insert(own.begin(), own.end());
    if (std::string(split) != "test") train_val.insert(own.begin(), own.end());
    for (const std::string& name : own) split_of[name] = split;
  }
  EXPECT_EQ(names, std::multiset<std::string>(all.begin(), all.end()));
  const std::vector<std::string> listed = lines_of(set / "train_val.txt");
  EXPECT_EQ(train_val, std::multiset<std::string>(listed.begin(), listed.end()));
  EXPECT_EQ(split_of.size(), 48u);
  for (const std::string& name : all) {
    if (name[0] != 'M') {
      EXPECT_EQ(split_of.at(name), split_of.at("M" + name));
    }
    const Tensor features = read_npy(set / ("new_joint_vecs/" + name + ".npy"));
    const Tensor joints = read_npy(set / ("new_joints/" + name + ".npy"));
    EXPECT_EQ(features.size(1), 263);
    EXPECT_EQ(joints.shape(), (Shape{features.size(0), 22, 3}));
    const std::vector<Caption> captions = parse_captions(slurp(set / ("texts/" + name + ".txt")), name);
    EXPECT_FALSE(captions.empty()) << name;
    for (const Caption& caption : captions) EXPECT_TRUE(caption.whole() && !caption.tokens.empty()) << caption.text;
  }
  EXPECT_EQ(lines_of(set / "clips.tsv").size(), 49u);
}

TEST_F(PrepareData, StatisticsOfTheFiles) {
  const fs::path set = SmallModel::get().set();
  std::vector<Tensor> clips;
  for (const std::string& name : lines_of(set / "all.txt"))
    clips.push_back(read_npy(set / ("new_joint_vecs/" + name + ".npy")));
  int64_t frames = 0;
  double mean[263] = {}, deviation[263] = {};
  const auto for_each = [&](const auto& fn) {
    for (const Tensor& clip : clips)
      for (int64_t i = 0; i < clip.numel(); ++i) fn(int(i % 263), double(clip.data<float>()[i]));
  };
  for (const Tensor& clip : clips) frames += clip.size(0);
  for_each([&](int i, double x) { mean[i] += x / double(frames); });
  for_each([&](int i, double x) { deviation[i] += (x - mean[i]) * (x - mean[i]) / double(frames); });
  // Yaw velocity, root velocity, height, 21 positions, 21 rotations, 22 velocities, contacts: one deviation a block.
  const int blocks[] = {0, 1, 3, 4, 4 + 63, 4 + 63 + 126, 4 + 63 + 126 + 66, 263};
  const Tensor own_mean = read_npy(set / "Mean.npy"), own_std = read_npy(set / "Std.npy");
  ASSERT_EQ(own_mean.shape(), Shape{263});
  ASSERT_EQ(own_std.shape(), Shape{263});
  for (size_t b = 0; b + 1 < std::size(blocks); ++b) {
    double std = 0;
    for (int i = blocks[b]; i < blocks[b + 1]; ++i) std += std::sqrt(deviation[i]) / (blocks[b + 1] - blocks[b]);
    for (int i = blocks[b]; i < blocks[b + 1]; ++i) {
      EXPECT_NEAR(own_mean.data<float>()[i], mean[i], 1e-6 * (1 + std::abs(mean[i]))) << i;
      EXPECT_NEAR(own_std.data<float>()[i], std, 1e-6 * (1 + std)) << i;
    }
  }
}

TEST_F(PrepareData, FromCaptures) {
  const std::string arguments = own();
  const RunResult result = run(arguments + "--seed 3 --quiet");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_NE(result.output.find("clip7"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("cut: 16.4 s in 2"), std::string::npos) << result.output;
  const Dataset all = load_humanml3d(folder_ / "set", "all");
  EXPECT_EQ(all.items.size(), 24u);  // 8 files, of which 4 are cut in two, and the mirrored ones
  EXPECT_EQ(all.items[1].captions[0].text, "a person leans to the right");
  for (const char* split : {"train", "val", "test"}) EXPECT_FALSE(read_split(folder_ / "set", split).empty());

  const auto before = files_below(folder_ / "set");
  const RunResult again = run(arguments);  // not replaced unasked
  EXPECT_EQ(again.code, 2) << again.output;
  EXPECT_NE(again.output.find("not empty"), std::string::npos) << again.output;
  EXPECT_TRUE(files_below(folder_ / "set") == before);
  EXPECT_EQ(run(arguments + "--force --no-mirror").code, 0);
  EXPECT_EQ(read_split(folder_ / "set", "all").size(), 12u);
}

TEST_F(PrepareData, JointMapIsAStartingPoint) {
  const RunResult printed = run("--print-joint-map humanml3d");
  ASSERT_EQ(printed.code, 0);
  spill(folder_ / "map.txt", printed.output);
  EXPECT_EQ(run(own() + "--joint-map map.txt").code, 0);
  EXPECT_EQ(read_split(folder_ / "set", "all").size(), 24u);
}

TEST_F(PrepareData, FilesOnTheirOwnSkeleton) {
  spill(folder_ / "stick.json", stick_skeleton(false));
  fs::create_directory(folder_ / "sticks");
  std::string table;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "walk" + std::to_string(i);
    spill(folder_ / ("sticks/" + name + ".bvh"), stick_bvh(150 + 100 * i, 60, i));
    table += name + "\ta stick walks\n";
  }
  spill(folder_ / "table.tsv", table);
  const std::string arguments = "--bvh sticks --captions table.tsv --out set --skeleton ";
  const RunResult result = run(arguments + "stick.json");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_NE(result.output.find("cut: 5.8 s in 2"), std::string::npos) << result.output;  // 350 frames at 60 a second
  const Dataset set = load_humanml3d(folder_ / "set", "all");
  EXPECT_EQ(set.skeleton.name, "stick");
  EXPECT_NEAR(set.skeleton.bone_lengths[2], 80, 1e-9);  // measured, the file has none
  EXPECT_EQ(set.items.size(), set.listed);
  EXPECT_EQ(set.items[0].features.size(1), kStickFeatures);
  fs::remove_all(folder_ / "set");

  expect_failure(arguments + "stick.json --joint-map map", 2, "--joint-map is for retargeting");
  expect_failure("--procedural 3 --out set --skeleton stick.json", 2, "--skeleton is for --bvh");
  expect_failure(arguments + "nowhere.json", 3, "nowhere.json");
  spill(folder_ / "bad.json", "{}");
  expect_failure(arguments + "bad.json", 3, "bad.json: name is missing");
}

// Files that cannot be used are listed with the reason; the others make the set.
TEST_F(PrepareData, CapturesGoodAndBad) {
  fs::create_directories(folder_ / "bvh/more");
  for (int i = 0; i < 3; ++i)
    write_bvh(folder_ / ("bvh/good" + std::to_string(i) + ".bvh"), make_procedural_clip(5, i).joints);
  const std::string good = slurp(folder_ / "bvh/good0.bvh");
  Joints brief = make_procedural_clip(5, 0).joints;
  brief.resize(12);
  write_bvh(folder_ / "bvh/more/brief.bvh", brief);
  spill(folder_ / "bvh/cut.bvh", good.substr(0, good.size() / 2));
  spill(folder_ / "bvh/junk.bvh", std::string(500, '\xfe'));
  spill(folder_ / "bvh/none.bvh", "");
  spill(folder_ / "bvh/word.bvh", good.substr(0, good.rfind(' ')) + " nan\n");
  spill(folder_ / "bvh/silent.bvh", good);
  std::string captions;
  for (const char* name : {"good0", "good1", "good2", "brief", "cut", "junk", "none", "word"})
    captions += std::string(name) + "\ta person moves to the left\n";
  spill(folder_ / "captions.tsv", captions);
  const RunResult result = run("--bvh bvh --captions captions.tsv --out set");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_EQ(lines_of(folder_ / "set/all.txt"),
            (std::vector<std::string>{"good0", "Mgood0", "good1", "Mgood1", "good2", "Mgood2"}))
      << result.output;
  EXPECT_EQ(slurp(folder_ / "set/texts/Mgood1.txt").rfind("a person moves to the right#", 0), 0u);
  for (const char* line : {"left out, cannot be used", "left out, too short", "left out, no caption"})
    EXPECT_NE(result.output.find(line), std::string::npos) << result.output;
  for (const char* name : {"cut.bvh", "junk.bvh", "none.bvh", "word.bvh"})
    EXPECT_NE(result.output.find(name), std::string::npos) << name << " in " << result.output;
}

TEST_F(PrepareData, WrongUse) {
  const std::string arguments = own();
  expect_failure("--procedural 5", 2, "--out is required");
  expect_failure("--out set", 2, "either --bvh DIR or --procedural N");
  expect_failure(arguments + "--procedural 5", 2, "either --bvh DIR or --procedural N");
  expect_failure(arguments + "--bandai-captions", 2, "--captions FILE or --bandai-captions");
  expect_failure(arguments + "--test-share 0.9 --val-share 0.5", 2, "nothing to train on");
  expect_failure("--print-joint-map nobody", 2, "there is no nobody");
}

TEST_F(PrepareData, CapturesThatGiveNothing) {
  const std::string arguments = own();
  expect_failure(arguments + "--joint-map /no/such/map", 3, "/no/such/map");
  spill(folder_ / "captions.tsv", "clip0\ta\n");
  // A body that stands still: nothing to take a scale from, and what to do about it.
  write_bvh(folder_ / "bvh/clip0.bvh", Joints(60, motion(1, 0)[0]));
  expect_failure(arguments, 3, "add clips with");
  spill(folder_ / "bvh/clip0.bvh", slurp(folder_ / "bvh/clip0.bvh").substr(0, 5000));
  expect_failure(arguments, 3, "no file gave a clip");
}

TEST_F(PrepareData, CaptionTablesThatDoNotFit) {
  fs::create_directories(folder_ / "bvh");
  fs::create_directories(folder_ / "empty");
  int i = 0;
  while (make_procedural_clip(5, i).parameters.action != Action::walk) ++i;
  write_bvh(folder_ / "bvh/walk.bvh", make_procedural_clip(5, i).joints);
  const auto refused = [&](const std::string& table, const std::string& mention, const char* bvh = "bvh") {
    spill(folder_ / "table.tsv", table);
    expect_failure(std::string("--captions table.tsv --out set --bvh ") + bvh, 3, mention);
  };
  refused("walk\ta walk\nghost\ta ghost\n", "table.tsv, line 2");
  refused("walk\ta walk\nghost\ta ghost\n", "no file ghost.bvh");
  refused("walk\ta walk\nghost\ta ghost\n", "--skip-unknown");
  refused("walk\t\n", "table.tsv, line 1: the caption of walk is empty");
  refused("walk\t...\n", "table.tsv, line 1");
  refused("walk\ta w\xe4lk\n", "UTF-8");
  refused("walk a walk\n", "tabs");
  refused("walk\tx\t5\t2\ta walk\n", "must come after start");
  refused("", "table.tsv: no captions");
  refused("walk\ta walk\n", "empty: no .bvh file", "empty");
  refused("walk\ta walk\n", "nowhere", "nowhere");
  spill(folder_ / "table.tsv", "walk\ta walk\nghost\ta ghost\n");
  EXPECT_EQ(run("--bvh bvh --captions table.tsv --out set --skip-unknown --quiet").code, 0);
  EXPECT_EQ(run("--bvh bvh --captions nowhere.tsv --out other").code, 3);
}

}  // namespace
}  // namespace kg::test
