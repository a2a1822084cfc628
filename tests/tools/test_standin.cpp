// What a further system costs, shown by one (tests/tools/standin): a class, a training program and a line in the list of
// systems. Every program then knows it.
#include <nlohmann/json.hpp>

#include "data/formats/npy.h"
#include "tests/nn/mpirun.h"
#include "tests/tools/programs.h"
#include "tools/common/train/csv.h"

namespace kg::test {
namespace {

class StandInSystem : public testing::Test {
 protected:
  RunResult run(const std::string& program, const std::string& arguments, const std::string& before = "") const {
    return run_in(folder_.path(), "standin/" + program, arguments, before);
  }
  std::string data() const { return "--threads 1 --quiet --data " + quoted(SmallModel::get().set()) + " "; }
  void train(const std::string& out = "run") const {
    const RunResult result = run("train_standin", data() + "--out " + out);
    ASSERT_EQ(result.code, 0) << result.output;
  }
  TemporaryFolder folder_;
};

TEST(StandInList, IsTheListWithOneSystemMore) {
  const fs::path root = fs::path(KG_TEST_DIR).parent_path();
  std::vector<std::string> more = lines_of(root / "tests/tools/standin/systems.cpp");
  EXPECT_EQ(std::erase(more, "#include \"tests/tools/standin/standin.h\""), 1u);
  EXPECT_EQ(std::erase(more, "      system_of<StandIn>(),"), 1u);
  EXPECT_EQ(more, lines_of(root / "tools/common/files/systems.cpp"));
}

TEST_F(StandInSystem, TrainsAndResumesByteForByte) {
  train("whole");
  EXPECT_EQ(run("train_standin", data() + "--out parts --until 4").code, 0);
  EXPECT_EQ(count_lines(folder_ / "parts/log.csv"), 5);
  const RunResult rest = run("train_standin", "--threads 1 --resume --out parts");
  ASSERT_EQ(rest.code, 0) << rest.output;
  for (const char* file : {"log.csv", "last.safetensors"})
    EXPECT_TRUE(slurp(folder_ / "whole" / file) == slurp(folder_ / "parts" / file)) << file;
  const auto loss = tools::read_csv(folder_ / "whole/log.csv").values[1];
  EXPECT_LT(loss.back(), loss.front());
}

TEST_F(StandInSystem, TwoProcessesAreLikeOne) {
  if (const std::string reason = no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  train("one");
  const RunResult two =
      run_command("cd " + quoted(folder_.path()) + " && " + mpirun(2) +
                  quoted(fs::path(KG_BIN_DIR) / "standin/train_standin") + " " + data() + "--out two");
  ASSERT_EQ(two.code, 0) << two.output;
  const auto a = tools::read_csv(folder_ / "one/log.csv").values, b = tools::read_csv(folder_ / "two/log.csv").values;
  ASSERT_EQ(a.size(), b.size());
  for (size_t c = 0; c < a.size(); ++c) {
    ASSERT_EQ(a[c].size(), 10u);
    ASSERT_EQ(b[c].size(), 10u);
    for (size_t i = 0; i < a[c].size(); ++i) EXPECT_NEAR(a[c][i], b[c][i], 1e-4) << c << ' ' << i;
  }
}

TEST_F(StandInSystem, Generates) {
  train();
  const std::string walk = "--model run -p 'a person walks' --format npy --quiet ";
  const RunResult help = run("generate", "--model run --help");
  EXPECT_NE(help.output.find("--gain X"), std::string::npos) << help.output;
  EXPECT_EQ(help.output.find("--temperature"), std::string::npos) << "a knob of another system: " << help.output;
  ASSERT_EQ(run("generate", walk + "--length 2s --out a").code, 0);
  ASSERT_EQ(run("generate", walk + "--length 2s --gain 0 --out b").code, 0);
  const Tensor a = read_npy(folder_ / "a/000_a_person_walks_features.npy"),
               b = read_npy(folder_ / "b/000_a_person_walks_features.npy");
  EXPECT_EQ(a.shape(), (Shape{40, 263}));
  EXPECT_NE(a.to_vector(), b.to_vector());
  EXPECT_EQ(b.select(0, 0).to_vector(), b.select(0, 39).to_vector());  // without gain, the mean pose

  const std::pair<const char*, const char*> refused[] = {{"", "does not decide how long a motion is"},
                                                         {"--length 11s", "above this model's 200"},
                                                         {"--length 2s --gain -1", "--gain"},
                                                         {"--length 2s --temperature 1", "--temperature"}};
  for (const auto& [arguments, mention] : refused) {
    const RunResult result = run("generate", walk + arguments + " --out c");
    EXPECT_EQ(result.code, 2) << result.output;
    EXPECT_NE(result.output.find(mention), std::string::npos) << result.output;
  }
  const RunResult unknown = run_in(folder_.path(), "generate", walk + "--length 2s --out c");  // without the line
  EXPECT_EQ(unknown.code, 3) << unknown.output;
  EXPECT_NE(unknown.output.find("a checkpoint of standin, which is no system here"), std::string::npos)
      << unknown.output;
}

// Its motions are as long as the real ones. Published values stand only beside the published evaluator and items, see
// test_evaluation.cpp.
TEST_F(StandInSystem, IsEvaluated) {
  train();
  const RunResult result = run("evaluate", data() + "--model run --repeats 2 --out report");
  ASSERT_EQ(result.code, 0) << result.output;
  const auto report = nlohmann::json::parse(slurp(folder_ / "report/report.json"));
  bool jitter = false;
  for (const auto& row : report["metrics"]) {
    EXPECT_TRUE(row["published"].is_null()) << row.dump();
    if (row["metric"] == "jitter, m/s^3") jitter = row["model"]["mean"].is_number();
  }
  EXPECT_TRUE(jitter) << result.output;
}

TEST_F(StandInSystem, IsConvertedAndChecked) {
  train();
  const std::string from = "run/last.safetensors --drop 'optim.*' --drop 'statistics.*' --rename net.=";
  ASSERT_EQ(run("convert", from + " --out plain.safetensors --quiet").code, 0);
  const std::string as = "plain.safetensors --as standin-public --out model.safetensors ";
  const RunResult bare = run("convert", as);
  EXPECT_EQ(bare.code, 2) << bare.output;
  EXPECT_NE(bare.output.find("needs --statistics"), std::string::npos) << bare.output;
  const RunResult made = run("convert", as + "--statistics " + quoted(SmallModel::get().set()));
  ASSERT_EQ(made.code, 0) << made.output;
  EXPECT_EQ(run("generate", "--model model.safetensors -p walk --length 1s --format npy --out motion").code, 0);
  for (const char* file : {"model.safetensors", "run/last.safetensors"}) {
    const RunResult checked = run("check", file);
    EXPECT_EQ(checked.code, 0) << checked.output;
    EXPECT_NE(checked.output.find("standin"), std::string::npos) << checked.output;
  }
}

}  // namespace
}  // namespace kg::test
