// Vec<T>: a SIMD register of T, as wide as the target has, by the compiler's vector extension.
#pragma once

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "tensor/dtype.h"

namespace kg::cpu {

#ifdef __AVX512F__
inline constexpr int kVecBytes = 64;
#else
inline constexpr int kVecBytes = 32;
#endif

template <class T>
inline constexpr int kLanes = kVecBytes / int(sizeof(T));

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kVecBytes), aligned(sizeof(T)), may_alias));
};
template <class T>
using Vec = typename VecOf<T>::type;

// kLanes<T> elements from p, converted to T. Unaligned.
template <class T>
inline Vec<T> load(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T>
inline Vec<T> load(const bf16* p) {
  // One instruction each, which the compiler does not find for __builtin_convertvector (nor for the loop below).
#if defined(__AVX512F__)
  const __m512i wide = _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return Vec<T>(_mm512_maskz_slli_epi32(0xffff, wide, 16));
#elif defined(__AVX2__)
  return Vec<T>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16));
#else
  Vec<T> v;
  for (int i = 0; i < kLanes<T>; ++i) v[i] = float(p[i]);
  return v;
#endif
}
// The first n < kLanes<T> elements, zeros after them.
template <class T, class From>
inline Vec<T> load_part(const From* p, int n) {
  From part[kLanes<T>] = {};
  std::memcpy(static_cast<void*>(part), p, size_t(n) * sizeof(From));
  return load<T>(part);
}
template <class T>
inline void store(T* p, Vec<T> v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}
// Transposes a square of kLanes x kLanes in registers: squares of 1, 2, 4 ... change places across the diagonal.
template <class T>
inline void transpose_square(Vec<T>* rows) {
  constexpr int L = kLanes<T>;
  constexpr auto lanes = std::make_integer_sequence<int, L>();
  auto stage = [&]<int W, int... P>(std::integer_sequence<int, P...>) {
    for (int i = 0; i < L; ++i) {
      if (i & W) continue;
      const Vec<T> a = rows[i], b = rows[i + W];
      rows[i] = __builtin_shufflevector(a, b, (P & W ? L + P - W : P)...);
      rows[i + W] = __builtin_shufflevector(a, b, (P & W ? L + P : P + W)...);
    }
  };
  stage.template operator()<1>(lanes);
  stage.template operator()<2>(lanes);
  if constexpr (L > 4) stage.template operator()<4>(lanes);
  if constexpr (L > 8) stage.template operator()<8>(lanes);
}
// Sum of the lanes, by halves.
template <class T>
inline T sum_lanes(Vec<T> v) {
  T lanes[kLanes<T>];
  store(lanes, v);
  for (int width = kLanes<T> / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

}  // namespace kg::cpu
