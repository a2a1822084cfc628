// Element types. f64 and f32 compute on the CPU; bf16 is storage (and the compute type of CUDA); i32 and u8 are indices
// and masks.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "tensor/error.h"

#ifdef __CUDACC__
#define KG_HD __host__ __device__
#else
#define KG_HD
#endif

namespace kg {

enum class Dtype : uint8_t { f64, f32, bf16, i32, u8 };
enum class Device : uint8_t { cpu, cuda };

// bfloat16: the upper half of an f32; conversion rounds to nearest even and keeps NaN.
struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  KG_HD explicit bf16(float x) {
    const uint32_t u = std::bit_cast<uint32_t>(x);
    bits = x != x ? uint16_t((u >> 16) | 0x40) : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  KG_HD explicit operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

constexpr int64_t size_of(Dtype d) {
  switch (d) {
    case Dtype::f64:
      return 8;
    case Dtype::f32:
    case Dtype::i32:
      return 4;
    case Dtype::bf16:
      return 2;
    case Dtype::u8:
      return 1;
  }
  return 0;
}
constexpr const char* name_of(Dtype d) {
  switch (d) {
    case Dtype::f64:
      return "f64";
    case Dtype::f32:
      return "f32";
    case Dtype::bf16:
      return "bf16";
    case Dtype::i32:
      return "i32";
    case Dtype::u8:
      return "u8";
  }
  return "?";
}
// What sums over elements are kept in: losses, statistics of norms, gradients of weights.
constexpr Dtype accumulator(Dtype d) { return d == Dtype::bf16 ? Dtype::f32 : d; }
constexpr bool is_float(Dtype d) { return d == Dtype::f64 || d == Dtype::f32 || d == Dtype::bf16; }

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<double> {
  static constexpr Dtype value = Dtype::f64;
};
template <>
struct DtypeOf<float> {
  static constexpr Dtype value = Dtype::f32;
};
template <>
struct DtypeOf<bf16> {
  static constexpr Dtype value = Dtype::bf16;
};
template <>
struct DtypeOf<int32_t> {
  static constexpr Dtype value = Dtype::i32;
};
template <>
struct DtypeOf<uint8_t> {
  static constexpr Dtype value = Dtype::u8;
};
template <class T>
inline constexpr Dtype dtype_of = DtypeOf<T>::value;

// Calls fn with a value of the C++ type of a compute dtype:
//   for_float(x.dtype(), "op", [&](auto zero) { using T = decltype(zero); });
template <class Fn>
auto for_float(Dtype dtype, const char* op, Fn&& fn) {
  if (dtype == Dtype::f32) return fn(float{});
  CHECK(dtype == Dtype::f64, "[", op, "] computes in f32 or f64 on the CPU, got ", name_of(dtype));
  return fn(double{});
}
template <class Fn>
auto for_any(Dtype dtype, Fn&& fn) {
  switch (dtype) {
    case Dtype::f64:
      return fn(double{});
    case Dtype::f32:
      return fn(float{});
    case Dtype::bf16:
      return fn(bf16{});
    case Dtype::i32:
      return fn(int32_t{});
    case Dtype::u8:
      break;
  }
  return fn(uint8_t{});
}

}  // namespace kg
