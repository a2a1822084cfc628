// The table of an evaluation in its four forms, and the pictures of a log.
#include "tools/common/evaluate/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/error_of.h"
#include "tests/tools/run_program.h"
#include "tools/common/show/training_plots.h"
#include "tools/common/train/csv.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

using test::slurp;
using test::spill;
using test::TemporaryFolder;

Report example() {
  Report report{.title = "Evaluation of out/gpt", .facts = {{"split", "test"}}};
  report.rows.push_back({.group = "generation",
                         .name = "R-Precision top 1",
                         .model = {.5, .002},
                         .truth = {.511, .003},
                         .random = {1. / 32, .001},
                         .items = 4384,
                         .repeats = 20,
                         .published = {.492, .003},
                         .source = "T2M-GPT, table 1"});
  report.rows.push_back({.group = "generation",
                         .name = "Diversity",
                         .model = {9.7219, .08},
                         .truth = {9.5},
                         .items = 120,
                         .repeats = 20,
                         .note = "100 pairs: fewer than 300 items"});
  report.rows.push_back(
      {.group = "reconstruction", .name = "MPJPE, \"mm\"", .model = {41.25}, .items = 12, .decimals = 1});
  report.notes = {"BERTScore left out: no --bert given"};
  return report;
}

TEST(Report, TextIsAligned) {
  EXPECT_EQ(example().text(), R"(Evaluation of out/gpt
  split: test

metric                       model   ground truth         random          published      items
generation
  R-Precision top 1  0.500 ± 0.002  0.511 ± 0.003  0.031 ± 0.001  0.492 ± 0.003 [1]  4384 x 20
  Diversity [2]      9.722 ± 0.080          9.500              -                  -   120 x 20
reconstruction
  MPJPE, "mm"                 41.2              -              -                  -         12

[1] T2M-GPT, table 1
[2] 100 pairs: fewer than 300 items
BERTScore left out: no --bert given
)");
}

TEST(Report, ControlsAreColumnsOfTheirOwn) {
  Report report = example();
  report.rows[0].controls = {{"pose held", {.25, .5}}};
  report.rows[2].controls = {{"pose held", {7}}, {"straight", {8}}};
  const std::string text = report.markdown(), csv = report.csv();
  EXPECT_NE(text.find("| random | pose held | straight | published |"), std::string::npos) << text;
  EXPECT_NE(text.find("| 0.250 ± 0.500 | - | 0.492"), std::string::npos) << text;
  EXPECT_NE(text.find("| 7.0 | 8.0 | - | 12 |"), std::string::npos) << text;
  EXPECT_NE(csv.find(",note,pose held,pose held_interval,straight,straight_interval\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",0.25,0.5,,\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",7,,8,\n"), std::string::npos) << csv;
  const auto metrics = report.json()["metrics"];
  EXPECT_EQ(metrics[2]["controls"]["straight"]["mean"], 8);
  EXPECT_FALSE(metrics[1].contains("controls"));
}

TEST(Report, MarkdownIsATable) {
  Report report = example();
  report.rows.resize(1);
  report.rows[0].name = "a|b";
  report.rows[0].published = {};
  EXPECT_EQ(report.markdown(), R"(# Evaluation of out/gpt

- split: test

| metric | model | ground truth | random | items |
|---|---:|---:|---:|---:|
| **generation** |  |  |  |  |
| a\|b | 0.500 ± 0.002 | 0.511 ± 0.003 | 0.031 ± 0.001 | 4384 x 20 |

- BERTScore left out: no --bert given
)");
}

TEST(Report, CsvHasEveryDigit) {
  const std::string csv = example().csv();
  EXPECT_EQ(
      csv.substr(csv.find('\n') + 1),
      "generation,R-Precision top 1,0.5,0.002,0.511,0.003,0.03125,0.001,0.492,0.003,\"T2M-GPT, table 1\",4384,20,\n"
      "generation,Diversity,9.7219,0.08,9.5,,,,,,,120,20,100 pairs: fewer than 300 items\n"
      "reconstruction,\"MPJPE, \"\"mm\"\"\",41.25,,,,,,,,,12,0,\n");
}

TEST(Report, JsonReadsBack) {
  TemporaryFolder folder;
  write_report(folder / "new", example());
  const auto json = nlohmann::json::parse(slurp(folder / "new/report.json"));
  EXPECT_EQ(json["facts"]["split"], "test");
  const auto& first = json["metrics"][0];
  EXPECT_EQ(first["model"]["mean"], .5);
  EXPECT_EQ(first["model"]["interval"], .002);
  EXPECT_EQ(first["repeats"], 20);
  EXPECT_TRUE(json["metrics"][1]["random"].is_null());
  EXPECT_TRUE(json["metrics"][1]["truth"]["interval"].is_null());
  EXPECT_EQ(slurp(folder / "new/report.md"), example().markdown());
  EXPECT_EQ(slurp(folder / "new/report.csv"), example().csv());
}

TEST(TrainingPlots, ValidationStandsBesideTraining) {
  TemporaryFolder folder;
  spill(folder / "log.csv",
        "iteration,loss,accuracy,lr,val_loss,val_mpjpe\n1,100,0.01,1,,\n2,1,0.2,1,3,\n3,2,0.9,1,,\n4,9");
  const std::vector<Plot> plots = training_plots(folder / "log.csv");
  ASSERT_EQ(plots.size(), 2u);  // not the rate, nor a column without a value
  EXPECT_EQ(plots[0].title, "loss");
  EXPECT_TRUE(plots[0].log_y);
  ASSERT_EQ(plots[0].series.size(), 2u);
  EXPECT_EQ(plots[0].series[0].y, (std::vector<double>{100, 1, 2}));
  EXPECT_EQ(plots[0].series[1].x, (std::vector<double>{2}));
  EXPECT_EQ(plots[1].title, "accuracy");
  EXPECT_FALSE(plots[1].log_y);
  EXPECT_EQ(write_training_plots(folder / "log.csv", folder.path()),
            (std::vector<std::string>{"training_loss.png", "training_accuracy.png"}));
  EXPECT_EQ(slurp(folder / "training_loss.png").substr(1, 3), "PNG");
}

TEST(ReadCsv, NamesWhatIsWrong) {
  TemporaryFolder folder;
  const auto message = [&](const std::string& text) {
    spill(folder / "log.csv", text);
    return error_of(ErrorCode::input, [&] { read_csv(folder / "log.csv"); });
  };
  EXPECT_NE(message("").find("column names"), std::string::npos);
  EXPECT_NE(message("a,b\n1\n").find("line 2: 1 cells"), std::string::npos);
  EXPECT_NE(message("a,b\n1,2\n1,x\n").find("line 3: 'x' in column b"), std::string::npos);
  EXPECT_NE(message("a,b\n1,2 \n").find("'2 '"), std::string::npos);
}

}  // namespace
}  // namespace kg
