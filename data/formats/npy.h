// NumPy's array file, versions 1 to 3: f4 f8 i4 i8 u1 b1, little-endian, C order. i8 is read as i32 (each value
// checked), b1 as u8. Fortran order, object arrays, big-endian and other types are errors that say how to save the
// array instead.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace kg {

Tensor read_npy(const std::filesystem::path& path);
Tensor read_npy_bytes(std::string_view bytes, const std::string& name);

// Version 1, the bytes that NumPy itself would write; f64, f32, i32 and u8.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);
std::string npy_bytes(const Tensor& tensor);

}  // namespace kg
