// Reading and writing of safetensors.h; the JSON header has a file of its own.
#include "data/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "data/formats/safetensors_header.h"

namespace kg {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

TensorFile read_from(uint64_t size, const ReadBytes& read, const std::string& name) {
  std::string head(std::min<uint64_t>(size, 64), '\0');
  const auto require_format = [&](bool condition, const auto&... parts) {
    if (condition) return;
    const std::string foreign = foreign_content(head);
    CHECK_INPUT(foreign.empty(), name, ": not a safetensors file: ", foreign);
    fail(ErrorCode::input, name, ": not a safetensors file: ", parts...);
  };
  read(head.data(), head.size());
  require_format(size >= 10, "it has ", size, " bytes, at least 10 are needed");
  uint64_t length = 0;
  std::memcpy(&length, head.data(), 8);
  require_format(length <= kMaxHeader, "its header would be ", length, " bytes long, at most ", kMaxHeader,
                 " are read");
  require_format(head[8] == '{', "its header does not begin with {");
  CHECK_INPUT(length <= size - 8, name, ": the header is ", length, " bytes long, the file has only ", size - 8,
              " more (is it cut off?)");

  // What was read ahead goes first; header and tensors then follow each other in the file.
  std::string_view ahead = std::string_view(head).substr(8);
  const ReadBytes next = [&](void* to, size_t n) {
    const size_t from_ahead = std::min(n, ahead.size());
    std::copy_n(ahead.data(), from_ahead, static_cast<char*>(to));
    ahead.remove_prefix(from_ahead);
    if (n > from_ahead) read(static_cast<char*>(to) + from_ahead, n - from_ahead);
  };
  std::string json(length, '\0');
  next(json.data(), json.size());
  TensorHeader header = parse_safetensors_header(json, size - 8 - length, name);
  TensorFile file;
  file.metadata = std::move(header.metadata);
  file.tensors.reserve(header.entries.size());
  for (const TensorEntry& entry : header.entries) {
    const std::string where = name + ": tensor " + entry.name + ": ";
    const Shape shape = checked_shape(entry.shape, entry.dtype, entry.end - entry.begin, where);
    file.tensors.emplace_back(entry.name, read_elements(entry.dtype, shape, next, where));
  }
  return file;
}

const char* file_name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return "F64";
    case Dtype::f32:
      return "F32";
    case Dtype::bf16:
      return "BF16";
    case Dtype::i32:
      return "I32";
    case Dtype::u8:
      return "U8";
  }
  fail(ErrorCode::runtime, "[write_safetensors] unknown dtype");
}

// Length and JSON, padded with blanks so that the data begins at a multiple of 8.
std::string header_bytes(const TensorFile& file) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) json["__metadata__"] = file.metadata;
  std::set<std::string_view> names = {"__metadata__"};
  int64_t begin = 0;
  for (const auto& [name, tensor] : file.tensors) {
    CHECK(names.insert(name).second, "[write_safetensors] two tensors are named ", name);
    CHECK(tensor.defined(), "[write_safetensors] tensor ", name, " is undefined");
    const int64_t end = begin + tensor.bytes();
    json[name] = {{"dtype", file_name_of(tensor.dtype())},
                  {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
                  {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::runtime, "[write_safetensors] a name or metadata value is not valid UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  CHECK(text.size() <= kMaxHeader, "[write_safetensors] the header of ", text.size(), " bytes is too long");
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + text;
}

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
  return found == tensors.end() ? nullptr : &found->second;
}

TensorFile read_safetensors_bytes(std::string_view bytes, const std::string& name) {
  std::string_view rest = bytes;
  const ReadBytes read = [&](void* to, size_t n) {
    std::copy_n(rest.data(), n, static_cast<char*>(to));
    rest.remove_prefix(n);
  };
  return read_from(bytes.size(), read, name);
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  CHECK_INPUT(std::filesystem::exists(status), path.string(), ": there is no such file, or its folder is unreadable");
  CHECK_INPUT(std::filesystem::is_regular_file(status), path.string(), " is not a file");
  const uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  CHECK_INPUT(!error && stream, path.string(), ": the file cannot be opened (no permission?)");
  const ReadBytes read = [&](void* to, size_t n) {
    stream.read(static_cast<char*>(to), static_cast<std::streamsize>(n));
    CHECK_INPUT(static_cast<size_t>(stream.gcount()) == n, path.string(),
                ": the file could not be read to its end (disk error, or it is being changed)");
  };
  return read_from(size, read, path.string());
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  const std::string header = header_bytes(file);
  AtomicFile out(path);
  out.write(header);
  for (const auto& [name, tensor] : file.tensors) {
    const Tensor packed = tensor.contiguous();
    out.write({static_cast<const char*>(packed.raw()), static_cast<size_t>(packed.bytes())});
  }
  out.commit();
}

}  // namespace kg
