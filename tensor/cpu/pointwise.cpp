#include "tensor/cpu/pointwise.h"

#include "tensor/cpu/strided.h"
#include "tensor/pointwise.h"

// On the body of a loop: called instead of inlined, it would keep the loop from being vectorised.
#define KG_LANE __attribute__((always_inline))

namespace kg::cpu {
namespace {

// out = fn(in...) elementwise. All runs of unit stride take the first loop, which the compiler vectorises; operands
// that stand still along the run (a bias, a scalar) take the middle ones.
template <class T, class Fn>
void map1(const Tensor& out, const Tensor& x, Fn fn) {
  T* po = out.data<T>();
  const T* px = x.data<T>();
  const Walk<2> walk(out.shape(), {&out, &x});
  const int64_t so = walk.inner_stride(0), sx = walk.inner_stride(1);
  walk.run([&](const auto& at, int64_t first, int64_t n) {
    T* o = po + at[0] + first * so;
    const T* a = px + at[1] + first * sx;
    if (so == 1 && sx == 1)
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) o[i] = fn(a[i]);
    else
      for (int64_t i = 0; i < n; ++i) o[i * so] = fn(a[i * sx]);
  });
}

template <class T, class Fn>
void map2(const Tensor& out, const Tensor& x, const Tensor& y, Fn fn) {
  T* po = out.data<T>();
  const T* px = x.data<T>();
  const T* py = y.data<T>();
  const Walk<3> walk(out.shape(), {&out, &x, &y});
  const int64_t so = walk.inner_stride(0), sx = walk.inner_stride(1), sy = walk.inner_stride(2);
  walk.run([&](const auto& at, int64_t first, int64_t n) {
    T* o = po + at[0] + first * so;
    const T* a = px + at[1] + first * sx;
    const T* b = py + at[2] + first * sy;
    if (so == 1 && sx == 1 && sy == 1) {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) o[i] = fn(a[i], b[i]);
    } else if (so == 1 && sx == 1 && sy == 0) {
      const T c = *b;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) o[i] = fn(a[i], c);
    } else if (so == 1 && sx == 0 && sy == 1) {
      const T c = *a;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) o[i] = fn(c, b[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) o[i * so] = fn(a[i * sx], b[i * sy]);
    }
  });
}

template <class T, class Fn>
void map3(const Tensor& out, const Tensor& x, const Tensor& y, const Tensor& z, Fn fn) {
  T* po = out.data<T>();
  const T *px = x.data<T>(), *py = y.data<T>(), *pz = z.data<T>();
  const Walk<4> walk(out.shape(), {&out, &x, &y, &z});
  const int64_t so = walk.inner_stride(0), sx = walk.inner_stride(1), sy = walk.inner_stride(2),
                sz = walk.inner_stride(3);
  walk.run([&](const auto& at, int64_t first, int64_t n) {
    T* o = po + at[0] + first * so;
    const T *a = px + at[1] + first * sx, *b = py + at[2] + first * sy, *c = pz + at[3] + first * sz;
    if (so == 1 && sx == 1 && sy == 1 && sz == 1)
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) o[i] = fn(a[i], b[i], c[i]);
    else
      for (int64_t i = 0; i < n; ++i) o[i * so] = fn(a[i * sx], b[i * sy], c[i * sz]);
  });
}

template <class Op>
void unary(const char* name, const Tensor& y, const Tensor& x, double a, double b) {
  for_float(x.dtype(), name, [&](auto zero) {
    using T = decltype(zero);
    map1<T>(y, x, [a = T(a), b = T(b)](T v) KG_LANE { return apply_f<Op>(v, a, b); });
  });
}
template <class Op>
void unary_backward(const char* name, const Tensor& gx, const Tensor& gy, const Tensor& saved, double a, double b) {
  for_float(gy.dtype(), name, [&](auto zero) {
    using T = decltype(zero);
    map2<T>(gx, gy, Op::kSaves == Saves::nothing ? gy : saved,
            [a = T(a), b = T(b)](T g, T s) KG_LANE { return g * apply_df<Op>(s, a, b); });
  });
}

}  // namespace

#define KG_DEFINE(Op, name)                                                                                   \
  void name##_forward(const Tensor& y, const Tensor& x, double a, double b) { unary<Op>(#name, y, x, a, b); } \
  void name##_backward(const Tensor& gx, const Tensor& gy, const Tensor& saved, double a, double b) {         \
    unary_backward<Op>(#name, gx, gy, saved, a, b);                                                           \
  }
