// POSIX calls under file.h: open/write/fsync/rename, and reading with a bound.
#include "data/formats/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "tensor/error.h"

namespace kg {
namespace fs = std::filesystem;

namespace {

// The folder of a file; "." for a bare name.
fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// A descriptor that closes itself.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(path) {
  std::error_code error;
  if (fs::is_symlink(path_, error)) {  // replace what the link points at, not the link
    const fs::path target = fs::weakly_canonical(path_, error);
    if (!error) path_ = target;
  }
  const fs::file_status status = fs::status(path_, error);
  CHECK(!fs::exists(status) || fs::is_regular_file(status), "[write] ", path_.string(),
        " exists and is not a regular file; give another name");
  static std::atomic<unsigned> counter{0};
  do {
    const std::string name = ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
    temporary_ = folder_of(path_) / name;
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail_with_errno("create a file in its folder");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_with_errno(const char* action) const {
  const int reason = errno;
  fail(ErrorCode::runtime, "[write] ", path_.string(), ": cannot ", action, ": ", std::strerror(reason),
       "; nothing was written under this name");
}

void AtomicFile::write(std::string_view bytes) {
  CHECK(descriptor_ >= 0, "[write] ", path_.string(), ": write after commit");
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min<std::size_t>(bytes.size(), 1 << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno("write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit(bool sync) {
  CHECK(descriptor_ >= 0, "[write] ", path_.string(), ": committed twice");
  if (sync && ::fsync(descriptor_) != 0) fail_with_errno("sync");
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail_with_errno("close");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno("rename the temporary file to it");
  temporary_.clear();
  if (!sync) return;
  // The file is complete either way; syncing the folder only makes the new name survive a power loss.
  const Descriptor folder{::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.value >= 0) ::fsync(folder.value);
}

void write_file_atomically(const fs::path& path, std::string_view bytes, bool sync) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit(sync);
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  CHECK_INPUT(file.value >= 0, "[read] ", path.string(), ": cannot open: ", std::strerror(errno));
  struct stat status {};
  CHECK_INPUT(::fstat(file.value, &status) == 0, "[read] ", path.string(), ": ", std::strerror(errno));
  CHECK_INPUT(!S_ISDIR(status.st_mode), "[read] ", path.string(), " is a folder, a file was expected");
  const std::uint64_t size = status.st_size > 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
  CHECK_INPUT(size <= max_bytes, "[read] ", path.string(), " has ", size, " bytes, at most ", max_bytes,
              " are read from a file of this kind");

  // A pipe has no size, and a file may grow while it is read: read to the end, within the bound.
  std::string bytes;
  constexpr std::size_t kChunk = 1 << 16;
  bytes.reserve(size + kChunk);
  for (;;) {
    const std::size_t have = bytes.size();
    bytes.resize(have < size ? size : have + kChunk);
    const ssize_t got = ::read(file.value, bytes.data() + have, bytes.size() - have);
    const int reason = errno;
    bytes.resize(have + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0 && reason == EINTR) continue;
    CHECK_INPUT(got >= 0, "[read] ", path.string(), ": ", std::strerror(reason));
    CHECK_INPUT(bytes.size() <= max_bytes, "[read] ", path.string(), " is longer than the ", max_bytes,
                " bytes that are read from a file of this kind");
    if (got == 0) return bytes;
  }
}

std::string_view trim(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = line.find_first_not_of(kBlank);
  return begin == line.npos ? std::string_view() : line.substr(begin, line.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace kg
