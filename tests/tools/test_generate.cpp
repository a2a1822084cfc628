// generate: what it writes, what its results depend on, and what it refuses.
#include <cmath>

#include "data/formats/bvh.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

class Generate : public testing::Test {
 protected:
  RunResult run(const std::string& arguments) const {
    return run_in(folder_.path(), "generate", "--model " + quoted(SmallModel::get().gpt()) + " " + arguments);
  }
  TemporaryFolder folder_;
};

TEST_F(Generate, WritesEveryFormat) {
  const RunResult result = run("-p 'a person walks forward' --length 4s --out out");
  ASSERT_EQ(result.code, 0) << result.output;
  const std::string stem = "000_a_person_walks_forward";
  EXPECT_EQ(names_of(files_below(folder_ / "out")),
            (std::vector<std::string>{stem + ".bvh", stem + ".gif", stem + ".npy", stem + ".png",
                                      stem + "_features.npy", "index.html"}));
  const fs::path base = folder_ / ("out/" + stem);
  const Tensor joints = read_npy(base.string() + ".npy"), features = read_npy(base.string() + "_features.npy");
  EXPECT_EQ(joints.shape(), (Shape{80, 22, 3}));
  EXPECT_EQ(features.shape(), (Shape{80, 263}));
  const Tensor expected = to_tensor(features_to_joints(features));
  for (int64_t i = 0; i < joints.numel(); ++i) {
    ASSERT_TRUE(std::isfinite(joints.data<float>()[i]));
    ASSERT_EQ(joints.data<float>()[i], expected.data<float>()[i]);
  }
  const Bvh bvh = read_bvh(base.string() + ".bvh");
  EXPECT_EQ(bvh.frames, 80);
  EXPECT_NEAR(bvh.frame_time, 0.05, 1e-9);
  const std::string gif = slurp(base.string() + ".gif"), png = slurp(base.string() + ".png");
  EXPECT_EQ(gif.substr(0, 6), "GIF89a");
  EXPECT_EQ(gif.back(), ';');
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");
  const std::string page = slurp(folder_ / "out/index.html");
  EXPECT_NE(page.find("a person walks forward"), std::string::npos);
  EXPECT_EQ(page.find("src=\"http"), std::string::npos);
  EXPECT_NE(result.output.find("80 frames"), std::string::npos) << result.output;
}

TEST_F(Generate, LengthAndFormats) {
  ASSERT_EQ(run("-p jump --length 18f --format npy --out frames").code, 0);
  EXPECT_EQ(read_npy(folder_ / "frames/000_jump.npy").size(0), 20);  // whole tokens of 4 frames, rounded up
  EXPECT_EQ(files_below(folder_ / "frames").size(), 2u);
  ASSERT_EQ(run("-p jump --length 0.5s --format html --out page").code, 0);
  EXPECT_EQ(names_of(files_below(folder_ / "page")), std::vector<std::string>{"index.html"});
  EXPECT_EQ(run("-p jump --length 11s --out long").code, 2);
  for (const char* length : {"4", "s", "-1s", "4h", "nan", "nans", "infs", "1e99s"})
    EXPECT_EQ(run(std::string("-p jump --length ") + length + " --out bad").code, 2) << length;
  // Said before a model is read, which may take long.
  EXPECT_EQ(run_in(folder_.path(), "generate", "--model nowhere -p jump --length 4h --out bad").code, 2);
  EXPECT_EQ(run("-p jump --format npy,mp4 --out bad").code, 2);
  EXPECT_EQ(run("-p jump --format '' --out bad").code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "bad"));
}

// A motion is a function of model, prompt, place in the list of prompts, seed and number of the repeat.
TEST_F(Generate, BatchesAndRepeatsDoNotChangeAMotion) {
  const std::string prompts = "-p 'a person walks' -p 'someone jumps up three times' --format npy ";
  ASSERT_EQ(run(prompts + "--out once").code, 0);
  ASSERT_EQ(run(prompts + "--out again --threads 1 --quiet").code, 0);
  ASSERT_EQ(run(prompts + "--repeat 3 --out thrice").code, 0);
  ASSERT_EQ(run(prompts + "--repeat 3 --batch-size 1 --out single").code, 0);
  ASSERT_EQ(run(prompts + "--repeat 3 --batch-size 4 --threads 2 --out four").code, 0);
  ASSERT_EQ(run(prompts + "--seed 1 --out other").code, 0);
  expect_same_files(folder_ / "once", folder_ / "again");
  expect_same_files(folder_ / "thrice", folder_ / "single");
  expect_same_files(folder_ / "thrice", folder_ / "four");
  EXPECT_EQ(files_below(folder_ / "thrice").size(), 12u);
  for (const char* stem : {"000_a_person_walks", "001_someone_jumps_up_three_times"}) {
    const auto motion = [&](const std::string& folder, const std::string& repeat) {
      return slurp(folder_ / (folder + "/" + stem + repeat + "_features.npy")).substr(128);  // after the header
    };
    EXPECT_FALSE(motion("once", "").empty());
    EXPECT_TRUE(motion("once", "") == motion("thrice", "_0")) << stem;
    EXPECT_FALSE(motion("thrice", "_0") == motion("thrice", "_1")) << stem;
    EXPECT_FALSE(motion("once", "") == motion("other", "")) << stem;
  }
}

