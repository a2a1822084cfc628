#include "tools/common/cli/early.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/formats/file.h"
#include "tensor/error.h"
#include "tools/common/cli/cli.h"

namespace kg::tools {

std::string argument_of(int argc, char** argv, const std::vector<std::string>& names) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t end = std::min(argument.find('='), argument.size());
    std::string left = argument.substr(0, end);
    std::replace(left.begin(), left.end(), '_', '-');
    for (const std::string& name : names) {
      if (left != (name.size() == 1 ? "-" : "--") + name) continue;
      if (end < argument.size()) return argument.substr(end + 1);
      if (i + 1 < argc) return argv[i + 1];
    }
  }
  return {};
}

std::string early_value(int argc, char** argv, const std::vector<std::string>& names) {
  if (std::string given = argument_of(argc, argv, names); !given.empty()) return given;
  std::filesystem::path file = argument_of(argc, argv, {"config"});
  bool resume = false;
  for (int i = 1; i < argc; ++i) resume = resume || std::string(argv[i]) == "--resume";
  if (file.empty() && resume) {
    std::vector<std::string> run;
    std::istringstream list(kRunFolderNames);
    for (std::string name; std::getline(list, name, ',');) run.push_back(name);
    file = std::filesystem::path(argument_of(argc, argv, run)) / "config.json";
  }
  std::error_code error;
  if (file.empty() || !std::filesystem::is_regular_file(file, error)) return {};
  try {
    const auto json = nlohmann::json::parse(read_file(file, uint64_t{1} << 24), nullptr, /*allow_exceptions=*/false);
    for (const std::string& name : names)
      if (json.is_object() && json.contains(name) && json[name].is_string()) return json[name].get<std::string>();
  } catch (const Error&) {
  }
  return {};
}

}  // namespace kg::tools
