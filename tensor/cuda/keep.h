// Dropout as kernels that write its result or something made of it apply it: element i is kept where word i of
// `random`, shifted by 8, is at least `limit`, with the bits of the CPU. Four elements share one Philox block.
#pragma once

#include <cmath>

#include "tensor/cuda/kernel.h"
#include "tensor/random.h"

namespace kg::cuda {

struct Keep {
  uint32_t limit;  // 0 keeps everything and draws nothing
  float scale;
  Philox random;
  Ptr<const uint64_t> offset;  // added to the stream (see stream_offset())

  Keep(double p, Philox random)
      : limit(uint32_t(std::ceil(p * 0x1p24))), scale(float(1 / (1 - p))), random(random), offset(stream_offset()) {}

  // A kernel calls it once, before the first element, on its own copy. The offset does not change while a kernel runs,
  // but a compiler that sees stores between two loads of it has to load it again.
  __device__ void start() {
    if (limit != 0) random.stream += *offset;
  }
  // Elements first ... first + N - 1; N is 1, or it divides `first` and is a multiple of 4.
  template <int N>
  __device__ void operator()(Pack<float, N>& x, int64_t first) const {
    if (limit == 0) return;
    if constexpr (N == 1) {
      x[0] = random.word(uint64_t(first)) >> 8 >= limit ? x[0] * scale : 0;
    } else {
      for (int four = 0; four < N; four += 4) {
        const Philox::Block words = random.block(uint64_t(first + four) / 4);
        for (int j = 0; j < 4; ++j) x[four + j] = words.v[j] >> 8 >= limit ? x[four + j] * scale : 0;
      }
    }
  }
};

}  // namespace kg::cuda
