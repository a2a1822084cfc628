// safetensors: an 8-byte header length, a JSON header of names, types, shapes and byte ranges, then raw elements.
// F64 F32 BF16 I32 U8 keep their type; F16 is read as f32, I64 I16 I8 as i32 (each value checked), BOOL as u8.
// Reading is strict (the ranges must tile the data exactly) and goes straight into the tensors, with no second copy.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/formats/stored.h"

namespace kg {

StoredFile open_safetensors(const std::filesystem::path& path);
TensorFile read_safetensors(const std::filesystem::path& path);
TensorFile read_safetensors_bytes(std::string_view bytes, const std::string& name);

// The same content gives the same bytes. Written under a temporary name, synced, renamed. A stored file is read a
// tensor at a time and written with the types that it names.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);
void write_stored(const std::filesystem::path& path, const StoredFile& file);

}  // namespace kg
