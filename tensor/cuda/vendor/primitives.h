// The primitives of tensor/cuda/kernel.h on a GPU: what CUDA C++ has of them as it is, and the rest over it. Included by
// kernel.h alone; tests/cuda_emulation/primitives.h is its counterpart on the host.
#pragma once

#include <cuda_runtime.h>

namespace kg::cuda {

template <class T>
using Ptr = T*;
template <class T>
Ptr<T> pointer(const Tensor& t) {  // null for an undefined tensor
  return t.defined() ? static_cast<T*>(t.device_data(dtype_of<std::remove_const_t<T> >)) : nullptr;
}

#define KG_SHARED(T, name, n) __shared__ __align__(16) T name[n]

template <int N, class T>
__device__ __forceinline__ Pack<std::remove_const_t<T>, N> load_pack(T* p) {
  return *reinterpret_cast<const Pack<std::remove_const_t<T>, N>*>(p);
}
template <int N, class T>
__device__ __forceinline__ void store_pack(T* p, const Pack<T, N>& values) {
  *reinterpret_cast<Pack<T, N>*>(p) = values;
}

// Two floats rounded to bf16 by one instruction, `low` in the lower half.
__device__ __forceinline__ uint32_t bf16_pair(float low, float high) {
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// The words of four 8 x 8 pieces of bf16 in shared memory; this lane names a row of one, at tile[i].
template <class S>
__device__ __forceinline__ Pack<uint32_t, 4> load_matrices(S& tile, int i, bool turned) {
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(&tile[i]));
  Pack<uint32_t, 4> p;
  if (turned)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(p[0]), "=r"(p[1]), "=r"(p[2]), "=r"(p[3])
                 : "r"(at)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(p[0]), "=r"(p[1]), "=r"(p[2]), "=r"(p[3])
                 : "r"(at)
                 : "memory");
  return p;
}
__device__ __forceinline__ void mma_16x8x16(Pack<float, 4>& d, const Pack<uint32_t, 4>& a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

cudaStream_t stream();
void check(cudaError_t result, const char* what);  // an Error that names the call

template <class... P>
void launch(const char* name, void (*kernel)(P...), Grid grid, int threads, std::type_identity_t<P>... arguments) {
  check_launch(name, grid, threads);
  void* list[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
  check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel),
                         dim3(unsigned(grid.x), unsigned(grid.y), unsigned(grid.z)), dim3(unsigned(threads)), list, 0,
                         stream()),
        name);
}

}  // namespace kg::cuda
