// The training programs and generate as a user runs them, on a few procedural clips with tiny models: an interrupted or
// killed run ends with the bytes of an unbroken one, threads change nothing, and bad input ends with its exit code.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "data/sets/procedural_set.h"
#include "tests/tools/run_program.h"

namespace kg::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizer =
    "train_tokenizer --preset tiny --width 16 --codes 8 --max-iters 30 --batch-size 2 --eval-every 8 --save-every 4"
    " --seed 5 --quiet ";
constexpr const char* kGpt =
    "train_t2mgpt --preset tiny --width 16 --layers 1 --heads 2 --max-iters 30 --batch-size 2 --eval-every 8"
    " --save-every 4 --seed 5 --quiet ";

RunResult run(const std::string& command) { return run_command(std::string(KG_BIN_DIR) + "/" + command); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// One data set, tokenizer and transformer for all tests.
class TrainingPrograms : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    write_humanml3d(*folder_ / "set", procedural_clips(3, 24, false), {.seed = 1});
    const RunResult tokenizer = run(kTokenizer + data() + "--out " + path("tokenizer"));
    ASSERT_EQ(tokenizer.code, 0) << tokenizer.output;
    const RunResult gpt = run(gpt_command() + "--out " + path("gpt"));
    ASSERT_EQ(gpt.code, 0) << gpt.output;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static std::string data() { return "--data " + path("set") + " "; }
  static std::string gpt_command() { return kGpt + data() + "--tokenizer " + path("tokenizer") + " "; }

  // Starts a program, sends it `signal` after three rows of its log, and waits for it.
  static RunResult run_and_signal(const std::string& command, const std::string& out, const std::string& signal) {
    return run_command(std::string(KG_BIN_DIR) + "/" + command + "--out " + out + " & p=$!; " +
                       "while kill -0 $p && [ \"$(cat " + out + "/log.csv 2>/dev/null | wc -l)\" -lt 7 ]; do " +
                       "sleep 0.01; done 2>/dev/null; kill -" + signal + " $p; wait $p");
  }
  static int rows(const std::string& out) {
    const std::string log = slurp(fs::path(out) / "log.csv");
    return int(std::count(log.begin(), log.end(), '\n')) - 1;
  }
  static void expect_same_run(const std::string& a, const std::string& b) {
    for (const char* file : {"last.safetensors", "best.safetensors", "log.csv"}) {
      const std::string bytes = slurp(fs::path(a) / file);
      EXPECT_FALSE(bytes.empty()) << a << " " << file;
      EXPECT_TRUE(bytes == slurp(fs::path(b) / file)) << file << " of " << a << " and " << b << " differ";
    }
  }
  static void expect_error(const RunResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_TRUE(contains(result.output, "error: ")) << result.output;
    EXPECT_TRUE(contains(result.output, part)) << result.output;
  }

  static std::unique_ptr<TemporaryFolder> folder_;
};
std::unique_ptr<TemporaryFolder> TrainingPrograms::folder_;

TEST_F(TrainingPrograms, InterruptedTokenizerRunEqualsAnUnbrokenOne) {
  const std::string out = path("tokenizer_int");
  const RunResult broken = run_and_signal(kTokenizer + data(), out, "INT");
  ASSERT_EQ(broken.code, 6) << broken.output;
  ASSERT_LT(rows(out), 30);
  const RunResult resumed = run("train_tokenizer --resume --quiet --out " + out);
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  expect_same_run(path("tokenizer"), out);
}

TEST_F(TrainingPrograms, KilledTokenizerRunResumesFromItsLastCheckpoint) {
  const std::string out = path("tokenizer_kill");
  const RunResult broken = run_and_signal(kTokenizer + data(), out, "KILL");
  ASSERT_EQ(broken.code, 128 + 9) << broken.output;
  const RunResult resumed = run("train_tokenizer --resume --quiet --out " + out);
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  expect_same_run(path("tokenizer"), out);
}

