#include "tools/common/train/programs.h"

#include <spawn.h>
#include <sys/wait.h>

#include <sstream>

extern char** environ;

namespace kg::tools {
namespace fs = std::filesystem;

int run_program(const std::string& name, const std::vector<std::string>& arguments) {
  const std::string path = (fs::read_symlink("/proc/self/exe").parent_path() / name).string();
  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, path.c_str(), nullptr, nullptr, argv.data(), environ);
  CHECK(error == 0, "cannot start ", path, ": ", std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) CHECK(errno == EINTR, "cannot wait for ", path, ": ", std::strerror(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

fs::path stage_folder(const StagesRun& stages, int stage) {
  const auto& all = stages.system.stages;
  return stages.run.out / all.at(stage < 0 ? all.size() - 1 : size_t(stage)).folder;
}

int train_stage(const StagesRun& stages, int stage, int64_t until, bool resume) {
  const StageProgram& program = stages.system.stages.at(size_t(stage));
  const RunOptions& run = stages.run;
  const fs::path out = stage_folder(stages, stage);
  std::vector<std::string> arguments{"--data",      stages.data.string(),
                                     "--preset",    stages.preset,
                                     "--out",       out.string(),
                                     "--seed",      std::to_string(run.seed),
                                     "--threads",   std::to_string(run.threads),
                                     "--device",    run.device,
                                     "--precision", run.precision};
  std::istringstream more(program.arguments);
  for (std::string word; more >> word;)
    arguments.push_back(word == "{PREVIOUS}" ? (stage_folder(stages, stage - 1) / "last.safetensors").string() : word);
  if (size_t(stage) < stages.iters.size() && stages.iters[size_t(stage)] > 0)
    arguments.insert(arguments.end(), {"--max-iters", std::to_string(stages.iters[size_t(stage)])});
  if (until > 0) arguments.insert(arguments.end(), {"--until", std::to_string(until)});
  if (run.quiet) arguments.push_back("--quiet");
  const bool begun = fs::exists(out / "last.safetensors");
  if ((run.resume || resume) && begun)
    arguments.push_back("--resume");
  else if (run.force || run.resume)
    arguments.push_back("--force");
  return run_program(program.program, arguments);
}

int train_stages(const StagesRun& stages) {
  for (int stage = 0; stage < int(stages.system.stages.size()); ++stage)
    if (const int code = train_stage(stages, stage)) return code;
  return 0;
}

}  // namespace kg::tools
