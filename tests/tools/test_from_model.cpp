// bench --from-model: the tables of a small model's training step and motion. The part without Google Benchmark.
#include "tools/common/bench/from_model.h"

#include "tests/tools/motiongpt_arguments.h"

namespace kg::test {
namespace {

using namespace tools;

OpRecord record(const char* kernel, std::vector<Shape> shapes, double seconds) {
  OpRecord r;
  r.kernel = kernel, r.seconds = seconds;
  for (const Shape& shape : shapes) r.operands.push_back({shape, Dtype::f32, 4.0 * double(shape.numel())});
  return r;
}

TEST(FromModel, GroupsCallsByOpAndShapes) {
  const std::vector<Shape> small{{2, 4}, {2, 3}, {4, 3}}, large{{5, 4}, {5, 3}, {4, 3}};
  const std::vector<OpGroup> groups =
      grouped({record("linear_forward", small, 1), record("relu_forward", {{2, 4}, {2, 4}}, 5),
               record("linear_forward", large, 9), record("linear_forward", small, 2)});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].shapes, "5x4, 5x3, 4x3");
  EXPECT_EQ(groups[1].op, "relu");
  EXPECT_EQ(groups[2].op, "linear");
  EXPECT_EQ(groups[2].shapes, "2x4, 2x3, 4x3");
  EXPECT_EQ(groups[2].calls, 2);
  EXPECT_EQ(groups[2].seconds, 3);
  EXPECT_EQ(groups[2].flops, 2 * 2.0 * 2 * 4 * 3);
  EXPECT_EQ(groups[2].bytes, 2 * 4.0 * (8 + 6 + 12));
}

std::vector<std::string> table_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}
// A line with its runs of spaces made one.
std::string squeezed(const std::string& line) {
  std::istringstream words(line);
  std::string text;
  for (std::string word; words >> word;) text += (text.empty() ? "" : " ") + word;
  return text;
}
std::string row_of(const std::string& table, const std::string& begin) {
  for (const std::string& line : table_lines(table))
    if (squeezed(line).starts_with(begin + " ")) return squeezed(line);
  return "no row " + begin + " in\n" + table;
}

TEST(FromModel, TableSaysRatesSharesAndWhatIsNotInOps) {
  Traced work;
  // 2 GFLOP in a second, where the peak is 4; 4 GB in two seconds, where it is 8; the other of four seconds in no op.
  work.records = {record("linear_forward", {{1000, 1000}, {1000, 1000}, {1000, 1000}}, 1),
                  record("relu_forward", {{500, 1000, 1000}, {500, 1000, 1000}}, 2),
                  record("neg_forward", {{1000}, {1000}}, 0.5)};
  work.seconds = 4;
  const Peaks peaks{4e9, 8e9};
  const std::string all = op_table(work, peaks, 0);
  EXPECT_EQ(row_of(all, "linear"), "linear 1000x1000, 1000x1000, 1000x1000 1 1000.000 2.0 GFLOP/s 50.0 % 25.0 %");
  EXPECT_EQ(row_of(all, "relu"), "relu 500x1000x1000, 500x1000x1000 1 2000.000 2.00 GB/s 25.0 % 50.0 %");
  EXPECT_EQ(row_of(all, "sum"), "sum 3 3500.000 87.5 %");
  EXPECT_EQ(row_of(all, "other"), "other (not in ops) 500.000 12.5 %");
  EXPECT_EQ(table_lines(all).size(), 6u);
  const std::string longest = op_table(work, peaks, 1);
  EXPECT_EQ(table_lines(longest).size(), 5u);
  EXPECT_EQ(row_of(longest, "2 more"), "2 more 2 1500.000 37.5 %");
}

