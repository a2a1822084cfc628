// MotionGPT's programs from end to end at toy size: both stages, resume, and every way to ask.
#include <nlohmann/json.hpp>

#include "data/formats/npy.h"
#include "tests/data/bad_input.h"
#include "tests/data/stick_figure.h"
#include "tests/nn/mpirun.h"
#include "tests/tools/motiongpt_arguments.h"
#include "tools/common/train/csv.h"

namespace kg::test {
namespace {

class MotionGptPrograms : public testing::Test {
 protected:
  RunResult run(const std::string& program, const std::string& arguments, const std::string& before = "") const {
    return run_in(folder_.path(), program, arguments, before);
  }
  void both_stages() const {
    RunResult r = run("train_motiongpt", motiongpt_arguments() + "--max-iters 4 --out pretrain");
    ASSERT_EQ(r.code, 0) << r.output;
    r = run("train_motiongpt", "--stage instruct --from pretrain --data " + quoted(SmallModel::get().set()) +
                                   kMotionGptSizes + "--max-iters 3 --out instruct");
    ASSERT_EQ(r.code, 0) << r.output;
  }
  // No checkpoint, motion, table or page in x/, and nothing half-written.
  void expect_refused(const RunResult& result, int code, const std::string& mention) const {
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_NE(result.output.find(mention), std::string::npos) << mention << " is not in: " << result.output;
    if (!fs::exists(folder_ / "x")) return;
    for (const auto& [name, bytes] : files_below(folder_ / "x"))
      for (const char* ending : {".safetensors", ".npy", ".tsv", ".html", ".tmp."})
        EXPECT_EQ(name.find(ending), std::string::npos) << name;
  }
  fs::path clip() const {
    for (const auto& entry : fs::directory_iterator(SmallModel::get().set() / "new_joint_vecs")) return entry.path();
    return {};
  }
  TemporaryFolder folder_;
};

TEST_F(MotionGptPrograms, ResumesByteForByte) {
  ASSERT_EQ(run("train_motiongpt", motiongpt_arguments() + "--max-iters 6 --out whole").code, 0);
  ASSERT_EQ(run("train_motiongpt", motiongpt_arguments() + "--max-iters 6 --until 2 --out parts").code, 0);
  const RunResult rest = run("train_motiongpt", "--threads 1 --resume --out parts");
  ASSERT_EQ(rest.code, 0) << rest.output;
  // The logs differ by a validation where the first part ended.
  EXPECT_TRUE(slurp(folder_ / "whole/last.safetensors") == slurp(folder_ / "parts/last.safetensors"));
}

TEST_F(MotionGptPrograms, TwoProcessesAreLikeOne) {
  if (const std::string reason = no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  const std::string arguments = motiongpt_arguments() + "--batch-size 5 --dropout 0 --max-iters 4 --out ";
  ASSERT_EQ(run("train_motiongpt", arguments + "one").code, 0);
  const RunResult two = run_command("cd " + quoted(folder_.path()) + " && " + mpirun(2) +
                                    quoted(fs::path(KG_BIN_DIR) / "train_motiongpt") + " " + arguments + "two");
  ASSERT_EQ(two.code, 0) << two.output;
  const auto a = tools::read_csv(folder_ / "one/log.csv").values, b = tools::read_csv(folder_ / "two/log.csv").values;
  ASSERT_EQ(a.at(1).size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(a[1][i], b.at(1).at(i), 1e-4 * a[1][i]);
}

TEST_F(MotionGptPrograms, OneModelDoesAllOfIt) {
  both_stages();
  RunResult r = run("generate", "--model instruct -p 'a person walks' --length 2s --format npy --out made");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(read_npy(folder_ / "made/000_a_person_walks.npy").size(0), 40);
  r = run("caption", "--model instruct " + quoted(clip()) + " --out captions");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(count_lines(folder_ / "captions/captions.tsv"), 1);
  EXPECT_TRUE(fs::exists(folder_ / "captions/index.html"));
  r = run("ask", "--model instruct -p 'What is this?' --motion " + quoted(clip()) + " --out answers");
  EXPECT_EQ(r.code, 0) << r.output;
  r = run("ask", "--model instruct --out answers", "printf 'Say something.\\n\\nMove.\\n' |");
  EXPECT_EQ(r.code, 0) << r.output;
  r = run("evaluate", "--model instruct --data " + quoted(SmallModel::get().set()) +
                          " --split train --limit 4 --repeats 2 --out report");
  EXPECT_EQ(r.code, 0) << r.output;
  // All four tasks unasked; the set is the built-in one, so captions are read back.
  const auto report = nlohmann::json::parse(slurp(folder_ / "report/report.json"));
  std::map<std::string, nlohmann::json> rows;
  for (const auto& row : report["metrics"]) rows[std::string(row["group"]) + ": " + std::string(row["metric"])] = row;
  for (const char* name : {"captions: BLEU-1", "prediction: ADE, as published", "between: FDE, as published"})
    EXPECT_TRUE(rows.contains(name)) << name << " is not in " << r.output;
  EXPECT_EQ(rows["captions, read back: all facts, %"]["truth"]["mean"], 100) << r.output;
  const auto& gap = rows["between: ADE a joint, m"];
  EXPECT_GT(gap["model"]["mean"], 0);
  EXPECT_GT(gap["random"]["mean"], 0);
  EXPECT_GT(gap["controls"]["straight between"]["mean"], 0);
  EXPECT_LT(gap["controls"]["straight between"]["mean"], gap["controls"]["velocity held"]["mean"]);
  EXPECT_GT(rows["prediction: FDE a joint, m"]["controls"]["pose held"]["mean"], 0);
}

TEST_F(MotionGptPrograms, CompletesGivenMotions) {
  both_stages();
  const Tensor clip_features = read_npy(clip());
  const int64_t whole = clip_features.size(0) / 4 * 4, stays = int64_t(.2 * double(whole / 4)) * 4;
  const std::string stem = "made/000_" + clip().stem().string();
  const std::string given = "--model instruct --format npy,bvh,html --given " + quoted(clip());
  RunResult r = run("generate", given + " --task predict --repeat 2 --out made");
  ASSERT_EQ(r.code, 0) << r.output;
  const auto features = [&](const std::string& name) { return read_npy(folder_ / (stem + name + "_features.npy")); };
  const Tensor first = features("_predicted_0"), second = features("_predicted_1");
  ASSERT_EQ(first.size(0), whole);
  EXPECT_EQ(features("_predicted_0_alone").size(0), whole - stays);
  EXPECT_EQ(first.slice(0, 0, stays).contiguous().to_vector(),
            clip_features.slice(0, 0, stays).contiguous().to_vector());
  EXPECT_NE(first.to_vector(), second.to_vector());
  for (const char* name : {"_predicted_1.bvh", "_predicted_1_alone.bvh", "_predicted_1_alone.npy"})
    EXPECT_TRUE(fs::exists(folder_ / (stem + name))) << name;
  const std::string page = slurp(folder_ / "made/index.html");
  for (const char* part : {"given: ", "prediction of ", "what the model wrote alone"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  // The same clip as BVH, which has a motion of its own rate and a frame more.
  const std::string bvh = "--model instruct --format npy --given " + quoted(folder_ / (stem + "_predicted_0.bvh"));
  r = run("generate", bvh + " --task between --out again");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(files_below(folder_ / "again").size(), 4u);
  r = run("generate", given + " --task predict --given-share 0.5 --length 4s --out half");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(read_npy(folder_ / ("half/000_" + clip().stem().string() + "_predicted_features.npy")).size(0), 80);

  write_npy(folder_ / "short.npy", clip_features.slice(0, 0, 19).contiguous());
  write_npy(folder_ / "kit.npy", Tensor::zeros({40, 251}));
  const std::tuple<std::string, int, const char*> refused[] = {
      {"--given short.npy --task predict", 3, "19 frames are too few to give 0.2 of them; give at least 20"},
      {"--given kit.npy --task predict", 3, "skeleton"},
      {"--given none.npy --task predict", 3, "none.npy"},
      {"-p walk --given short.npy --task predict", 2, "reads no sentence where a motion is given"},
      {"--given " + quoted(clip()) + " --task between --length 4s", 2, "as long as the clip"},
      {"--given " + quoted(clip()) + " --task between --given-share 0.6", 2, "below 0.5"},
      {"--given " + quoted(clip()) + " --task predict --length 4f", 2, "given already"}};
  for (const auto& [arguments, code, mention] : refused) {
    r = run("generate", "--model instruct --out bad " + arguments);
    EXPECT_EQ(r.code, code) << arguments << ": " << r.output;
    EXPECT_NE(r.output.find(mention), std::string::npos) << r.output;
  }
  EXPECT_FALSE(fs::exists(folder_ / "bad"));
}

// ---- bad input: the exit code, what the error mentions, and no result
TEST_F(MotionGptPrograms, RefusesOtherCheckpointsAndStagesThatAreMissing) {
  const std::string train = "--data " + quoted(SmallModel::get().set()) + kMotionGptSizes + "--out x ";
  const std::string gpt = quoted(SmallModel::get().gpt()), tokenizer = quoted(SmallModel::get().tokenizer());
  fs::create_directory(folder_ / "empty");
  expect_refused(run("train_motiongpt", train + "--stage instruct"), 2, "--from");
  expect_refused(run("train_motiongpt", train), 2, "--tokenizer");
  expect_refused(run("train_motiongpt", train + "--stage instruct --from none"), 3, "none");
  expect_refused(run("train_motiongpt", train + "--stage instruct --from empty"), 3, "empty");
  expect_refused(run("train_motiongpt", train + "--stage instruct --from " + gpt), 3, "t2m_gpt");
  expect_refused(run("train_motiongpt", train + "--stage instruct --from " + tokenizer), 3, "vqvae");
  expect_refused(run("train_motiongpt", train + "--tokenizer none"), 3, "none");
  expect_refused(run("train_motiongpt", train + "--tokenizer " + gpt), 3, "t2m_gpt");
  expect_refused(run("caption", "--model " + gpt + " " + quoted(clip()) + " --out x"), 3, "writes no captions");
  expect_refused(run("ask", "--model " + gpt + " -p hello --out x"), 3, "answers no prompts");
  spill(folder_ / "bad.json",
        R"({"Text-to-Motion": {"caption": {"class": "t2m", "input": ["Go."], "output": ["x"]}}})");
  expect_refused(run("train_motiongpt", train + "--stage instruct --from none --templates bad.json"), 3,
                 "bad.json: Text-to-Motion, caption, output template 1: needs <Motion_Placeholder>");
}

TEST_F(MotionGptPrograms, RefusesAnotherVocabulary) {
  const std::string spiece = slurp(kGolden / "archives/motiongpt_spiece.model");
  spill(folder_ / "own.model", spiece);
  const RunResult r =
      run("train_motiongpt", motiongpt_arguments() + "--spiece own.model --max-iters 4 --until 2 --out run");
  ASSERT_EQ(r.code, 0) << r.output;
  const std::string trained = slurp(folder_ / "run/last.safetensors");
  std::string other = spiece;
  other.replace(other.find("walks"), 5, "waves");  // as many pieces
  spill(folder_ / "own.model", other);
  const RunResult resumed = run("train_motiongpt", "--threads 1 --resume --out run");
  EXPECT_EQ(resumed.code, 3) << resumed.output;
  EXPECT_NE(resumed.output.find("another text vocabulary than this model's"), std::string::npos) << resumed.output;
  EXPECT_EQ(slurp(folder_ / "run/last.safetensors"), trained);
  spill(folder_ / "own.model", spiece.substr(0, spiece.size() / 2));
  expect_refused(run("train_motiongpt", motiongpt_arguments() + "--spiece own.model --max-iters 4 --out x"), 3,
                 "own.model");
}

TEST_F(MotionGptPrograms, RefusesAnotherSkeleton) {
  spill(folder_ / "stick.json", stick_skeleton(true));
  fs::create_directory(folder_ / "sticks");
  std::string table;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "walk" + std::to_string(i);
    spill(folder_ / ("sticks/" + name + ".bvh"), stick_bvh(240, 60, i));
    table += name + "\ta stick walks\n";
  }
  spill(folder_ / "table.tsv", table);
  RunResult r = run("prepare_data", "--bvh sticks --captions table.tsv --skeleton stick.json --out set");
  ASSERT_EQ(r.code, 0) << r.output;
  expect_refused(run("train_motiongpt", "--data set --tokenizer " + quoted(SmallModel::get().tokenizer()) +
                                            kMotionGptSizes + "--max-iters 2 --out x"),
                 3, "stick");
  r = run("train_motiongpt", motiongpt_arguments() + "--max-iters 2 --out model");
  ASSERT_EQ(r.code, 0) << r.output;
  fs::path features;
  for (const auto& entry : fs::directory_iterator(folder_ / "set/new_joint_vecs")) features = entry.path();
  expect_refused(run("caption", "--model model " + quoted(features) + " --out x"), 3, features.string());
}

TEST_F(MotionGptPrograms, RefusesLengthsOutOfRange) {
  for (const char* size : {"--max-length 1", "--longest-answer 15", "--pieces 0", "--noise-density 1", "--quoted 2"})
    expect_refused(run("train_motiongpt", motiongpt_arguments() + size + " --out x"), 2,
                   std::string(size).substr(0, 6));
  const RunResult r = run("train_motiongpt", motiongpt_arguments() + "--max-length 40 --max-iters 2 --out model");
  ASSERT_EQ(r.code, 0) << r.output;
  expect_refused(run("generate", "--model model -p walk --length 501f --out x"), 2,
                 "--length of 501 frames is above this model's 500");
  const int64_t features = read_npy(clip()).size(1);
  write_npy(folder_ / "short.npy", Tensor::zeros({3, features}));
  write_npy(folder_ / "long.npy", Tensor::zeros({200, features}));
  expect_refused(run("caption", "--model model short.npy --out x"), 3, "short.npy: 3 frames, at least 4 are needed");
  expect_refused(run("caption", "--model model long.npy --out x"), 3, "a motion of 200 frames takes");
  expect_refused(run("ask", "--model model -p 'What is <motion>?' --motion long.npy --out x"), 3,
                 "at most 40 can be read");
}

}  // namespace
}  // namespace kg::test
