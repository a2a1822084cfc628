// Reading and writing of safetensors.h; the JSON header has a file of its own.
#include "data/formats/safetensors.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "data/formats/safetensors_header.h"

namespace kg {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

// Copies n bytes of the file from byte `at` on to `to`.
using ReadAt = std::function<void(uint64_t at, void* to, size_t n)>;

StoredFile open_from(uint64_t size, const ReadAt& read, const std::string& name) {
  std::string head(std::min<uint64_t>(size, 64), '\0');
  const auto require_format = [&](bool condition, const auto&... parts) {
    if (condition) return;
    const std::string foreign = foreign_content(head);
    CHECK_INPUT(foreign.empty(), name, ": not a safetensors file: ", foreign);
    fail(ErrorCode::input, name, ": not a safetensors file: ", parts...);
  };
  read(0, head.data(), head.size());
  require_format(size >= 10, "it has ", size, " bytes, at least 10 are needed");
  uint64_t length = 0;
  std::memcpy(&length, head.data(), 8);
  require_format(length <= kMaxHeader, "its header would be ", length, " bytes long, at most ", kMaxHeader,
                 " are read");
  require_format(head[8] == '{', "its header does not begin with {");
  CHECK_INPUT(length <= size - 8, name, ": the header is ", length, " bytes long, the file has only ", size - 8,
              " more (is it cut off?)");
  std::string json(length, '\0');
  read(8, json.data(), json.size());
  TensorHeader header = parse_safetensors_header(json, size - 8 - length, name);
  StoredFile file;
  file.metadata = std::move(header.metadata);
  file.tensors.reserve(header.entries.size());
  for (const TensorEntry& entry : header.entries) {
    const std::string where = name + ": tensor " + entry.name + ": ";
    const Shape shape = checked_shape(entry.shape, entry.dtype, entry.end - entry.begin, where);
    const auto read_tensor = [=, dtype = entry.dtype, at = 8 + length + entry.begin] {
      uint64_t next = at;
      const ReadBytes in_order = [&](void* to, size_t n) {
        read(next, to, n);
        next += n;
      };
      return read_elements(dtype, shape, in_order, where);
    };
    file.tensors.push_back({entry.name, entry.dtype, shape, read_tensor});
  }
  return file;
}

// As the format spells it.
std::string file_name_of(FileDtype dtype) {
  std::string name = name_of(dtype);
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

// Length and JSON, padded with blanks so that the data begins at a multiple of 8.
std::string header_bytes(const StoredFile& file) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) json["__metadata__"] = file.metadata;
  std::set<std::string_view> names = {"__metadata__"};
  int64_t begin = 0;
  for (const StoredTensor& tensor : file.tensors) {
    CHECK(names.insert(tensor.name).second, "[write_safetensors] two tensors are named ", tensor.name);
    const int64_t end = begin + tensor.shape.numel() * size_of(tensor.dtype);
    json[tensor.name] = {{"dtype", file_name_of(tensor.dtype)},
                         {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
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

TensorFile read_safetensors_bytes(std::string_view bytes, const std::string& name) {
  const ReadAt read = [=](uint64_t at, void* to, size_t n) {
    std::copy_n(bytes.data() + at, n, static_cast<char*>(to));
  };
  return read_all(open_from(bytes.size(), read, name));
}

StoredFile open_safetensors(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  CHECK_INPUT(std::filesystem::exists(status), path.string(), ": there is no such file, or its folder is unreadable");
  CHECK_INPUT(std::filesystem::is_regular_file(status), path.string(), " is not a file");
  const uint64_t size = std::filesystem::file_size(path, error);
  const auto stream = std::make_shared<std::ifstream>(path, std::ios::binary);
  CHECK_INPUT(!error && *stream, path.string(), ": the file cannot be opened (no permission?)");
  const ReadAt read = [stream, path](uint64_t at, void* to, size_t n) {
    const auto from = static_cast<std::streamoff>(at);
    if (stream->tellg() != from) stream->seekg(from);
    stream->read(static_cast<char*>(to), static_cast<std::streamsize>(n));
    CHECK_INPUT(static_cast<size_t>(stream->gcount()) == n, path.string(),
                ": the file could not be read to its end (disk error, or it is being changed)");
  };
  return open_from(size, read, path.string());
}

TensorFile read_safetensors(const std::filesystem::path& path) { return read_all(open_safetensors(path)); }

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) { write_stored(path, stored(file)); }

void write_stored(const std::filesystem::path& path, const StoredFile& file) {
  const std::string header = header_bytes(file);
  AtomicFile out(path);
  out.write(header);
  for (const StoredTensor& tensor : file.tensors) {
    const Tensor read = tensor.read();
    CHECK(read.shape() == tensor.shape, "[write_safetensors] tensor ", tensor.name, " is ", read.shape(),
          ", announced as ", tensor.shape);
    write_elements(
        read, tensor.dtype, [&](std::string_view bytes) { out.write(bytes); }, "tensor " + tensor.name + ": ");
  }
  out.commit();
}

}  // namespace kg
