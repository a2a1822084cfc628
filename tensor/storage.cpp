// The caching allocator: freed blocks are kept by size and handed out again (best fit, at most twice the size asked
// for); when the system has no memory left, the least recently freed blocks go back first.
#include "tensor/storage.h"

#include <cstdlib>
#include <list>
#include <map>
#include <mutex>

// Under AddressSanitizer a block's unused end and every cached block are off limits, as if each came from the system.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes) ((void)(data), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes) ((void)(data), (void)(bytes))
#endif

namespace kg {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kSmallStep = 512, kLargeStep = 2 << 20, kLargeFrom = 1 << 20;
constexpr int64_t kCacheLimit = int64_t(4) << 30;

class CachingAllocator {
 public:
  explicit CachingAllocator(Device device) : device_(device) {}

  void* allocate(int64_t bytes, int64_t& block_bytes) {
    const int64_t step = bytes >= kLargeFrom ? kLargeStep : kSmallStep;
    const int64_t wanted = (bytes + step - 1) / step * step;
    std::lock_guard lock(mutex_);
    auto found = free_.lower_bound(wanted);
    if (found != free_.end() && found->first <= 2 * wanted) {
      Block block = *found->second;
      order_.erase(found->second);
      free_.erase(found);
      stats_.cached -= block.bytes;
      return hand_out(block, bytes, block_bytes);
    }
    void* data = system_allocate(wanted);
    while (!data && !order_.empty()) {
      release_oldest();
      data = system_allocate(wanted);
    }
    if (!data)
      fail(ErrorCode::memory, "[allocator] out of memory: ", bytes, " bytes asked for with ", stats_.in_use,
           " in use; use a smaller batch or preset");
    return hand_out({data, wanted}, bytes, block_bytes);
  }

  void free(void* data, int64_t block_bytes) {
    std::lock_guard lock(mutex_);
    if (device_ == Device::cpu) ASAN_POISON_MEMORY_REGION(data, size_t(block_bytes));
    stats_.in_use -= block_bytes;
    stats_.cached += block_bytes;
    order_.push_back({data, block_bytes});
    free_.emplace(block_bytes, std::prev(order_.end()));
    while (stats_.cached > kCacheLimit) release_oldest();
  }

  void release_all() {
    std::lock_guard lock(mutex_);
    while (!order_.empty()) release_oldest();
  }

  AllocatorStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  struct Block {
    void* data;
    int64_t bytes;
  };

  void* hand_out(Block block, int64_t bytes, int64_t& block_bytes) {
    block_bytes = block.bytes;
    if (device_ == Device::cpu) {
      ASAN_UNPOISON_MEMORY_REGION(block.data, size_t(bytes));
      ASAN_POISON_MEMORY_REGION(static_cast<char*>(block.data) + bytes, size_t(block.bytes - bytes));
    }
    stats_.in_use += block.bytes;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    return block.data;
  }
  void* system_allocate(int64_t bytes) {
    ++stats_.system_calls;
    CHECK(device_ == Device::cpu, "[allocator] this build has no CUDA backend");
    return std::aligned_alloc(size_t(kAlignment), size_t(bytes));
  }
  void release_oldest() {
    const Block block = order_.front();
    for (auto [it, end] = free_.equal_range(block.bytes); it != end; ++it)
      if (it->second == order_.begin()) {
        free_.erase(it);
        break;
      }
    order_.pop_front();
    stats_.cached -= block.bytes;
    ASAN_UNPOISON_MEMORY_REGION(block.data, size_t(block.bytes));
    std::free(block.data);
  }

  Device device_;
  std::mutex mutex_;
  std::list<Block> order_;                                   // free blocks, least recently freed first
  std::multimap<int64_t, std::list<Block>::iterator> free_;  // the same blocks by size
  AllocatorStats stats_;
};

// Never destroyed: tensors with static lifetime may be freed after it would be.
CachingAllocator& allocator(Device device) {
  static CachingAllocator* cpu = new CachingAllocator(Device::cpu);
  static CachingAllocator* cuda = new CachingAllocator(Device::cuda);
  return device == Device::cpu ? *cpu : *cuda;
}

}  // namespace

AllocatorStats allocator_stats(Device device) { return allocator(device).stats(); }
void release_cache(Device device) { allocator(device).release_all(); }

Storage::Storage(int64_t bytes, Device device) : bytes_(bytes), device_(device) {
  CHECK(bytes >= 0, "[storage] negative size ", bytes);
  data_ = allocator(device).allocate(bytes > 0 ? bytes : 1, block_bytes_);
}
Storage::~Storage() { allocator(device_).free(data_, block_bytes_); }

}  // namespace kg
