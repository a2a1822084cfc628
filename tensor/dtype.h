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

// bfloat16: the upper half of an f32; conversion rounds to nearest even. NaN stays NaN: on the host with its sign and
// its upper bits, on a GPU, where the conversion is one instruction (from sm_80 on), always as 0x7fff.
struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  KG_HD explicit bf16(float x) {
#ifdef __CUDA_ARCH__
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
    const uint32_t u = std::bit_cast<uint32_t>(x);
    bits = x != x ? uint16_t((u >> 16) | 0x40) : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
#endif
  }
  KG_HD explicit operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

// Every dtype with its C++ type.
#define KG_DTYPES(X) X(f64, double) X(f32, float) X(bf16, kg::bf16) X(i32, int32_t) X(u8, uint8_t)

#define KG_CASE(dtype, T) \
  case Dtype::dtype:      \
    return #dtype;
constexpr const char* name_of(Dtype d) {
  switch (d) { KG_DTYPES(KG_CASE) }
  return "?";
}
#undef KG_CASE
// Calls fn with a value of the C++ type.
#define KG_CASE(dtype, T) \
  case Dtype::dtype:      \
    return fn(T{});
template <class Fn>
constexpr auto for_any(Dtype d, Fn&& fn) {
  switch (d) { KG_DTYPES(KG_CASE) }
  return fn(uint8_t{});
}
#undef KG_CASE
constexpr int64_t size_of(Dtype d) {
  return for_any(d, [](auto zero) { return int64_t(sizeof(zero)); });
}
// What sums over elements are kept in: losses, statistics of norms, gradients of weights.
constexpr Dtype accumulator(Dtype d) { return d == Dtype::bf16 ? Dtype::f32 : d; }
constexpr bool is_float(Dtype d) { return d == Dtype::f64 || d == Dtype::f32 || d == Dtype::bf16; }

template <class T>
struct DtypeOf;
#define KG_TYPE(dtype, T)                        \
  template <>                                    \
  struct DtypeOf<T> {                            \
    static constexpr Dtype value = Dtype::dtype; \
  };
KG_DTYPES(KG_TYPE)
#undef KG_TYPE
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

}  // namespace kg
