// PyTorch's files (.pt .pth .bin .ckpt .tar): the zip format (data.pkl and a member for each storage; TorchScript too)
// and the older one (a row of pickles, then the storages). Nothing in them is run (pickle.h). Tensors keep what they
// view: strides, offsets, shared storages; those of a GPU are read as any other.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/stored.h"

namespace kg {

struct TorchArchive {
  StoredFile all;                     // names are whole paths: "net.encoder.weight"; metadata: the plain values
  std::vector<std::string> sections;  // outermost dicts with tensors: "net", "optimizer"
  bool on_top = false;                // the outermost level holds tensors too: it may be the state dict itself
  std::string name;
};

TorchArchive open_torch_archive(const std::filesystem::path& path);
TorchArchive open_torch_archive_bytes(std::string bytes, const std::string& name);

// Whether a file that begins like this is one (a zip must hold data.pkl too).
bool is_legacy_torch(std::string_view head);

// The tensors under the path `section`, named without it. Empty: the only section (those of optimizers aside), or all
// tensors where there is none; an Error (input) that lists the sections where there are several.
StoredFile section_of(const TorchArchive& archive, const std::string& section);

}  // namespace kg
