// Options of a program, from the command line and a JSON file. An option is bound to a variable whose value when it is
// added is the default:
//   Cli cli("train_tokenizer", "Trains the motion VQ-VAE.", "train_tokenizer --data out/set --out out/vq");
//   cli.group("Training");
//   cli.add("b,batch-size,bs", &batch_size, "windows per step").range(1, 65536);
//   if (!cli.parse(argc, argv)) return 0;  // --help was printed
// Later layers win: default preset, file (--config), command line; a preset comes first within its layer.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

#include "nn/config.h"
#include "tensor/dtype.h"

namespace kg::tools {

// An enum by the names of its values.
struct CliChoice {
  std::vector<std::string> names;
  std::function<int()> get;
  std::function<void(int)> set;
};

class CliOption {
 public:
  // bool: a flag, --name or --no-name. Texts: the option may be repeated. Numbers: joined by commas.
  using Target = std::variant<bool*, int*, int64_t*, uint64_t*, float*, double*, std::string*, std::filesystem::path*,
                              std::vector<std::string>*, std::vector<double>*, CliChoice*>;

  CliOption& range(double low, double high);  // both allowed
  CliOption& at_least(double low);
  CliOption& above(double low);  // low itself is not allowed
  CliOption& choices(std::vector<std::string> names);
  CliOption& required();
  CliOption& value_name(std::string name);  // what --help shows for the value, such as DIR
  CliOption& transient();                   // not part of config.json

  const std::string& name() const { return names_.front(); }  // long name, as in batch-size

 private:
  friend class Cli;

  // Throws Error(code) that says `place` (--batch-size or "FILE: batch_size"), the value and what is allowed.
  void set(const std::vector<std::string>& texts, const std::string& place, ErrorCode code);
  void set(const nlohmann::ordered_json& value, const std::string& place);
  nlohmann::ordered_json value() const;
  void set_scalar(const std::string& text, const std::string& place, ErrorCode code);
  [[noreturn]] void reject(const std::string& text, const std::string& place, ErrorCode code) const;
  std::string allowed() const;     // "an integer >= 1"
  std::string range_text() const;  // ">= 1", "0..1", empty without a range
  std::string left_column() const;
  std::string right_column() const;

  bool is_flag() const { return std::holds_alternative<bool*>(target_); }
  bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(target_); }

  std::vector<std::string> names_;  // long ones, the first is shown
  std::string letter_, group_, help_, value_name_;
  Target target_;
  double low_ = -std::numeric_limits<double>::infinity(), high_ = std::numeric_limits<double>::infinity();
  bool low_open_ = false, required_ = false, transient_ = false, positional_ = false, advanced_ = false;
  bool given_ = false;
  std::vector<std::string> choices_;
  std::function<void(const std::string&)> preset_;
};

class Cli {
 public:
  Cli(std::string program, std::string purpose, std::string example);

  // Options added from here on stand under this title. Advanced ones, and aliases, are listed by --help-all only.
  void group(std::string title, bool advanced = false);
  // names: "b,batch-size,bs": one letter at most, the name, its aliases. '_' and '-' are alike everywhere.
  CliOption& add(const std::string& names, CliOption::Target target, std::string help);
  // The options of a configuration (nn/config.h). Names that are taken are left out where `skip_taken` says so.
  template <Configuration C>
  void add_fields(C& config, bool skip_taken = false) {
    fields(config, [&](const Field& field, auto& value) {
      using T = std::remove_reference_t<decltype(value)>;
      if constexpr (Configuration<T>) {
        add_fields(value, skip_taken);
      } else if constexpr (std::is_enum_v<T>) {
        choices_.push_back({{std::begin(Names<T>::of), std::end(Names<T>::of)},
                            [&value] { return static_cast<int>(value); },
                            [&value](int i) { value = static_cast<T>(i); }});
        add_field(field, &choices_.back(), skip_taken);
      } else {
        add_field(field, &value, skip_taken);
      }
    });
  }
  // An argument without a name; `name` is its key in config.json.
  CliOption& positional(const std::string& name, CliOption::Target target, std::string help);
  // An option that gives other options their defaults: `apply` writes the variables they are bound to.
  CliOption& preset(const std::string& names, std::string* target, std::vector<std::string> choices, std::string help,
                    std::function<void(const std::string&)> apply);

  // False when help was asked for and printed. Errors: usage (2) for the command line, input (3) for the file.
  [[nodiscard]] bool parse(int argc, const char* const* argv);

  bool given(const std::string& name) const;  // by file or command line
  std::string help(bool all = false) const;
  nlohmann::ordered_json config() const;  // the whole effective configuration, readable by --config
  const std::string& program() const { return program_; }

 private:
  friend void add_training_options(Cli& cli, struct RunOptions& options);

  struct CommandLine;

  void add_field(const Field& field, CliOption::Target target, bool skip_taken);
  CliOption* find(const std::string& name);
  CommandLine split(int argc, const char* const* argv) const;
  std::filesystem::path config_to_resume(const CommandLine& line) const;
  void apply_file(const std::filesystem::path& path);
  [[noreturn]] void unknown(const std::string& argument) const;
  std::string suggestion(const std::string& name) const;

  std::string program_, purpose_, example_, group_ = "Options";
  bool advanced_ = false;
  bool resumable_ = false;         // --resume reads the configuration of the run folder --out
  std::deque<CliOption> options_;  // a deque: add() hands out references
  std::deque<CliChoice> choices_;
};

inline constexpr const char* kRunFolderNames = "o,out,out-dir,exp-name";

// What programs share.
struct RunOptions {
  std::filesystem::path out;
  uint64_t seed = 0;
  int threads = 0;  // 0: all cores
  std::string device = "auto";
  std::string precision = "fp32";
  bool quiet = false, resume = false, force = false;
  int64_t until = 0;  // training stops there, to be resumed; 0: at the recipe's end
};

// --seed --threads --device --quiet; a program adds --out with its own words.
void add_run_options(Cli& cli, RunOptions& options);
// --out --resume --force --precision of a training program; `--out RUN --resume` takes
// the configuration of RUN/config.json.
void add_training_options(Cli& cli, RunOptions& options);
// Sets the number of threads and resolves --device: an error that says why for a cuda that cannot be used; auto says
// what it took.
Device start(const RunOptions& options);

// Runs a program's body. An Error is printed as one `error:` line and becomes its exit code; out of memory is 4. A
// program that was started several times at once by mpirun is refused: train/processes.h is for those that can share.
int run_main(int argc, char** argv, const std::function<int(int, char**)>& body);
int run_guarded(int argc, char** argv, const std::function<int(int, char**)>& body);  // the same without the refusal

// The candidate nearest to `word` by edits, or empty when none is near.
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace kg::tools
