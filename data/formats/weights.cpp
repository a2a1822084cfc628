// Which reader a file needs, and the index of shards.
#include "data/formats/weights.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "data/formats/file.h"
#include "data/formats/npz.h"
#include "data/formats/safetensors.h"
#include "data/formats/torch_archive.h"
#include "data/formats/zip.h"

namespace kg {
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaxIndex = 64 << 20;
constexpr uint64_t kMaxArchive = uint64_t{64} << 30;

// Under these names a folder holds its weights; the first that is there counts.
constexpr const char* kUsualNames[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                       "pytorch_model.bin.index.json"};

std::string head_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  CHECK_INPUT(file, path.string(), ": there is no such file, or it cannot be opened");
  std::string head(512, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(file.gcount()));
  return head;
}

fs::path file_in(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  for (const char* name : kUsualNames)
    if (fs::exists(path / name, error)) return path / name;
  fail(ErrorCode::input, path.string(), ": the folder holds no weights under a usual name (", kUsualNames[0], ", ",
       kUsualNames[1], ", ", kUsualNames[2], "); name the file");
}

// Of a zip archive: PyTorch's have a data.pkl.
WeightsKind zip_kind(const ZipArchive& archive) {
  bool arrays = false;
  for (const ZipMember& member : archive.members()) {
    if (member.name == "data.pkl" || member.name.ends_with("/data.pkl")) return WeightsKind::torch;
    arrays = arrays || member.name.ends_with(".npy");
  }
  return arrays || archive.members().empty() ? WeightsKind::npz : WeightsKind::unknown;
}

StoredFile with_prefix(StoredFile file, const std::string& section, const std::string& name) {
  if (section.empty()) return file;
  StoredFile part;
  part.metadata = std::move(file.metadata);
  for (StoredTensor& tensor : file.tensors) {
    if (!tensor.name.starts_with(section + ".")) continue;
    tensor.name.erase(0, section.size() + 1);
    part.tensors.push_back(std::move(tensor));
  }
  CHECK_INPUT(!part.tensors.empty(), name, ": no tensor's name begins with ", section, ".");
  return part;
}

StoredFile open_npz(const fs::path& path) {
  TensorFile file;
  for (auto& [name, tensor] : read_npz(path)) file.tensors.emplace_back(name, tensor);
  return stored(file);
}

// Each shard must hold exactly the tensors that the index gives it.
StoredFile open_shards(const fs::path& index) {
  const std::string name = index.string();
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, shard] : parse_shard_index(read_file(index, kMaxIndex), name)) shards[shard].insert(tensor);
  StoredFile file;
  std::error_code error;
  for (const auto& [shard, expected] : shards)
    CHECK_INPUT(fs::exists(index.parent_path() / shard, error), name, ": shard ", shard, " with ", expected.size(),
                " tensors is missing (", shards.size(), " shards in all); download it into the same folder");
  for (auto& [shard, expected] : shards) {
    const fs::path path = index.parent_path() / shard;
    CHECK_INPUT(weights_kind(path) != WeightsKind::shards, name, ": shard ", shard, " is an index itself");
    StoredFile part = open_weights(path);
    for (StoredTensor& tensor : part.tensors) {
      CHECK_INPUT(expected.erase(tensor.name) == 1, name, ": shard ", shard, " holds tensor ", printable(tensor.name),
                  ", which the index places ", "elsewhere or nowhere");
      file.tensors.push_back(std::move(tensor));
    }
    CHECK_INPUT(expected.empty(), name, ": shard ", shard, " lacks ", expected.size(), " tensors, such as ",
                printable(*expected.begin()));
    file.metadata.merge(part.metadata);
  }
  return file;
}

}  // namespace

const char* name_of(WeightsKind kind) {
  constexpr const char* kNames[] = {"unknown", "safetensors", "sharded safetensors", "PyTorch archive", "npz"};
  return kNames[static_cast<size_t>(kind)];
}

WeightsKind weights_kind(const fs::path& path) {
  const std::string head = head_of(path);
  if (is_legacy_torch(head)) return WeightsKind::torch;
  if (head.starts_with("PK")) {
    const std::string bytes = read_file(path, kMaxArchive);
    return zip_kind(ZipArchive(bytes, path.string()));
  }
  if (head.size() > 8 && head[8] == '{' && head[0] != '{') return WeightsKind::safetensors;
  const size_t text = head.find_first_not_of(" \t\r\n");
  const bool json = text != std::string::npos && head[text] == '{';
  return json && path.filename().string().ends_with(".index.json") ? WeightsKind::shards : WeightsKind::unknown;
}

StoredFile open_weights(const fs::path& given, const std::string& section) {
  const fs::path path = file_in(given);
  switch (weights_kind(path)) {
    case WeightsKind::safetensors:
      return with_prefix(open_safetensors(path), section, path.string());
    case WeightsKind::shards:
      return with_prefix(open_shards(path), section, path.string());
    case WeightsKind::torch:
      return section_of(open_torch_archive(path), section);
    case WeightsKind::npz:
      return with_prefix(open_npz(path), section, path.string());
    case WeightsKind::unknown:
      break;
  }
  const std::string foreign = foreign_content(head_of(path));
  fail(ErrorCode::input, path.string(), ": not a file of weights: ",
       foreign.empty() ? "it is none of safetensors, its index, PyTorch's .pt .pth .bin .ckpt, npz" : foreign);
}

TensorFile read_weights(const fs::path& path, const std::string& section) {
  return read_all(open_weights(path, section));
}

std::map<std::string, std::string> parse_shard_index(std::string_view json, const std::string& name) {
  // The parser keeps the last of several equal keys; they are counted here as they come.
  std::set<std::string> keys;
  bool in_map = false;
  const auto count_keys = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    if (event != nlohmann::json::parse_event_t::key) return true;
    const auto& key = value.get_ref<const std::string&>();
    if (depth == 1) in_map = key == "weight_map";
    if (depth == 2 && in_map)
      CHECK_INPUT(keys.insert(key).second, name, ": tensor ", printable(key), " is named twice");
    return true;
  };
  const std::string foreign = foreign_content(json);
  CHECK_INPUT(foreign.empty(), name, ": not an index of shards: ", foreign);
  nlohmann::json index;
  try {
    index = nlohmann::json::parse(json, count_keys);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::input, name, ": the index is not valid JSON (is it cut off?): ", error.what());
  }
  const bool has_map = index.is_object() && index.contains("weight_map") && index["weight_map"].is_object();
  CHECK_INPUT(has_map && !index["weight_map"].empty(), name,
              ": not an index of shards: it has no \"weight_map\" of tensors to files");
  std::map<std::string, std::string> map;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    CHECK_INPUT(shard.is_string(), name, ": the file of tensor ", printable(tensor), " is not a name");
    const std::string file = shard.get<std::string>();
    const bool beside =
        !file.empty() && file != "." && file != ".." && file.find_first_of(std::string_view("/\\\0", 3)) == file.npos;
    CHECK_INPUT(beside, name, ": tensor ", printable(tensor), " would lie in ", printable(file),
                "; only files in the same folder are read");
    map.emplace(tensor, file);
  }
  return map;
}

}  // namespace kg
