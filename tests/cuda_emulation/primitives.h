// The primitives of tensor/cuda/kernel.h on the host, included by kernel.h alone. A launch runs its blocks one after the other; the threads of a
// block are fibers, switched only where they wait for each other, so a kernel without barriers is a plain loop. What a
// GPU leaves undefined is an error here that names kernel, block and thread:
//   - an element outside the tensor that was passed (Ptr carries its bounds),
//   - shared memory that is read before anything was written to it, or outside its bounds,
//   - a barrier or shuffle that not all threads of the block (warp) come by at the same place.
// Device memory is host memory that begins as NaN, and memory of a float tensor never written shows as NaN in results.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "tensor/tensor.h"
#include "tests/cuda_emulation/graph.h"

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)

namespace kg::emulation {

struct Index {
  unsigned x = 1, y = 1, z = 1;
};

// Where a kernel stands in the code, for errors and to tell one barrier from another.
struct Site {
  const char* file;
  int line;
  bool operator==(const Site& other) const = default;
};

[[noreturn]] void fault(const std::string& what);  // an Error that names kernel, block and thread

void barrier(Site site);       // of the block
void warp_barrier(Site site);  // of the warp
// Every lane gives up to 8 bytes and, when all have come by, reads those of lane `from`.
uint64_t exchange(uint64_t value, int from, Site site);
int lane();
unsigned ballot(bool value, Site site);
// Up to 24 bytes of each lane beside those of its warp, all of which have come by when it returns.
using Words = std::array<uint64_t, 3>;
const Words* gather(const Words& words, Site site);
// The block's shared memory of one declaration: `bytes` of data, then a byte for each element that was written.
void* shared_memory(Site site, int64_t bytes);

template <class T>
uint64_t bits_of(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T shuffle(T value, int from, Site site) {
  const uint64_t bits = exchange(bits_of(value), from, site);
  T result;
  std::memcpy(&result, &bits, sizeof(T));
  return result;
}

template <class T>
class SharedArray {
 public:
  SharedArray(void* memory, int64_t n)
      : data_(static_cast<T*>(memory)), written_(static_cast<uint8_t*>(memory) + n * int64_t(sizeof(T))), n_(n) {}

  class Element {
   public:
    Element(T* at, uint8_t* written, int64_t i) : at_(at), written_(written), i_(i) {}
    operator T() const {
      if (!*written_) fault("reads element " + std::to_string(i_) + " of shared memory that nothing was written to");
      return *at_;
    }
    Element& operator=(const T& value) {
      *at_ = value;
      *written_ = 1;
      return *this;
    }
    Element& operator=(const Element& other) { return *this = T(other); }
    Element& operator+=(const T& value) { return *this = T(*this) + value; }
    Element& operator*=(const T& value) { return *this = T(*this) * value; }
    T* address() const { return &(T(*this), *at_); }

   private:
    T* at_;
    uint8_t* written_;
    int64_t i_;
  };
  Element operator[](int64_t i) const {
    if (i < 0 || i >= n_) fault("element " + std::to_string(i) + " is outside shared memory of " + std::to_string(n_));
    return {data_ + i, written_ + i, i};
  }

 private:
  T* data_;
  uint8_t* written_;
  int64_t n_;
};

// The row of eight that an element of shared memory begins.
inline cuda::Pack<bf16, 8> row_at(const SharedArray<cuda::Pack<bf16, 8>>& shared, int64_t i) { return shared[i]; }
inline cuda::Pack<bf16, 8> row_at(const SharedArray<bf16>& shared, int64_t i) {
  if (i % 8 != 0) fault("loads a row of a matrix from an unaligned address");
  cuda::Pack<bf16, 8> row;
  for (int j = 0; j < 8; ++j) row[j] = shared[i + j];
  return row;
}
// Four 8x8 matrices from the rows that the lanes give, eight of each: row g, columns 2t and 2t + 1 of each to lane
// 4 g + t, or column g, rows 2t and 2t + 1.
cuda::Pack<uint32_t, 4> deal_matrices(const cuda::Pack<bf16, 8>& row, bool turned, Site site);
void multiply_matrices(cuda::Pack<float, 4>& d, const cuda::Pack<uint32_t, 4>& a, uint32_t b0, uint32_t b1, Site site);

[[noreturn]] void outside(int64_t place, int64_t begin, int64_t end);

void run(const char* name, Index grid, unsigned threads, void* call, void (*thread)(void*));

}  // namespace kg::emulation

namespace kg::cuda {

extern constinit thread_local emulation::Index threadIdx, blockIdx, blockDim, gridDim;

// A tensor's elements with their bounds.
template <class T>
class Ptr {
 public:
  Ptr() = default;
  Ptr(std::nullptr_t) {}
  Ptr(T* at, T* begin, T* end) : at_(at), begin_(begin), end_(end) {}
  template <class U>
  requires std::is_same_v<const U, T> Ptr(const Ptr<U>& other)
      : at_(other.at()), begin_(other.begin()), end_(other.end()) {}

