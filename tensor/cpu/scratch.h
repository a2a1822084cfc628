// Per-thread work buffers of the kernels: they only grow, so that a warm step allocates nothing. A slot is one use
// within one thread; kernels that call each other take different slots.
#pragma once

#include <cstdint>

namespace kg::cpu {

enum class Scratch { gemm_a, gemm_b, gemm_tile, rows, scores, weights, count };

// At least `bytes` bytes, 64-byte aligned, with undefined contents; valid until this thread asks for the slot again.
void* scratch_bytes(Scratch slot, int64_t bytes);

template <class T>
T* scratch(Scratch slot, int64_t count) {
  return static_cast<T*>(scratch_bytes(slot, count * int64_t(sizeof(T))));
}

}  // namespace kg::cpu
