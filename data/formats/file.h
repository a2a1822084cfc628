// Whole files in and out, and lines of them. A file is written under a temporary name in its folder, synced and
// renamed, so that a reader sees the old bytes or the new ones and a failure (full disk, no permission) leaves nothing
// under the final name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace kg {

// A file being written: write() any number of times, then commit(). Destroyed before commit(), it removes what it
// wrote. Every failure is an Error (runtime) with the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void commit(bool sync = true);

 private:
  [[noreturn]] void fail_with_errno(const char* action) const;

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

// `sync` = false skips waiting for the disk: for thousands of small files that can be made again.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes, bool sync = true);

// All bytes of a file; an Error (input) when it is missing, unreadable, a folder, or longer than max_bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// A line without blanks (spaces, tabs, carriage returns) at its ends.
std::string_view trim(std::string_view line);

}  // namespace kg
