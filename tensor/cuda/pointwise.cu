// Pointwise kernels from the formulas of tensor/pointwise.h. Operands of one shape are walked in memory order with
// their mergeable axes merged: what is one run of unit stride is read and written 16 bytes at a time, the rest element
// by element through its strides. bf16 computes in f32.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/operands.h"
#include "tensor/pointwise.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
KG_HD inline float wide(T x) {
  return float(x);
}

// out[i] = fn(in[0][i], in[1][i], ...) for dense operands; N elements at a time, 16 bytes of T, then the rest.
template <class T, class Fn, class... In>
__global__ void map_dense(int64_t n, Fn fn, Ptr<T> out, In... in) {
  constexpr int N = 16 / sizeof(T);
  const int64_t step = int64_t(gridDim.x) * blockDim.x, first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < n / N; i += step) {
    Pack<float, N> result;
    [&](const auto&... packs) {
      for (int j = 0; j < N; ++j) result[j] = fn(wide(packs[j])...);
    }(load_pack<N>(in + i * N)...);
    store_floats(out + i * N, result);
  }
  for (int64_t i = n / N * N + first; i < n; i += step) out[i] = T(fn(wide(in[i])...));
}

template <class T, class Fn, class X>
__global__ void map1_strided(int64_t n, Operands<2> o, Fn fn, Ptr<T> out, Ptr<const X> x) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t at[2];
    o.place(i, at);
    out[at[0]] = T(fn(wide(x[at[1]])));
  }
}
template <class T, class Fn, class X, class Y>
__global__ void map2_strided(int64_t n, Operands<3> o, Fn fn, Ptr<T> out, Ptr<const X> x, Ptr<const Y> y) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t at[3];
    o.place(i, at);
    out[at[0]] = T(fn(wide(x[at[1]]), wide(y[at[2]])));
  }
}
template <class T, class Fn, class X, class Y, class Z>
__global__ void map3_strided(int64_t n, Operands<4> o, Fn fn, Ptr<T> out, Ptr<const X> x, Ptr<const Y> y,
                             Ptr<const Z> z) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t at[4];
    o.place(i, at);
    out[at[0]] = T(fn(wide(x[at[1]]), wide(y[at[2]]), wide(z[at[3]])));
  }
}

template <class T>
__global__ void equal_strided(int64_t n, Operands<3> o, Ptr<uint8_t> out, Ptr<const T> x, Ptr<const T> y) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t at[3];
    o.place(i, at);
    if constexpr (std::is_same_v<T, bf16>)
      out[at[0]] = float(x[at[1]]) == float(y[at[2]]);
    else
      out[at[0]] = x[at[1]] == y[at[2]];
  }
}

template <class T, class Fn>
void map1(const char* name, const Tensor& out, const Tensor& x, Fn fn) {
  const Operands<2> o({&out, &x});
  const int64_t n = out.numel();
  if (packs<2>(o, {&out, &x}))
    launch(name, map_dense<T, Fn, Ptr<const T>>, blocks_for(ceil_div(n, 16 / int64_t(sizeof(T))), kThreads), kThreads,
           n, fn, pointer<T>(out), pointer<const T>(x));
  else
    launch(name, map1_strided<T, Fn, T>, blocks_for(n, kThreads), kThreads, n, o, fn, pointer<T>(out),
           pointer<const T>(x));
}
template <class T, class X = T, class Y = T, class Fn>
void map2(const char* name, const Tensor& out, const Tensor& x, const Tensor& y, Fn fn) {
  const Operands<3> o({&out, &x, &y});
  const int64_t n = out.numel();
  if (packs<3>(o, {&out, &x, &y}))
    launch(name, map_dense<T, Fn, Ptr<const X>, Ptr<const Y>>,
           blocks_for(ceil_div(n, 16 / int64_t(sizeof(T))), kThreads), kThreads, n, fn, pointer<T>(out),
           pointer<const X>(x), pointer<const Y>(y));
  else
    launch(name, map2_strided<T, Fn, X, Y>, blocks_for(n, kThreads), kThreads, n, o, fn, pointer<T>(out),
           pointer<const X>(x), pointer<const Y>(y));
}
template <class T, class X = T, class Y = T, class Z = T, class Fn>
void map3(const char* name, const Tensor& out, const Tensor& x, const Tensor& y, const Tensor& z, Fn fn) {
  const Operands<4> o({&out, &x, &y, &z});
  const int64_t n = out.numel();
  if (packs<4>(o, {&out, &x, &y, &z}))
    launch(name, map_dense<T, Fn, Ptr<const X>, Ptr<const Y>, Ptr<const Z>>,
           blocks_for(ceil_div(n, 16 / int64_t(sizeof(T))), kThreads), kThreads, n, fn, pointer<T>(out),
           pointer<const X>(x), pointer<const Y>(y), pointer<const Z>(z));
  else
    launch(name, map3_strided<T, Fn, X, Y, Z>, blocks_for(n, kThreads), kThreads, n, o, fn, pointer<T>(out),
           pointer<const X>(x), pointer<const Y>(y), pointer<const Z>(z));
}

