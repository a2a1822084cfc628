// One unit of a GRU cell (Cho et al. 2014, with PyTorch's place of the reset gate), for the host and the device:
//   r = s(x_r + u_r)   z = s(x_z + u_z)   n = tanh(x_n + r u_n)   h' = (1 - z) n + z h
// x are the input's parts of the gates, u those of the state, both with their biases. A is the type it computes in.
#pragma once

#include "tensor/pointwise.h"

namespace kg {

template <class A>
struct GruUnit {
  A r, z, n, u;  // u is u_n; what the backward needs beside h
};

template <class A>
KG_INLINE GruUnit<A> gru_unit(A xr, A xz, A xn, A ur, A uz, A un) {
  const A r = Sigmoid::f(xr + ur);
  return {r, Sigmoid::f(xz + uz), vm::tanh(xn + r * un), un};
}
template <class A>
KG_INLINE A gru_next(const GruUnit<A>& g, A h) {
  return g.n + g.z * (h - g.n);
}

// From dh' to the gates before their nonlinearities (r and z take the same from x and u) and to h, as far as it is
// reached directly.
template <class A>
struct GruSlopes {
  A r, z, xn, un, h;
};
template <class A>
KG_INLINE GruSlopes<A> gru_slopes(const GruUnit<A>& g, A h, A dh) {
  const A xn = dh * (A(1) - g.z) * (A(1) - g.n * g.n);
  return {xn * g.u * Sigmoid::df(g.r), dh * (h - g.n) * Sigmoid::df(g.z), xn, xn * g.r, dh * g.z};
}

}  // namespace kg
