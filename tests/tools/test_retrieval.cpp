// Retrieval's programs from end to end at toy size: training of all three retrievers, a database that is built, grows
// and is refused, and what a search finds.
#include <nlohmann/json.hpp>

#include "data/formats/npy.h"
#include "models/retrieval/build.h"
#include "tests/nn/mpirun.h"
#include "tests/tiny_text_models.h"
#include "tests/tools/programs.h"
#include "tools/common/train/csv.h"

namespace kg::test {
namespace {

std::string train_arguments(const std::string& model) {
  return " --model " + model + " --data " + quoted(SmallModel::get().set()) +
         " --threads 1 --quiet --preset tiny --batch-size 4 " + (model == "bmm" ? "--queue 10 " : "");
}
std::string set_option() { return quoted(SmallModel::get().set()); }

class RetrievalPrograms : public testing::Test {
 protected:
  RunResult run(const std::string& program, const std::string& arguments) const {
    return run_in(folder_.path(), program, arguments);
  }
  void train(const std::string& model, const std::string& arguments) const {
    const RunResult r = run("train_retriever", train_arguments(model) + arguments);
    ASSERT_EQ(r.code, 0) << r.output;
  }
  // Nothing under x.
  void expect_refused(const std::string& program, const std::string& arguments, int code,
                      const std::string& mention) const {
    const RunResult r = run(program, arguments);
    EXPECT_EQ(r.code, code) << arguments << ": " << r.output;
    EXPECT_NE(r.output.find(mention), std::string::npos) << mention << " is not in: " << r.output;
    if (fs::is_directory(folder_ / "x"))
      for (const auto& [name, bytes] : files_below(folder_ / "x")) ADD_FAILURE() << name << " after " << arguments;
    else
      EXPECT_FALSE(fs::exists(folder_ / "x")) << arguments;
  }
  TemporaryFolder folder_;
};

TEST_F(RetrievalPrograms, AllThreeLearnAndResumeByteForByte) {
  for (const std::string model : {"tmr", "pltmr", "bmm"}) {
    const std::string steps = "--max-iters 12 --eval-every 4 --save-every 4 ";
    train(model, steps + "--out whole_" + model);
    train(model, steps + "--until 5 --out parts_" + model);
    const RunResult rest = run("train_retriever", "--threads 1 --resume -o parts_" + model);
    ASSERT_EQ(rest.code, 0) << rest.output;
    EXPECT_TRUE(slurp(folder_ / ("whole_" + model + "/last.safetensors")) ==
                slurp(folder_ / ("parts_" + model + "/last.safetensors")))
        << model;
    EXPECT_TRUE(fs::exists(folder_ / ("whole_" + model + "/best.safetensors"))) << model;
    const auto log = tools::read_csv(folder_ / ("whole_" + model + "/log.csv"));
    for (const char* name : {"val_missed", "val_t2m_r1", "val_m2t_r1", "val_m2t_rank"})
      EXPECT_EQ(std::count(log.columns.begin(), log.columns.end(), name), 1) << name;
    EXPECT_EQ(open_retriever(folder_ / ("whole_" + model))->kind(), model);
  }
}

// Each process has dropout of its own, so losses are alike but not the same; that they are the same without any is
// tested where the losses are (tests/models/retrieval/test_ranks.cpp).
TEST_F(RetrievalPrograms, TwoProcessesShareABatch) {
  if (const std::string reason = no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  for (const std::string model : {"tmr", "bmm"}) {
    const std::string arguments = train_arguments(model) + "--batch-size 5 --max-iters 2 --out ";
    ASSERT_EQ(run("train_retriever", arguments + "one_" + model).code, 0);
    const RunResult two =
        run_command("cd " + quoted(folder_.path()) + " && " + mpirun(2) +
                    quoted(fs::path(KG_BIN_DIR) / "train_retriever") + " " + arguments + "two_" + model);
    ASSERT_EQ(two.code, 0) << two.output;
    const auto a = tools::read_csv(folder_ / ("one_" + model + "/log.csv")).values,
               b = tools::read_csv(folder_ / ("two_" + model + "/log.csv")).values;
    ASSERT_EQ(a.at(1).size(), 2u);
    EXPECT_NEAR(a[1][0], b.at(1).at(0), 0.3 * a[1][0]) << model;
  }
}

TEST_F(RetrievalPrograms, ADatabaseIsBuiltGrowsAndIsSearched) {
  train("pltmr", "--max-iters 4 --out model");
  const std::string build = "--model model --quiet ";
  RunResult r = run("build_database", build + "--data " + set_option() + " --split train --out a.db --tokenizer " +
                                          quoted(SmallModel::get().tokenizer()));
  ASSERT_EQ(r.code, 0) << r.output;
  const std::string identity = open_retriever(folder_ / "model")->identity();
  const Database one = read_database(folder_ / "a.db", identity);
  ASSERT_GT(one.clips.size(), 2u);
  EXPECT_EQ(int64_t(one.clips[0].tokens.size()), one.clips[0].frames / 4);
  EXPECT_EQ(read_frames(one, 0).to_vector(),
            read_npy(frames_path(one, 0)).slice(0, 0, one.clips[0].frames).to_vector());
  // It grows by clips that it has not.
  r = run("build_database", build + "--add " + set_option() + " --split test --out a.db --tokenizer " +
                                quoted(SmallModel::get().tokenizer()));
  ASSERT_EQ(r.code, 0) << r.output;
  const Database two = read_database(folder_ / "a.db", identity);
  EXPECT_GT(two.clips.size(), one.clips.size());
  EXPECT_EQ(two.clips[1], one.clips[1]);
  EXPECT_EQ(two.motion.slice(0, 0, one.motion.size(0)).contiguous().to_vector(), one.motion.to_vector());

  // A clip finds itself, unless it is left out.
  const std::string clip = quoted(frames_path(two, 2));
  r = run("search", "--model model --database a.db --motion " + clip + " -k 3 --out found");
  ASSERT_EQ(r.code, 0) << r.output;
  const std::vector<std::string> lines = lines_of(folder_ / "found/results.tsv");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_NE(lines[1].find("\t1\t1.0000\t" + two.clips[2].name + "\t"), std::string::npos) << lines[1];
  EXPECT_NE(r.output.find(two.clips[2].captions[0]), std::string::npos) << r.output;
  const std::string page = slurp(folder_ / "found/index.html");
  EXPECT_NE(page.find("1: " + two.clips[2].name), std::string::npos);
  r = run("search", "--model model --database a.db --motion " + clip + " -k 100 --leave-out --no-page --out other");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(slurp(folder_ / "other/results.tsv").find("\t" + two.clips[2].name + "\t"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "other/index.html"));

  // Its own words by text; words, and words with the clip, there and in a set that is embedded now.
  r = run("search", "--model model --database a.db --keys text -k 1 --no-page --out words -p " +
                        quoted(two.clips[2].captions[0]));
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_NE(lines_of(folder_ / "words/results.tsv").at(1).find("\t1.0000\t"), std::string::npos) << r.output;
  r = run("search", "--model model --database a.db --against " + set_option() +
                        " --split val -k 1 -p 'a person walks' -p 'a person waves' --out both --motion " + clip);
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(count_lines(folder_ / "both/results.tsv"), 5);
  EXPECT_NE(r.output.find("a person waves + "), std::string::npos) << r.output;
}

// TMR leaves a pretrained encoder as it is and keeps its states; the other two train it on and save it.
TEST_F(RetrievalPrograms, PretrainedTextEncoders) {
  write_tiny_bert(folder_ / "bert", true);
  for (const std::string model : {"tmr", "pltmr", "bmm"}) {
    const std::string steps = "--text-encoder bert:bert --text-features kept --max-iters 4 --eval-every 2 ";
    train(model, steps + "--out " + model);
    train(model, steps + "--until 2 --out parts_" + model);
    const RunResult rest = run("train_retriever", "--threads 1 --resume --out parts_" + model);
    ASSERT_EQ(rest.code, 0) << rest.output;
    EXPECT_TRUE(slurp(folder_ / (model + "/last.safetensors")) ==
                slurp(folder_ / ("parts_" + model + "/last.safetensors")))
        << model;
    EXPECT_TRUE(fs::exists(folder_ / "kept")) << model;
  }
  train("pltmr", "--text-encoder bert:bert --text-features kept --freeze-text --max-iters 2 --out frozen");
  fs::rename(folder_ / "bert", folder_ / "moved");
  EXPECT_FALSE(open_retriever(folder_ / "bmm")->text->frozen());
  EXPECT_FALSE(open_retriever(folder_ / "pltmr")->text->frozen());
  const std::string build = "--quiet --split val --data " + set_option();
  expect_refused("build_database", build + " --model frozen --out x", 3, "is not there any more");
  const RunResult r = run("build_database", build + " --model frozen --text-encoder bert:moved --out a.db");
  EXPECT_EQ(r.code, 0) << r.output;
}

TEST_F(RetrievalPrograms, ASubClipIsAClipOfItsOwn) {
  train("pltmr", "--max-iters 1 --out model");
  fs::copy(SmallModel::get().set(), folder_ / "set", fs::copy_options::recursive);
  const std::string name = lines_of(folder_ / "set/val.txt").at(0);
  std::ofstream(folder_ / ("set/texts/" + name + ".txt"), std::ios::app) << "a person turns.#person/NOUN#0.5#1.5\n";
  const RunResult r = run("build_database", "--model model --quiet --split val --data set --out a.db");
  ASSERT_EQ(r.code, 0) << r.output;
  const Database db = read_database(folder_ / "a.db");
  const auto part = std::find_if(db.clips.begin(), db.clips.end(),
                                 [&](const DatabaseClip& clip) { return clip.name == "A_" + name; });
  ASSERT_NE(part, db.clips.end());
  EXPECT_EQ(part->file, name);
  EXPECT_EQ(part->begin, 10);
  EXPECT_EQ(part->frames, 20);
  EXPECT_EQ(part->captions, std::vector<std::string>{"a person turns."});
  const int64_t place = part - db.clips.begin();
  EXPECT_EQ(read_frames(db, place).to_vector(),
            read_npy(frames_path(db, place)).slice(0, 10, 30).contiguous().to_vector());
  const Tensor feature = open_retriever(folder_ / "model")->motion_features({read_frames(db, place)});
  // Alone in its batch, products are added in another order.
  const std::vector<double> kept = db.motion.select(0, place).contiguous().to_vector(), alone = feature.to_vector();
  ASSERT_EQ(kept.size(), alone.size());
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_NEAR(kept[i], alone[i], 1e-5);
}

TEST_F(RetrievalPrograms, AnotherRetrieversDatabaseIsRefused) {
  train("pltmr", "--max-iters 2 --out model");
  train("tmr", "--max-iters 2 --out other");
  RunResult r = run("build_database", "--model model --quiet --data " + set_option() + " --split val --out a.db");
  ASSERT_EQ(r.code, 0) << r.output;
  const std::string before = slurp(folder_ / "a.db");
  expect_refused("search", "--model other --database a.db -p walk --out x", 3, "was made by retriever pltmr-");
  expect_refused("build_database", "--model other --add " + set_option() + " --out a.db", 3,
                 "was made by retriever pltmr-");
  expect_refused("build_database", "--model model --split val --add " + set_option() + " --out a.db", 3,
                 "that are there already");
  expect_refused("build_database", "--model model --data " + set_option() + " --out a.db", 2, "--force replaces it");
  expect_refused("build_database", "--model model --add " + set_option() + " --out x", 3, "no database to add to");
  expect_refused("build_database", "--model model --out x", 2, "--add DIR");
  expect_refused("build_database", "--model model --data none --out x", 3, "none");
  EXPECT_TRUE(slurp(folder_ / "a.db") == before);
  r = run("build_database", "--model model --quiet --split val --prefix more/ --add " + set_option() + " --out a.db");
  ASSERT_EQ(r.code, 0) << r.output;
  EXPECT_EQ(read_database(folder_ / "a.db").sets.size(), 1u);
  // Bad queries, and a database whose frames are gone.
  expect_refused("search", "--model model --database a.db --out x", 2, "nothing to look for");
  expect_refused("search", "--model model -p walk --out x", 2, "nowhere to look");
  expect_refused("search", "--model model --database a.db -p ... --out x", 3, "holds no word");
  expect_refused("search", "--model model --database a.db -p walk --leave-out --out x", 2, "--leave-out");
  expect_refused("search", "--model model --database a.db --motion none.npy --out x", 3, "none.npy");
  expect_refused("search", "--model model --database none.db -p walk --out x", 3, "none.db");
  expect_refused("search", "--model " + quoted(SmallModel::get().gpt()) + " --database a.db -p walk --out x", 3,
                 "expected a retriever");
  Database moved = read_database(folder_ / "a.db");
  for (MotionSet& set : moved.sets) set.path = "gone";
  write_database(folder_ / "moved.db", moved);
  expect_refused("search", "--model model --database moved.db -p walk --out x", 3, "gone/new_joint_vecs");
}

TEST_F(RetrievalPrograms, TrainingRefusesWhatCannotBe) {
  expect_refused("train_retriever", train_arguments("nothing") + "--out x", 2, "--model");
  expect_refused("train_retriever", train_arguments("pltmr") + "--batch-size 1 --out x", 2, "--batch-size 1");
  expect_refused("train_retriever", train_arguments("bmm") + "--queue 3 --out x", 2, "--queue 3 must hold a batch");
  expect_refused("train_retriever", train_arguments("pltmr") + "--queue 8 --out x", 2, "--queue");
  expect_refused("train_retriever", train_arguments("pltmr") + "--data none --out x", 3, "none");
  expect_refused("train_retriever", train_arguments("tmr") + "--text-encoder bert:none --out x", 3, "none");
  train("pltmr", "--max-iters 2 --until 1 --out run");
  const std::string trained = slurp(folder_ / "run/last.safetensors");
  const RunResult r = run("train_retriever", "--resume --out run --mask-padding");
  EXPECT_EQ(r.code, 3) << r.output;
  EXPECT_EQ(slurp(folder_ / "run/last.safetensors"), trained);
}

}  // namespace
}  // namespace kg::test
