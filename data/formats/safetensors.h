// safetensors: an 8-byte header length, a JSON header of names, types, shapes and byte ranges, then raw elements.
// F64 F32 BF16 I32 U8 keep their type; F16 is read as f32, I64 as i32 (each value checked), BOOL as u8.
// Reading is strict (the ranges must tile the data exactly) and goes straight into the tensors, with no second copy.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

struct TensorFile {
  std::vector<std::pair<std::string, Tensor>> tensors;  // in file order
  std::map<std::string, std::string> metadata;

  // The tensor of this name, nullptr if there is none.
  const Tensor* find(std::string_view name) const;
};

TensorFile read_safetensors(const std::filesystem::path& path);
TensorFile read_safetensors_bytes(std::string_view bytes, const std::string& name);

// The same content gives the same bytes. Written under a temporary name, synced, renamed.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace kg
