// Batches that are made ahead are those that are made on demand, in whatever order steps are asked for.
#include <gtest/gtest.h>

#include <thread>

#include "tests/cuda/device_test.h"
#include "tools/common/train/prefetch.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

using Prefetching = DeviceTest;

// Batches that hold their number; remembers which threads made them.
struct Source {
  std::vector<int64_t> made;
  std::vector<std::thread::id> threads, finishers;
  Prefetch::Make make() {
    return [this](int64_t step) -> Prefetch::Rest {
      if (step == 13) fail(ErrorCode::input, "no batch 13");
      made.push_back(step);
      threads.push_back(std::this_thread::get_id());
      return [this, step]() -> StepBatch {
        finishers.push_back(std::this_thread::get_id());
        return {{Tensor::full({2}, double(step))}, double(step)};
      };
    };
  }
};

TEST_F(Prefetching, GivesTheBatchOfEachStep) {
  for (Device device : {Device::cpu, Device::cuda}) {
    Source source;
    {
      Prefetch batches(device, 10, source.make());
      for (int64_t step = 3; step < 10; ++step) {  // a resumed run
        const StepBatch batch = batches.at(step);
        EXPECT_EQ(batch.inputs[0].to_vector(), std::vector<double>(2, double(step)));
        EXPECT_EQ(batch.inputs[0].device(), device);
        EXPECT_EQ(batch.targets, double(step));
        batches.advance(step);
      }
    }
    EXPECT_EQ(source.made, (std::vector<int64_t>{3, 4, 5, 6, 7, 8, 9})) << "each once, none beyond the end";
    for (const auto& id : source.finishers) EXPECT_EQ(id, std::this_thread::get_id());
    if (device == Device::cuda) {
      EXPECT_NE(source.threads.back(), std::this_thread::get_id());
    }
  }
}

TEST_F(Prefetching, AnotherStepThanTheNextIsMadeAnew) {
  Source source;
  Prefetch batches(Device::cuda, 100, source.make());
  for (int64_t step : {0, 1, 7, 2, 2}) {
    EXPECT_EQ(batches.at(step).targets, double(step));
    batches.advance(step);
  }
}

TEST_F(Prefetching, ErrorsOfTheThreadReachTheCaller) {
  Source source;
  Prefetch batches(Device::cuda, 100, source.make());
  const auto run = [&] {
    for (int64_t step = 10; step < 14; ++step) batches.at(step), batches.advance(step);
  };
  EXPECT_THROW(run(), Error);
}

}  // namespace
}  // namespace kg
