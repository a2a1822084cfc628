// The folder of one training run: config.json, log.csv, last.safetensors (resumable), best.safetensors (lowest
// validation loss). A folder that holds anything is not used again unless the user says --resume or --force.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace kg::tools {

class RunFolder {
 public:
  // Makes the folder where it is missing. resume: it must hold last.safetensors. force:
  // the files of an earlier run are removed, all other files stay. Errors: usage for a folder in use,
  // input for nothing to resume, runtime for the disk.
  RunFolder(std::filesystem::path path, bool resume, bool force);
  // For a process that only reads: nothing is checked or made.
  RunFolder(std::filesystem::path path, bool resume) : path_(std::move(path)), resuming_(resume) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path log() const { return path_ / "log.csv"; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  bool resuming() const { return resuming_; }

  void write_config(const nlohmann::ordered_json& config) const;

 private:
  std::filesystem::path path_;
  bool resuming_;
};

// Makes a folder for output, with its parents; an Error (runtime) with the system's reason where it cannot be written.
void make_output_folder(const std::filesystem::path& path);

}  // namespace kg::tools
