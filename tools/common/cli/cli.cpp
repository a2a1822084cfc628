// CLI11 splits the command line; layers, config file, suggestions and the help text are done here.
#include "tools/common/cli/cli.h"

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <new>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "data/formats/file.h"
#include "nn/distributed.h"
#include "tensor/device.h"
#include "tensor/parallel.h"
#include "tools/common/train/mpi_group.h"

namespace kg::tools {
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

constexpr int kHelpWidth = 100;
constexpr uint64_t kMaxConfigBytes = 1 << 20;

std::string replaced(std::string text, char from, char to) {
  std::replace(text.begin(), text.end(), from, to);
  return text;
}

// --batch_size=32 -> --batch-size=32; values and single letters stay as they are.
std::string with_dashes(const std::string& argument) {
  if (argument.rfind("--", 0) != 0) return argument;
  const size_t end = std::min(argument.find('='), argument.size());
  return replaced(argument.substr(0, end), '_', '-') + argument.substr(end);
}

// Edit distance with swaps of neighbours (optimal string alignment).
int edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = int(i + j);
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

// Appends `left` and `text` in lines of kHelpWidth, the text in a column that begins at `indent` where it can.
void append_wrapped(std::string& out, const std::string& left, const std::string& text, size_t indent) {
  std::string line = left + "  ";
  if (line.size() > indent && line.size() + text.size() > size_t(kHelpWidth)) {
    out += left + "\n";
    line.clear();
  }
  if (line.size() < indent) line.resize(indent, ' ');
  std::istringstream words(text);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && line.size() + 1 + word.size() > size_t(kHelpWidth)) {
      out += line + "\n";
      line.assign(indent, ' ');
      first = true;
    }
    line += (first ? "" : " ") + word;
  }
  out += line + "\n";
}

}  // namespace

std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  int best_distance = std::max(2, int(word.size()) / 3) + 1;
  for (const std::string& candidate : candidates) {
    const bool prefix = word.size() >= 3 && candidate.rfind(word, 0) == 0;
    const int d = prefix ? 1 : edit_distance(word, candidate);
    if (d < best_distance && d < int(std::max(word.size(), candidate.size()))) best = candidate, best_distance = d;
  }
  return best;
}

Cli::Cli(std::string program, std::string purpose, std::string example)
    : program_(std::move(program)), purpose_(std::move(purpose)), example_(std::move(example)) {}

void Cli::group(std::string title, bool advanced) {
  group_ = std::move(title);
  advanced_ = advanced;
}

CliOption& Cli::add(const std::string& names, CliOption::Target target, std::string help) {
  CliOption option;
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) {
    name = replaced(name, '_', '-');
    CHECK(!name.empty() && !find(name), "[cli] option name '", name, "' is empty or taken");
    if (name.size() == 1)
      option.letter_ = name;
    else
      option.names_.push_back(name);
  }
  CHECK(!option.names_.empty(), "[cli] an option needs a long name, got '", names, "'");
  option.target_ = target;
  option.help_ = std::move(help);
  option.group_ = group_;
  option.advanced_ = advanced_;
  options_.push_back(std::move(option));
  return options_.back();
}

void Cli::add_field(const Field& field, CliOption::Target target, bool skip_taken) {
  const std::string names = field.option;
  if (names.empty() || (skip_taken && find(names.substr(0, names.find(','))))) return;
  CliOption& option = add(names, target, field.help);
  option.low_ = field.bounds.low, option.high_ = field.bounds.high, option.low_open_ = field.bounds.open;
  option.advanced_ = option.advanced_ || field.rare;
  if (const auto* choice = std::get_if<CliChoice*>(&target)) option.choices_ = (*choice)->names;
}

CliOption& Cli::positional(const std::string& name, CliOption::Target target, std::string help) {
  CliOption& option = add(name, target, std::move(help));
  option.positional_ = true;
  return option;
}

CliOption& Cli::preset(const std::string& names, std::string* target, std::vector<std::string> choices,
                       std::string help, std::function<void(const std::string&)> apply) {
  CliOption& option = add(names, target, std::move(help)).choices(std::move(choices));
  option.preset_ = std::move(apply);
  if (!target->empty()) option.preset_(*target);  // options added later show its values as their defaults
  return option;
}

CliOption* Cli::find(const std::string& name) {
  const std::string key = replaced(name, '_', '-');
  for (CliOption& option : options_) {
    if (key.size() == 1 ? option.letter_ == key
                        : std::find(option.names_.begin(), option.names_.end(), key) != option.names_.end())
      return &option;
  }
  return nullptr;
}

bool Cli::given(const std::string& name) const {
  const CliOption* option = const_cast<Cli*>(this)->find(name);
  CHECK(option, "[cli] no option is named '", name, "'");
  return option->given_;
}

// The command line as CLI11 splits it: the texts given for each option, in the order of options_.
struct Cli::CommandLine {
  std::vector<std::vector<std::string>> values;
  std::string config;
  bool help = false, help_all = false;
};

