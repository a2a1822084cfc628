// train_evaluator from end to end: both losses fall, a run that was stopped ends with the bytes of one that was not,
// what it makes opens and embeds, and what it refuses.
#include "data/formats/checkpoint.h"
#include "data/formats/npy.h"
#include "data/motion/skeleton.h"
#include "models/evaluator/evaluator_file.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

constexpr const char* kSteps = " --movement-iters 200 --max-iters 80 --eval-every 30 --save-every 25 ";

std::string arguments() {
  return "--data " + quoted(SmallModel::get().set()) + " --preset tiny --movement-batch 8 --batch-size 4 ";
}

// One run, never stopped, for all tests.
class WholeRun {
 public:
  static const fs::path& get() {
    static const WholeRun run;
    return run.folder_.path();
  }

 private:
  WholeRun() {
    const RunResult result =
        run_in(folder_.path(), "train_evaluator", "--threads 1 --out whole" + (kSteps + arguments()));
    if (result.code != 0) throw std::runtime_error(result.output);
  }
  TemporaryFolder folder_;
};

// The column `loss`, the first after the iteration.
std::vector<double> losses(const fs::path& log) {
  std::vector<double> values;
  std::istringstream lines(slurp(log));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) values.push_back(std::stod(line.substr(line.find(',') + 1)));
  return values;
}
double mean_of(const std::vector<double>& values, size_t begin, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[begin + i];
  return sum / double(count);
}

TEST(TrainEvaluator, BothLossesFall) {
  for (const char* stage : {kMovementStage, kMatchingStage}) {
    const std::vector<double> loss = losses(WholeRun::get() / "whole" / stage / "log.csv");
    ASSERT_EQ(loss.size(), stage == std::string(kMovementStage) ? 200u : 80u);
    EXPECT_LT(mean_of(loss, loss.size() - 15, 15), 0.8 * mean_of(loss, 0, 5)) << stage;
  }
}

int stop_after(const fs::path& folder, const std::string& more, const char* stage, int64_t rows, int signal) {
  Background program(folder, "train_evaluator", more);
  const fs::path log = folder / "broken" / stage / "log.csv";
  EXPECT_TRUE(wait_until([&] { return count_lines(log) > rows; })) << slurp(folder / "background.txt");
  program.signal(signal);
  return program.wait();
}

// Interrupted in either stage, killed without a chance to save, resumed with another number of threads.
TEST(TrainEvaluator, ResumesExactly) {
  TemporaryFolder folder;
  const std::string first = "--threads 1 --out broken" + (kSteps + arguments());
  EXPECT_EQ(stop_after(folder.path(), first, kMovementStage, 5, SIGINT), 6);
  ASSERT_LT(count_lines(folder / "broken/movement/log.csv"), 201) << "it was not interrupted";
  const std::string resume = "--threads 2 --out broken --resume";
  EXPECT_EQ(stop_after(folder.path(), resume, kMatchingStage, 5, SIGTERM), 6);
  const int64_t rows = count_lines(folder / "broken/matching/log.csv");
  EXPECT_EQ(stop_after(folder.path(), resume, kMatchingStage, rows + 3, SIGKILL), 128 + SIGKILL);
  ASSERT_LT(count_lines(folder / "broken/matching/log.csv"), 81);
  const RunResult rest = run_in(folder.path(), "train_evaluator", resume);
  ASSERT_EQ(rest.code, 0) << rest.output;
  for (const char* stage : {kMovementStage, kMatchingStage})
    for (const char* file : {"log.csv", "last.safetensors", "best.safetensors"})
      EXPECT_TRUE(slurp(WholeRun::get() / "whole" / stage / file) == slurp(folder / "broken" / stage / file))
          << stage << "/" << file << " differs";
}

