#include "data/formats/stored.h"

#include <algorithm>

namespace kg {

const Tensor* TensorFile::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
  return found == tensors.end() ? nullptr : &found->second;
}

TensorFile read_all(const StoredFile& file) {
  TensorFile all;
  all.metadata = file.metadata;
  all.tensors.reserve(file.tensors.size());
  for (const StoredTensor& tensor : file.tensors) all.tensors.emplace_back(tensor.name, tensor.read());
  return all;
}

StoredFile stored(const TensorFile& file) {
  StoredFile all;
  all.metadata = file.metadata;
  for (const auto& [name, tensor] : file.tensors) {
    CHECK(tensor.defined(), "[write] tensor ", name, " is undefined");
    all.tensors.push_back({name, file_dtype(tensor.dtype()), tensor.shape(), [tensor = tensor] { return tensor; }});
  }
  return all;
}

}  // namespace kg