Cli::CommandLine Cli::split(int argc, const char* const* argv) const {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  CLI::Option* help_flag = app.add_flag("-h,--help");
  CLI::Option* help_all = app.add_flag("--help-all");
  CLI::Option* config = app.add_option("--config")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  std::vector<CLI::Option*> items;
  for (const CliOption& option : options_) {
    std::string names = option.letter_.empty() ? "" : "-" + option.letter_ + ",";
    for (const std::string& name : option.names_) {
      names += (option.positional_ ? "" : "--") + name + ",";
      if (option.is_flag()) names += "!--no-" + name + ",";
    }
    names.pop_back();
    CLI::Option* item = option.is_flag() ? app.add_flag(names) : app.add_option(names);
    if (option.is_list() && option.positional_)
      item->expected(1, -1)->allow_extra_args();
    else if (option.is_list())
      item->allow_extra_args(false)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    else
      item->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    items.push_back(item);
  }

  std::vector<std::string> arguments;
  for (int i = argc - 1; i >= 1; --i) arguments.push_back(with_dashes(argv[i]));  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    fail(ErrorCode::usage, "command line: ", error.what(), "; `", program_, " --help` lists the options");
  }
  CommandLine line{{}, *config ? config->results().back() : "", bool(*help_flag), bool(*help_all)};
  if (line.help || line.help_all) return line;
  if (const std::vector<std::string> extra = app.remaining(); !extra.empty()) unknown(extra.front());
  for (size_t i = 0; i < options_.size(); ++i) {
    std::vector<std::string> texts = items[i]->count() ? items[i]->results() : std::vector<std::string>{};
    if (!options_[i].is_list() && texts.size() > 1) texts.erase(texts.begin(), texts.end() - 1);
    line.values.push_back(std::move(texts));
  }
  return line;
}

bool Cli::parse(int argc, const char* const* argv) {
  const CommandLine line = split(argc, argv);
  if (line.help || line.help_all) {
    std::cout << help(line.help_all);
    return false;
  }
  fs::path file = line.config;
  if (file.empty() && resumable_) file = config_to_resume(line);
  if (!file.empty()) apply_file(file);
  for (const bool presets : {true, false}) {
    for (size_t i = 0; i < options_.size(); ++i) {
      CliOption& option = options_[i];
      if (!line.values[i].empty() && bool(option.preset_) == presets)
        option.set(line.values[i], (option.positional_ ? "" : "--") + option.name(), ErrorCode::usage);
    }
  }
  for (const CliOption& option : options_) {
    if (option.required_ && !option.given_)
      fail(ErrorCode::usage, option.positional_ ? "" : "--", option.name(), " is missing: ", option.help_,
           ". Example: ", example_);
  }
  return true;
}

fs::path Cli::config_to_resume(const CommandLine& line) const {
  std::string resume, out;
  for (size_t i = 0; i < options_.size(); ++i) {
    if (line.values[i].empty()) continue;
    if (options_[i].name() == "resume") resume = line.values[i].back();
    if (options_[i].name() == "out") out = line.values[i].back();
  }
  if (resume != "true" || out.empty()) return {};
  const fs::path file = fs::path(out) / "config.json";
  std::error_code error;
  CHECK_INPUT(fs::exists(file, error), "[resume] nothing to resume: ", file.string(),
              " is not there; start the run without --resume");
  return file;
}

void Cli::apply_file(const fs::path& path) {
  const std::string text = read_file(path, kMaxConfigBytes);
  const Json file = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  CHECK_INPUT(file.is_object(), "[config] ", path.string(),
              " is not a JSON object; a run writes such a file as config.json");
  for (const bool presets : {true, false}) {
    for (const auto& [key, value] : file.items()) {
      if (key == "program") {
        CHECK_INPUT(value == program_, "[config] ", path.string(), " was written by ", value.dump(), ", this is ",
                    program_);
        continue;
      }
      CliOption* option = key.size() > 1 ? find(key) : nullptr;
      if (!option || option->transient_) {
        const std::string near = suggestion(key);
        fail(ErrorCode::input, "[config] ", path.string(), ": unknown key '", key, "'",
             near.empty() ? "" : "; did you mean " + replaced(near, '-', '_') + "?");
      }
      if (bool(option->preset_) == presets) option->set(value, "[config] " + path.string() + ": " + key);
    }
  }
}

std::string Cli::suggestion(const std::string& name) const {
  std::vector<std::string> names = {"help", "config"};
  for (const CliOption& option : options_) {
    if (!option.positional_) names.insert(names.end(), option.names_.begin(), option.names_.end());
  }
  return nearest_name(replaced(name, '_', '-'), names);
}

void Cli::unknown(const std::string& argument) const {
  if (argument.rfind('-', 0) != 0)
    fail(ErrorCode::usage, "unexpected argument '", argument, "'; `", program_, " --help` lists what is taken");
  const std::string name = argument.substr(0, argument.find('='));
  const std::string near = suggestion(name.substr(std::min(name.find_first_not_of('-'), name.size())));
  fail(ErrorCode::usage, "unknown option ", name, near.empty() ? "" : "; did you mean --" + near + "?", " `", program_,
       " --help` lists all");
}

