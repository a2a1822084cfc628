// MotionGPT's programs from end to end at toy size: both stages, resume, and every way to ask.
#include "data/formats/npy.h"
#include "tests/nn/mpirun.h"
#include "tests/tools/programs.h"
#include "tools/common/train/csv.h"

namespace kg::test {
namespace {

constexpr const char* kSizes =
    " --threads 1 --quiet --preset tiny --width 16 --heads 2 --head-width 8 --feedforward 24 --layers 1 "
    "--decoder-layers 1 --pieces 500 --batch-size 4 ";

class MotionGptPrograms : public testing::Test {
 protected:
  RunResult run(const std::string& program, const std::string& arguments, const std::string& before = "") const {
    return run_in(folder_.path(), program, arguments, before);
  }
  std::string pretrain() const {
    return "--stage pretrain --data " + quoted(SmallModel::get().set()) + " --tokenizer " +
           quoted(SmallModel::get().tokenizer()) + kSizes;
  }
  void both_stages() const {
    RunResult r = run("train_motiongpt", pretrain() + "--max-iters 4 --out pretrain");
    ASSERT_EQ(r.code, 0) << r.output;
    r = run("train_motiongpt", "--stage instruct --from pretrain --data " + quoted(SmallModel::get().set()) + kSizes +
                                   "--max-iters 3 --out instruct");
    ASSERT_EQ(r.code, 0) << r.output;
  }
  fs::path clip() const {
    for (const auto& entry : fs::directory_iterator(SmallModel::get().set() / "new_joint_vecs")) return entry.path();
    return {};
  }
  TemporaryFolder folder_;
};

TEST_F(MotionGptPrograms, ResumesByteForByte) {
  ASSERT_EQ(run("train_motiongpt", pretrain() + "--max-iters 6 --out whole").code, 0);
  ASSERT_EQ(run("train_motiongpt", pretrain() + "--max-iters 6 --until 2 --out parts").code, 0);
  const RunResult rest = run("train_motiongpt", "--threads 1 --resume --out parts");
  ASSERT_EQ(rest.code, 0) << rest.output;
  // The logs differ by a validation where the first part ended.
  EXPECT_TRUE(slurp(folder_ / "whole/last.safetensors") == slurp(folder_ / "parts/last.safetensors"));
}

TEST_F(MotionGptPrograms, TwoProcessesAreLikeOne) {
  if (const std::string reason = no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  const std::string arguments = pretrain() + "--dropout 0 --max-iters 4 --out ";
  ASSERT_EQ(run("train_motiongpt", arguments + "one").code, 0);
  const RunResult two = run_command("cd " + quoted(folder_.path()) + " && " + mpirun(2) +
                                    quoted(fs::path(KG_BIN_DIR) / "train_motiongpt") + " " + arguments + "two");
  ASSERT_EQ(two.code, 0) << two.output;
  const auto a = tools::read_csv(folder_ / "one/log.csv").values, b = tools::read_csv(folder_ / "two/log.csv").values;
  ASSERT_EQ(a.at(1).size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(a[1][i], b.at(1).at(i), 1e-3 * a[1][i]);
}

TEST_F(MotionGptPrograms, OneModelDoesAllOfIt) {
  both_stages();
  RunResult r = run("generate", "--model instruct -p 'a person walks' --length 2s --format npy --out made");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(read_npy(folder_ / "made/000_a_person_walks.npy").size(0), 40);
  r = run("caption", "--model instruct " + quoted(clip()) + " --out captions");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(count_lines(folder_ / "captions/captions.tsv"), 1);
  EXPECT_TRUE(fs::exists(folder_ / "captions/index.html"));
  r = run("ask", "--model instruct -p 'What is this?' --motion " + quoted(clip()) + " --out answers");
  EXPECT_EQ(r.code, 0) << r.output;
  r = run("ask", "--model instruct --out answers", "printf 'Say something.\\n\\nMove.\\n' |");
  EXPECT_EQ(r.code, 0) << r.output;
  r = run("evaluate", "--model instruct --data " + quoted(SmallModel::get().set()) +
                          " --split train --limit 4 --repeats 1 --metrics captions,plausibility --out report");
  EXPECT_EQ(r.code, 0) << r.output;
  EXPECT_NE(r.output.find("BLEU-1"), std::string::npos) << r.output;
}

TEST_F(MotionGptPrograms, BadInput) {
  const std::string data = "--data " + quoted(SmallModel::get().set());
  RunResult r = run("train_motiongpt", data + " --stage instruct --out x");
  EXPECT_EQ(r.code, 2) << r.output;
  EXPECT_NE(r.output.find("--from"), std::string::npos) << r.output;
  r = run("train_motiongpt", data + " --from " + quoted(SmallModel::get().gpt()) + kSizes + " --out x");
  EXPECT_EQ(r.code, 3) << r.output;
  r = run("caption", "--model " + quoted(SmallModel::get().gpt()) + " " + quoted(clip()) + " --out x");
  EXPECT_EQ(r.code, 3) << r.output;
  EXPECT_NE(r.output.find("writes no captions"), std::string::npos) << r.output;
  r = run("ask", "--model " + quoted(SmallModel::get().gpt()) + " -p hello --out x");
  EXPECT_EQ(r.code, 3) << r.output;
  EXPECT_FALSE(fs::exists(folder_ / "x/last.safetensors"));
}

}  // namespace
}  // namespace kg::test
