// exp, log, tanh, erf, sin and cos without branches or library calls, so that the compiler vectorises loops over them.
// float: minimax polynomials fitted for this file, relative error below 2e-7 (erf: absolute, 1.5e-7). double: the C
// library, because f64 is the oracle. On a GPU they are the device library's functions (errors of 1 to 2 units of the
// last place): its special-function unit has 2^x, so they take a third of the instructions of the polynomials.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tensor/dtype.h"  // KG_HD

// Always inlined: one call left inside a loop would keep the whole loop from being vectorised.
#define KG_INLINE KG_HD inline __attribute__((always_inline))

namespace kg::vm {

#ifdef __CUDA_ARCH__
KG_INLINE float exp(float x) { return ::expf(x); }
KG_INLINE float log(float x) { return ::logf(x); }
KG_INLINE float tanh(float x) { return ::tanhf(x); }
KG_INLINE float erf(float x) { return ::erff(x); }
KG_INLINE float sin(float x) { return ::sinf(x); }
KG_INLINE float cos(float x) { return ::cosf(x); }
#else
// The nearest integer, as a float, for |x| < 2^22: adding 1.5 * 2^23 leaves no bits for the fraction.
KG_INLINE float round(float x) { return (x + 12582912.0f) - 12582912.0f; }

// exp(x) = 2^n (1 + r + r^2 P(r)), n = round(x / ln 2). 0 below -87.3, infinity above 88.3, NaN stays NaN.
KG_INLINE float exp(float x) {
  const float lo = -87.33f, hi = 88.37f;
  const float c = x < lo ? lo : (x > hi ? hi : x);
  const float n = round(c * 1.44269504f);
  const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.381446476e-03f;
  p = p * r + 8.368780623e-03f;
  p = p * r + 4.166839426e-02f;
  p = p * r + 1.666652011e-01f;
  p = p * r + 4.999999341e-01f;
  p = p * r * r + r + 1.0f;
  const float y = p * std::bit_cast<float>((int32_t(n) + 127) << 23);
  return x < lo ? 0.0f : (x > hi ? std::numeric_limits<float>::infinity() : y);
}

// log(x) = e ln 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)). -infinity at 0 and denormals, NaN below 0.
KG_INLINE float log(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x);
  const int32_t shifted = bits - 0x3f3504f3;  // sqrt(1/2)
  const float e = float(shifted >> 23);
  const float f = std::bit_cast<float>((shifted & 0x007fffff) + 0x3f3504f3) - 1.0f;
  float p = 6.746601232e-02f;
  p = p * f - 1.167564126e-01f;
  p = p * f + 1.188817462e-01f;
  p = p * f - 1.240559143e-01f;
  p = p * f + 1.421955091e-01f;
  p = p * f - 1.666799567e-01f;
  p = p * f + 2.000211873e-01f;
  p = p * f - 2.500000960e-01f;
  p = p * f + 3.333331260e-01f;
  const float y = ((p * f * f * f - e * 2.12194440e-4f) - 0.5f * f * f) + f + e * 0.693359375f;
  const float inf = std::numeric_limits<float>::infinity();
  const float low = x < 0.0f ? std::numeric_limits<float>::quiet_NaN() : -inf;
  return x < 1.17549435e-38f ? low : (x < inf ? y : x);
}

KG_INLINE float tanh(float x) {
  const float a = std::fabs(x), t = x * x;
  float p = -5.666980327e-03f;
  p = p * t + 2.060617990e-02f;
  p = p * t - 5.373000829e-02f;
  p = p * t + 1.333133102e-01f;
  p = p * t - 3.333327806e-01f;
  const float small = x + x * t * p;
  const float large = std::copysign(1.0f - 2.0f / (exp(2.0f * a) + 1.0f), x);
  return a < 0.625f ? small : large;
}

// x P(x^2) near 0, else erf(|x|) = 1 - exp(-x^2) t P(t), t = 1 / (1 + 0.47 |x|).
KG_INLINE float erf(float x) {
  const float a = std::fabs(x), s = x * x, t = 1.0f / (1.0f + 0.47f * a);
  float small = 4.376751410e-03f;
  small = small * s - 2.655199329e-02f;
  small = small * s + 1.127894395e-01f;
  small = small * s - 3.761237439e-01f;
  small = small * s + 1.128379144e+00f;
  float p = 8.548082093e-02f;
  p = p * t - 4.060108015e-01f;
  p = p * t + 5.783177133e-01f;
  p = p * t - 9.463408664e-02f;
  p = p * t + 3.172749666e-01f;
  p = p * t + 2.540586928e-01f;
  p = p * t + 2.655126997e-01f;
  return a < 0.65f ? x * small : std::copysign(1.0f - exp(-s) * t * p, x);
}

// Quadrant q = round(x / (pi/2)), pi/2 taken off in three parts: good to |x| of some 10^4.
KG_INLINE float sin_shifted(float x, int32_t quadrants) {
  const float n = round(x * 0.636619772f);
  const float r = ((x - n * 1.5703125f) - n * 4.837512969970703125e-4f) - n * 7.54978995489188216e-8f;
  const float t = r * r;
  const float s = r + r * t * (-1.666665454e-01f + t * (8.332156060e-03f + t * -1.951463257e-04f));
  const float c = 1.0f - 0.5f * t + t * t * (4.166664555e-02f + t * (-1.388730986e-03f + t * 2.443241219e-05f));
  const int32_t q = int32_t(n) + quadrants;
  const float y = (q & 1) ? c : s;
  return (q & 2) ? -y : y;
}
KG_INLINE float sin(float x) { return sin_shifted(x, 0); }
KG_INLINE float cos(float x) { return sin_shifted(x, 1); }
#endif

KG_INLINE double exp(double x) { return std::exp(x); }
KG_INLINE double log(double x) { return std::log(x); }
KG_INLINE double tanh(double x) { return std::tanh(x); }
KG_INLINE double erf(double x) { return std::erf(x); }
KG_INLINE double sin(double x) { return std::sin(x); }
KG_INLINE double cos(double x) { return std::cos(x); }

}  // namespace kg::vm
