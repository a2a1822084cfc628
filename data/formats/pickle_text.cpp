// The list of names is short on purpose: a name belongs here only if files that people have need it and its value can
// be read without running anything.
#include "data/formats/pickle_text.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "data/text/unicode.h"

namespace kg {
namespace {

constexpr std::string_view kAllowed[] = {"_codecs.encode",
                                         "argparse.Namespace",
                                         "builtins.bool",
                                         "builtins.bytes",
                                         "builtins.dict",
                                         "builtins.float",
                                         "builtins.frozenset",
                                         "builtins.int",
                                         "builtins.list",
                                         "builtins.long",
                                         "builtins.object",
                                         "builtins.set",
                                         "builtins.str",
                                         "builtins.tuple",
                                         "builtins.unicode",
                                         "collections.Counter",
                                         "collections.OrderedDict",
                                         "collections.defaultdict",
                                         "collections.deque",
                                         "copyreg._reconstructor",
                                         "lightning_fabric.utilities.data.AttributeDict",
                                         "numpy.core.multiarray._reconstruct",
                                         "numpy.core.multiarray.scalar",
                                         "numpy.dtype",
                                         "numpy.ndarray",
                                         "omegaconf.base.ContainerMetadata",
                                         "omegaconf.base.Metadata",
                                         "omegaconf.dictconfig.DictConfig",
                                         "omegaconf.listconfig.ListConfig",
                                         "omegaconf.nodes.AnyNode",
                                         "pathlib.PosixPath",
                                         "pytorch_lightning.utilities.parsing.AttributeDict",
                                         "torch.Size",
                                         "torch._tensor._rebuild_from_type_v2",
                                         "torch._utils._rebuild_parameter",
                                         "torch._utils._rebuild_parameter_with_state",
                                         "torch._utils._rebuild_tensor",
                                         "torch._utils._rebuild_tensor_v2",
                                         "torch.device",
                                         "torch.jit._pickle.build_boollist",
                                         "torch.jit._pickle.build_doublelist",
                                         "torch.jit._pickle.build_intlist",
                                         "torch.jit._pickle.build_tensorlist",
                                         "torch.jit._pickle.restore_type_tag",
                                         "torch.nn.parameter.Parameter",
                                         "torch.storage.TypedStorage",
                                         "torch.storage.UntypedStorage",
                                         "typing.Any"};
static_assert(std::is_sorted(std::begin(kAllowed), std::end(kAllowed)));

// Element types are constants of torch, such as torch.float16.
constexpr std::string_view kTorchTypes[] = {"bfloat16", "bool",  "float16", "float32", "float64",
                                            "int16",    "int32", "int64",   "int8",    "uint8"};
static_assert(std::is_sorted(std::begin(kTorchTypes), std::end(kTorchTypes)));

// The number of exactly n hexadecimal digits at `at`.
std::optional<uint32_t> hex_number(std::string_view text, size_t at, size_t n) {
  if (at + n > text.size()) return std::nullopt;
  uint32_t value = 0;
  const char *begin = text.data() + at, *end = begin + n;
  return std::from_chars(begin, end, value, 16).ptr == end ? std::optional(value) : std::nullopt;
}

}  // namespace

bool pickle_may_name(std::string_view name) {
  if (std::binary_search(std::begin(kAllowed), std::end(kAllowed), name)) return true;
  if (name.starts_with("__torch__.")) return true;
  constexpr std::string_view kTorch = "torch.", kCuda = "torch.cuda.";
  if (!name.starts_with(kTorch)) return false;
  const std::string_view last = name.substr(name.starts_with(kCuda) ? kCuda.size() : kTorch.size());
  if (std::binary_search(std::begin(kTorchTypes), std::end(kTorchTypes), last)) return true;
  return last.ends_with("Storage") && last.find('.') == last.npos;
}

std::string python3_module(std::string_view module) {
  if (module == "__builtin__") return "builtins";
  if (module == "copy_reg") return "copyreg";
  constexpr std::string_view kNumpy = "numpy._core";
  if (module.starts_with(kNumpy)) return "numpy.core" + std::string(module.substr(kNumpy.size()));
  return std::string(module);
}

std::optional<std::string> python_string(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0];
  if (!quoted) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    constexpr std::string_view kLetters = "nrt\\'\"", kMeanings = "\n\r\t\\'\"";
    if (const size_t letter = kLetters.find(text[i]); letter != kLetters.npos) {
      plain += kMeanings[letter];
      continue;
    }
    const std::optional<uint32_t> byte = text[i] == 'x' ? hex_number(text, i + 1, 2) : std::nullopt;
    if (!byte) return std::nullopt;
    plain += static_cast<char>(*byte);
    i += 2;
  }
  return plain;
}

std::optional<std::string> python_unicode(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const char kind = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (kind != 'u' && kind != 'U') {
      append_utf8(plain, static_cast<unsigned char>(text[i]));
      continue;
    }
    const size_t digits = kind == 'u' ? 4 : 8;
    const std::optional<uint32_t> code = hex_number(text, i + 2, digits);
    if (!code || *code > 0x10ffff) return std::nullopt;
    append_utf8(plain, *code);
    i += digits + 1;
  }
  return plain;
}

std::optional<std::string> latin1(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      bytes += text[i];
      continue;
    }
    const bool two = (c == 0xc2 || c == 0xc3) && i + 1 < text.size() && (text[i + 1] & 0xc0) == 0x80;
    if (!two) return std::nullopt;
    bytes += static_cast<char>((c & 3) << 6 | (text[++i] & 63));
  }
  return bytes;
}

}  // namespace kg
