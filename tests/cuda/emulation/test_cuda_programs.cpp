// The programs with --device cuda on the emulation: they load the emulated library in place of their own.
#include <gtest/gtest.h>

#include <sstream>

#include "data/formats/npy.h"
#include "tensor/ops.h"
#include "tests/nn/mpirun.h"
#include "tests/tools/motiongpt_arguments.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

RunResult run_emulated(const fs::path& folder, const std::string& program, const std::string& arguments) {
  const std::string library = quoted(fs::path(KG_BIN_DIR).parent_path() / "lib" / "emulation");
  return run_in(folder, program, arguments, "LD_LIBRARY_PATH=" + library);
}

// The numbers of a log's last row.
std::vector<double> last_row(const fs::path& log) {
  std::string line, last;
  std::ifstream file(log);
  while (std::getline(file, line)) last = line;
  std::vector<double> values;
  std::istringstream cells(last);
  for (std::string cell; std::getline(cells, cell, ',');) values.push_back(cell.empty() ? 0 : std::stod(cell));
  return values;
}

// SmallModel's data with four clips to train on and one to validate with: what the emulation does for each clip is slow.
const fs::path& few_clips() {
  static const TemporaryFolder folder;
  static const fs::path set = [] {
    fs::copy(SmallModel::get().set(), folder / "set", fs::copy_options::recursive);
    for (const auto& [split, count] : {std::pair{"train.txt", 4}, {"val.txt", 1}}) {
      std::istringstream names(slurp(SmallModel::get().set() / split));
      std::string kept, name;
      for (int i = 0; i < count && std::getline(names, name); ++i) kept += name + "\n";
      spill(folder / "set" / split, kept);
    }
    return folder / "set";
  }();
  return set;
}

// Two steps as they are, one that is captured, one replayed; a validation at the end.
constexpr int kSteps = 4;

// Enough vectors a batch for its codes, so that steps are captured.
std::string tokenizer_arguments(const std::string& device, const std::string& out, int iterations = kSteps) {
  return "--threads 1 --data " + quoted(few_clips()) +
         " --preset tiny --width 8 --codes 8 --batch-size 4 --window-size 16 --schedule constant --quiet --device " +
         device + " --max-iters " + std::to_string(iterations) + " --out " + out;
}
std::string gpt_arguments(const std::string& device, const std::string& out, int iterations = kSteps) {
  return SmallModel::get().train_gpt() + "--data " + quoted(few_clips()) + " --schedule constant --quiet --device " +
         device + " --max-iters " + std::to_string(iterations) + " --out " + out;
}
std::string evaluator_arguments(const std::string& device, const std::string& out, int iterations = kSteps) {
  const std::string steps = std::to_string(iterations);
  return "--threads 1 --data " + quoted(few_clips()) +
         " --preset tiny --movement-window 16 --movement-batch 4 --batch-size 2 --quiet --device " + device +
         " --movement-iters " + steps + " --max-iters " + steps + " --out " + out;
}
// Sequences are so short that few shapes come, and come again.
std::string language_arguments(const std::string& device, const std::string& out, int iterations) {
  return motiongpt_arguments() + "--data " + quoted(few_clips()) +
         " --max-length 8 --batch-size 2 --schedule constant --device " + device + " --max-iters " +
         std::to_string(iterations) + " --out " + out;
}
using Arguments = std::string (*)(const std::string&, const std::string&, int);

void expect_the_same_training(const std::string& program, Arguments arguments,
                              const std::vector<fs::path>& logs = {"log.csv"}, int steps = kSteps) {
  TemporaryFolder folder;
  ASSERT_EQ(run_in(folder.path(), program, arguments("cpu", "cpu", steps)).code, 0);
  const RunResult cuda = run_emulated(folder.path(), program, arguments("cuda", "cuda", steps));
  ASSERT_EQ(cuda.code, 0) << cuda.output;
  for (const fs::path& log : logs) {
    const std::vector<double> want = last_row(folder / "cpu" / log), got = last_row(folder / "cuda" / log);
    ASSERT_GT(want.size(), 5u);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      EXPECT_NEAR(got[i], want[i], 1e-3 * std::fabs(want[i]) + 1e-6) << log << ", column " << i;
  }
}

TEST(CudaPrograms, TokenizerTrainsAsOnTheCpu) { expect_the_same_training("train_tokenizer", tokenizer_arguments); }
TEST(CudaPrograms, TransformerTrainsAsOnTheCpu) { expect_the_same_training("train_t2mgpt", gpt_arguments); }
TEST(CudaPrograms, EvaluatorTrainsAsOnTheCpu) {
  expect_the_same_training("train_evaluator", evaluator_arguments, {"movement/log.csv", "matching/log.csv"});
}
// Of two shapes one comes three times.
constexpr int kLanguageSteps = 6;
TEST(CudaPrograms, LanguageModelTrainsAsOnTheCpu) {
  expect_the_same_training("train_motiongpt", language_arguments, {"log.csv"}, kLanguageSteps);
}

