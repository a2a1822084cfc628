// Bounds and conversions of elements.h.
#include "data/formats/elements.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace kg {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read without swapping");

constexpr size_t kChunk = 8192;  // elements converted at a time

// IEEE half: sign 1, exponent 5 (bias 15), fraction 10.
float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t rebased = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | rebased << 23 | fraction << 13);
}

// To nearest even; beyond 65504 infinite. Below 2^-14 the fraction counts in 2^-24.
uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const float magnitude = std::bit_cast<float>(bits & 0x7fffffff);
  if (magnitude != magnitude) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 0x1p-14f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f)));
  const uint32_t rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112 << 10)));
}

// Converts `tensor.numel()` elements of type From, a chunk at a time: to[i] = convert(from[i], i).
template <class From, class To, class Convert>
void read_converted(const Tensor& tensor, const ReadBytes& read, Convert convert) {
  std::vector<From> chunk(std::min<size_t>(kChunk, static_cast<size_t>(tensor.numel())));
  To* to = tensor.data<To>();
  for (int64_t done = 0; done < tensor.numel();) {
    const int64_t n = std::min<int64_t>(static_cast<int64_t>(chunk.size()), tensor.numel() - done);
    read(chunk.data(), static_cast<size_t>(n) * sizeof(From));
    for (int64_t i = 0; i < n; ++i) to[done + i] = convert(chunk[static_cast<size_t>(i)], done + i);
    done += n;
  }
}

// Converts the elements of a contiguous tensor, a chunk at a time: convert(element, i) -> To.
template <class From, class To, class Convert>
void write_converted(const Tensor& tensor, const WriteBytes& write, Convert convert) {
  std::vector<To> chunk(std::min<size_t>(kChunk, static_cast<size_t>(tensor.numel())));
  const From* from = tensor.data<From>();
  for (int64_t done = 0; done < tensor.numel();) {
    const int64_t n = std::min<int64_t>(static_cast<int64_t>(chunk.size()), tensor.numel() - done);
    for (int64_t i = 0; i < n; ++i) chunk[static_cast<size_t>(i)] = convert(from[done + i], done + i);
    write({reinterpret_cast<const char*>(chunk.data()), static_cast<size_t>(n) * sizeof(To)});
    done += n;
  }
}

template <class To>
void write_integers(const Tensor& tensor, const WriteBytes& write, const std::string& where) {
  write_converted<int32_t, To>(tensor.to(Dtype::i32), write, [&](int32_t x, int64_t i) {
    CHECK_INPUT(std::in_range<To>(x), where, "element ", i, " is ", x, ", too large for integers of ", sizeof(To),
                " bytes");
    return static_cast<To>(x);
  });
}

bool starts_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char w, char t) {
           return w == (t >= 'A' && t <= 'Z' ? t - 'A' + 'a' : t);
         });
}

}  // namespace

int64_t size_of(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::f64:
    case FileDtype::i64:
      return 8;
    case FileDtype::f32:
    case FileDtype::i32:
      return 4;
    case FileDtype::f16:
    case FileDtype::bf16:
    case FileDtype::i16:
      return 2;
    default:
      return 1;
  }
}

const char* name_of(FileDtype dtype) {
  constexpr const char* kNames[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "bool"};
  return kNames[static_cast<size_t>(dtype)];
}

Dtype tensor_dtype(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::f64:
      return Dtype::f64;
    case FileDtype::f32:
    case FileDtype::f16:
      return Dtype::f32;
    case FileDtype::bf16:
      return Dtype::bf16;
    case FileDtype::i64:
    case FileDtype::i32:
    case FileDtype::i16:
    case FileDtype::i8:
      return Dtype::i32;
    default:
      return Dtype::u8;
  }
}

FileDtype file_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return FileDtype::f64;
    case Dtype::f32:
      return FileDtype::f32;
    case Dtype::bf16:
      return FileDtype::bf16;
    case Dtype::i32:
      return FileDtype::i32;
    default:
      return FileDtype::u8;
  }
}

