// Checks on run folders before hours are spent in them.
#include "tools/common/train/run_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg::tools {
namespace fs = std::filesystem;

void make_output_folder(const fs::path& path) {
  CHECK(!path.empty(), "[output] the name of the output folder is empty");
  std::error_code error;
  fs::create_directories(path, error);
  CHECK(!error || fs::is_directory(path), "[output] cannot make the folder ", path.string(), ": ", error.message());
  CHECK(fs::is_directory(path), "[output] ", path.string(), " is a file, a folder was expected; give another name");
  CHECK(::access(path.c_str(), W_OK | X_OK) == 0, "[output] cannot write in the folder ", path.string(), ": ",
        std::strerror(errno));
}

RunFolder::RunFolder(fs::path path, bool resume, bool force) : path_(std::move(path)), resuming_(resume) {
  if (resume && force) fail(ErrorCode::usage, "--resume goes on with a run, --force starts anew: give one of them");
  std::error_code error;
  if (resume) {
    CHECK_INPUT(fs::is_regular_file(last(), error), "[resume] nothing to resume: ", last().string(),
                " is not there; start the run without --resume");
  } else if (fs::is_directory(path_, error) && !fs::is_empty(path_, error) && !force) {
    const bool is_run = fs::exists(config(), error) || fs::exists(last(), error);
    fail(ErrorCode::usage, "[output] ", path_.string(), is_run ? " holds a run" : " is not empty",
         "; give another --out,", is_run ? " --resume to go on with it," : "", " or --force to start anew in it");
  }
  make_output_folder(path_);
  if (!force) return;
  for (const fs::path& file : {config(), log(), last(), best()}) {
    fs::remove(file, error);
    CHECK(!error, "[output] cannot remove ", file.string(), ": ", error.message());
  }
}

void RunFolder::write_config(const nlohmann::ordered_json& json) const {
  write_file_atomically(config(), json.dump(2) + "\n");
}

}  // namespace kg::tools
