// tests/run.sh and tests/fuzz/run.sh: their sums and exit codes over programs that pass, fail, skip and crash.
#include <gtest/gtest.h>

#include "tests/tools/run_program.h"

namespace kg::test {
namespace {

namespace fs = std::filesystem;

// A build folder with shell scripts in place of programs, which have all of their tests in the first part.
struct FakeBuild {
  TemporaryFolder folder;
  FakeBuild() { fs::create_directories(folder / "bin"); }
  void program(const std::string& name, const std::string& script) {
    spill(folder / ("bin/" + name),
          "#!/bin/sh\n[ \"${GTEST_SHARD_INDEX:-0}\" = 0 ] || exec echo '[==========] 0 tests ran.'\n" + script);
    fs::permissions(folder / ("bin/" + name), fs::perms::owner_all);
  }
  RunResult run(const std::string& script, const std::string& arguments = "") const {
    const std::string path = std::string(KG_TEST_DIR) + "/" + script;
    return run_command("'" + path + "' '" + folder.path().string() + "' " + arguments);
  }
};

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

const char kPass[] = R"(echo '[ RUN      ] A.One
noise[       OK ] A.One (0 ms)
[ RUN      ] A.Two
[       OK ] A.Two (1 ms)
[==========] 2 tests from 1 test suite ran. (1 ms total)
[  PASSED  ] 2 tests.'
)";
const char kFailAndSkip[] = R"(echo '[ RUN      ] B.Skip
file.cpp:7: Skipped
no data here
[  SKIPPED ] B.Skip (0 ms)
[ RUN      ] B.Bad
1 is not 2
[  FAILED  ] B.Bad (0 ms)
[==========] 2 tests from 1 test suite ran. (0 ms total)
[  PASSED  ] 0 tests.
[  FAILED  ] 1 test, listed below:
[  FAILED  ] B.Bad'
exit 1
)";

TEST(TestScript, SumsOverPrograms) {
  FakeBuild build;
  build.program("test_a", kPass);
  const RunResult good = build.run("run.sh");
  EXPECT_EQ(good.code, 0);
  EXPECT_TRUE(ends_with(good.output, "\n2 passed, 0 failed\n")) << good.output;

  build.program("test_b", kFailAndSkip);
  const RunResult bad = build.run("run.sh");
  EXPECT_EQ(bad.code, 1);
  EXPECT_TRUE(ends_with(bad.output, "\n2 passed, 1 failed\n")) << bad.output;
  EXPECT_NE(bad.output.find("skipped B.Skip: no data here"), std::string::npos) << bad.output;
  EXPECT_NE(bad.output.find("1 is not 2"), std::string::npos) << bad.output;
}

TEST(TestScript, CrashIsAFailure) {
  FakeBuild build;
  build.program("test_a", "echo '[ RUN      ] A.One\n[       OK ] A.One (0 ms)\n[ RUN      ] A.Two'\nkill -SEGV $$\n");
  build.program("test_c", "exit 0\n");  // ends quietly in the middle
  const RunResult result = build.run("run.sh");
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(ends_with(result.output, "\n1 passed, 2 failed\n")) << result.output;
}

TEST(TestScript, NothingToRunIsAFailure) {
  const FakeBuild build;
  EXPECT_EQ(build.run("run.sh").code, 1);
  EXPECT_EQ(build.run("fuzz/run.sh").code, 1);
}

TEST(TestScript, FuzzTargets) {
  FakeBuild build;
  build.program("fuzz_a", "echo 'Done 12 runs in 3 second(s)'\n");
  const RunResult good = build.run("fuzz/run.sh", "1");
  EXPECT_EQ(good.code, 0);
  EXPECT_TRUE(ends_with(good.output, "1 passed, 0 failed\n")) << good.output;
  build.program("fuzz_b", "echo 'ERROR: heap-buffer-overflow'\nexit 77\n");
  const RunResult bad = build.run("fuzz/run.sh", "1");
  EXPECT_EQ(bad.code, 1);
  EXPECT_TRUE(ends_with(bad.output, "1 passed, 1 failed\n")) << bad.output;
  EXPECT_NE(bad.output.find("heap-buffer-overflow"), std::string::npos);
}

}  // namespace
}  // namespace kg::test
