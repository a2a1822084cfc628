// Atomic writing and bounded reading of files.
#include "data/formats/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tensor/error.h"

namespace kg {
namespace fs = std::filesystem;
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = fs::temp_directory_path() / ("kg_file_" + std::to_string(::getpid()) + "_" + name);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  // Everything in the folder, temporary files included.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_)) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
  fs::path folder_;
};

template <class F>
std::pair<int, std::string> code_and_message(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    return {static_cast<int>(e.code), e.what()};
  }
  return {0, ""};
}

TEST_F(FileTest, WritesAndReadsAnyBytes) {
  const std::string bytes("a\0\xff\n\r\x1a z", 8);
  write_file_atomically(folder_ / "x", bytes);
  EXPECT_EQ(read_file(folder_ / "x", 8), bytes);
  write_file_atomically(folder_ / "x", "", false);
  EXPECT_EQ(read_file(folder_ / "x", 0), "");
  const std::string large(3'000'001, 'k');
  write_file_atomically(folder_ / "x", large);
  EXPECT_EQ(read_file(folder_ / "x", large.size()), large);
  EXPECT_EQ(names(), std::vector<std::string>{"x"});
}

TEST_F(FileTest, PiecesAndAbandonment) {
  write_file_atomically(folder_ / "x", "old");
  {
    AtomicFile file(folder_ / "x");
    file.write("half");
    EXPECT_EQ(read_file(folder_ / "x", 10), "old");
  }
  EXPECT_EQ(read_file(folder_ / "x", 10), "old");
  AtomicFile file(folder_ / "x");
  file.write("new ");
  file.write("bytes");
  file.commit();
  EXPECT_EQ(read_file(folder_ / "x", 10), "new bytes");
  EXPECT_EQ(names(), std::vector<std::string>{"x"});
}

TEST_F(FileTest, FullDiskLeavesNothing) {
  // A limit on the file size stands for the full disk: write() fails with EFBIG half-way.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit low = before;
  low.rlim_cur = 1000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &low);
  const auto [code, text] = code_and_message([&] { write_file_atomically(folder_ / "x", std::string(5000, 'a')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(code, 1);
  EXPECT_NE(text.find((folder_ / "x").string()), std::string::npos) << text;
  EXPECT_NE(text.find("File too large"), std::string::npos) << text;
  EXPECT_TRUE(names().empty());
}

TEST_F(FileTest, BadTargets) {
  EXPECT_EQ(code_and_message([&] { write_file_atomically(folder_ / "no" / "x", "a"); }).first, 1);
  fs::create_directory(folder_ / "dir");
  EXPECT_EQ(code_and_message([&] { write_file_atomically(folder_ / "dir", "a"); }).first, 1);
  EXPECT_EQ(code_and_message([&] { write_file_atomically("/dev/null", "a"); }).first, 1);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  if (::geteuid() != 0) {
    fs::permissions(folder_ / "dir", fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(code_and_message([&] { write_file_atomically(folder_ / "dir" / "x", "a"); }).first, 1);
  }
  EXPECT_EQ(names(), std::vector<std::string>{"dir"});
}

TEST_F(FileTest, ASymbolicLinkStaysALink) {
  write_file_atomically(folder_ / "real", "old");
  fs::create_symlink("real", folder_ / "link");
  write_file_atomically(folder_ / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_file(folder_ / "real", 3), "new");
}

TEST_F(FileTest, BadReads) {
  write_file_atomically(folder_ / "x", "12345");
  const auto [long_code, long_text] = code_and_message([&] { read_file(folder_ / "x", 4); });
  EXPECT_EQ(long_code, 3);
  EXPECT_NE(long_text.find("has 5 bytes, at most 4"), std::string::npos) << long_text;
  const auto [missing_code, missing_text] = code_and_message([&] { read_file(folder_ / "nope", 4); });
  EXPECT_EQ(missing_code, 3);
  EXPECT_NE(missing_text.find("No such file"), std::string::npos) << missing_text;
  EXPECT_EQ(code_and_message([&] { read_file(folder_, 4); }).first, 3);
  EXPECT_EQ(code_and_message([&] { read_file("/dev/zero", 100); }).first, 3);  // endless, without a size
}

}  // namespace
}  // namespace kg
