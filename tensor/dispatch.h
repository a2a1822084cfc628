// DISPATCH(device, fn, args...) calls cpu::fn or cuda::fn, and tells a trace of it where there is one. A build without
// CUDA says so.
#pragma once

#include "tensor/error.h"
#include "tensor/trace.h"

#ifdef KG_CUDA
#include "tensor/cuda/kernels.h"
#define KG_ON_CUDA(fn) ::kg::cuda::fn(arguments...)
#else
#define KG_ON_CUDA(fn)                                                                                 \
  (::kg::fail(::kg::ErrorCode::runtime, "[" #fn "] this build has no CUDA backend; use --device cpu"), \
   ::kg::cpu::fn(arguments...))
#endif
#define DISPATCH(device, fn, ...)                                                                     \
  ::kg::dispatch((device), #fn,                                                                       \
                 [](::kg::Device where, const auto&... arguments) {                                   \
                   return where == ::kg::Device::cuda ? KG_ON_CUDA(fn) : ::kg::cpu::fn(arguments...); \
                 },                                                                                   \
                 __VA_ARGS__)

namespace kg {

template <class Kernel, class... Arguments>
inline auto dispatch(Device device, const char* name, const Kernel& kernel, const Arguments&... arguments) {
  OpTrace* const trace = OpTrace::active();
  if (!trace) return kernel(device, arguments...);
  const OpTimer timer(*trace, device, name, arguments...);
  return kernel(device, arguments...);
}

// x as (outer, n, inner) around `axis`.
inline Tensor around(const Tensor& x, int axis) {
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) inner *= x.shape()[i];
  return x.reshape({outer, x.shape()[axis], inner});
}

}  // namespace kg
