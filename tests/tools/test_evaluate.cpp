// evaluate, the program: what it writes, what its numbers depend on, and what it refuses.
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/formats/npy.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

class Evaluate : public testing::Test {
 protected:
  RunResult run(const std::string& arguments) const {
    return run_in(folder_.path(), "evaluate", "--data " + quoted(SmallModel::get().set()) + " --quiet " + arguments);
  }
  void expect_refused(const RunResult& result, int code, const std::string& mention) const {
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_NE(result.output.find("error: "), std::string::npos) << result.output;
    EXPECT_NE(result.output.find(mention), std::string::npos) << result.output;
  }
  // The ground truth of the test split, as another program would hand in its motions.
  fs::path copy_motions() const {
    const fs::path folder = folder_ / "motions";
    fs::create_directories(folder);
    std::istringstream names(slurp(SmallModel::get().set() / "test.txt"));
    for (std::string name; std::getline(names, name);) {
      const fs::path from = SmallModel::get().set() / "new_joint_vecs" / (name + ".npy");
      fs::copy_file(from, folder / (name + ".npy"), fs::copy_options::overwrite_existing);
    }
    return folder;
  }
  TemporaryFolder folder_;
};

// An evaluator that has learned next to nothing: made once.
class SmallEvaluator {
 public:
  static std::string option() {
    static const SmallEvaluator evaluator;
    return "--evaluator " + quoted(evaluator.folder_ / "run") + " ";
  }

 private:
  SmallEvaluator() {
    const RunResult result =
        run_in(folder_.path(), "train_evaluator",
               "--threads 1 --preset tiny --movement-iters 20 --max-iters 20 --quiet --out run --data " +
                   quoted(SmallModel::get().set()));
    if (result.code != 0) throw std::runtime_error(result.output);
  }
  TemporaryFolder folder_;
};

double value_of(const nlohmann::json& report, const std::string& name, const std::string& column) {
  for (const auto& row : report["metrics"])
    if (row["metric"] == name) return row[column]["mean"];
  throw std::runtime_error("no row " + name);
}

TEST_F(Evaluate, WithoutAnEvaluator) {
  const RunResult result = run("--model " + quoted(SmallModel::get().gpt()) + " --out a");
  ASSERT_EQ(result.code, 0) << result.output;
  for (const char* part : {"MPJPE, mm", "jitter", "ground truth", "train_evaluator --data DIR --out RUN"})
    EXPECT_NE(result.output.find(part), std::string::npos) << part << " is not in " << result.output;
  EXPECT_EQ(result.output.find("R-Precision top"), std::string::npos);
  for (const char* file : {"config.json", "report.csv", "report.json", "report.md", "training_loss.png"})
    EXPECT_TRUE(fs::exists(folder_ / "a" / file)) << file;
  const auto report = nlohmann::json::parse(slurp(folder_ / "a/report.json"));
  EXPECT_GT(value_of(report, "MPJPE, mm", "model"), 0);
  EXPECT_GT(value_of(report, "jitter, m/s^3", "model"), 0);
  EXPECT_GT(value_of(report, "jitter, m/s^3", "truth"), 0);
}

TEST_F(Evaluate, WithAnEvaluator) {
  const std::string model = "--model " + quoted(SmallModel::get().gpt()) + " --repeats 3 " + SmallEvaluator::option();
  const RunResult result = run(model + "--multimodality-texts 2 --multimodality-generations 10 --out a");
  ASSERT_EQ(result.code, 0) << result.output;
  for (const char* part :
       {"R-Precision top 3", "FID", "MM-Dist", "Diversity", "MModality", "R@10, %", "median rank", "rarest 5 %",
        "MPJPE, mm", "jitter", "ground truth", "random", "fewer than 32 items", "not the published one", "checksum"})
    EXPECT_NE(result.output.find(part), std::string::npos) << part << " is not in " << result.output;
  EXPECT_EQ(result.output.find("published  "), std::string::npos);
  for (const char* file : {"recall.png", "rareness.png", "cases.html"}) EXPECT_TRUE(fs::exists(folder_ / "a" / file));
  EXPECT_NE(slurp(folder_ / "a/cases.html").find("Worst cases"), std::string::npos);
  const auto report = nlohmann::json::parse(slurp(folder_ / "a/report.json"));
  EXPECT_LT(value_of(report, "FID", "truth"), value_of(report, "FID", "model"));
  // The ground truth alone, and what noise does to it.
  const RunResult truth = run(SmallEvaluator::option() + "--repeats 2 --out b");
  ASSERT_EQ(truth.code, 0) << truth.output;
  EXPECT_NE(truth.output.find("played backwards"), std::string::npos) << truth.output;
  EXPECT_TRUE(fs::exists(folder_ / "b/noise.png"));
  EXPECT_FALSE(fs::exists(folder_ / "b/cases.html"));
  expect_refused(run("--evaluator nowhere"), 3, "nowhere");
  expect_refused(run("--evaluator " + quoted(SmallModel::get().gpt())), 3, "expected a");
}