TEST_F(Generate, GreedyDoesNotDependOnTheSeed) {
  ASSERT_EQ(run("-p 'a person walks' --greedy --length 2s --format npy --seed 1 --out one").code, 0);
  ASSERT_EQ(run("-p 'a person walks' --greedy --length 2s --format npy --seed 2 --out two").code, 0);
  expect_same_files(folder_ / "one", folder_ / "two");
}

TEST_F(Generate, PromptsOfAFile) {
  spill(folder_ / "prompts.txt", "a person walks\r\n\n  \na person zigzags \"quickly\" <b>\n");
  const RunResult result = run("-f prompts.txt --length 1s --format npy,html --out out");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_EQ(names_of(files_below(folder_ / "out")),
            (std::vector<std::string>{"000_a_person_walks.npy", "000_a_person_walks_features.npy",
                                      "001_a_person_zigzags_quickly_b.npy",
                                      "001_a_person_zigzags_quickly_b_features.npy", "index.html"}));
  EXPECT_NE(result.output.find("never seen: zigzags"), std::string::npos) << result.output;
  EXPECT_NE(slurp(folder_ / "out/index.html").find("&lt;b&gt;"), std::string::npos);
}

TEST_F(Generate, CompletionsThatCannotBe) {
  const fs::path set = SmallModel::get().set() / "new_joint_vecs";
  const std::string clip = quoted(fs::directory_iterator(set)->path());
  const std::tuple<std::string, int, const char*> refused[] = {
      {"--given " + clip, 2, "--task predict"},
      {"--task predict", 2, "--given CLIP"},
      {"-p walk --given-share 0.3", 2, "--given-share needs --given"},
      {"--given " + clip + " --task after", 2, "--task"},
      {"--given " + clip + " --task predict", 3, "a T2M-GPT completes no motions"}};
  for (const auto& [arguments, code, mention] : refused) {
    const RunResult result = run(arguments + " --out out");
    EXPECT_EQ(result.code, code) << arguments << ": " << result.output;
    EXPECT_NE(result.output.find(mention), std::string::npos) << result.output;
  }
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Generate, PromptsThatSayNothing) {
  spill(folder_ / "empty.txt", "\n\n");
  EXPECT_EQ(run("--out out").code, 2);
  for (const char* arguments : {"-p ''", "-p '  '", "-p walk -p ''", "-p '!?'"}) {
    const RunResult result = run(std::string(arguments) + " --out out");
    EXPECT_EQ(result.code, 3) << arguments << ": " << result.output;
    EXPECT_NE(result.output.find("\nerror: prompt "), std::string::npos) << result.output;
  }
  const RunResult file = run("-f empty.txt --out out");
  EXPECT_EQ(file.code, 3) << file.output;
  EXPECT_NE(file.output.find("empty.txt"), std::string::npos) << file.output;
  EXPECT_EQ(run("-f none.txt --out out").code, 3);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Generate, PromptsInAnyBytes) {
  std::string longest;
  for (int i = 0; i < 500; ++i) longest += "walks ";
  spill(folder_ / "prompts.txt", "eine Person läuft über\n" + longest + "\n../../etc/passwd walks\n");
  const RunResult result = run("-f prompts.txt --length 1s --out out");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_NE(result.output.find("500 words; the model reads the first 40"), std::string::npos) << result.output;
  for (const auto& [name, bytes] : files_below(folder_.path()))
    EXPECT_TRUE(name == "prompts.txt" || name.rfind("out/", 0) == 0) << name;
  spill(folder_ / "latin.txt", "l\xe4uft\n");
  const RunResult latin = run("-f latin.txt --out latin");
  EXPECT_EQ(latin.code, 3) << latin.output;
  EXPECT_NE(latin.output.find("UTF-8"), std::string::npos) << latin.output;
}

}  // namespace
}  // namespace kg::test
