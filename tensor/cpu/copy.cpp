#include "tensor/cpu/copy.h"

#include "tensor/convert.h"
#include "tensor/cpu/strided.h"

namespace kg::cpu {

void fill(const Tensor& out, double value) {
  for_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* p = out.data<T>();
    const T v = convert<T>(value);
    const Walk<1> walk(out.shape(), {&out});
    const int64_t step = walk.inner_stride(0);
    walk.run([&](const auto& at, int64_t first, int64_t count) {
      T* o = p + at[0] + first * step;
      if (step == 1)
        std::fill(o, o + count, v);
      else
        for (int64_t i = 0; i < count; ++i) o[i * step] = v;
    });
  });
}

void copy(const Tensor& out, const Tensor& in) {
  for_any(out.dtype(), [&](auto to) {
    for_any(in.dtype(), [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      To* o = out.data<To>();
      const From* a = in.data<From>();
      const Walk<2> walk(out.shape(), {&out, &in});
      const int64_t so = walk.inner_stride(0), sa = walk.inner_stride(1);
      walk.run([&](const auto& at, int64_t first, int64_t count) {
        To* op = o + at[0] + first * so;
        const From* ap = a + at[1] + first * sa;
        if constexpr (std::is_same_v<To, From>) {
          if (so == 1 && sa == 1) {
            std::memcpy(op, ap, size_t(count) * sizeof(To));
            return;
          }
        }
        if (so == 1 && sa == 1)
          for (int64_t i = 0; i < count; ++i) op[i] = convert<To>(ap[i]);
        else
          for (int64_t i = 0; i < count; ++i) op[i * so] = convert<To>(ap[i * sa]);
      });
    });
  });
}

}  // namespace kg::cpu
