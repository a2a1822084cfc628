// What the array formats (npy, safetensors) share: element types as files know them, shapes that a file claims,
// elements into a Tensor, and names for the things people meet instead of the file they wanted.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace kg {

inline constexpr uint64_t kMaxArrayBytes = uint64_t{16} << 30;  // of a file of arrays

// Read as tensors, f16 becomes f32, i64 becomes i32 (each value checked), i16 and i8 become i32 and boolean becomes u8;
// the rest keep their type.
enum class FileDtype : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

int64_t size_of(FileDtype dtype);
const char* name_of(FileDtype dtype);  // "f16", "bool"
Dtype tensor_dtype(FileDtype dtype);   // that it is read as
FileDtype file_dtype(Dtype dtype);     // that it is written as, unless another is asked for
inline bool is_float(FileDtype dtype) { return is_float(tensor_dtype(dtype)); }

// The shape that a file claims, refused unless its elements are exactly `bytes` long; no product overflows.
Shape checked_shape(std::span<const uint64_t> extents, FileDtype dtype, uint64_t bytes, const std::string& where);

// Copies the next n bytes of the file to `to`.
using ReadBytes = std::function<void(void* to, size_t n)>;

// A new tensor from little-endian row-major elements; `where` opens an error message.
Tensor read_elements(FileDtype dtype, const Shape& shape, const ReadBytes& read, const std::string& where);

// The way back: a tensor's elements, row-major, as `dtype`. A value that the type cannot hold is an Error (input) that
// begins with `where`, except that floats are rounded to nearest even.
using WriteBytes = std::function<void(std::string_view bytes)>;
void write_elements(const Tensor& tensor, FileDtype dtype, const WriteBytes& write, const std::string& where);

// What a file that begins like this really is ("a Git LFS pointer ..."), as the end of a sentence; empty if not known.
std::string foreign_content(std::string_view head);

// A name from a file, fit for a message: at most 80 bytes, what is not plain ASCII as '?'.
std::string printable(std::string_view text);

// Names as a list in a message: "a, b, c".
std::string joined(std::span<const std::string> names);

}  // namespace kg
