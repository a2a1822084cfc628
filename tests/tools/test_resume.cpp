// Training that was stopped and resumed ends with the bytes of training that was not, for any number of threads.
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

struct Stage {
  std::string program, arguments;
};

Stage tokenizer_stage() {
  return {"train_tokenizer",
          SmallModel::get().train_tokenizer() + "--max-iters 1200 --eval-every 400 --save-every 150 "};
}
Stage gpt_stage() {
  return {"train_t2mgpt", SmallModel::get().train_gpt() + "--max-iters 400 --eval-every 150 --save-every 60 "};
}

// Starts or resumes, and sends `signal` once the log has `rows` rows.
int stop_after(const Stage& stage, const fs::path& folder, const std::string& more, int64_t rows, int signal) {
  Background program(folder, stage.program, stage.arguments + more);
  EXPECT_TRUE(wait_until([&] { return count_lines(folder / "broken/log.csv") > rows; }))
      << slurp(folder / "background.txt");
  program.signal(signal);
  return program.wait();
}

// Interrupted, interrupted again after a resume, killed without a chance to save, resumed to the end.
void expect_resume_is_exact(const Stage& stage, int64_t iterations) {
  TemporaryFolder folder;
  const RunResult whole = run_in(folder.path(), stage.program, stage.arguments + "--out whole");
  ASSERT_EQ(whole.code, 0) << whole.output;
  ASSERT_EQ(count_lines(folder / "whole/log.csv"), iterations + 1);

  const fs::path log = folder / "broken/log.csv";
  EXPECT_EQ(stop_after(stage, folder.path(), "--out broken", 5, SIGINT), 6);
  const std::string said = slurp(folder / "background.txt");
  EXPECT_NE(said.find("Go on with --resume"), std::string::npos) << said;
  const int64_t first = count_lines(log) - 1;
  ASSERT_LT(first, iterations) << "it was not interrupted";
  EXPECT_EQ(stop_after(stage, folder.path(), "--out broken --resume", first + 5, SIGTERM), 6);
  const int64_t second = count_lines(log) - 1;
  ASSERT_GT(second, first);
  ASSERT_LT(second, iterations);
  EXPECT_EQ(stop_after(stage, folder.path(), "--out broken --resume", second + 5, SIGKILL), 128 + SIGKILL);
  ASSERT_LT(count_lines(log) - 1, iterations);

  const RunResult rest = run_in(folder.path(), stage.program, "--threads 1 --resume --out broken");
  ASSERT_EQ(rest.code, 0) << rest.output;  // data, sizes and recipe come from the run's configuration
  for (const char* file : {"log.csv", "last.safetensors", "best.safetensors"})
    EXPECT_TRUE(slurp(folder / ("whole/" + std::string(file))) == slurp(folder / ("broken/" + std::string(file))))
        << stage.program << ": " << file << " differs";
}

TEST(ProgramsResume, TokenizerInterruptedTwiceAndKilled) { expect_resume_is_exact(tokenizer_stage(), 1200); }
TEST(ProgramsResume, GptInterruptedTwiceAndKilled) { expect_resume_is_exact(gpt_stage(), 400); }

TEST(ProgramsResume, ThreadsDoNotChangeTheBytes) {
  TemporaryFolder folder;
  const SmallModel& model = SmallModel::get();
  const Stage stages[] = {{"train_tokenizer", model.train_tokenizer() + "--max-iters 30 --window-size 64"},
                          {"train_t2mgpt", model.train_gpt() + "--max-iters 12 --width 64"}};
  for (const auto& [program, arguments] : stages) {
    for (const char* threads : {"1", "2", "3"}) {
      const RunResult result = run_in(
          folder.path(), program, arguments + " --batch-size 8 --threads " + threads + " --out " + program + threads);
      ASSERT_EQ(result.code, 0) << result.output;
    }
    for (const char* other : {"2", "3"}) {
      for (const char* file : {"log.csv", "last.safetensors", "best.safetensors"})
        EXPECT_TRUE(slurp(folder / (program + "1/" + file)) == slurp(folder / (program + other + "/" + file)))
            << program << " --threads " << other << ": " << file << " differs";
    }
  }
}

TEST(ProgramsResume, SeedChangesTheBytes) {
  TemporaryFolder folder;
  const std::string arguments = SmallModel::get().train_tokenizer() + "--max-iters 3 ";
  ASSERT_EQ(run_in(folder.path(), "train_tokenizer", arguments + "--seed 1 --out one").code, 0);
  ASSERT_EQ(run_in(folder.path(), "train_tokenizer", arguments + "--seed 2 --out two").code, 0);
  ASSERT_EQ(run_in(folder.path(), "train_tokenizer", "--config one/config.json --out again").code, 0);
  EXPECT_NE(slurp(folder / "one/log.csv"), slurp(folder / "two/log.csv"));
  EXPECT_EQ(slurp(folder / "one/log.csv"), slurp(folder / "again/log.csv"));
  EXPECT_TRUE(slurp(folder / "one/last.safetensors") == slurp(folder / "again/last.safetensors"));
}

// A run of both stages that ended before the first checkpoint of its second one.
TEST(ProgramsResume, SlowTwoStages) {
  TemporaryFolder folder;
  const std::string arguments = "--preset tiny --clips 20 --iters 2,2 --sentences 1 --quiet --out run";
  const RunResult whole = run_in(folder.path(), "obedience", arguments);
  ASSERT_EQ(whole.code, 0) << whole.output;
  const fs::path gpt = folder / "run/gpt/last.safetensors";
  const std::string tokenizer_bytes = slurp(folder / "run/tokenizer/last.safetensors"), gpt_bytes = slurp(gpt);
  const RunResult again = run_in(folder.path(), "obedience", arguments);
  EXPECT_EQ(again.code, 2) << again.output;
  EXPECT_NE(again.output.find("--resume"), std::string::npos) << again.output;
  fs::remove(gpt);
  const RunResult resumed = run_in(folder.path(), "obedience", "--resume --quiet --out run");
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_EQ(resumed.output, whole.output);
  EXPECT_TRUE(slurp(folder / "run/tokenizer/last.safetensors") == tokenizer_bytes);
  EXPECT_TRUE(slurp(gpt) == gpt_bytes);
}

// A run that is complete stays as it is.
TEST(ProgramsResume, NothingLeftToDo) {
  TemporaryFolder folder;
  ASSERT_EQ(
      run_in(folder.path(), "train_tokenizer", SmallModel::get().train_tokenizer() + "--max-iters 3 --out run").code,
      0);
  const auto before = files_below(folder / "run");
  EXPECT_EQ(run_in(folder.path(), "train_tokenizer", "--out run --resume").code, 0);
  EXPECT_TRUE(files_below(folder / "run") == before);
}

}  // namespace
}  // namespace kg::test
