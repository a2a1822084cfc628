// Runs that an earlier version made (tests/golden/old, see its README): opened, sampled from, gone on with.
#include <cmath>

#include "data/formats/npy.h"
#include "tests/tools/programs.h"
#include "tools/common/train/csv.h"

namespace kg::test {
namespace {

class OldRuns : public testing::Test {
 protected:
  OldRuns() {
    fs::copy(fs::path(KG_TEST_DIR) / "golden/old", folder_.path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }
  TemporaryFolder folder_;
};

TEST_F(OldRuns, GenerateTheSameMotion) {
  const RunResult result = run_in(folder_.path(), "generate",
                                  "--model gpt -p 'a person walks forward' --length 1s --seed 5 --threads 1 "
                                  "--format npy --quiet --out motion");
  ASSERT_EQ(result.code, 0) << result.output;
  const auto made = read_npy(folder_ / "motion/000_a_person_walks_forward_features.npy").to_vector(),
             expected = read_npy(folder_ / "features.npy").to_vector();
  ASSERT_EQ(made.size(), expected.size());
  // The instruction set decides the last bits.
  for (size_t i = 0; i < made.size(); ++i) ASSERT_NEAR(made[i], expected[i], 1e-5) << i;
}

TEST_F(OldRuns, AreChecked) {
  for (const char* run : {"gpt", "tokenizer"}) {
    const RunResult result = run_in(folder_.path(), "check", "--brief " + std::string(run) + "/last.safetensors");
    EXPECT_EQ(result.code, 0) << result.output;
  }
}

// With the old configuration, on the data set as it is made today.
TEST_F(OldRuns, GoOnAsTheyWouldHave) {
  fs::create_directory_symlink(SmallModel::get().set(), folder_ / "set");
  const RunResult result = run_in(folder_.path(), "train_t2mgpt", "--threads 1 --out gpt --resume --max-iters 14");
  ASSERT_EQ(result.code, 0) << result.output;
  const tools::CsvTable log = tools::read_csv(folder_ / "gpt/log.csv"),
                        expected = tools::read_csv(folder_ / "resumed.csv");
  ASSERT_EQ(log.columns, expected.columns);
  for (size_t c = 0; c < log.columns.size(); ++c) {
    ASSERT_EQ(log.values[c].size(), 14u);
    for (size_t i = 0; i < 14; ++i)
      if (std::isnan(expected.values[c][i]))
        EXPECT_TRUE(std::isnan(log.values[c][i])) << log.columns[c] << " of iteration " << i + 1;
      else
        EXPECT_NEAR(log.values[c][i], expected.values[c][i], 1e-4) << log.columns[c] << " of iteration " << i + 1;
  }
  const RunResult first = run_in(folder_.path(), "train_tokenizer", "--out tokenizer --resume --max-iters 22");
  EXPECT_EQ(first.code, 0) << first.output;
}

}  // namespace
}  // namespace kg::test
