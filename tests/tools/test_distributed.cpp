// The training programs as several processes under mpirun: the same course as one process, the same bytes each time,
// resumed with another number, stopped by a signal (exit code 6), bereft of a rank (7), wrong use.
#include <cmath>

#include "tests/nn/mpirun.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

// A program under mpirun, each rank in a shell that notes its process and exit code: FOLDER/pid.R, code.R, output.R.
class Ranks {
 public:
  Ranks(const fs::path& folder, int size, const std::string& program, const std::string& arguments)
      : folder_(folder), size_(size) {
    for (const char* name : {"pid.", "code.", "output."})
      for (int r = 0; r < size; ++r) fs::remove(file(name, r));
    spill(folder / "rank.sh",
          "trap : TERM INT\n"  // mpirun's signals are for the program
          "r=$OMPI_COMM_WORLD_RANK\n" +
              quoted(fs::path(KG_BIN_DIR) / program) + " " + arguments +
              " > output.$r 2>&1 &\n"
              "pid=$!; echo $pid > pid.part.$r; mv pid.part.$r pid.$r\n"
              "while true; do wait $pid; code=$?; kill -0 $pid 2>/dev/null || break; done\n"
              "echo $code > code.part.$r; mv code.part.$r code.$r\n"
              "exit $code\n");
    thread_ = std::thread([command = "cd " + quoted(folder) + " && " + mpirun(size) + "sh rank.sh > mpirun.txt 2>&1"] {
      [[maybe_unused]] const int code = std::system(command.c_str());
    });
  }
  ~Ranks() {
    for (int r = 0; r < size_; ++r)
      if (fs::exists(file("pid.", r)) && !fs::exists(file("code.", r))) signal(r, SIGKILL);
    if (thread_.joinable()) thread_.join();
  }
  // Exit codes by rank; -1 for a shell that was killed before its program ended. mpirun itself may take longer.
  std::vector<int> wait() {
    std::vector<int> codes(size_t(size_), -1);
    const auto ended = [&](int r) { return fs::exists(file("code.", r)); };
    wait_until([&] {
      int count = 0;
      for (int r = 0; r < size_; ++r) count += ended(r);
      return count == size_;
    });
    for (int r = 0; r < size_; ++r)
      if (ended(r)) codes[size_t(r)] = number("code.", r);
    return codes;
  }
  void signal(int rank, int which) { ::kill(pid_t(number("pid.", rank)), which); }
  std::string output(int rank) const { return slurp(file("output.", rank)); }

 private:
  fs::path file(const char* name, int rank) const { return folder_ / (name + std::to_string(rank)); }
  int number(const char* name, int rank) const { return std::stoi(slurp(file(name, rank))); }

  fs::path folder_;
  int size_;
  std::thread thread_;
};

class Distributed : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  }
  // One process, or several.
  void train(int ranks, const std::string& program, const std::string& arguments) {
    if (ranks == 1) {
      const RunResult result = run_in(folder_.path(), program, arguments);
      ASSERT_EQ(result.code, 0) << result.output;
      return;
    }
    Ranks run(folder_.path(), ranks, program, arguments);
    ASSERT_EQ(run.wait(), std::vector<int>(size_t(ranks), 0)) << run.output(0) << run.output(1);
    EXPECT_EQ(run.output(1), "") << "rank 1 is not silent";
  }
  TemporaryFolder folder_;
};

// Five windows a step: 3 and 2 with two ranks; 2, 2 and 1 with three.
std::string tokenizer_arguments() {
  return SmallModel::get().train_tokenizer() + " --batch-size 5 --eval-every 20 --save-every 20 ";
}

std::vector<std::vector<double>> rows_of(const fs::path& log) {
  std::vector<std::vector<double>> rows;
  std::istringstream text(slurp(log));
  std::string line, cell;
  std::getline(text, line);
  while (std::getline(text, line)) {
    rows.emplace_back();
    std::istringstream cells(line);
    while (std::getline(cells, cell, ',')) rows.back().push_back(cell.empty() ? -1 : std::stod(cell));
  }
  return rows;
}
// Every figure of every row, |a - b| <= tolerance max(|b|, 1).
void expect_same_course(const fs::path& a, const fs::path& b, double tolerance) {
  const auto left = rows_of(a), right = rows_of(b);
  ASSERT_EQ(left.size(), right.size());
  ASSERT_GT(left.size(), 0u);
  for (size_t i = 0; i < left.size(); ++i) {
    ASSERT_EQ(left[i].size(), right[i].size()) << "row " << i;
    for (size_t c = 0; c < left[i].size(); ++c)
      EXPECT_NEAR(left[i][c], right[i][c], tolerance * std::max(1.0, std::abs(right[i][c])))
          << "row " << i << " column " << c;
  }
}

