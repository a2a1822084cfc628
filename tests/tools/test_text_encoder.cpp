// T2M-GPT with pretrained text encoders from end to end: training on kept features, resuming, sampling, and what is
// said when the encoder is gone or another one.
#include "tests/tiny_text_models.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

class ProgramsText : public testing::Test {
 protected:
  ProgramsText() {
    write_tiny_clip(folder_ / "clip");
    write_tiny_bert(folder_ / "bert", true);
  }
  RunResult train(const std::string& arguments) {
    return run_in(folder_.path(), "train_t2mgpt", SmallModel::get().train_gpt() + "--text-features kept " + arguments);
  }
  RunResult generate(const std::string& arguments) {
    return run_in(folder_.path(), "generate", "-p 'a person walks' --length 1s --format npy " + arguments);
  }
  TemporaryFolder folder_;
};

TEST_F(ProgramsText, TrainsSamplesAndKeepsItsFeatures) {
  for (const std::string kind : {"clip", "bert"}) {
    const std::string encoder = "--max-iters 12 --eval-every 6 --text-encoder " + kind + ":" + kind + " ";
    const RunResult first = train(encoder + "--out " + kind + "1");
    ASSERT_EQ(first.code, 0) << first.output;
    EXPECT_NE(first.output.find("kept in kept/" + kind), std::string::npos) << first.output;
    const auto kept = files_below(folder_ / "kept");
    const RunResult second = train(encoder + "--out " + kind + "2");
    ASSERT_EQ(second.code, 0) << second.output;
    EXPECT_NE(second.output.find("text features: kept/" + kind), std::string::npos) << second.output;
    EXPECT_TRUE(files_below(folder_ / "kept") == kept);
    EXPECT_EQ(slurp(folder_ / (kind + "1/log.csv")), slurp(folder_ / (kind + "2/log.csv")));

    const RunResult made = generate("--model " + kind + "1 --out " + kind + "_motion");
    EXPECT_EQ(made.code, 0) << made.output;
  }
  EXPECT_NE(slurp(folder_ / "clip_motion/000_a_person_walks.npy"),
            slurp(folder_ / "bert_motion/000_a_person_walks.npy"));
}

TEST_F(ProgramsText, ResumesToTheSameBytes) {
  const std::string encoder = "--text-encoder clip:clip/model.safetensors --save-every 4 ";
  ASSERT_EQ(train(encoder + "--max-iters 4 --schedule constant --out part").code, 0);
  ASSERT_EQ(train(encoder + "--max-iters 9 --schedule constant --out part --resume").code, 0);
  ASSERT_EQ(train(encoder + "--max-iters 9 --schedule constant --out again").code, 0);
  EXPECT_TRUE(slurp(folder_ / "part/last.safetensors") == slurp(folder_ / "again/last.safetensors"));
}

TEST_F(ProgramsText, AMovedEncoderIsAskedForAndAnotherIsRefused) {
  ASSERT_EQ(train("--max-iters 2 --text-encoder clip:clip --out gpt").code, 0);
  ASSERT_EQ(generate("--model gpt --out before").code, 0);
  fs::rename(folder_ / "clip", folder_ / "moved");
  const RunResult gone = generate("--model gpt --out out");
  EXPECT_EQ(gone.code, 3) << gone.output;
  EXPECT_NE(gone.output.find("is not there any more"), std::string::npos) << gone.output;
  const RunResult found = generate("--model gpt --out after --text-encoder clip:moved");
  EXPECT_EQ(found.code, 0) << found.output;
  expect_same_files(folder_ / "before", folder_ / "after");

  write_tiny_clip(folder_ / "other", 2);
  for (const char* wrong : {"clip:other", "bert:bert", "builtin"}) {
    const RunResult refused = generate("--model gpt --out out --text-encoder " + std::string(wrong));
    EXPECT_EQ(refused.code, 3) << refused.output;
    EXPECT_NE(refused.output.find("trained with"), std::string::npos) << refused.output;
  }
  const RunResult resumed = train("--max-iters 4 --text-encoder clip:other --out gpt --resume");
  EXPECT_EQ(resumed.code, 3) << resumed.output;
  EXPECT_NE(resumed.output.find("another text encoder: weights"), std::string::npos) << resumed.output;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(ProgramsText, AVocabularyElsewhereIsRemembered) {
  fs::create_directories(folder_ / "words");
  for (const char* file : {"vocab.json", "merges.txt"}) fs::rename(folder_ / "clip" / file, folder_ / "words" / file);
  EXPECT_EQ(train("--max-iters 2 --text-encoder clip:clip --out gpt").code, 3);
  const RunResult trained = train("--max-iters 2 --text-encoder clip:clip --text-vocabulary words --out gpt");
  ASSERT_EQ(trained.code, 0) << trained.output;
  EXPECT_EQ(generate("--model gpt --out out").code, 0);
  fs::rename(folder_ / "words", folder_ / "elsewhere");
  EXPECT_EQ(generate("--model gpt --out none").code, 3);
  EXPECT_EQ(generate("--model gpt --out there --text-vocabulary elsewhere").code, 0);
  expect_same_files(folder_ / "out", folder_ / "there");
}

TEST_F(ProgramsText, TheBuiltInOneNeedsNone) {
  const RunResult given =
      generate("--model " + quoted(SmallModel::get().gpt()) + " --out out --text-encoder clip:clip");
  EXPECT_EQ(given.code, 3) << given.output;
  EXPECT_NE(given.output.find("leave away --text-encoder"), std::string::npos) << given.output;
}

TEST_F(ProgramsText, WrongUseIsSaidBeforeAnythingIsMade) {
  const RunResult kind = train("--max-iters 2 --text-encoder t5:clip --out gpt");
  EXPECT_EQ(kind.code, 2) << kind.output;
  EXPECT_NE(kind.output.find("use builtin, clip:FILE or bert:FILE"), std::string::npos) << kind.output;
  const RunResult none = train("--max-iters 2 --text-encoder clip:nowhere --out gpt");
  EXPECT_EQ(none.code, 3) << none.output;
  fs::remove(folder_ / "clip/vocab.json");
  const RunResult words = train("--max-iters 2 --text-encoder clip:clip --out gpt");
  EXPECT_EQ(words.code, 3) << words.output;
  EXPECT_FALSE(fs::exists(folder_ / "gpt"));
}

}  // namespace
}  // namespace kg::test
