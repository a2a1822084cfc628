// Systems by name and by file.
#include "data/formats/checkpoint.h"
#include "data/formats/elements.h"
#include "tools/common/cli/early.h"
#include "tools/common/files/systems.h"

namespace kg::tools {
namespace {

// The system of a file by its metadata alone; null when it is none's.
const System* find_system(const std::filesystem::path& file) {
  const std::string kind = checkpoint_kind(file);
  for (const System& system : systems())
    if (system.kind == kind) return &system;
  return nullptr;
}

}  // namespace

std::vector<std::string> system_names() {
  std::vector<std::string> names;
  for (const System& system : systems()) names.push_back(system.name);
  return names;
}

const System& system_named(const std::string& name) {
  for (const System& system : systems())
    if (system.name == name) return system;
  fail(ErrorCode::usage, "no system is called '", name, "'; there are ", joined(system_names()));
}

const System& system_of_file(const std::filesystem::path& file) {
  const System* system = find_system(file);
  CHECK_INPUT(system, file.string(), ": a checkpoint of ", checkpoint_kind(file),
              ", which is no system here; there are ", joined(system_names()));
  return *system;
}

ModelOption::ModelOption(int argc, char** argv) {
  const std::string given = argument_of(argc, argv, {"model", "resume-trans", "resume_trans"});
  std::error_code error;
  if (!given.empty() && std::filesystem::exists(given, error)) {
    try {
      hinted_ = find_system(find_checkpoint(given));
    } catch (const Error&) {
      // open() says what is wrong with it, once the command line is known to be right.
    }
  }
}

void ModelOption::add_model(Cli& cli, const char* names, const char* help, bool required) {
  CliOption& option = cli.add(names, &path, help).value_name("RUN");
  if (required) option.required();
}

void ModelOption::add_knobs(Cli& cli, bool advanced) {
  cli.group("Sampling", advanced);
  for (const System& system : systems()) {
    const bool shown = !hinted_ || hinted_ == &system;
    settings_.push_back(shown ? system.settings() : nullptr);
    if (shown) settings_.back()->add_to(cli);
  }
  cli.group("Text encoder", true);
  cli.add_fields(text);
}

const System& ModelOption::system() const { return system_of_file(find_checkpoint(path)); }

std::unique_ptr<TextToMotion> ModelOption::open(Device device) const {
  const std::filesystem::path file = find_checkpoint(path);
  const System& system = system_of_file(file);
  const size_t index = size_t(&system - systems().data());
  auto model = system.open(read_checkpoint(file, system.kind), text, file.string(),
                           index < settings_.size() ? settings_[index].get() : nullptr);
  model->to(device);
  return model;
}

}  // namespace kg::tools
