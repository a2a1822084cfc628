// The parts of the CUDA runtime's side that need no GPU: which device a process takes, the ring of staging buffers, and
// where libraries are looked for.
#include <dlfcn.h>
#include <zlib.h>

#include <cstdlib>
#include <vector>

#include "tensor/cuda/device_choice.h"
#include "tensor/cuda/staging.h"
#include "tensor/cuda/vendor/library.h"
#include "tests/error_of.h"
#include "tests/temporary_folder.h"

namespace kg {
namespace {

TEST(DeviceChoice, RanksTakeTheVisibleGpusInTurn) {
  for (int rank = 0; rank < 7; ++rank) {
    cuda::DeviceChoice choice;
    choice.choose(rank);
    EXPECT_EQ(choice.of(3), rank % 3);
    EXPECT_EQ(choice.of(3), rank % 3);
  }
  cuda::DeviceChoice none;
  EXPECT_EQ(none.of(0), 0);
  cuda::DeviceChoice first;
  EXPECT_EQ(error_of(ErrorCode::runtime, [&] { first.choose(-1); }), "[cuda] GPU -1 cannot be chosen; the first is 0");
  EXPECT_EQ(first.of(2), 0);
  EXPECT_EQ(error_of(ErrorCode::runtime, [&] { first.choose(1); }),
            "[cuda] GPU 0 is in use already; choose one before the first use of CUDA");
}

// Pinned memory that can run out, and copies that take place only when their event is waited for, as late as CUDA may.
struct FakeCuda {
  int64_t limit = int64_t(1) << 40, pinned = 0, largest = 0;
  int copies = 0;
  std::vector<std::vector<char>> blocks;
  struct Copy {
    void* to;
    const void* from;
    int64_t bytes;
    int event;
  };
  std::vector<Copy> pending;
  int events = 0;
};
struct FakeCalls {
  using Event = int;  // 0: empty
  FakeCuda* cuda;
  void* allocate(int64_t bytes) {
    cuda->largest = std::max(cuda->largest, bytes);
    if (cuda->pinned + bytes > cuda->limit) return nullptr;
    cuda->pinned += bytes;
    cuda->blocks.emplace_back(size_t(bytes), char(-1));
    return cuda->blocks.back().data();
  }
  void release(void* data) {
    for (size_t i = 0; i < cuda->blocks.size(); ++i)
      if (cuda->blocks[i].data() == data) {
        cuda->pinned -= int64_t(cuda->blocks[i].size());
        cuda->blocks.erase(cuda->blocks.begin() + int64_t(i));
        return;
      }
    ADD_FAILURE() << "freed twice, or never allocated";
  }
  void wait(Event& event) { finish(event); }
  void record(Event& event) {
    event = ++cuda->events;
    for (FakeCuda::Copy& copy : cuda->pending)
      if (copy.event == 0) copy.event = event;
  }
  void start_copy(void* to, const void* pinned, int64_t bytes) {
    ++cuda->copies;
    cuda->pending.push_back({to, pinned, bytes, 0});
  }
  void finish(int last) const {
    while (!cuda->pending.empty() && cuda->pending.front().event <= last) {
      const FakeCuda::Copy& copy = cuda->pending.front();
      std::memcpy(copy.to, copy.from, size_t(copy.bytes));
      cuda->pending.erase(cuda->pending.begin());
    }
  }
};
using Ring = cuda::StagingRing<FakeCalls>;

TEST(StagingRing, BytesArriveHoweverLateTheCopiesAre) {
  FakeCuda fake;
  Ring ring(FakeCalls{&fake});
  std::vector<std::vector<char>> from, to;
  for (int i = 0; i < 5 * Ring::kSlots; ++i) {
    from.emplace_back(size_t(1 + i * 37 % 100), char(i));
    to.emplace_back(from.back().size(), char(-2));
  }
  for (size_t i = 0; i < from.size(); ++i) {
    std::vector<char> gone = from[i];  // the source may be changed as soon as copy() returns
    ring.copy(to[i].data(), gone.data(), int64_t(gone.size()));
    std::fill(gone.begin(), gone.end(), char(-3));
  }
  FakeCalls{&fake}.finish(fake.events);
  EXPECT_EQ(to, from);
}
TEST(StagingRing, LargeCopiesGoInPieces) {
  FakeCuda fake;
  cuda::StagingRing<FakeCalls, 100> ring(FakeCalls{&fake});
  std::vector<char> from(205), to(from.size());
  for (size_t i = 0; i < from.size(); ++i) from[i] = char(i * 7 % 251);
  ring.copy(to.data(), from.data(), int64_t(from.size()));
  FakeCalls{&fake}.finish(fake.events);
  EXPECT_TRUE(to == from);
  EXPECT_EQ(fake.copies, 3);
  EXPECT_LE(fake.largest, 100);
}
TEST(StagingRing, AFailedAllocationLeavesNothingBehind) {
  FakeCuda fake;
  Ring ring(FakeCalls{&fake});
  std::vector<char> small(10, 'a'), large(1000, 'b'), to(1000);
  for (int i = 0; i < Ring::kSlots; ++i) ring.copy(to.data(), small.data(), 10);
  fake.limit = fake.pinned;
  for (int i = 0; i < Ring::kSlots; ++i)
    EXPECT_EQ(error_of(ErrorCode::memory, [&] { ring.copy(to.data(), large.data(), 1000); }),
              "[cuda] out of host memory: 1500 bytes of pinned memory asked for; close other programs or use a smaller "
              "batch");
  EXPECT_EQ(fake.pinned, 0);
  // Every slot asks anew: with the old size in its record it would write into memory that is gone.
  for (int i = 0; i < Ring::kSlots; ++i) ring.copy(to.data(), small.data(), 10);
  fake.limit = int64_t(1) << 40;
  ring.copy(to.data(), large.data(), 1000);
  FakeCalls{&fake}.finish(fake.events);
  EXPECT_EQ(to, large);
}

TEST(Library, IsFoundInTheFoldersNamedForIt) {
  test::TemporaryFolder folder;
  Dl_info zlib{};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&zlibVersion), &zlib), 0);
  std::filesystem::copy_file(zlib.dli_fname, folder / "libelsewhere.so.1");
  ::unsetenv("KG_CUDA_LIBRARIES");
  const cuda::Library missing("libelsewhere.so.1");
  EXPECT_FALSE(missing.found());
  EXPECT_NE(missing.why().find("cannot open shared object file"), std::string::npos) << missing.why();
  EXPECT_NE(missing.why().find("KG_CUDA_LIBRARIES (not set)"), std::string::npos) << missing.why();
  EXPECT_NE(error_of(ErrorCode::runtime, [&] { missing.function<const char*()>("zlibVersion"); })
                .find("libelsewhere.so.1 is not here: "),
            std::string::npos);

  ::setenv("KG_CUDA_LIBRARIES", ("/nowhere::" + folder.path().string()).c_str(), 1);
  const cuda::Library found("libelsewhere.so.1");
  ::unsetenv("KG_CUDA_LIBRARIES");
  ASSERT_TRUE(found.found()) << found.why();
  EXPECT_STREQ(found.function<const char*()>("zlibVersion")(), zlibVersion());
  EXPECT_EQ(error_of(ErrorCode::runtime, [&] { found.function<void()>("no_such_function"); }),
            "[cuda] libelsewhere.so.1 has no no_such_function; install the version it was built for");
}

}  // namespace
}  // namespace kg
