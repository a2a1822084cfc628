// Storage: one block of memory on a device, from the caching allocator. Tensors share it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "tensor/dtype.h"

namespace kg {

struct AllocatorStats {
  int64_t in_use = 0;        // bytes handed out now
  int64_t cached = 0;        // bytes kept for reuse
  int64_t peak = 0;          // highest in_use so far
  int64_t system_calls = 0;  // times the system allocator was asked: constant over a warm training step
};
AllocatorStats allocator_stats(Device device);
void release_cache(Device device);

// Where blocks come from and go back to: one pool for each device, and one for each captured graph, whose memory nobody
// else may get while the graph lives.
class MemoryPool;
std::shared_ptr<MemoryPool> make_memory_pool(Device device);
// While it lives, this thread's storage on the pool's device comes from the pool.
class MemoryPoolScope {
 public:
  explicit MemoryPoolScope(std::shared_ptr<MemoryPool> pool);
  ~MemoryPoolScope();
  MemoryPoolScope(const MemoryPoolScope&) = delete;
  MemoryPoolScope& operator=(const MemoryPoolScope&) = delete;

 private:
  std::shared_ptr<MemoryPool> before_;
};

class Storage {
 public:
  Storage(int64_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  // Counted up by every in-place change, so that debug builds can name an op whose saved tensor was changed.
  uint32_t version = 0;

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  int64_t block_bytes_ = 0;
  std::shared_ptr<MemoryPool> pool_;  // null: the device's own
  Device device_ = Device::cpu;
};

}  // namespace kg