// The loss of the last step in bf16 against that of f32 on the CPU, which f32 on CUDA follows (above).
void expect_to_follow_in_bf16(const std::string& program, Arguments arguments,
                              const std::vector<fs::path>& logs = {"log.csv"}, int steps = kSteps) {
  TemporaryFolder folder;
  ASSERT_EQ(run_in(folder.path(), program, arguments("cpu", "f32", steps)).code, 0);
  const RunResult half = run_emulated(folder.path(), program, arguments("cuda", "bf16", steps) + " --precision bf16");
  ASSERT_EQ(half.code, 0) << half.output;
  for (const fs::path& log : logs) {
    const std::vector<double> want = last_row(folder / "f32" / log), got = last_row(folder / "bf16" / log);
    ASSERT_EQ(got.size(), want.size());
    ASSERT_GT(want.size(), 3u);
    EXPECT_NEAR(got[1], want[1], 0.02 * want[1]) << log;
    EXPECT_GT(std::fabs(got[1] - want[1]), 1e-5 * want[1]) << log << ": nothing was rounded";
  }
}
TEST(CudaPrograms, EvaluatorTrainsInBf16) {
  expect_to_follow_in_bf16("train_evaluator", evaluator_arguments, {"movement/log.csv", "matching/log.csv"});
}
TEST(CudaPrograms, LanguageModelTrainsInBf16) {
  expect_to_follow_in_bf16("train_motiongpt", language_arguments, {"log.csv"}, kLanguageSteps);
}

// Two ranks find one GPU between them, so their sums go by way of the host.
TEST(CudaPrograms, TwoRanksTrainAsOneProcess) {
  if (const std::string reason = no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  TemporaryFolder folder;
  ASSERT_EQ(run_emulated(folder.path(), "train_tokenizer", tokenizer_arguments("cuda", "one")).code, 0);
  const RunResult two =
      run_command("cd " + quoted(folder.path()) + " && LD_LIBRARY_PATH=" +
                  quoted(fs::path(KG_BIN_DIR).parent_path() / "lib" / "emulation") + " " + mpirun(2) +
                  quoted(fs::path(KG_BIN_DIR) / "train_tokenizer") + " " + tokenizer_arguments("cuda", "two"));
  ASSERT_EQ(two.code, 0) << two.output;
  EXPECT_NE(two.output.find("go by way of the host: [emulation] 2 ranks on one GPU"), std::string::npos) << two.output;
  const std::vector<double> want = last_row(folder / "one/log.csv"), got = last_row(folder / "two/log.csv");
  ASSERT_GT(want.size(), 5u);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(got[i], want[i], 1e-4 * std::fabs(want[i]) + 1e-6) << "column " << i;
}

// bf16 with captured steps: the f32 parameters are in the checkpoint, so a resumed run ends with the same bytes.
TEST(CudaPrograms, Bf16RunsResumeExactly) {
  TemporaryFolder folder;
  const std::pair<const char*, Arguments> programs[] = {{"train_tokenizer", tokenizer_arguments},
                                                        {"train_t2mgpt", gpt_arguments},
                                                        {"train_motiongpt", language_arguments}};
  for (const auto& [program, arguments] : programs) {
    const std::string half = " --precision bf16 --eval-every 3";  // the best validation is in the checkpoint
    RunResult r = run_emulated(folder.path(), program, arguments("cuda", "whole", 6) + half);
    ASSERT_EQ(r.code, 0) << r.output;
    r = run_emulated(folder.path(), program, arguments("cuda", "parts", 3) + half);
    ASSERT_EQ(r.code, 0) << r.output;
    r = run_emulated(folder.path(), program, "--out parts --resume --max-iters 6");
    ASSERT_EQ(r.code, 0) << r.output;
    EXPECT_TRUE(slurp(folder / "parts/last.safetensors") == slurp(folder / "whole/last.safetensors")) << program;
    for (const char* run : {"whole", "parts"}) fs::remove_all(folder / run);
  }
}

TEST(CudaPrograms, MotionsAreThoseOfTheCpu) {
  TemporaryFolder folder;
  const std::string arguments = "--model " + quoted(SmallModel::get().gpt()) +
                                " -p 'a person walks' -p 'someone jumps' --length 12f --format npy --seed 3 ";
  ASSERT_EQ(run_in(folder.path(), "generate", arguments + "--device cpu --out cpu").code, 0);
  const RunResult cuda = run_emulated(folder.path(), "generate", arguments + "--device cuda --out cuda");
  ASSERT_EQ(cuda.code, 0) << cuda.output;
  int compared = 0;
  for (const auto& entry : fs::directory_iterator(folder / "cpu")) {
    const std::string name = entry.path().filename();
    if (name.find("features") == std::string::npos) continue;
    const Tensor want = read_npy(entry.path()), got = read_npy(folder / "cuda" / name);
    EXPECT_LE(max_abs_difference(got, want), 1e-3) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 2);
}

TEST(CudaPrograms, PrecisionNeedsADevice) {
  TemporaryFolder folder;
  const RunResult r = run_in(folder.path(), "train_tokenizer", tokenizer_arguments("cpu", "x") + " --precision bf16");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.output.find("--precision bf16 computes on CUDA only"), std::string::npos) << r.output;
}

// In a build of its own library, a machine without a GPU says so; with one there is nothing to show here.
TEST(CudaPrograms, WithoutADeviceTheErrorSaysWhy) {
  TemporaryFolder folder;
  const RunResult r = run_in(folder.path(), "train_tokenizer", tokenizer_arguments("cuda", "x"));
  if (r.code == 0) GTEST_SKIP() << "there is a GPU";
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.output.find("--device cuda cannot be used: "), std::string::npos) << r.output;
  EXPECT_FALSE(fs::exists(folder / "x"));
}

}  // namespace
}  // namespace kg::test
