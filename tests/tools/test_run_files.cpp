// Run folders, the CSV log, training state, progress lines and interrupts.
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/formats/checkpoint.h"
#include "tests/tools/run_program.h"
#include "tools/common/train/csv.h"
#include "tools/common/train/interrupt.h"
#include "tools/common/train/progress.h"
#include "tools/common/train/run_folder.h"
#include "tools/common/train/training_state.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

namespace fs = std::filesystem;
using test::slurp;
using test::spill;
using test::TemporaryFolder;

template <class Fn>
ErrorCode code_of(Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error.code;
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCode::peer;
}

TEST(RunFolder, MakesTheFolderAndItsConfig) {
  TemporaryFolder folder;
  const RunFolder run(folder / "a/b", false, false);
  EXPECT_FALSE(run.resuming());
  run.write_config({{"program", "x"}, {"lr", 0.5}});
  EXPECT_EQ(slurp(folder / "a/b/config.json"), "{\n  \"program\": \"x\",\n  \"lr\": 0.5\n}\n");
}

TEST(RunFolder, RefusesAFolderInUse) {
  TemporaryFolder folder;
  spill(folder / "last.safetensors", "w");
  spill(folder / "notes.txt", "mine");
  EXPECT_EQ(code_of([&] { RunFolder(folder.path(), false, false); }), ErrorCode::usage);
  EXPECT_EQ(code_of([&] { RunFolder(folder.path(), true, true); }), ErrorCode::usage);
  EXPECT_TRUE(RunFolder(folder.path(), true, false).resuming());
  EXPECT_TRUE(fs::exists(folder / "last.safetensors"));
  const RunFolder anew(folder.path(), false, true);
  EXPECT_FALSE(fs::exists(folder / "last.safetensors"));
  EXPECT_EQ(slurp(folder / "notes.txt"), "mine");  // force removes only what a run wrote
}

TEST(RunFolder, ResumeNeedsACheckpoint) {
  TemporaryFolder folder;
  EXPECT_EQ(code_of([&] { RunFolder(folder.path(), true, false); }), ErrorCode::input);
  EXPECT_EQ(code_of([&] { RunFolder(folder / "missing", true, false); }), ErrorCode::input);
  EXPECT_FALSE(fs::exists(folder / "missing"));
}

TEST(RunFolder, OutputThatCannotBeWritten) {
  TemporaryFolder folder;
  spill(folder / "file", "x");
  EXPECT_EQ(code_of([&] { RunFolder(folder / "file", false, false); }), ErrorCode::runtime);
  EXPECT_EQ(code_of([&] { RunFolder(folder / "file/run", false, false); }), ErrorCode::runtime);
  EXPECT_EQ(code_of([&] { RunFolder("/proc/kinegrad", false, false); }), ErrorCode::runtime);
  EXPECT_EQ(code_of([&] { RunFolder("", false, false); }), ErrorCode::runtime);
}

TEST(FindCheckpoint, FileBestLastOrError) {
  TemporaryFolder folder;
  EXPECT_EQ(code_of([&] { find_checkpoint(folder / "none"); }), ErrorCode::input);
  EXPECT_EQ(code_of([&] { find_checkpoint(folder.path()); }), ErrorCode::input);
  spill(folder / "last.safetensors", "l");
  EXPECT_EQ(find_checkpoint(folder.path()), folder / "last.safetensors");
  spill(folder / "best.safetensors", "b");
  EXPECT_EQ(find_checkpoint(folder.path()), folder / "best.safetensors");
  EXPECT_EQ(find_checkpoint(folder / "last.safetensors"), folder / "last.safetensors");
}

TEST(CsvLog, ResumedLogEqualsAnUnbrokenOne) {
  TemporaryFolder folder;
  const auto write = [](CsvLog& log, int from, int to) {
    for (int i = from; i <= to; ++i) log.row(i, {1.0 / i, i == 2 ? std::nan("") : i * 0.1});
  };
  CsvLog whole(folder / "whole.csv", {"loss", "perplexity"});
  write(whole, 1, 9);
  const std::string expected = slurp(folder / "whole.csv");
  EXPECT_EQ(expected.substr(0, 69), "iteration,loss,perplexity\n1,1,0.1\n2,0.5,\n3,0.3333333333333333,0.30000");

  {
    CsvLog log(folder / "broken.csv", {"loss", "perplexity"});
    write(log, 1, 6);
  }
  spill(folder / "broken.csv", slurp(folder / "broken.csv") + "7,0.14");  // killed within a row
  CsvLog log(folder / "broken.csv", {"loss", "perplexity"}, 4);
  EXPECT_EQ(slurp(folder / "broken.csv"), expected.substr(0, expected.find("5,0.2")));
  write(log, 5, 9);
  EXPECT_EQ(slurp(folder / "broken.csv"), expected);
}

TEST(CsvLog, KeepsEverythingUpToTheResumedIteration) {
  TemporaryFolder folder;
  const std::string text = "iteration,a\n10,1\n20,2\n";
  spill(folder / "l.csv", text);
  { CsvLog log(folder / "l.csv", {"a"}, 20); }
  EXPECT_EQ(slurp(folder / "l.csv"), text);
  { CsvLog log(folder / "l.csv", {"a"}, 19); }
  EXPECT_EQ(slurp(folder / "l.csv"), "iteration,a\n10,1\n");
  { CsvLog log(folder / "l.csv", {"a"}, 0); }
  EXPECT_EQ(slurp(folder / "l.csv"), "iteration,a\n");
}

