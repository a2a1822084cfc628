// Every pointwise op as two formulas: the value f and the derivative. The lists in tensor/ops.h make the CPU loops, the
// Tensor and Var functions, and the gradient tests of each. `df` gets the input x or the output y, as kSaves says, so
// that only one is kept.
#pragma once

#include "tensor/vec_math.h"

namespace kg {

enum class Saves { nothing, input, output };

#define KG_F         \
  template <class T> \
  KG_HD __attribute__((always_inline)) static T

struct Neg {
  static constexpr Saves kSaves = Saves::nothing;
  KG_F f(T x) { return -x; }
  KG_F df(T) { return T(-1); }
};
struct Exp {
  static constexpr Saves kSaves = Saves::output;
  KG_F f(T x) { return vm::exp(x); }
  KG_F df(T y) { return y; }
};
struct Log {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return vm::log(x); }
  KG_F df(T x) { return T(1) / x; }
};
struct Sqrt {
  static constexpr Saves kSaves = Saves::output;
  KG_F f(T x) { return std::sqrt(x); }
  KG_F df(T y) { return T(0.5) / y; }
};
struct Rsqrt {
  static constexpr Saves kSaves = Saves::output;
  KG_F f(T x) { return T(1) / std::sqrt(x); }
  KG_F df(T y) { return T(-0.5) * y * y * y; }
};
struct Tanh {
  static constexpr Saves kSaves = Saves::output;
  KG_F f(T x) { return vm::tanh(x); }
  KG_F df(T y) { return T(1) - y * y; }
};
struct Sigmoid {
  static constexpr Saves kSaves = Saves::output;
  KG_F f(T x) { return T(1) / (T(1) + vm::exp(-x)); }
  KG_F df(T y) { return y * (T(1) - y); }
};
struct Relu {
  static constexpr Saves kSaves = Saves::output;
  KG_F f(T x) { return x > T(0) ? x : (x == x ? T(0) : x); }
  KG_F df(T y) { return y > T(0) ? T(1) : T(0); }
};
// Gaussian error linear unit x Phi(x) (Hendrycks and Gimpel 2016), exact and by tanh, and x sigmoid(1.702 x).
struct Gelu {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return T(0.5) * x * (T(1) + vm::erf(x * T(0.7071067811865476))); }
  KG_F df(T x) {
    return T(0.5) * (T(1) + vm::erf(x * T(0.7071067811865476))) + x * T(0.3989422804014327) * vm::exp(T(-0.5) * x * x);
  }
};
struct GeluTanh {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return T(0.5) * x * (T(1) + vm::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x))); }
  KG_F df(T x) {
    const T t = vm::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x));
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * T(0.7978845608028654) * (T(1) + T(0.134145) * x * x);
  }
};
struct QuickGelu {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return x / (T(1) + vm::exp(T(-1.702) * x)); }
  KG_F df(T x) {
    const T s = T(1) / (T(1) + vm::exp(T(-1.702) * x));
    return s * (T(1) + T(1.702) * x * (T(1) - s));
  }
};
struct Silu {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return x / (T(1) + vm::exp(-x)); }
  KG_F df(T x) {
    const T s = T(1) / (T(1) + vm::exp(-x));
    return s * (T(1) + x * (T(1) - s));
  }
};
struct Abs {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return std::fabs(x); }
  KG_F df(T x) { return x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0)); }
};
struct Sin {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return vm::sin(x); }
  KG_F df(T x) { return vm::cos(x); }
};
struct Cos {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return vm::cos(x); }
  KG_F df(T x) { return -vm::sin(x); }
};
struct Square {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x) { return x * x; }
  KG_F df(T x) { return T(2) * x; }
};

// With two constants a, b.
struct Pow {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x, T a, T) { return std::pow(x, a); }
  KG_F df(T x, T a, T) { return a == T(0) ? T(0) : a * std::pow(x, a - T(1)); }
};
struct LeakyRelu {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x, T a, T) { return x > T(0) ? x : a * x; }
  KG_F df(T x, T a, T) { return x > T(0) ? T(1) : a; }
};
struct Clamp {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x, T a, T b) { return x < a ? a : (x > b ? b : x); }
  KG_F df(T x, T a, T b) { return x >= a && x <= b ? T(1) : T(0); }
};
// Huber's loss over beta = a: x^2 / 2a inside |x| < a, |x| - a/2 outside.
struct SmoothL1 {
  static constexpr Saves kSaves = Saves::input;
  KG_F f(T x, T a, T) {
    const T m = std::fabs(x);
    return m < a ? T(0.5) * x * x / a : m - T(0.5) * a;
  }
  KG_F df(T x, T a, T) { return x > a ? T(1) : (x < -a ? T(-1) : x / a); }
};
struct Affine {
  static constexpr Saves kSaves = Saves::nothing;
  KG_F f(T x, T a, T b) { return a * x + b; }
  KG_F df(T, T a, T) { return a; }
};

// Two operands; da and db are the derivatives by each.
struct Add {
  KG_F f(T a, T b) { return a + b; }
  KG_F da(T, T) { return T(1); }
  KG_F db(T, T) { return T(1); }
};
struct Sub {
  KG_F f(T a, T b) { return a - b; }
  KG_F da(T, T) { return T(1); }
  KG_F db(T, T) { return T(-1); }
};
struct Mul {
  KG_F f(T a, T b) { return a * b; }
  KG_F da(T, T b) { return b; }
  KG_F db(T a, T) { return a; }
};
struct Div {
  KG_F f(T a, T b) { return a / b; }
  KG_F da(T, T b) { return T(1) / b; }
  KG_F db(T a, T b) { return -a / (b * b); }
};
// Equal operands share the gradient; NaN on either side is the result.
struct Maximum {
  KG_F f(T a, T b) { return a > b || a != a ? a : b; }
  KG_F da(T a, T b) { return a > b ? T(1) : (a == b ? T(0.5) : T(0)); }
  KG_F db(T a, T b) { return a < b ? T(1) : (a == b ? T(0.5) : T(0)); }
};
struct Minimum {
  KG_F f(T a, T b) { return a < b || a != a ? a : b; }
  KG_F da(T a, T b) { return a < b ? T(1) : (a == b ? T(0.5) : T(0)); }
  KG_F db(T a, T b) { return a > b ? T(1) : (a == b ? T(0.5) : T(0)); }
};

#undef KG_F

// One call for ops with and without constants.
template <class Op, class T>
KG_INLINE T apply_f(T x, T a, T b) {
  if constexpr (requires { Op::f(x, a, b); })
    return Op::f(x, a, b);
  else
    return Op::f(x);
}
template <class Op, class T>
KG_INLINE T apply_df(T saved, T a, T b) {
  if constexpr (requires { Op::df(saved, a, b); })
    return Op::df(saved, a, b);
  else
    return Op::df(saved);
}

}  // namespace kg