TEST(TrainEvaluator, WhatItMakesOpensAndEmbeds) {
  const fs::path whole = WholeRun::get() / "whole";
  const TrainedEvaluator run = open_evaluator(whole), file = open_evaluator(whole / "matching/best.safetensors");
  EXPECT_EQ(run.checksum, file.checksum);
  TemporaryFolder copy;  // where the last checkpoint, which may be the best one, cannot be read
  fs::copy(whole, copy / "run", fs::copy_options::recursive);
  spill(copy / "run/matching/last.safetensors", "nothing");
  EXPECT_EQ(open_evaluator(copy / "run").checksum, file.checksum);
  EXPECT_GT(run.model->words().size(), 20);
  const Tensor motion = Tensor::zeros({2, 60, kFeatures});
  const Tensor rows = run.model->embed_motion(motion, {60, 40});
  EXPECT_EQ(rows.shape(), (Shape{2, run.model->width()}));
  EXPECT_TRUE(all_finite(rows));
  EXPECT_EQ(rows.to_vector(), file.model->embed_motion(motion, {60, 40}).to_vector());
  EXPECT_EQ(run.model->embed_text({{"a/DET", "person/NOUN", "walk/VERB"}}).shape(), (Shape{1, run.model->width()}));
  // The movement encoder is that of stage one.
  const NamedTensors movement =
      extract(read_checkpoint(whole / "movement/last.safetensors", kMovementKind), "movement_encoder.");
  ASSERT_FALSE(movement.empty());
  const NamedTensors own = run.model->movement_encoder.state_dict();
  ASSERT_EQ(own.size(), movement.size());
  for (size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(own[i].first, movement[i].first);
    EXPECT_EQ(own[i].second.to_vector(), movement[i].second.to_vector()) << own[i].first;
  }
}

// Files as the published word vectors have them.
TEST(TrainEvaluator, GivenWordVectorsStayAsTheyAre) {
  TemporaryFolder folder;
  const Tensor vectors = Tensor::empty({4, 300});
  fill_normal(vectors, 0, 1, {1, 2});
  write_npy(folder / "our_vab_data.npy", vectors);
  spill(folder / "our_vab_words.pkl", "(lVsos\naVeos\naVunk\naVwalk\na.");
  spill(folder / "our_vab_idx.pkl", "(dVsos\nI0\nsVeos\nI1\nsVunk\nI2\nsVwalk\nI3\ns.");
  const RunResult result =
      run_in(folder.path(), "train_evaluator", "--vectors . --out run --movement-iters 2 --max-iters 4 " + arguments());
  ASSERT_EQ(result.code, 0) << result.output;
  const TrainedEvaluator run = open_evaluator(folder / "run");
  EXPECT_EQ(run.model->words().words(), (std::vector<std::string>{"sos", "eos", "unk", "walk"}));
  EXPECT_EQ(run.model->word_vectors.weight.value.to_vector(), vectors.to_vector());
  EXPECT_EQ(run.model->config().words, 300);
}

void refused(const std::string& arguments, int code, const std::string& part) {
  const RunResult result = run_in(WholeRun::get(), "train_evaluator", arguments);
  EXPECT_EQ(result.code, code) << result.output;
  EXPECT_NE(result.output.find(part), std::string::npos) << result.output;
}

TEST(TrainEvaluator, BadInput) {
  refused("--out whole" + (kSteps + arguments()), 2, "--resume");
  refused("--out new --batch-size 1 --data " + quoted(SmallModel::get().set()), 2, "--batch-size");
  refused("--out new --data nothing", 3, "nothing");
  refused("--out new --vectors nothing " + arguments() + "--movement-iters 1 --force", 3, "our_vab_data.npy");
  refused("--out whole --resume --root-weight 7", 3, "other statistics");
  refused("--out whole --resume --preset small", 3, "another model or preset");
  refused("--out nothing --resume", 3, "nothing");
}

TEST(OpenEvaluator, RefusesOtherFiles) {
  const auto says = [](const fs::path& path, const std::string& part) {
    try {
      open_evaluator(path);
      ADD_FAILURE() << path << " was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::input);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  says(SmallModel::get().gpt(), "t2m_gpt");
  says(WholeRun::get() / "whole/movement", kMovementKind);
  says(WholeRun::get() / "absent", "absent");
  TensorFile file = read_checkpoint(WholeRun::get() / "whole/matching/last.safetensors", kEvaluatorKind);
  file.metadata.erase("vocabulary");
  const fs::path broken = WholeRun::get() / "broken.safetensors";
  write_checkpoint(broken, kEvaluatorKind, file);
  says(broken, "the vocabulary is missing");
}

}  // namespace
}  // namespace kg::test
