#include "tensor/cpu/scratch.h"

#include <array>
#include <cstdlib>
#include <memory>

#include "tensor/error.h"

namespace kg::cpu {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
struct Buffer {
  std::unique_ptr<void, Free> data;
  int64_t bytes = 0;
};
thread_local std::array<Buffer, size_t(Scratch::count)> buffers;

}  // namespace

void* scratch_bytes(Scratch slot, int64_t bytes) {
  Buffer& buffer = buffers[size_t(slot)];
  if (bytes > buffer.bytes || !buffer.data) {
    buffer.data.reset();
    buffer.bytes = 4096;
    while (buffer.bytes < bytes) buffer.bytes *= 2;
    buffer.data.reset(std::aligned_alloc(64, size_t(buffer.bytes)));
    if (!buffer.data) {
      buffer.bytes = 0;
      fail(ErrorCode::memory, "[scratch] out of memory: ", bytes, " bytes for a kernel; use a smaller batch or preset");
    }
  }
  return buffer.data.get();
}

}  // namespace kg::cpu
