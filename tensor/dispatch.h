// DISPATCH(device, fn, args...) calls cpu::fn or cuda::fn. A build without CUDA says so.
#pragma once

#include "tensor/error.h"

#ifdef KG_CUDA
#include "tensor/cuda/kernels.h"
#define DISPATCH(device, fn, ...) \
  ((device) == ::kg::Device::cuda ? ::kg::cuda::fn(__VA_ARGS__) : ::kg::cpu::fn(__VA_ARGS__))
#else
#define DISPATCH(device, fn, ...)                                                                           \
  ((device) == ::kg::Device::cuda                                                                           \
       ? ::kg::fail(::kg::ErrorCode::runtime, "[" #fn "] this build has no CUDA backend; use --device cpu") \
       : (void)0,                                                                                           \
   ::kg::cpu::fn(__VA_ARGS__))
#endif
