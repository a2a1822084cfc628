// Copies from the host that do not wait for the device: the bytes go through a ring of pinned buffers, each free again
// when its copy is done. What CUDA does for it is `Calls`, so that the ring is tested without a GPU:
//   void* allocate(int64_t bytes), null when there is no memory; void release(void*)
//   Event, empty in the beginning; void wait(Event&), at once for an empty one; void record(Event&)
//   void start_copy(void* to, const void* pinned, int64_t bytes)
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tensor/error.h"

namespace kg::cuda {

// kLargest: bytes of a slot at most, since slots never shrink and all are pinned; longer copies go in pieces.
template <class Calls, int64_t kLargest = int64_t(32) << 20>
class StagingRing {
 public:
  static constexpr int kSlots = 16;

  explicit StagingRing(Calls calls = {}) : calls_(calls) {}

  void copy(void* to, const void* from, int64_t bytes) {
    for (int64_t begin = 0; begin < bytes; begin += kLargest)
      copy_piece(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                 std::min(kLargest, bytes - begin));
  }

 private:
  struct Slot {
    void* data = nullptr;
    int64_t bytes = 0;
    typename Calls::Event done{};
  };

  void copy_piece(void* to, const void* from, int64_t bytes) {
    Slot& slot = slots_[next_++ % kSlots];
    calls_.wait(slot.done);
    if (slot.bytes < bytes) grow(slot, std::min(kLargest, bytes + bytes / 2));
    std::memcpy(slot.data, from, size_t(bytes));
    calls_.start_copy(to, slot.data, bytes);
    calls_.record(slot.done);
  }
  // A slot that could not grow holds nothing, and the next copy through it asks again.
  void grow(Slot& slot, int64_t bytes) {
    void* before = slot.data;
    slot.data = nullptr;
    slot.bytes = 0;
    if (before) calls_.release(before);
    slot.data = calls_.allocate(bytes);
    if (!slot.data)
      fail(ErrorCode::memory, "[cuda] out of host memory: ", bytes,
           " bytes of pinned memory asked for; close other programs or use a smaller batch");
    slot.bytes = bytes;
  }

  Calls calls_;
  Slot slots_[kSlots];
  uint64_t next_ = 0;
};

}  // namespace kg::cuda
