// The JSON header of a safetensors file, parsed strictly: no unknown or repeated key, no nesting beyond the format's,
// memory bounded by the header's length.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/elements.h"

namespace kg {

struct TensorEntry {
  std::string name;
  FileDtype dtype = FileDtype::f32;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, from the end of the header
};

struct TensorHeader {
  std::vector<TensorEntry> entries;  // sorted by begin; they tile [0, data_bytes) without gap or overlap
  std::map<std::string, std::string> metadata;
};

TensorHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& name);

}  // namespace kg
