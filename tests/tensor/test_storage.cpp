// The caching allocator: reuse, counters, alignment.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

TEST(Allocator, AWarmLoopAsksTheSystemForNothing) {
  const auto loop = [] {
    for (int64_t n : {1, 100, 5000, 70000, 3000000}) {
      const Tensor a = Tensor::ones({n}), b = add(a, a);
      EXPECT_EQ(b.select(0, n - 1).item(), 2);
    }
  };
  loop();
  const AllocatorStats warm = allocator_stats(Device::cpu);
  for (int i = 0; i < 20; ++i) loop();
  const AllocatorStats after = allocator_stats(Device::cpu);
  EXPECT_EQ(after.system_calls, warm.system_calls);
  EXPECT_EQ(after.in_use, warm.in_use);
}
TEST(Allocator, CountsWhatIsInUseAndCached) {
  release_cache(Device::cpu);
  const AllocatorStats before = allocator_stats(Device::cpu);
  EXPECT_EQ(before.cached, 0);
  {
    const Tensor t = Tensor::zeros({1 << 20});  // 4 MiB
    const AllocatorStats held = allocator_stats(Device::cpu);
    EXPECT_EQ(held.in_use - before.in_use, 4 << 20);
    EXPECT_EQ(held.system_calls - before.system_calls, 1);
    EXPECT_GE(held.peak, held.in_use);
  }
  EXPECT_EQ(allocator_stats(Device::cpu).in_use, before.in_use);
  EXPECT_EQ(allocator_stats(Device::cpu).cached, 4 << 20);
  {
    // Half of it is the least that may be given that block; a smaller tensor gets its own.
    const Tensor half = Tensor::empty({1 << 19}), small = Tensor::empty({64});
    EXPECT_EQ(allocator_stats(Device::cpu).in_use - before.in_use, (4 << 20) + 512);
  }
  release_cache(Device::cpu);
  EXPECT_EQ(allocator_stats(Device::cpu).cached, 0);
}
TEST(Allocator, Addresses) {
  for (int64_t n : {1, 17, 4097})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(Tensor::empty({n}, Dtype::u8).raw()) % 64, 0u) << n;
  expect_error([] { Storage storage(-1, Device::cpu); }, "[storage] negative size -1");
}

}  // namespace
}  // namespace kg
