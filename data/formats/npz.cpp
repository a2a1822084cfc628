// npz over zip.h and npy.h.
#include "data/formats/npz.h"

#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/formats/zip.h"

namespace kg {
namespace {

constexpr std::string_view kExtension = ".npy";

}  // namespace

std::map<std::string, Tensor> read_npz_bytes(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with("PK")) {
    const std::string foreign = foreign_content(bytes);
    CHECK_INPUT(foreign.empty(), name, ": not an npz archive: ", foreign);
  }
  const ZipArchive archive(bytes, name);
  std::map<std::string, Tensor> arrays;
  for (const ZipMember& member : archive.members()) {
    CHECK_INPUT(member.name.ends_with(kExtension), name, ": member ", member.name,
                " is not an array (its name does not end with .npy)");
    const std::string key = member.name.substr(0, member.name.size() - kExtension.size());
    Tensor array = read_npy_bytes(archive.read(member), name + ": " + member.name);
    CHECK_INPUT(arrays.emplace(key, std::move(array)).second, name, ": array ", key, " appears twice");
  }
  return arrays;
}

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path) {
  return read_npz_bytes(read_file(path, kMaxArrayBytes), path.string());
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, Tensor>& arrays) {
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [key, tensor] : arrays) members.emplace_back(key + std::string(kExtension), npy_bytes(tensor));
  write_file_atomically(path, zip_bytes(members));
}

}  // namespace kg
