// Tensors of a file that has been opened but not read: names, types and shapes now, the elements of each on demand.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/formats/elements.h"

namespace kg {

struct StoredTensor {
  std::string name;
  FileDtype dtype = FileDtype::f32;  // in the file; elements.h says which type read() gives
  Shape shape;
  std::function<Tensor()> read;  // keeps the file, or its bytes, alive
};

struct StoredFile {
  std::vector<StoredTensor> tensors;  // in file order
  std::map<std::string, std::string> metadata;
};

struct TensorFile {
  std::vector<std::pair<std::string, Tensor>> tensors;  // in file order
  std::map<std::string, std::string> metadata;

  // The tensor of this name, nullptr if there is none.
  const Tensor* find(std::string_view name) const;
};

TensorFile read_all(const StoredFile& file);
StoredFile stored(const TensorFile& file);

}  // namespace kg