KG_UNARY_OPS(KG_DEFINE)
KG_UNARY_CONST_OPS(KG_DEFINE)
#undef KG_DEFINE

#define KG_DEFINE(Op, name)                                                                      \
  void name##_forward(const Tensor& z, const Tensor& x, const Tensor& y) {                       \
    for_float(z.dtype(), #name, [&](auto zero) {                                                 \
      using T = decltype(zero);                                                                  \
      map2<T>(z, x, y, [](T a, T b) KG_LANE { return Op::f(a, b); });                            \
    });                                                                                          \
  }                                                                                              \
  void name##_backward_a(const Tensor& gx, const Tensor& gz, const Tensor& x, const Tensor& y) { \
    for_float(gz.dtype(), #name, [&](auto zero) {                                                \
      using T = decltype(zero);                                                                  \
      map3<T>(gx, gz, x, y, [](T g, T a, T b) KG_LANE { return g * Op::da(a, b); });             \
    });                                                                                          \
  }                                                                                              \
  void name##_backward_b(const Tensor& gy, const Tensor& gz, const Tensor& x, const Tensor& y) { \
    for_float(gz.dtype(), #name, [&](auto zero) {                                                \
      using T = decltype(zero);                                                                  \
      map3<T>(gy, gz, x, y, [](T g, T a, T b) KG_LANE { return g * Op::db(a, b); });             \
    });                                                                                          \
  }
KG_BINARY_OPS(KG_DEFINE)
#undef KG_DEFINE

void where_forward(const Tensor& z, const Tensor& mask, const Tensor& x, const Tensor& y) {
  for_float(z.dtype(), "where", [&](auto zero) {
    using T = decltype(zero);
    T* po = z.data<T>();
    const uint8_t* pm = mask.data<uint8_t>();
    const T *px = x.data<T>(), *py = y.data<T>();
    const Walk<4> walk(z.shape(), {&z, &mask, &x, &y});
    const int64_t so = walk.inner_stride(0), sm = walk.inner_stride(1), sx = walk.inner_stride(2),
                  sy = walk.inner_stride(3);
    walk.run([&](const auto& at, int64_t first, int64_t n) {
      T* o = po + at[0] + first * so;
      const uint8_t* m = pm + at[1] + first * sm;
      const T *a = px + at[2] + first * sx, *b = py + at[3] + first * sy;
      for (int64_t i = 0; i < n; ++i) o[i * so] = m[i * sm] ? a[i * sx] : b[i * sy];
    });
  });
}

void equal_forward(const Tensor& z, const Tensor& x, const Tensor& y) {
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    uint8_t* po = z.data<uint8_t>();
    const T *px = x.data<T>(), *py = y.data<T>();
    const Walk<3> walk(z.shape(), {&z, &x, &y});
    const int64_t so = walk.inner_stride(0), sx = walk.inner_stride(1), sy = walk.inner_stride(2);
    walk.run([&](const auto& at, int64_t first, int64_t n) {
      uint8_t* o = po + at[0] + first * so;
      const T *a = px + at[1] + first * sx, *b = py + at[2] + first * sy;
      for (int64_t i = 0; i < n; ++i)
        if constexpr (std::is_same_v<T, bf16>)
          o[i * so] = float(a[i * sx]) == float(b[i * sy]);
        else
          o[i * so] = a[i * sx] == b[i * sy];
    });
  });
}

void add_inplace(const Tensor& target, const Tensor& x, double scale) {
  for_float(target.dtype(), "add_", [&](auto zero) {
    using T = decltype(zero);
    map2<T>(target, target, x, [s = T(scale)](T a, T b) KG_LANE { return a + s * b; });
  });
}
void scale_inplace(const Tensor& target, double factor) {
  for_float(target.dtype(), "scale_", [&](auto zero) {
    using T = decltype(zero);
    map1<T>(target, target, [s = T(factor)](T a) KG_LANE { return s * a; });
  });
}
void lerp_inplace(const Tensor& target, const Tensor& x, double weight) {
  for_float(target.dtype(), "lerp_", [&](auto zero) {
    using T = decltype(zero);
    map2<T>(target, target, x, [w = T(weight)](T a, T b) KG_LANE { return a + w * (b - a); });
  });
}

}  // namespace kg::cpu