// What a launch computes, as function objects: kernels take them by value.
template <class Op>
struct Forward {
  float a, b;
  KG_HD float operator()(float x) const { return apply_f<Op>(x, a, b); }
};
template <class Op>
struct Backward {
  float a, b;
  KG_HD float operator()(float g, float saved) const { return g * apply_df<Op>(saved, a, b); }
};
template <class Op>
struct Binary {
  KG_HD float operator()(float x, float y) const { return Op::f(x, y); }
};
template <class Op>
struct BackwardA {
  KG_HD float operator()(float g, float x, float y) const { return g * Op::da(x, y); }
};
template <class Op>
struct BackwardB {
  KG_HD float operator()(float g, float x, float y) const { return g * Op::db(x, y); }
};
struct AddScaled {
  float scale;
  KG_HD float operator()(float a, float b) const { return a + scale * b; }
};
struct Scaled {
  float factor;
  KG_HD float operator()(float a) const { return factor * a; }
};
struct Lerp {
  float weight;
  KG_HD float operator()(float a, float b) const { return a + weight * (b - a); }
};
struct Choose {
  KG_HD float operator()(float mask, float x, float y) const { return mask != 0 ? x : y; }
};

}  // namespace

#define KG_DEFINE(Op, name)                                                                           \
  void name##_forward(const Tensor& y, const Tensor& x, double a, double b) {                         \
    for_device_float(x.dtype(), #name, [&](auto zero) {                                               \
      map1<decltype(zero)>(#name, y, x, Forward<Op>{float(a), float(b)});                             \
    });                                                                                               \
  }                                                                                                   \
  void name##_backward(const Tensor& gx, const Tensor& gy, const Tensor& saved, double a, double b) { \
    for_device_float(gy.dtype(), #name, [&](auto zero) {                                              \
      map2<decltype(zero)>(#name "_backward", gx, gy, Op::kSaves == Saves::nothing ? gy : saved,      \
                           Backward<Op>{float(a), float(b)});                                         \
    });                                                                                               \
  }
KG_UNARY_OPS(KG_DEFINE)
KG_UNARY_CONST_OPS(KG_DEFINE)
#undef KG_DEFINE

#define KG_DEFINE(Op, name)                                                                                         \
  void name##_forward(const Tensor& z, const Tensor& x, const Tensor& y) {                                          \
    for_device_float(z.dtype(), #name, [&](auto zero) { map2<decltype(zero)>(#name, z, x, y, Binary<Op>{}); });     \
  }                                                                                                                 \
  void name##_backward_a(const Tensor& gx, const Tensor& gz, const Tensor& x, const Tensor& y) {                    \
    for_device_float(gz.dtype(), #name,                                                                             \
                     [&](auto zero) { map3<decltype(zero)>(#name "_backward_a", gx, gz, x, y, BackwardA<Op>{}); }); \
  }                                                                                                                 \
  void name##_backward_b(const Tensor& gy, const Tensor& gz, const Tensor& x, const Tensor& y) {                    \
    for_device_float(gz.dtype(), #name,                                                                             \
                     [&](auto zero) { map3<decltype(zero)>(#name "_backward_b", gy, gz, x, y, BackwardB<Op>{}); }); \
  }
KG_BINARY_OPS(KG_DEFINE)
#undef KG_DEFINE

void where_forward(const Tensor& z, const Tensor& mask, const Tensor& x, const Tensor& y) {
  for_device_float(z.dtype(), "where", [&](auto zero) {
    using T = decltype(zero);
    map3<T, uint8_t>("where", z, mask, x, y, Choose{});
  });
}

void equal_forward(const Tensor& z, const Tensor& x, const Tensor& y) {
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Operands<3> o({&z, &x, &y});
    launch("equal", equal_strided<T>, blocks_for(z.numel(), kThreads), kThreads, z.numel(), o, pointer<uint8_t>(z),
           pointer<const T>(x), pointer<const T>(y));
  });
}

// The target may be f32 where x is bf16: gradients accumulate in f32.
void add_inplace(const Tensor& target, const Tensor& x, double scale) {
  if (target.dtype() == Dtype::f32 && x.dtype() == Dtype::bf16) {
    map2<float, float, bf16>("add_", target, target, x, AddScaled{float(scale)});
    return;
  }
  for_device_float(target.dtype(), "add_",
                   [&](auto zero) { map2<decltype(zero)>("add_", target, target, x, AddScaled{float(scale)}); });
}
void scale_inplace(const Tensor& target, double factor) {
  for_device_float(target.dtype(), "scale_",
                   [&](auto zero) { map1<decltype(zero)>("scale_", target, target, Scaled{float(factor)}); });
}
void lerp_inplace(const Tensor& target, const Tensor& x, double weight) {
  for_device_float(target.dtype(), "lerp_",
                   [&](auto zero) { map2<decltype(zero)>("lerp_", target, target, x, Lerp{float(weight)}); });
}

}  // namespace kg::cuda