  T& operator[](int64_t i) const { return *check(at_ + i, 1); }
  T& operator*() const { return *check(at_, 1); }
  T* operator->() const { return check(at_, 1); }
  Ptr operator+(int64_t n) const { return {at_ + n, begin_, end_}; }
  Ptr operator-(int64_t n) const { return {at_ - n, begin_, end_}; }
  Ptr& operator+=(int64_t n) { return at_ += n, *this; }
  bool operator==(std::nullptr_t) const { return at_ == nullptr; }
  explicit operator bool() const { return at_ != nullptr; }

  T* check(T* p, int64_t n) const {
    if (p < begin_ || p + n > end_) emulation::outside(p - begin_, 0, end_ - begin_);
    return p;
  }
  T* at() const { return at_; }
  T* begin() const { return begin_; }
  T* end() const { return end_; }

 private:
  T *at_ = nullptr, *begin_ = nullptr, *end_ = nullptr;
};

// The bounds are those of the view: its first to its last element.
template <class T>
Ptr<T> pointer(const Tensor& t) {
  if (!t.defined()) return {};
  T* first = static_cast<T*>(t.device_data(dtype_of<std::remove_const_t<T>>));
  int64_t last = t.numel() > 0 ? 0 : -1;
  for (int i = 0; i < t.rank() && t.numel() > 0; ++i) last += (t.shape()[i] - 1) * t.strides()[i];
  return {first, first, first + last + 1};
}

template <int N, class T>
Pack<std::remove_const_t<T>, N> load_pack(Ptr<T> p) {
  if (reinterpret_cast<uintptr_t>(p.at()) % (sizeof(T) * N)) emulation::fault("loads a pack from an unaligned address");
  Pack<std::remove_const_t<T>, N> values;
  std::memcpy(static_cast<void*>(&values), p.check(p.at(), N), sizeof(values));
  return values;
}
template <int N, class T>
void store_pack(Ptr<T> p, const Pack<T, N>& values) {
  if (reinterpret_cast<uintptr_t>(p.at()) % (sizeof(T) * N)) emulation::fault("stores a pack to an unaligned address");
  std::memcpy(static_cast<void*>(p.check(p.at(), N)), &values, sizeof(values));
}

template <class... P>
void launch(const char* name, void (*kernel)(P...), Grid grid, int threads, std::type_identity_t<P>... arguments) {
  check_launch(name, grid, threads);
  emulation::submit([=] {
    auto call = [&] { kernel(arguments...); };
    emulation::run(name, {unsigned(grid.x), unsigned(grid.y), unsigned(grid.z)}, unsigned(threads), &call,
                   [](void* c) { (*static_cast<decltype(call)*>(c))(); });
  });
}

inline uint32_t bf16_pair(float low, float high) { return bf16(low).bits | uint32_t(bf16(high).bits) << 16; }
inline int __ffs(unsigned bits) { return bits ? std::countr_zero(bits) + 1 : 0; }

inline int atomicAdd(int* p, int value) { return std::exchange(*p, *p + value); }
inline int atomicMax(int* p, int value) { return std::exchange(*p, *p > value ? *p : value); }
inline int atomicMin(int* p, int value) { return std::exchange(*p, *p < value ? *p : value); }

}  // namespace kg::cuda

#define KG_SITE (::kg::emulation::Site{__FILE__, __LINE__})
// Room for the data and a byte an element that tells whether it was written.
#define KG_SHARED(T, name, n)                 \
  const ::kg::emulation::SharedArray<T> name( \
      ::kg::emulation::shared_memory(KG_SITE, int64_t(n) * (int64_t(sizeof(T)) + 1)), n)
#define __syncthreads() ::kg::emulation::barrier(KG_SITE)
#define __syncwarp() ::kg::emulation::warp_barrier(KG_SITE)
#define KG_CHECK_MASK(mask) \
  ((mask) == 0xffffffffu ? (void)0 : ::kg::emulation::fault("shuffles with a mask that is not of all lanes"))
#define __shfl_sync(mask, value, from) (KG_CHECK_MASK(mask), ::kg::emulation::shuffle(value, (from)&31, KG_SITE))
#define __shfl_xor_sync(mask, value, with) \
  (KG_CHECK_MASK(mask), ::kg::emulation::shuffle(value, ::kg::emulation::lane() ^ (with), KG_SITE))
#define __shfl_down_sync(mask, value, by)                                                                           \
  (KG_CHECK_MASK(mask),                                                                                             \
   ::kg::emulation::shuffle(                                                                                        \
       value, ::kg::emulation::lane() + int(by) < 32 ? ::kg::emulation::lane() + int(by) : ::kg::emulation::lane(), \
       KG_SITE))
#define load_matrices(shared, i, turned) \
  ::kg::emulation::deal_matrices(::kg::emulation::row_at(shared, i), turned, KG_SITE)
#define mma_16x8x16(d, a, b0, b1) ::kg::emulation::multiply_matrices(d, a, b0, b1, KG_SITE)
#define __ballot_sync(mask, value) (KG_CHECK_MASK(mask), ::kg::emulation::ballot(value, KG_SITE))
