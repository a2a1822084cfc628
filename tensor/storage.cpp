// The caching allocator: freed blocks are kept by size and handed out again (best fit, at most twice the size asked
// for); when the system has no memory left, the least recently freed blocks go back first.
// With KG_EXACT_ALLOCATIONS=1 in the environment blocks have the size that was asked for and go back at once, so that
// tools which watch memory see every overrun and every use after it was freed; that is slow.
#include "tensor/storage.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "tensor/memory_pool.h"

// Under AddressSanitizer a block's unused end and every cached block are off limits, as if each came from the system.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes) ((void)(data), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes) ((void)(data), (void)(bytes))
#endif

#ifdef KG_CUDA
#include "tensor/cuda/runtime.h"
#endif

namespace kg {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kSmallStep = 512, kLargeStep = 2 << 20, kLargeFrom = 1 << 20;
constexpr int64_t kCacheLimit = int64_t(4) << 30;

bool exact_allocations() {
  static const bool on = [] {
    const char* value = std::getenv("KG_EXACT_ALLOCATIONS");
    const std::string text = value ? value : "";
    if (text != "" && text != "0" && text != "1")
      fail(ErrorCode::usage, "[allocator] KG_EXACT_ALLOCATIONS is \"", text, "\"; use 1 (exact) or 0 (cached)");
    return text == "1";
  }();
  return on;
}

}  // namespace

class MemoryPool {
 public:
  // `kept`: blocks stay until the pool goes, since a captured graph uses them after they were freed.
  explicit MemoryPool(Device device, bool kept = false, bool coarse = false)
      : device_(device), kept_(kept), coarse_(coarse) {}
  ~MemoryPool() { release_all(); }
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  Device device() const { return device_; }

  void* allocate(int64_t bytes, int64_t& block_bytes) {
    const int64_t wanted = block_size(bytes);
    std::lock_guard lock(mutex_);
    auto found = free_.lower_bound(wanted);
    if (found != free_.end() && found->first <= (exact_allocations() ? wanted : 2 * wanted)) {
      Block block = *found->second;
      order_.erase(found->second);
      free_.erase(found);
      stats_.cached -= block.bytes;
      return hand_out(block, bytes, block_bytes);
    }
    void* data = system_allocate(wanted);
    if (!data && kept_) {
      release_cache(device_);
      data = system_allocate(wanted);
    }
    while (!data && !kept_ && !order_.empty()) {
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
    if (exact_allocations() && !kept_) return release_oldest();  // the only one
    while (device_ == Device::cpu && stats_.cached > kCacheLimit) release_oldest();
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

  int64_t block_size(int64_t bytes) const {
    int64_t step = bytes >= kLargeFrom ? kLargeStep : kSmallStep;
    if (coarse_ && bytes >= kLargeFrom && !exact_allocations()) return int64_t(std::bit_ceil(uint64_t(bytes)));
    if (exact_allocations()) step = device_ == Device::cpu ? kAlignment : 1;  // aligned_alloc() asks for multiples
    return (bytes + step - 1) / step * step;
  }
  void* hand_out(Block block, int64_t bytes, int64_t& block_bytes) {
    block_bytes = block.bytes;
    if (device_ == Device::cpu) {
      ASAN_UNPOISON_MEMORY_REGION(block.data, size_t(bytes));
      ASAN_POISON_MEMORY_REGION(static_cast<char*>(block.data) + bytes, size_t(block.bytes - bytes));
    }
#ifdef KG_CUDA_EMULATION
    // Memory that was handed back is as undefined as new memory: reading it before writing shows.
    if (device_ == Device::cuda) std::memset(block.data, 0xff, size_t(block.bytes));
#endif
    stats_.in_use += block.bytes;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    return block.data;
  }
  void* system_allocate(int64_t bytes) {
    ++stats_.system_calls;
    if (device_ == Device::cpu) return std::aligned_alloc(size_t(kAlignment), size_t(bytes));
#ifdef KG_CUDA
    return cuda::allocate(bytes);
#else
    fail(ErrorCode::runtime, "[allocator] this build has no CUDA backend; use --device cpu");
#endif
  }
  void system_free(Block block) {
    if (device_ == Device::cpu) {
      ASAN_UNPOISON_MEMORY_REGION(block.data, size_t(block.bytes));
      return std::free(block.data);
    }
#ifdef KG_CUDA
    cuda::release(block.data);
#endif
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
    system_free(block);
  }

  Device device_;
  bool kept_, coarse_;
  std::mutex mutex_;
  std::list<Block> order_;                                   // free blocks, least recently freed first
  std::multimap<int64_t, std::list<Block>::iterator> free_;  // the same blocks by size
  AllocatorStats stats_;
};

namespace {

// Never destroyed: tensors with static lifetime may be freed after it would be.
MemoryPool& pool_of(Device device) {
  static MemoryPool* cpu = new MemoryPool(Device::cpu);
  static MemoryPool* cuda = new MemoryPool(Device::cuda);
  return device == Device::cpu ? *cpu : *cuda;
}
thread_local std::shared_ptr<MemoryPool> current;

}  // namespace

AllocatorStats allocator_stats(Device device) { return pool_of(device).stats(); }
void release_cache(Device device) { pool_of(device).release_all(); }

std::shared_ptr<MemoryPool> make_memory_pool(Device device) { return make_graph_pool(device, false); }
std::shared_ptr<MemoryPool> make_graph_pool(Device device, bool coarse) {
  return std::make_shared<MemoryPool>(device, true, coarse);
}
AllocatorStats allocator_stats(MemoryPool& pool) { return pool.stats(); }
MemoryPoolScope::MemoryPoolScope(std::shared_ptr<MemoryPool> pool) : before_(std::exchange(current, std::move(pool))) {}
MemoryPoolScope::~MemoryPoolScope() { current = std::move(before_); }

Storage::Storage(int64_t bytes, Device device) : bytes_(bytes), device_(device) {
  CHECK(bytes >= 0, "[storage] negative size ", bytes);
  if (current && current->device() == device) pool_ = current;
  data_ = (pool_ ? *pool_ : pool_of(device)).allocate(bytes > 0 ? bytes : 1, block_bytes_);
}
Storage::~Storage() { (pool_ ? *pool_ : pool_of(device_)).free(data_, block_bytes_); }

}  // namespace kg