TEST_F(Distributed, TokenizerTrainsLikeOneProcessAndTheSameBytesEachTime) {
  const std::string arguments = tokenizer_arguments() + "--max-iters 60 ";
  train(1, "train_tokenizer", arguments + "--out one");
  train(2, "train_tokenizer", arguments + "--out two");
  expect_same_course(folder_ / "two" / "log.csv", folder_ / "one" / "log.csv", 1e-4);
  const std::string log = slurp(folder_ / "two" / "log.csv"), last = slurp(folder_ / "two" / "last.safetensors");
  train(2, "train_tokenizer", arguments + "--out two --force");
  EXPECT_EQ(slurp(folder_ / "two" / "log.csv"), log);
  EXPECT_TRUE(slurp(folder_ / "two" / "last.safetensors") == last);
}

TEST_F(Distributed, ResumesWithAnotherNumberOfRanks) {
  const std::string arguments = tokenizer_arguments() + "--schedule constant ";
  train(1, "train_tokenizer", arguments + "--max-iters 60 --out one");
  train(2, "train_tokenizer", arguments + "--max-iters 20 --out more");
  train(3, "train_tokenizer", "--out more --resume --max-iters 40");
  train(1, "train_tokenizer", "--out more --resume --max-iters 60");
  expect_same_course(folder_ / "more" / "log.csv", folder_ / "one" / "log.csv", 1e-4);
}

// Dropout of the text encoder differs between ranks, so the courses are near, not equal.
TEST_F(Distributed, TransformerTrains) {
  const std::string arguments =
      SmallModel::get().train_gpt() + " --batch-size 5 --eval-every 10 --max-iters 30 --dropout 0 ";
  train(1, "train_t2mgpt", arguments + "--out one");
  train(2, "train_t2mgpt", arguments + "--out two");
  expect_same_course(folder_ / "two" / "log.csv", folder_ / "one" / "log.csv", 0.02);
  const std::string last = slurp(folder_ / "two" / "last.safetensors");
  train(2, "train_t2mgpt", arguments + "--out two --force");
  EXPECT_TRUE(slurp(folder_ / "two" / "last.safetensors") == last);
}

TEST_F(Distributed, ASignalToOneStopsAll) {
  Ranks run(folder_.path(), 3, "train_tokenizer", tokenizer_arguments() + "--max-iters 1000000 --out run");
  ASSERT_TRUE(wait_until([&] { return count_lines(folder_ / "run" / "log.csv") > 3; }));
  run.signal(1, SIGTERM);
  EXPECT_EQ(run.wait(), (std::vector<int>{6, 6, 6})) << run.output(0) << run.output(1);
  EXPECT_NE(run.output(0).find("interrupted; saved"), std::string::npos) << run.output(0);
  const int64_t rows = count_lines(folder_ / "run" / "log.csv") - 1;
  train(2, "train_tokenizer", "--out run --resume --max-iters " + std::to_string(rows + 5));
  EXPECT_EQ(count_lines(folder_ / "run" / "log.csv") - 1, rows + 5);
}

TEST_F(Distributed, TheOthersEndWhenOneIsKilled) {
  for (int victim : {0, 1}) {
    Ranks run(folder_.path(), 3, "train_tokenizer", tokenizer_arguments() + "--max-iters 1000000 --force --out run");
    ASSERT_TRUE(wait_until([&] { return count_lines(folder_ / "run" / "log.csv") > 3; }));
    const auto begin = std::chrono::steady_clock::now();
    run.signal(victim, SIGKILL);
    std::vector<int> expected(3, 7);
    expected[size_t(victim)] = 128 + SIGKILL;
    EXPECT_EQ(run.wait(), expected) << run.output(0) << run.output(1) << run.output(2);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    for (int r : {1 - victim, 2})
      EXPECT_NE(run.output(r).find("error: rank " + std::to_string(victim) + " is gone"), std::string::npos)
          << run.output(r);
    fs::remove_all(folder_ / "run");
  }
}

TEST_F(Distributed, ErrorsOfAllAreToldOnceAndThatOfOneEndsTheOthers) {
  {
    Ranks run(folder_.path(), 2, "train_tokenizer", tokenizer_arguments() + "--batch-size 1 --out run");
    EXPECT_EQ(run.wait(), (std::vector<int>{2, 2})) << run.output(0);
    EXPECT_NE(run.output(0).find("--batch-size 1 cannot be shared by 2 processes"), std::string::npos) << run.output(0);
    EXPECT_EQ(run.output(1), "");
  }
  fs::create_directory(folder_ / "run");
  spill(folder_ / "run" / "mine.txt", "keep");
  Ranks run(folder_.path(), 2, "train_tokenizer", tokenizer_arguments() + "--out run");  // rank 0 alone looks there
  EXPECT_EQ(run.wait(), (std::vector<int>{2, 7})) << run.output(0) << run.output(1);
  EXPECT_NE(run.output(0).find("is not empty"), std::string::npos) << run.output(0);
  EXPECT_NE(run.output(1).find("rank 0 is gone: it failed with exit code 2"), std::string::npos) << run.output(1);
}

}  // namespace
}  // namespace kg::test