TEST_F(TrainingPrograms, InterruptedGptRunEqualsAnUnbrokenOne) {
  const std::string out = path("gpt_int");
  const RunResult broken = run_and_signal(gpt_command(), out, "TERM");
  ASSERT_EQ(broken.code, 6) << broken.output;
  ASSERT_LT(rows(out), 30);
  const RunResult resumed = run("train_t2mgpt --resume --quiet --out " + out);
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  expect_same_run(path("gpt"), out);
}

TEST_F(TrainingPrograms, ThreadsAndTheConfigFileDoNotChangeTheBytes) {
  const std::string a = path("tokenizer_threads"), b = path("gpt_config");
  ASSERT_EQ(run(kTokenizer + data() + "--threads 3 --out " + a).code, 0);
  expect_same_run(path("tokenizer"), a);
  const RunResult again = run("train_t2mgpt --quiet --threads 1 --config " + path("gpt/config.json") + " --out " + b);
  ASSERT_EQ(again.code, 0) << again.output;
  expect_same_run(path("gpt"), b);
}

TEST_F(TrainingPrograms, GenerateWritesEveryFormatAndRepeatsItself) {
  const std::string command = "generate --model " + path("gpt") +
                              " -p \"a person walks forward\" --repeat 3 --length 2s --seed 9 --format npy,bvh,html ";
  const std::string a = path("made_a"), b = path("made_b");
  const RunResult first = run(command + "--out " + a);
  ASSERT_EQ(first.code, 0) << first.output;
  ASSERT_EQ(run(command + "--batch-size 1 --threads 1 --quiet --out " + b).code, 0);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(a)) {
    if (!entry.is_regular_file()) continue;
    const fs::path other = b / fs::relative(entry.path(), a);
    EXPECT_TRUE(slurp(entry.path()) == slurp(other)) << other;
    ++files;
  }
  EXPECT_GE(files, 3 * 2 + 1) << first.output;  // npy and BVH of each motion, and the page
}

TEST_F(TrainingPrograms, FoldersThatAreInUseOrCannotBeWritten) {
  const std::string before = slurp(path("tokenizer") + "/last.safetensors");
  expect_error(run(kTokenizer + data() + "--out " + path("tokenizer")), 2, "--resume");
  EXPECT_TRUE(before == slurp(path("tokenizer") + "/last.safetensors"));
  expect_error(run(kTokenizer + data() + "--out /proc/kinegrad"), 1, "/proc/kinegrad");
  expect_error(run(kTokenizer + data() + "--resume --out " + path("nowhere")), 3, "nothing to resume");
  EXPECT_FALSE(fs::exists(path("nowhere")));
}

TEST_F(TrainingPrograms, FullDiskLeavesNothingHalfWritten) {
  // A bound on file sizes with the signal ignored fails writes as a full disk does.
  const std::string out = path("full");
  const RunResult result = run_command("trap '' XFSZ; ulimit -f 16; " + std::string(KG_BIN_DIR) + "/" + kTokenizer +
                                       data() + "--out " + out);
  expect_error(result, 1, "last.safetensors");
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(name == "config.json" || name == "log.csv") << name;
  }
}

TEST_F(TrainingPrograms, BadCheckpoints) {
  const std::string prompt = " -p walk --format npy --quiet --out " + path("never");
  expect_error(run("generate --model " + path("missing") + prompt), 3, "missing");
  expect_error(run("generate --model " + path("set") + prompt), 3, "last.safetensors");
  expect_error(run("generate --model " + path("tokenizer") + prompt), 3, "vqvae");
  const std::string bytes = slurp(path("gpt") + "/last.safetensors");
  for (const size_t length : {size_t(0), size_t(7), bytes.size() / 2, bytes.size() - 1}) {
    spill(path("cut.safetensors"), bytes.substr(0, length));
    expect_error(run("generate --model " + path("cut.safetensors") + prompt), 3, "cut.safetensors");
  }
  std::string flipped = bytes;
  flipped[bytes.size() - 100] = char(flipped[bytes.size() - 100] ^ 1);
  spill(path("flipped.safetensors"), flipped);
  expect_error(run("generate --model " + path("flipped.safetensors") + prompt), 3, "damaged");
  EXPECT_FALSE(fs::exists(path("never")));
}