Shape checked_shape(std::span<const uint64_t> extents, FileDtype dtype, uint64_t bytes, const std::string& where) {
  CHECK_INPUT(extents.size() <= kMaxRank, where, "an array of ", extents.size(), " axes, at most ", kMaxRank,
              " are supported");
  Shape shape;
  uint64_t span = static_cast<uint64_t>(size_of(dtype));  // with empty axes counted as 1: strides must not overflow
  bool empty = false;
  for (const uint64_t extent : extents) {
    empty |= extent == 0;
    const uint64_t factor = std::max<uint64_t>(extent, 1);
    CHECK_INPUT(factor <= uint64_t(std::numeric_limits<int64_t>::max()) / span, where, "the shape is too large: axis ",
                shape.rank(), " of ", extent, " elements");
    span *= factor;
    shape.push_back(static_cast<int64_t>(extent));
  }
  const uint64_t needed = empty ? 0 : span;
  CHECK_INPUT(needed == bytes, where, "shape ", shape, " needs ", needed, " bytes of data, the file has ", bytes,
              needed > bytes ? " (is it cut off?)" : "");
  return shape;
}

Tensor read_elements(FileDtype dtype, const Shape& shape, const ReadBytes& read, const std::string& where) {
  const Tensor tensor = Tensor::empty(shape, tensor_dtype(dtype));
  switch (dtype) {
    case FileDtype::f16:
      read_converted<uint16_t, float>(tensor, read, [](uint16_t x, int64_t) { return half_to_float(x); });
      break;
    case FileDtype::i64:
      read_converted<int64_t, int32_t>(tensor, read, [&](int64_t x, int64_t i) {
        CHECK_INPUT(x == static_cast<int32_t>(x), where, "element ", i, " is ", x,
                    ", 64-bit integers are read only where they fit into 32 bits");
        return static_cast<int32_t>(x);
      });
      break;
    case FileDtype::i16:
      read_converted<int16_t, int32_t>(tensor, read, [](int16_t x, int64_t) { return x; });
      break;
    case FileDtype::i8:
      read_converted<int8_t, int32_t>(tensor, read, [](int8_t x, int64_t) { return x; });
      break;
    case FileDtype::boolean:
      read_converted<uint8_t, uint8_t>(tensor, read, [&](uint8_t x, int64_t i) {
        CHECK_INPUT(x <= 1, where, "element ", i, " of a boolean array is ", int(x), ", expected 0 or 1");
        return x;
      });
      break;
    default:
      if (tensor.bytes() > 0) read(tensor.raw(), static_cast<size_t>(tensor.bytes()));
  }
  return tensor;
}

void write_elements(const Tensor& tensor, FileDtype dtype, const WriteBytes& write, const std::string& where) {
  CHECK(is_float(tensor.dtype()) == is_float(dtype), where, name_of(tensor.dtype()), " elements are not written as ",
        name_of(dtype));
  const Tensor packed = tensor.contiguous();
  switch (dtype) {
    case FileDtype::f16:
      return write_converted<float, uint16_t>(packed.to(Dtype::f32), write, [&](float x, int64_t i) {
        const uint16_t half = float_to_half(x);
        CHECK_INPUT(!std::isfinite(x) || (half & 0x7fff) != 0x7c00, where, "element ", i, " is ", x,
                    ", f16 holds at most 65504; write bf16 or f32");
        return half;
      });
    case FileDtype::i64:
      return write_integers<int64_t>(packed, write, where);
    case FileDtype::i16:
      return write_integers<int16_t>(packed, write, where);
    case FileDtype::i8:
      return write_integers<int8_t>(packed, write, where);
    default: {
      const Tensor converted = packed.to(tensor_dtype(dtype));
      write({static_cast<const char*>(converted.raw()), static_cast<size_t>(converted.bytes())});
    }
  }
}

std::string foreign_content(std::string_view head) {
  if (head.empty()) return "the file is empty";
  if (head.starts_with("version https://git-lfs")) {
    return "the file is a Git LFS pointer, not the data itself; run `git lfs pull` where it came from";
  }
  if (head.starts_with("\x93NUMPY")) return "the file is a NumPy array (.npy)";
  if (head.starts_with("PK\x03\x04")) return "the file is a zip archive (.npz, or PyTorch's .pth or .pt)";
  if (head.starts_with("\x1f\x8b")) return "the file is compressed with gzip; unpack it first";
  const size_t text = head.find_first_not_of(" \t\r\n");
  if (text != std::string_view::npos) {
    const std::string_view begin = head.substr(text);
    if (starts_with_word(begin, "<!doctype") || starts_with_word(begin, "<html")) {
      return "the file is a web page, not the data itself; the download was answered with an error or a login page";
    }
  }
  return "";
}

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown;
}

std::string joined(std::span<const std::string> names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

}  // namespace kg
