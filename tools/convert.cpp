// convert: weights from any file that people have (safetensors, shards, PyTorch's archives,
// npz) to one safetensors file.
#include <iostream>
#include <set>

#include "data/formats/safetensors.h"
#include "data/formats/weights.h"
#include "data/motion/skeleton.h"
#include "models/t2m_gpt/public_weights.h"
#include "models/tokenizer/public_weights.h"
#include "tools/common/cli.h"
#include "tools/common/model_files.h"

using namespace kg;

namespace {

struct Options {
  std::filesystem::path file, out, statistics, tokenizer;
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

// Of T2M-GPT's authors, with the statistics that it was trained under.
void write_tokenizer(const Options& o) {
  const std::string source = o.file.string();
  const NamedTensors net = read_weights(o.file, o.section).tensors;
  const VqVaeConfig config = public_vqvae_config(net, source);
  CHECK_INPUT(config.features == kFeatures, source, ": a model of ", config.features, " features, motions here have ",
              kFeatures, config.features == 251 ? " (it is of KIT-ML)" : "");
  MotionTokenizer tokenizer(config);
  tokenizer.model.load_state_dict(public_vqvae_weights(net), source);
  tokenizer.statistics = read_eval_statistics(o.statistics);
  write_checkpoint(o.out, kTokenizerKind, tokenizer_file(tokenizer));
}

// With a tokenizer and the text encoder (CLIP) around it.
void write_t2m_gpt(const Options& o) {
  const std::string source = o.file.string();
  const NamedTensors trans = read_weights(o.file, o.section).tensors;
  const GptConfig config = public_gpt_config(trans, o.heads, source);
  const auto tokenizer = load_tokenizer(o.tokenizer);
  auto text = open_text_encoder(o.text.source, o.text.vocabulary);
  CHECK_INPUT(config.codes == tokenizer->model.config().codes, source, ": the transformer knows ", config.codes,
              " codes, the tokenizer ", o.tokenizer.string(), " has ", tokenizer->model.config().codes);
  CHECK_INPUT(config.condition == text->width(), source, ": the transformer reads text features of width ",
              config.condition, ", ", o.text.source, " makes ", text->width());
  T2mGpt model(tokenizer->model.config(), config, std::move(text));
  model.tokenizer.model.load_state_dict(tokenizer->model.state_dict(), o.tokenizer.string());
  model.tokenizer.statistics = tokenizer->statistics;
  model.gpt.load_state_dict(public_gpt_weights(trans, source), source);
  write_checkpoint(o.out, kT2mGptKind, t2m_gpt_file(model));
}

// Each kind of result has options of its own; those of another are a mistake.
void check_usage(const Options& o) {
  const bool vqvae = o.as == "t2mgpt-vqvae", gpt = o.as == "t2mgpt-gpt";
  const auto require = [&](bool condition, const char* text) {
    if (!condition) fail(ErrorCode::usage, "--as ", o.as, " ", text);
  };
  require(vqvae != o.statistics.empty(), vqvae ? "needs --statistics DIR" : "takes no --statistics");
  require(gpt != o.tokenizer.empty(), gpt ? "needs --tokenizer, what --as t2mgpt-vqvae wrote" : "takes no --tokenizer");
  require(gpt == o.text.pretrained(), gpt ? "needs --text-encoder clip:FILE" : "takes no --text-encoder");
  require(o.as == "weights" || (o.dtype == "same" && o.drop.empty() && o.rename.empty()),
          "takes no --dtype, --drop, --rename");
}

int run(const Options& o) {
  check_usage(o);
  std::error_code error;
  if (std::filesystem::equivalent(o.file, o.out, error))
    fail(ErrorCode::usage, "--out ", o.out.string(), " is the input itself; name another file");
  if (o.as == "t2mgpt-vqvae")
    write_tokenizer(o);
  else if (o.as == "t2mgpt-gpt")
    write_t2m_gpt(o);
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
    cli.add("as", &o.as, "T2M-GPT's published files as models").choices({"weights", "t2mgpt-vqvae", "t2mgpt-gpt"});
    cli.add("statistics", &o.statistics, "vqvae: its mean.npy, std.npy; or the data set's Mean.npy, Std.npy")
        .value_name("DIR");
    cli.add("tokenizer", &o.tokenizer, "gpt: the converted VQ-VAE").value_name("FILE");
    cli.add("heads", &o.heads, "gpt: of attention, which its file does not say").range(1, 1024);
    add_options(cli, o.text, "gpt: clip:FILE, the text encoder");
    cli.group("Run");
    cli.add("quiet", &o.quiet, "no line about what was written");
    if (!cli.parse(count, arguments)) return 0;
    return run(o);
  });
}