TEST_F(TrainingPrograms, LossThatIsNotFiniteEndsTheRun) {
  const std::string out = path("diverged");
  expect_error(run(kTokenizer + data() + "--lr 1e30 --save-every 1 --out " + out), 5, "lower --lr");
  const RunResult resumed = run("train_tokenizer --resume --quiet --out " + out);
  EXPECT_EQ(resumed.code, 5) << resumed.output;  // the last checkpoint reads well
}

TEST_F(TrainingPrograms, OutOfMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the address sanitizer needs more address space than the bound of this test";
#endif
  expect_error(run_command("ulimit -v 1500000; " + std::string(KG_BIN_DIR) + "/" + kTokenizer + data() +
                           "--threads 1 --width 8192 --out " + path("huge")),
               4, "out of memory");
}

TEST_F(TrainingPrograms, TwoStagesResumeSlow) {
  const std::string out = path("obedience");
  const std::string command =
      "obedience --preset tiny --clips 20 --tokenizer-iters 2 --gpt-iters 2 --sentences 1 --quiet ";
  const RunResult whole = run(command + "--out " + out);
  ASSERT_EQ(whole.code, 0) << whole.output;
  const std::string tokenizer = slurp(out + "/tokenizer/last.safetensors"), gpt = slurp(out + "/gpt/last.safetensors");
  expect_error(run(command + "--out " + out), 2, "--resume");
  fs::remove(out + "/gpt/last.safetensors");  // as if it was ended before the first checkpoint of its second stage
  const RunResult resumed = run("obedience --resume --quiet --out " + out);
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_EQ(resumed.output, whole.output);
  EXPECT_TRUE(tokenizer == slurp(out + "/tokenizer/last.safetensors"));
  EXPECT_TRUE(gpt == slurp(out + "/gpt/last.safetensors"));
}

TEST_F(TrainingPrograms, ResumeWithOtherSizesIsAnInputError) {
  const std::string out = path("resized");
  fs::copy(path("tokenizer"), out, fs::copy_options::recursive);
  const std::string before = slurp(out + "/last.safetensors");
  expect_error(run("train_tokenizer --resume --quiet --width 24 --max-iters 40 --out " + out), 3, "last.safetensors");
  EXPECT_TRUE(before == slurp(out + "/last.safetensors"));
}

TEST_F(TrainingPrograms, BadDataSets) {
  const std::string out = "--out " + path("unused");
  expect_error(run(kTokenizer + out + " --data " + path("no_set")), 3, "no_set");
  const auto copy = [&](const std::string& name) {
    fs::copy(path("set"), path(name), fs::copy_options::recursive);
    return fs::path(path(name));
  };
  const fs::path cut = copy("cut_set");
  std::string clip;
  for (const auto& entry : fs::directory_iterator(cut / "new_joint_vecs")) {
    clip = entry.path().string();
    fs::resize_file(clip, fs::file_size(clip) - 1);
  }
  expect_error(run(kTokenizer + out + " --data " + cut.string()), 3, ".npy");
  const fs::path statistics = copy("statistics_set");
  spill(statistics / "Std.npy", "not numpy");
  expect_error(run(kTokenizer + out + " --data " + statistics.string()), 3, "Std.npy");
  const fs::path captions = copy("captions_set");
  for (const auto& entry : fs::directory_iterator(captions / "texts")) spill(entry.path(), "");
  expect_error(run(kGpt + out + " --tokenizer " + path("tokenizer") + " --data " + captions.string()), 3,
               "captions_set");
  EXPECT_FALSE(fs::exists(path("unused")));
}

}  // namespace
}  // namespace kg::test
