// The systems that there are: the one place that knows them by name. A system is a class T that is a TextToMotion and
// has T::info(), T::Settings with fields() for the knobs of its sampling, T::settings and T::open(file, text encoder,
// name of the file); it is entered by one line in systems.cpp.
#pragma once

#include <memory>

#include "models/model_file.h"
#include "models/text_to_motion.h"
#include "tensor/device.h"
#include "tools/common/cli/cli.h"

namespace kg::tools {

// The knobs of a system's sampling, on their way from a command line to its model.
struct SystemSettings {
  virtual ~SystemSettings() = default;
  virtual void add_to(Cli& cli) = 0;  // names that other systems have taken are left out
};

struct System : SystemInfo {
  std::function<std::shared_ptr<SystemSettings>()> settings;  // with their defaults
  std::function<std::unique_ptr<TextToMotion>(const TensorFile& file, const TextEncoderChoice& text,
                                              const std::string& source, const SystemSettings* settings)>
      open;
};

template <class T>
System system_of() {
  struct SettingsOf : SystemSettings {
    typename T::Settings value;
    void add_to(Cli& cli) override { cli.add_fields(value, true); }
  };
  System system;
  static_cast<SystemInfo&>(system) = T::info();
  system.settings = [] { return std::make_shared<SettingsOf>(); };
  system.open = [](const TensorFile& file, const TextEncoderChoice& text, const std::string& source,
                   const SystemSettings* settings) -> std::unique_ptr<TextToMotion> {
    auto model = T::open(file, text, source);
    if (settings) model->settings = static_cast<const SettingsOf*>(settings)->value;
    return model;
  };
  return system;
}

const std::vector<System>& systems();
const System& system_named(const std::string& name);  // an Error (usage) with the names that there are
// The names of the systems that are trained, for an option's choices.
std::vector<std::string> system_names();

// A model from the run folder or checkpoint that --model names, with the sampling knobs of its system as options of the
// program. The file is looked at before the command line is parsed; without one, --help shows the knobs of all systems.
class ModelOption {
 public:
  ModelOption(int argc, char** argv);
  void add_model(Cli& cli, const char* names, const char* help, bool required);
  // Group "Sampling" and the place of a pretrained text encoder; in --help, or in --help-all only.
  void add_knobs(Cli& cli, bool advanced = false);

  bool given() const { return !path.empty(); }
  // Opened and on the device. Errors (input) for a file that is none of a system.
  std::unique_ptr<TextToMotion> open(Device device) const;
  const System& system() const;

  std::filesystem::path path;
  TextEncoderChoice text;

 private:
  const System* hinted_ = nullptr;
  std::vector<std::shared_ptr<SystemSettings>> settings_;  // one a system, null where it has no options here
};

// The system of a checkpoint; an Error (input) where its kind is no system's.
const System& system_of_file(const std::filesystem::path& file);

}  // namespace kg::tools
