// Checksum and checks of checkpoint.h.
#include "data/formats/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iomanip>

namespace kg {
namespace {

const std::string kFormat = "1";

// Four lanes over the 8-byte words of 32-byte blocks, each lane <- rotl((lane ^ word) * prime, 29): a bijection of the
// lane for a fixed word and of the word for a fixed lane. The prime is FNV-1a's. Each piece is led by its length and
// padded with zeros.
class Checksum {
 public:
  void add(const void* data, size_t n) {
    lanes_[0] = mix(lanes_[0], n);
    const char* bytes = static_cast<const char*>(data);
    for (; n >= sizeof(lanes_); n -= sizeof(lanes_), bytes += sizeof(lanes_)) add_block(bytes);
    if (n == 0) return;
    char last[sizeof(lanes_)] = {};
    std::memcpy(last, bytes, n);
    add_block(last);
  }
  void add(const std::string& text) { add(text.data(), text.size()); }

  uint64_t value() const {
    uint64_t h = 0;
    for (const uint64_t lane : lanes_) h = mix(h, lane);
    return h;
  }

 private:
  static uint64_t mix(uint64_t lane, uint64_t word) { return std::rotl((lane ^ word) * 0x100000001b3u, 29); }
  void add_block(const char* bytes) {
    uint64_t words[4];
    std::memcpy(words, bytes, sizeof(words));
    for (int i = 0; i < 4; ++i) lanes_[i] = mix(lanes_[i], words[i]);
  }

  uint64_t lanes_[4] = {1, 2, 3, 4};
};

std::string to_hex(uint64_t value) {
  std::ostringstream text;
  text << std::hex << std::setw(16) << std::setfill('0') << value;
  return text.str();
}

std::string value_of(const TensorFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

}  // namespace

uint64_t content_checksum(const TensorFile& file) {
  Checksum sum;
  for (const auto& [key, value] : file.metadata) {
    if (key == kCheckpointChecksum) continue;
    sum.add(key);
    sum.add(value);
  }
  for (const auto& [name, tensor] : file.tensors) {
    const Tensor packed = tensor.contiguous();
    sum.add(name);
    sum.add(name_of(tensor.dtype()));
    sum.add(tensor.shape().begin(), static_cast<size_t>(tensor.rank()) * sizeof(int64_t));
    sum.add(packed.raw(), static_cast<size_t>(packed.bytes()));
  }
  return sum.value();
}

void write_checkpoint(const std::filesystem::path& path, const std::string& kind, TensorFile file) {
  file.metadata.insert_or_assign(kCheckpointFormat, kFormat);
  file.metadata[kCheckpointKind] = kind;
  file.metadata[kCheckpointChecksum] = to_hex(content_checksum(file));
  write_safetensors(path, file);
}

TensorFile read_checkpoint(const std::filesystem::path& path, const std::string& kind) {
  TensorFile file = read_safetensors(path);
  const std::string format = value_of(file, kCheckpointFormat), stored = value_of(file, kCheckpointChecksum);
  CHECK_INPUT(!format.empty(), path.string(), " is a safetensors file but not a checkpoint (its metadata has no ",
              kCheckpointFormat, ")");
  CHECK_INPUT(format == kFormat, path.string(), " is a checkpoint of format ", format, ", this program reads format ",
              kFormat, "; use the program that wrote it");
  const std::string computed = to_hex(content_checksum(file));
  CHECK_INPUT(stored == computed, "checkpoint ", path.string(), " is damaged: checksum ", computed, ", expected ",
              stored.empty() ? "one in the metadata" : stored, "; use an older checkpoint of the run");
  const std::string found = value_of(file, kCheckpointKind);
  CHECK_INPUT(kind.empty() || found == kind, path.string(), " holds a ", found, ", expected a ", kind);
  return file;
}

std::string checkpoint_kind(const std::filesystem::path& path) {
  const StoredFile file = open_safetensors(path);
  const auto kind = file.metadata.find(kCheckpointKind);
  CHECK_INPUT(file.metadata.contains(kCheckpointFormat) && kind != file.metadata.end(), path.string(),
              " is a safetensors file but not a checkpoint (its metadata has no ", kCheckpointFormat, ")");
  return kind->second;
}

std::filesystem::path find_checkpoint(const std::filesystem::path& model) {
  std::error_code error;
  if (std::filesystem::is_regular_file(model, error)) return model;
  CHECK_INPUT(!error || error == std::errc::no_such_file_or_directory, "[model] ", model.string(), ": ",
              error.message());
  CHECK_INPUT(std::filesystem::exists(model, error), "[model] ", model.string(),
              " is not there; give a checkpoint (.safetensors) or the folder of a training run");
  for (const char* name : {"best.safetensors", "last.safetensors"}) {
    if (std::filesystem::is_regular_file(model / name, error)) return model / name;
  }
  fail(ErrorCode::input, "[model] ", model.string(),
       " holds neither best.safetensors nor last.safetensors; is it the folder of a finished training run?");
}

}  // namespace kg
