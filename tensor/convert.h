// One element's conversion between any two dtypes, on the host and on the device; bf16 goes by way of f32.
#pragma once

#include <type_traits>

#include "tensor/dtype.h"

namespace kg {

template <class To, class From>
KG_HD inline To convert(From x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (std::is_same_v<From, bf16>)
    return To(float(x));
  else if constexpr (std::is_same_v<To, bf16>)
    return bf16(float(x));
  else
    return To(x);
}

}  // namespace kg