// Runs it for a model and gives what it prints.
std::string printed(const fs::path& run, int64_t batch = 0) {
  std::string path = run.string(), option = "--model", program = "bench";
  char* arguments[] = {program.data(), option.data(), path.data()};
  ModelOption chosen(3, arguments);
  chosen.path = run;
  FromModel o;
  o.run.device = "cpu", o.batch = batch, o.top = 0, o.repetitions = 1, o.side = 32, o.values = 1000;
  testing::internal::CaptureStdout();
  try {
    EXPECT_EQ(bench_from_model(o, chosen), 0);
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
  return testing::internal::GetCapturedStdout();
}

// Width 16, one layer, two heads, batch 2, 51 positions, 16 codes and the end: 102 rows.
TEST(FromModel, TransformerHasTheOpsOfItsLayers) {
  const std::string text = printed(SmallModel::get().gpt());
  const size_t motion = text.find("\none motion, 200 frames: ");
  ASSERT_NE(motion, std::string::npos) << text;
  const std::string step = text.substr(0, motion), generation = text.substr(motion);
  EXPECT_NE(step.find(": T2M-GPT on CPU"), std::string::npos) << step;
  EXPECT_NE(step.find("\npeaks measured now: "), std::string::npos) << step;
  EXPECT_NE(step.find("\ntraining step of 2, "), std::string::npos) << step;
  EXPECT_TRUE(row_of(step, "linear 102x64, 102x16, 64x16, 64").find("64x16, 64 1 ") != std::string::npos) << step;
  EXPECT_TRUE(row_of(step, "linear 102x17, 102x16, 17x16").find("17x16 1 ") != std::string::npos) << step;
  EXPECT_NE(step.find("adam_step"), std::string::npos) << step;
  EXPECT_NE(step.find("attention_backward"), std::string::npos) << step;
  EXPECT_EQ(generation.find("backward"), std::string::npos) << generation;
  // 50 tokens.
  EXPECT_TRUE(row_of(generation, "linear_rows 1x64, 1x16, 64x16, 64, 16, 16").find("16 50 ") != std::string::npos)
      << generation;
  for (const std::string& table : {step, generation})
    for (const char* row : {"sum", "other"}) EXPECT_TRUE(row_of(table, row).starts_with(row)) << table;
}

TEST(FromModel, TokenizerIsOneToo) {
  const std::string text = printed(SmallModel::get().tokenizer(), 3);
  EXPECT_NE(text.find("\ntraining step of 3, "), std::string::npos) << text;
  // Windows of 16 frames, as in the run, 263 features to 8 channels.
  EXPECT_TRUE(row_of(text, "conv1d 3x16x8, 3x16x263, 8x263x3, 8").find("8x263x3, 8 1 ") != std::string::npos) << text;
  EXPECT_NE(text.find("\none motion encoded and decoded, 196 frames: "), std::string::npos) << text;
  EXPECT_NE(text.find("nearest_code"), std::string::npos) << text;
}

// Batch 4, width 16, one layer: prompts and answers rounded up to multiples of 8.
TEST(FromModel, LanguageModelReadsAndWrites) {
  TemporaryFolder folder;
  const RunResult trained = run_in(folder.path(), "train_motiongpt", motiongpt_arguments() + "--max-iters 1 --out run");
  ASSERT_EQ(trained.code, 0) << trained.output;
  const std::string text = printed(folder / "run");
  const size_t motion = text.find("\none motion, 500 frames: ");
  ASSERT_NE(motion, std::string::npos) << text;
  const std::string step = text.substr(0, motion), generation = text.substr(motion);
  EXPECT_NE(step.find(": MotionGPT on CPU"), std::string::npos) << step;
  EXPECT_NE(step.find("\ntraining step of 4, "), std::string::npos) << step;
  // 49 codes, start, end, and the end of the answer: 52, which makes 56 positions; wi_0, wi_1 of the decoder.
  EXPECT_TRUE(row_of(step, "linear 224x24, 224x16, 24x16").find("24x16 2 ") != std::string::npos) << step;
  EXPECT_NE(step.find("cross_entropy"), std::string::npos) << step;
  EXPECT_NE(step.find("attention_backward"), std::string::npos) << step;
  EXPECT_EQ(generation.find("backward"), std::string::npos) << generation;
}

TEST(FromModel, SaysWhatIsWrong) {
  const auto code_of = [](const fs::path& run, const std::string& mention) {
    try {
      printed(run);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(mention), std::string::npos) << error.what();
      return error.code;
    }
    ADD_FAILURE() << run << " was accepted";
    return ErrorCode::runtime;
  };
  TemporaryFolder folder;
  EXPECT_EQ(code_of(folder / "nothing", "nothing"), ErrorCode::input);
  fs::copy(SmallModel::get().gpt() / "best.safetensors", folder / "alone.safetensors");
  EXPECT_EQ(code_of(folder / "alone.safetensors", "--batch-size"), ErrorCode::usage);
  spill(folder / "config.json", "[1]");
  EXPECT_EQ(code_of(folder / "alone.safetensors", "config.json"), ErrorCode::input);
  spill(folder / "config.json", "{\"batch_size\": \"x\"}");
  EXPECT_EQ(code_of(folder / "alone.safetensors", "batch_size"), ErrorCode::input);
}

TEST(FromModel, ProgramRefusesWhatIsNoRun) {
  if (!fs::exists(fs::path(KG_BIN_DIR) / "bench")) GTEST_SKIP() << "this build has no bench (KG_BENCH)";
  TemporaryFolder folder;
  const RunResult wrong = run_in(folder.path(), "bench", "--from-model nowhere");
  EXPECT_EQ(wrong.code, 3) << wrong.output;
  EXPECT_EQ(wrong.output.rfind("error: ", 0), 0u) << wrong.output;
  EXPECT_EQ(run_in(folder.path(), "bench", "--top 3").code, 2);
  const RunResult names = run_in(folder.path(), "bench", "--benchmark_list_tests=true");
  EXPECT_EQ(names.code, 0);
  EXPECT_NE(names.output.find("linear/6528x1024x1024"), std::string::npos);
}

}  // namespace
}  // namespace kg::test
