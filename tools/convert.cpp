// convert: weights from any file that people have (safetensors, shards, PyTorch's archives,
// npz) to one safetensors file.
#include <iostream>
#include <set>

#include "data/formats/checkpoint.h"
#include "data/formats/safetensors.h"
#include "data/formats/weights.h"
#include "tools/common/cli/cli.h"
#include "tools/common/files/systems.h"

using namespace kg;
using namespace kg::tools;

namespace {

struct Options {
  std::filesystem::path file, out, statistics, base, spiece;
  std::string dtype = "same", section, as = "weights";
  std::vector<std::string> drop, rename;
  TextEncoderChoice text;
  int64_t heads = 16;
  bool quiet = false;
};

// `*` stands for any characters. The last star takes what is needed: linear in text times pattern.
bool matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

// Leaves out what --drop names; each pattern must be of use.
void drop(StoredFile& file, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    const size_t dropped = std::erase_if(file.tensors, [&](const StoredTensor& t) { return matches(pattern, t.name); });
    CHECK_INPUT(dropped > 0, "--drop ", pattern, ": no tensor is named so; `check` lists the names");
  }
}

// "A=B": names that begin with A begin with B.
void rename(StoredFile& file, const std::vector<std::string>& rules) {
  for (const std::string& rule : rules) {
    const size_t equals = rule.find('=');
    if (equals == rule.npos) fail(ErrorCode::usage, "--rename ", rule, ": write OLD=NEW, the beginnings of names");
    const std::string from = rule.substr(0, equals), to = rule.substr(equals + 1);
    bool used = false;
    for (StoredTensor& tensor : file.tensors) {
      if (!tensor.name.starts_with(from)) continue;
      tensor.name.replace(0, from.size(), to);
      used = true;
    }
    CHECK_INPUT(used, "--rename ", rule, ": no tensor's name begins with ", from, "; `check` lists the names");
  }
  std::set<std::string_view> names;
  for (const StoredTensor& tensor : file.tensors)
    CHECK_INPUT(names.insert(tensor.name).second, "--rename: two tensors would be named ", tensor.name);
}

// Floats only: whole numbers keep their type.
void set_dtype(StoredFile& file, const std::string& name) {
  if (name == "same") return;
  const FileDtype dtype = name == "f16" ? FileDtype::f16 : name == "bf16" ? FileDtype::bf16 : FileDtype::f32;
  for (StoredTensor& tensor : file.tensors)
    if (is_float(tensor.dtype)) tensor.dtype = dtype;
}

void write_weights(const Options& o) {
  StoredFile file = open_weights(o.file, o.section);
  drop(file, o.drop);
  rename(file, o.rename);
  set_dtype(file, o.dtype);
  CHECK_INPUT(!file.tensors.empty(), o.file.string(), ": no tensor is left to write");
  file.metadata["source"] = o.file.filename().string();
  write_stored(o.out, file);
}

std::vector<const Import*> imports() {
  std::vector<const Import*> all;
  for (const System& system : systems())
    for (const Import& import : system.imports) all.push_back(&import);
  return all;
}

// Each kind of result has options of its own; those of another are a mistake.
void check_usage(const Options& o, const Import* import) {
  const auto require = [&](bool needs, bool given, const char* what) {
    if (needs != given) fail(ErrorCode::usage, "--as ", o.as, needs ? " needs " : " takes no ", what);
  };
  require(import && import->needs_statistics, !o.statistics.empty(), "--statistics DIR");
  require(import && import->needs_base, !o.base.empty(), "--tokenizer, the converted tokenizer");
  require(import && import->needs_text, o.text.pretrained(), "--text-encoder clip:FILE");
  require(import && import->needs_vocabulary, !o.spiece.empty(), "--spiece FILE");
  if (import) require(false, o.dtype != "same" || !o.drop.empty() || !o.rename.empty(), "--dtype, --drop, --rename");
}

int run(const Options& o) {
  const Import* import = nullptr;
  for (const Import* known : imports())
    if (known->name == o.as) import = known;
  check_usage(o, import);
  std::error_code error;
  if (std::filesystem::equivalent(o.file, o.out, error))
    fail(ErrorCode::usage, "--out ", o.out.string(), " is the input itself; name another file");
  if (import)
    write_checkpoint(o.out, import->kind,
                     import->make({read_weights(o.file, o.section).tensors, o.file.string(), o.statistics, o.base,
                                   o.text, o.heads, o.spiece}));
  else
    write_weights(o);
  int64_t tensors = 0, elements = 0;
  for (const StoredTensor& tensor : open_safetensors(o.out).tensors) ++tensors, elements += tensor.shape.numel();
  if (!o.quiet)
    std::cout << o.out.string() << ": " << tensors << " tensors, " << elements << " elements, "
              << (std::filesystem::file_size(o.out) + 999) / 1000 << " kB" << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    Cli cli("convert", "Weights of any kind to one safetensors file.", "convert net_last.pth --out vq.safetensors");
    cli.group("Input");
    cli.positional("file", &o.file, "safetensors, its index or folder, .pt .pth .bin .ckpt, npz")
        .required()
        .value_name("FILE");
    cli.add("section", &o.section, "dict of the file, such as state_dict; default: the only one").value_name("NAME");
    cli.group("Output");
    cli.add("o,out", &o.out, "the safetensors file").required().value_name("FILE");
    cli.add("dtype", &o.dtype, "of floats; whole numbers keep theirs").choices({"same", "f32", "f16", "bf16"});
    cli.add("drop", &o.drop, "leave out, * for any characters; may be repeated").value_name("PATTERN");
    cli.add("rename", &o.rename, "beginnings of names; may be repeated").value_name("OLD=NEW");
    cli.group("Checkpoints of this project");
    std::vector<std::string> kinds{"weights"};
    for (const Import* import : imports()) kinds.push_back(import->name);
    cli.add("as", &o.as, "published files as models").choices(kinds);
    cli.add("statistics", &o.statistics, "mean.npy, std.npy of a tokenizer; or the data set's Mean.npy, Std.npy")
        .value_name("DIR");
    cli.add("tokenizer", &o.base, "of a transformer: the converted tokenizer").value_name("FILE");
    cli.add("spiece", &o.spiece, "of a model around a T5: the spiece.model of that T5").value_name("FILE");
    cli.add("heads", &o.heads, "of attention, which such files do not say").range(1, 1024);
    cli.add_fields(o.text);
    cli.group("Run");
    cli.add("quiet", &o.quiet, "no line about what was written");
    if (!cli.parse(count, arguments)) return 0;
    return run(o);
  });
}
