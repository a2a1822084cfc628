// What PyTorch pickles: dicts, lists and objects around tensors, each a view of a storage that lies elsewhere in the
// archive. Flattened: tensors under their paths ("optimizer.state.0.exp_avg"), everything else that is plain as text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/formats/elements.h"
#include "data/formats/pickle.h"

namespace kg {

struct TorchTensor {
  std::string path;
  FileDtype dtype = FileDtype::f32;
  std::vector<uint64_t> shape, strides;  // strides in elements
  uint64_t offset = 0;                   // elements, in the storage
  std::string storage;                   // its key in the archive
  uint64_t storage_elements = 0;
  const std::string* bytes = nullptr;  // of a NumPy array: its elements themselves, in the pickle; no storage then
};

struct TorchTree {
  std::vector<TorchTensor> tensors;             // in the pickle's order
  std::map<std::string, std::string> metadata;  // path -> number or text
  std::vector<std::string> groups;              // the keys of the outermost dict under which there are more tensors
  bool on_top = false;                          // the outermost dict holds tensors itself, or the whole is a module
};

// `name` opens error messages. Sharing and cycles are bounded: at most 64 levels,
// and steps in proportion to the pickle.
TorchTree flatten_torch(const Pickle& pickle, const std::string& name);

// FloatStorage -> f32; false where the name is not one of a known storage.
bool storage_dtype(std::string_view global, FileDtype& dtype);

}  // namespace kg