TEST_F(Evaluate, SameBytesForAnyThreadsAndBatch) {
  const std::string model =
      "--repeats 2 --multimodality-texts 1 --model " + quoted(SmallModel::get().gpt()) + " " + SmallEvaluator::option();
  for (const char* run_of : {"--threads 1 --out a", "--threads 2 --batch-size 3 --out b", "--seed 1 --out c"})
    ASSERT_EQ(run(model + run_of).code, 0);
  for (const char* file : {"report.csv", "report.json", "report.md", "training_loss.png"})
    EXPECT_EQ(slurp(folder_ / "a" / file), slurp(folder_ / "b" / file)) << file;
  EXPECT_NE(slurp(folder_ / "a/report.csv"), slurp(folder_ / "c/report.csv"));
}

TEST_F(Evaluate, ATokenizerAlone) {
  const RunResult result =
      run("--model " + quoted(SmallModel::get().tokenizer()) + " --metrics reconstruction --out a");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_NE(result.output.find("PA-MPJPE"), std::string::npos) << result.output;
  EXPECT_EQ(result.output.find("jitter"), std::string::npos) << result.output;
}

TEST_F(Evaluate, ReadyMotions) {
  const fs::path motions = copy_motions();
  const RunResult result = run("--motions " + quoted(motions) + " --out a");
  ASSERT_EQ(result.code, 0) << result.output;
  const auto report = nlohmann::json::parse(slurp(folder_ / "a/report.json"));
  EXPECT_NEAR(value_of(report, "jitter, m/s^3", "model"), value_of(report, "jitter, m/s^3", "truth"), 10);

  std::string name = slurp(SmallModel::get().set() / "test.txt");
  name = name.substr(0, name.find('\n'));
  const fs::path file = motions / (name + ".npy");
  const Tensor motion = read_npy(file);
  motion.data<float>()[300] = std::nanf("");
  write_npy(file, motion);
  expect_refused(run("--motions " + quoted(motions)), 3, name + ".npy: NaN or infinity");
  write_npy(file, Tensor::zeros({60, 251}));
  expect_refused(run("--motions " + quoted(motions)), 3, "expected features (frames, 263)");
  write_npy(file, Tensor::zeros({3, 263}));
  expect_refused(run("--motions " + quoted(motions)), 3, "3 frames, at least 4");
  fs::remove(file);
  expect_refused(run("--motions " + quoted(motions)), 3, "motions of the split are not there");
  expect_refused(run("--motions nowhere"), 3, "nowhere: no folder of this name");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Evaluate, Captions) {
  std::istringstream names(slurp(SmallModel::get().set() / "test.txt"));
  std::string table;
  for (std::string name; std::getline(names, name);) table += name + "\ta person walks\n";
  std::ofstream(folder_ / "captions.tsv") << table;
  const RunResult result = run("--captions captions.tsv --out a");
  ASSERT_EQ(result.code, 0) << result.output;
  EXPECT_NE(result.output.find("CIDEr-D"), std::string::npos) << result.output;
  std::ofstream(folder_ / "captions.tsv") << table.substr(table.find('\n') + 1);
  expect_refused(run("--captions captions.tsv"), 3, "captions.tsv: no caption of ");
  std::ofstream(folder_ / "captions.tsv") << table << table;
  expect_refused(run("--captions captions.tsv"), 3, "a second caption of ");
}

TEST_F(Evaluate, Refuses) {
  const std::string model = "--model " + quoted(SmallModel::get().gpt()) + " ";
  expect_refused(run(model + "--metrics fid"), 2, "'fid' is none of all, generation");
  expect_refused(run(model + "--motions ."), 2, "give one of --model, --motions and --captions");
  expect_refused(run(model + "--repeats 0"), 2, "--repeats");
  expect_refused(run(model + "--limit 2"), 3, "2 items to evaluate, at least 3 are needed");
  expect_refused(run("--model nowhere"), 3, "nowhere is not there");
  expect_refused(run_in(folder_.path(), "evaluate", model + "--data nowhere"), 3, "nowhere");
  expect_refused(run_in(folder_.path(), "evaluate", model), 2, "--data");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Evaluate, HelpFitsAScreen) {
  const RunResult result = run_in(folder_.path(), "evaluate", "--help");
  EXPECT_EQ(result.code, 0);
  EXPECT_LE(std::count(result.output.begin(), result.output.end(), '\n'), 30);
}

}  // namespace
}  // namespace kg::test
