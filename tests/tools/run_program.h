// Helpers of the tests of tools/: whole files as strings, and a program run as a child with its exit code and output.
#pragma once

#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"

namespace kg::test {

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

inline void spill(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::istringstream text(slurp(path));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

struct RunResult {
  int code;            // exit code; 128 + signal for a program that a signal ended
  std::string output;  // stdout and stderr together
};

// Runs a shell command.
inline RunResult run_command(const std::string& command) {
  // Test programs that it starts run all of their tests, whichever part of this one's tests runs here.
  FILE* pipe = ::popen(("unset GTEST_TOTAL_SHARDS GTEST_SHARD_INDEX; " + command + " 2>&1").c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot start: " + command);
  RunResult result{0, ""};
  char buffer[4096];
  for (size_t got; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) result.output.append(buffer, got);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace kg::test
