// What kernels are written over: the CUDA primitives of the list below and nothing else, so that every kernel compiles
// twice: by nvcc for a GPU, and by the host compiler for the tests, where tests/cuda_emulation gives them a meaning.
//
//   __global__, __device__                a kernel, a function called by kernels
//   threadIdx.x, blockIdx.x/y/z,          a block has one axis, a multiple of 32 threads, at most 1024;
//   blockDim.x, gridDim.x/y/z             a grid has three
//   KG_SHARED(T, name, n)                 n elements shared by the block, read and written by name[i] only;
//                                         passed on as `auto& name` or `S name`
//   __syncthreads(), __syncwarp()         every thread of the block (warp) comes by, or it is an error
//   __shfl_xor_sync, __shfl_down_sync,    all 32 lanes take part (mask kAllLanes); values of at most 8 bytes
//   __shfl_sync
//   __ballot_sync                         as above
//   load_matrices(shared, i, turned),     tensor cores, by all 32 lanes: four 8x8 pieces of bf16, the row at shared[i]
//   mma_16x8x16(d, a, b0, b1)             named by this lane; d += a b (layouts: tensor/cuda/attention_mma.h)
//   atomicAdd, atomicMax, atomicMin       on int in tensors or shared memory; floats are never added so
//   Ptr<T>                                a tensor's elements: p[i], p + i, *p, p == nullptr; checked in tests
//   load_pack<N>(p), store_pack(p, pack)  N elements at once, from an address that is a multiple of their size
//   bf16_pair(low, high), __ffs(bits)     two floats rounded into 32 bits; 1 + the place of the lowest bit, 0 for none
//   kg::vm::*, std::sqrt, fma ...         mathematics
//
// A launch is launch("name", kernel<T>, {blocks_x, blocks_y, blocks_z}, threads, arguments...). Everything runs on one
// stream, in order.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "tensor/tensor.h"

namespace kg::cuda {

struct Grid {
  int64_t x = 1, y = 1, z = 1;
};

inline void check_launch(const char* name, Grid grid, int threads) {
  CHECK(grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x < (int64_t(1) << 31) && grid.y < 65536 && grid.z < 65536, "[",
        name, "] a grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks cannot be launched");
  CHECK(threads > 0 && threads <= 1024 && threads % 32 == 0, "[", name, "] blocks of ", threads, " threads");
}

// N elements that are loaded and stored as one.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
  KG_HD T& operator[](int i) { return v[i]; }
  KG_HD const T& operator[](int i) const { return v[i]; }
};

}  // namespace kg::cuda

#include "primitives.h"  // of tensor/cuda/vendor for a GPU, of tests/cuda_emulation for the host: CMake says which

namespace kg::cuda {

// A number in device memory that is added to the stream of every Philox generator that a kernel draws from. 0 but while
// a captured graph is replayed: there it moves on by the streams that one step takes (tensor/device.h, Graph).
Ptr<const uint64_t> stream_offset();

inline constexpr unsigned kAllLanes = 0xffffffffu;
inline constexpr int kWarp = 32;

// Calls fn with a value of the C++ type of a compute dtype of this backend.
template <class Fn>
auto for_device_float(Dtype dtype, const char* op, Fn&& fn) {
  if (dtype == Dtype::f32) return fn(float{});
  CHECK(dtype == Dtype::bf16, "[", op, "] computes in f32 or bf16 on CUDA, got ", name_of(dtype));
  return fn(bf16{});
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Blocks for a loop over n elements with a stride of the whole grid.
inline Grid blocks_for(int64_t n, int threads) {
  const int64_t blocks = ceil_div(n, threads);
  return {blocks < 1 ? 1 : (blocks > 8192 ? 8192 : blocks), 1, 1};
}

// Place of element i (row-major) of a strided view.
struct Strides {
  int rank = 0;
  int64_t shape[kMaxRank], stride[kMaxRank];
  KG_HD int64_t offset(int64_t i) const {
    int64_t at = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      at += i % shape[axis] * stride[axis];
      i /= shape[axis];
    }
    return at;
  }
};
inline Strides strides_of(const Tensor& t) {
  Strides s;
  s.rank = t.rank();
  for (int i = 0; i < t.rank(); ++i) s.shape[i] = t.shape()[i], s.stride[i] = t.strides()[i];
  return s;
}

// N elements of T as floats.
template <int N, class T>
__device__ inline Pack<float, N> load_floats(Ptr<const T> p) {
  const Pack<T, N> raw = load_pack<N>(p);
  Pack<float, N> x;
  for (int j = 0; j < N; ++j) x[j] = float(raw[j]);
  return x;
}
// The floats rounded to T, bf16 two at a time.
template <class T, int N>
__device__ inline Pack<T, N> rounded(const Pack<float, N>& x) {
  if constexpr (std::is_same_v<T, bf16> && N % 2 == 0) {
    Pack<uint32_t, N / 2> pairs;
    for (int j = 0; j < N / 2; ++j) pairs[j] = bf16_pair(x[2 * j], x[2 * j + 1]);
    return std::bit_cast<Pack<T, N>>(pairs);
  } else {
    Pack<T, N> raw;
    for (int j = 0; j < N; ++j) raw[j] = T(x[j]);
    return raw;
  }
}
template <int N, class T>
__device__ inline void store_floats(Ptr<T> p, const Pack<float, N>& x) {
  store_pack(p, rounded<T>(x));
}

// Sum and maximum over the 32 lanes; every lane gets the result. T: float, double or int.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}
template <class T>
__device__ inline T warp_max(T value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, lanes);
    value = other > value ? other : value;
  }
  return value;
}
// Over the block, the same for every thread; `part` is shared memory of 32 elements. Barriers stand on both sides, so
// that the next call may use the same memory.
template <class T, class S>
__device__ inline T block_sum(T value, S& part) {
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) part[threadIdx.x / kWarp] = value;
  __syncthreads();
  const unsigned warps = blockDim.x / kWarp;
  T total = 0;
  for (unsigned i = 0; i < warps; ++i) total += part[i];
  return total;
}
template <class T, class S>
__device__ inline T block_max(T value, S& part) {
  value = warp_max(value);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) part[threadIdx.x / kWarp] = value;
  __syncthreads();
  const unsigned warps = blockDim.x / kWarp;
  T best = part[0];
  for (unsigned i = 1; i < warps; ++i) best = part[i] > best ? T(part[i]) : best;
  return best;
}

}  // namespace kg::cuda
