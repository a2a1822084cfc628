// Helpers of the tests that run the programs from end to end: one small trained model for all of them (24 procedural
// clips, networks of a few channels), a program started in the background, and comparisons of folders.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "tests/tools/run_program.h"

namespace kg::test {

namespace fs = std::filesystem;

inline std::string quoted(const std::string& text) { return "'" + text + "'"; }
inline std::string quoted(const fs::path& path) { return quoted(path.string()); }

// `before`: shell words in front of the program, such as limits. A program that hangs ends with code 124.
inline RunResult run_in(const fs::path& folder, const std::string& program, const std::string& arguments,
                        const std::string& before = "") {
  return run_command("cd " + quoted(folder) + " && { " + before + " timeout 300 " +
                     quoted(fs::path(KG_BIN_DIR) / program) + " " + arguments + "; }");
}

inline constexpr const char* kTokenizerSizes = " --preset tiny --width 8 --codes 16 --batch-size 2 --window-size 16 ";
inline constexpr const char* kGptSizes = " --preset tiny --width 16 --layers 1 --heads 2 --batch-size 2 ";

// set/ (data), tokenizer/ and gpt/ (runs): made once, to be read only.
class SmallModel {
 public:
  static const SmallModel& get() {
    static const SmallModel model;
    return model;
  }
  fs::path set() const { return folder_ / "set"; }
  fs::path tokenizer() const { return folder_ / "tokenizer"; }
  fs::path gpt() const { return folder_ / "gpt"; }
  std::string train_tokenizer() const { return "--threads 1 --data " + quoted(set()) + kTokenizerSizes; }
  std::string train_gpt() const {
    return "--threads 1 --data " + quoted(set()) + " --tokenizer " + quoted(tokenizer()) + kGptSizes;
  }

 private:
  SmallModel() {
    make("prepare_data", "--procedural 24 --out set");
    make("train_tokenizer", train_tokenizer() + "--max-iters 100 --out tokenizer");
    make("train_t2mgpt", train_gpt() + "--max-iters 30 --out gpt");
  }
  void make(const std::string& program, const std::string& arguments) {
    const RunResult result = run_in(folder_.path(), program, arguments);
    if (result.code != 0) throw std::runtime_error(program + " " + arguments + ": " + result.output);
  }
  TemporaryFolder folder_;
};

// A program that runs beside the test.
class Background {
 public:
  Background(const fs::path& folder, const std::string& program, const std::string& arguments) {
    const std::string command = "cd " + quoted(folder) + " && exec " + quoted(fs::path(KG_BIN_DIR) / program) + " " +
                                arguments + " > background.txt 2>&1";
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot start " + program);
    if (pid_ == 0) {
      ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
  ~Background() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), wait();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void signal(int number) { ::kill(pid_, number); }
  // The exit code; 128 + signal for a program that a signal ended.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

inline int64_t count_lines(const fs::path& path) {
  const std::string text = slurp(path);
  return std::count(text.begin(), text.end(), '\n');
}

// False when it takes too long.
inline bool wait_until(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// Every file below a folder: path from it to bytes.
inline std::map<std::string, std::string> files_below(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = slurp(entry.path());
  return files;
}

inline std::vector<std::string> names_of(const std::map<std::string, std::string>& files) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  return names;
}

// Equal names and equal bytes, told file by file.
inline void expect_same_files(const fs::path& a, const fs::path& b) {
  const auto left = files_below(a), right = files_below(b);
  EXPECT_EQ(names_of(left), names_of(right));
  for (const auto& [name, bytes] : left) {
    const auto other = right.find(name);
    EXPECT_TRUE(other != right.end() && bytes == other->second) << name << " differs between " << a << " and " << b;
  }
}

}  // namespace kg::test
