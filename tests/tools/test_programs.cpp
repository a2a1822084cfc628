// Every program that the build made, run as a user would: help that fits on a screen, wrong options, exit codes.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/tools/run_program.h"

namespace kg::test {
namespace {

namespace fs = std::filesystem;

// The programs of tools/, without the tests.
std::vector<std::string> programs() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(KG_BIN_DIR)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().filename().string();
    if (name.rfind("test_", 0) != 0 && name.rfind("fuzz_", 0) != 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

RunResult run(const std::string& program, const std::string& arguments) {
  return run_command("'" + std::string(KG_BIN_DIR) + "/" + program + "' " + arguments);
}

TEST(Programs, HelpFitsOnOneScreen) {
  for (const std::string& program : programs()) {
    for (const char* option : {"--help", "-h"}) {
      const RunResult result = run(program, option);
      EXPECT_EQ(result.code, 0) << program;
      EXPECT_LE(std::count(result.output.begin(), result.output.end(), '\n'), 30) << program;
      std::istringstream lines(result.output);
      for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << program << ": " << line;
      EXPECT_EQ(result.output.rfind(program + ": ", 0), 0u) << result.output;
      EXPECT_NE(result.output.find("\nExample: " + program), std::string::npos) << result.output;
    }
  }
}

TEST(Programs, WrongOptionsAreUsageErrors) {
  for (const std::string& program : programs()) {
    const RunResult unknown = run(program, "--hepl");
    EXPECT_EQ(unknown.code, 2) << program << ": " << unknown.output;
    EXPECT_NE(unknown.output.find("unknown option --hepl; did you mean --help?"), std::string::npos) << unknown.output;
    const RunResult config = run(program, "--config /nonexistent/config.json");
    EXPECT_EQ(config.code, 3) << program << ": " << config.output;
    EXPECT_EQ(config.output.rfind("error: ", 0), 0u) << config.output;
  }
}

}  // namespace
}  // namespace kg::test