std::string Cli::help(bool all) const {
  std::string text = program_ + ": " + purpose_ + "\nExample: " + example_ + "\n";
  size_t indent = 0;
  constexpr size_t kWidestLeft = 36;
  for (const CliOption& option : options_) {
    const size_t width = option.left_column().size() + 2;
    if (width <= kWidestLeft && (all || !option.advanced_)) indent = std::max(indent, width);
  }
  std::string aliases, title;
  bool hidden = false;
  for (const CliOption& option : options_) {
    if (option.advanced_ && !all) {
      hidden = true;
      continue;
    }
    for (size_t i = 1; i < option.names_.size(); ++i) aliases += option.names_[i] + " ";
    if (option.group_ != title) text += (title = option.group_) + "\n";
    append_wrapped(text, option.left_column(), option.right_column(), indent);
  }
  if (all) append_wrapped(text, "", "Also taken, and _ for -: " + aliases, 2);
  const std::string more = all ? "" : hidden ? "; --help-all: more, aliases" : "; --help-all: aliases";
  text += "  -h, --help" + more + "; --config FILE: options from JSON, as a run's config.json\n";
  return text;
}

Json Cli::config() const {
  Json json;
  json["program"] = program_;
  for (const CliOption& option : options_) {
    if (!option.transient_) json[replaced(option.name(), '-', '_')] = option.value();
  }
  return json;
}

void add_run_options(Cli& cli, RunOptions& options) {
  cli.add("seed", &options.seed, "the same seed gives the same bytes");
  cli.add("threads,num-threads", &options.threads, "0: all cores; results do not depend on it").range(0, 4096);
  cli.add("device", &options.device, "where to compute").choices({"auto", "cpu", "cuda"});
  cli.add("quiet", &options.quiet, "no progress lines").transient();
}

void add_training_options(Cli& cli, RunOptions& options) {
  cli.resumable_ = true;
  cli.add(kRunFolderNames, &options.out, "run folder: config.json, log.csv, checkpoints").required().value_name("RUN");
  cli.add("resume", &options.resume, "go on from the last checkpoint in RUN, with its configuration").transient();
  cli.add("precision", &options.precision, "of products on CUDA; bf16: of activations too")
      .choices({"fp32", "tf32", "bf16"});
  cli.add("until", &options.until, "stop after this many steps, to be resumed; 0: at the end").at_least(0).transient();
  cli.add("force", &options.force, "start anew in a folder that holds a run").transient();
}

namespace {

// --threads 0 where several processes share this machine: its cores in equal parts, within what mpirun bound us to.
int threads_of_rank(int wished) {
  if (wished > 0 || world().size() == 1) return wished;
  const int bound = int(std::max(1u, std::thread::hardware_concurrency()));  // heeds the binding
  const int cores = std::max(bound, int(::sysconf(_SC_NPROCESSORS_ONLN)));
  return std::max(1, std::min(bound, cores / world().local_size()));
}

}  // namespace

Device start(const RunOptions& options) {
  set_threads(threads_of_rank(options.threads));
  const Device device = device_from(options.device);
  if (options.precision == "bf16" && device == Device::cpu)
    fail(ErrorCode::usage, "--precision bf16 computes on CUDA only; use fp32 here, or --device cuda");
  set_tf32(options.precision == "tf32");
  if (options.device == "auto" && !options.quiet && leads())
    std::cerr << "device: " << describe(device)
              << (world().size() > 1 ? " in each of " + std::to_string(world().size()) + " processes\n" : "\n");
  return device;
}

int run_main(int argc, char** argv, const std::function<int(int, char**)>& body) {
  return run_guarded(argc, argv, [&](int count, char** arguments) {
    if (launched_together())
      fail(ErrorCode::usage, "this program is one process; only the training programs can be started by mpirun");
    return body(count, arguments);
  });
}

int run_guarded(int argc, char** argv, const std::function<int(int, char**)>& body) {
  ::signal(SIGXFSZ, SIG_IGN);  // a file above the limit of the shell is an error of write(), like a full disk
  try {
    const int code = body(argc, argv);
    std::cout.flush();
    CHECK(std::cout.good(), "standard output could not be written (disk full or closed)");
    return code;
  } catch (const Error& error) {
    std::cerr << (error.code == ErrorCode::interrupted ? "" : "error: ") << error.what() << std::endl;
    return int(error.code);
  } catch (const std::bad_alloc&) {
    std::cerr << "error: out of memory; a smaller --batch-size or preset needs less" << std::endl;
    return int(ErrorCode::memory);
  } catch (const fs::filesystem_error& error) {
    std::cerr << "error: " << error.path1().string() << ": " << error.code().message() << std::endl;
    return int(ErrorCode::runtime);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return int(ErrorCode::runtime);
  }
}

}  // namespace kg::tools