TEST(CsvLog, Errors) {
  TemporaryFolder folder;
  spill(folder / "l.csv", "iteration,a\nx,1\n");
  EXPECT_EQ(code_of([&] { CsvLog(folder / "l.csv", {"a"}, 5); }), ErrorCode::input);
  EXPECT_EQ(slurp(folder / "l.csv"), "iteration,a\nx,1\n");  // left as it was
  EXPECT_EQ(code_of([&] { CsvLog(folder / "l.csv", {"b"}, 5); }), ErrorCode::input);
  EXPECT_EQ(code_of([&] { CsvLog(folder / "none.csv", {"a"}, 5); }), ErrorCode::input);
  EXPECT_EQ(code_of([&] { CsvLog(folder / "no/l.csv", {"a"}); }), ErrorCode::runtime);
  CsvLog log(folder / "m.csv", {"a"});
  EXPECT_EQ(code_of([&] { log.row(1, {1, 2}); }), ErrorCode::runtime);
}

TEST(TrainingState, RoundTrip) {
  TrainingState state;
  state.iteration = 1234567890123;
  state.random = {18446744073709551615u, 42};
  state.best = 0.1 + 0.2, state.has_best = true;
  std::map<std::string, std::string> metadata = {{"config", "{}"}};
  pack(state, metadata);
  const TrainingState back = unpack_training_state(metadata, "f");
  EXPECT_EQ(back.iteration, state.iteration);
  EXPECT_EQ(back.random.seed, state.random.seed);
  EXPECT_EQ(back.random.position, 42u);
  EXPECT_TRUE(back.has_best);
  EXPECT_EQ(back.best, 0.1 + 0.2);
  EXPECT_EQ(metadata.at("config"), "{}");

  state.has_best = false;
  pack(state, metadata);
  EXPECT_FALSE(unpack_training_state(metadata, "f").has_best);
}

TEST(TrainingState, BadMetadata) {
  std::map<std::string, std::string> metadata;
  EXPECT_EQ(code_of([&] { unpack_training_state(metadata, "f"); }), ErrorCode::input);
  pack({}, metadata);
  for (const char* text : {"", "x", "1x", "-1", "99999999999999999999"}) {
    metadata["state.iteration"] = text;
    EXPECT_EQ(code_of([&] { unpack_training_state(metadata, "f"); }), ErrorCode::input) << text;
  }
}

// Lines printed with a clock that the test sets.
struct FakeProgress {
  std::ostringstream out;
  double time = 0;
  ProgressStyle style(bool terminal, bool quiet = false) {
    ProgressStyle s{.out = &out, .now = [this] { return time; }};
    s.terminal = terminal, s.quiet = quiet, s.interval = 5, s.width = 60;
    return s;
  }
};

TEST(Progress, PlainLinesEveryFewSeconds) {
  FakeProgress fake;
  {
    Progress progress("train", 100, 500, fake.style(false));
    for (int i = 101; i <= 150; ++i) {
      fake.time += 0.25;
      progress.update(i, {{"loss", 1.0 / 3}, {"used", 87.5, "%"}}, 16);
    }
  }
  EXPECT_EQ(fake.out.str(),
            "train  120/500  24%  loss 0.3333  used 87.5%  64/s  0:05, 1:35 left\n"
            "train  140/500  28%  loss 0.3333  used 87.5%  64/s  0:10, 1:30 left\n"
            "train  150/500  30%  loss 0.3333  used 87.5%  64/s  0:13, 1:28 left\n");
}

TEST(Progress, OneLineOnATerminal) {
  FakeProgress fake;
  {
    Progress progress("a", 0, 10, fake.style(true));
    fake.time = 5;
    progress.update(5, {{"name", 123456789}});
    fake.time = 10;
    progress.update(10, {});
    progress.note("saved");
  }
  EXPECT_EQ(fake.out.str(), std::string("\ra  5/10  50%  name 1.235e+08  0:05, 0:05 left") + "\ra  10/10  100%  0:10" +
                                std::string(25, ' ') + "\r" + std::string(20, ' ') +
                                "\rsaved\n"
                                "\ra  10/10  100%  0:10\n");
}

TEST(Progress, QuietPrintsNothing) {
  FakeProgress fake;
  {
    Progress progress("a", 0, 10, fake.style(true, true));
    fake.time = 50;
    progress.update(5, {});
    progress.note("n");
    EXPECT_FALSE(progress.due());
  }
  EXPECT_EQ(fake.out.str(), "");
}

TEST(Progress, Durations) {
  EXPECT_EQ(duration_text(0), "0:00");
  EXPECT_EQ(duration_text(59.6), "1:00");
  EXPECT_EQ(duration_text(754), "12:34");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(-1), "0:00");
}

TEST(Interrupt, FirstSignalSetsTheFlag) {
  for (const int signal : {SIGINT, SIGTERM}) {
    testing::internal::CaptureStderr();
    {
      InterruptGuard guard;
      EXPECT_FALSE(interrupted());
      ::raise(signal);
      EXPECT_TRUE(interrupted());
    }
    EXPECT_NE(testing::internal::GetCapturedStderr().find("saving"), std::string::npos);
    InterruptGuard again;
    EXPECT_FALSE(interrupted());
  }
}

// A name with DeathTest runs before the suites that start threads.
TEST(InterruptDeathTest, SecondSignalEndsTheProgram) {
  const auto twice = [] {
    InterruptGuard guard;
    ::raise(SIGINT);
    ::raise(SIGTERM);
  };
  EXPECT_EXIT(twice(), testing::KilledBySignal(SIGTERM), "saving");
}

}  // namespace
}  // namespace kg
