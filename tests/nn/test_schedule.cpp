// Schedules against hand-computed rates; their agreement with PyTorch's is in test_nn_golden.cpp.
#include <gtest/gtest.h>

#include <cmath>

#include "nn/schedule.h"
#include "tensor/error.h"

namespace kg {
namespace {

TEST(Schedule, WarmUpIsLinearAndEndsAtTheRate) {
  EXPECT_DOUBLE_EQ(schedule::warm_up(1, 0, 4), 0.2);
  EXPECT_DOUBLE_EQ(schedule::warm_up(1, 3, 4), 0.8);
  EXPECT_DOUBLE_EQ(schedule::warm_up(1, 4, 4), 1);
  EXPECT_DOUBLE_EQ(schedule::warm_up(1, 0, 0), 1);
  EXPECT_DOUBLE_EQ(schedule::warm_up(2e-4, 999, 1000), 2e-4 * 1000 / 1001);
}

TEST(Schedule, MultiStepDropsAtEachMilestone) {
  const std::vector<int64_t> milestones = {2, 5};
  const std::vector<double> expected = {8, 8, 4, 4, 4, 2, 2};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(schedule::multi_step(8, int64_t(i), milestones, 0.5), expected[i]) << i;
  EXPECT_EQ(schedule::multi_step(8, 100, {}, 0.5), 8);
}

TEST(Schedule, CosineFallsToTheLowest) {
  EXPECT_DOUBLE_EQ(schedule::cosine(3, 0, 8, 1), 3);
  EXPECT_DOUBLE_EQ(schedule::cosine(3, 4, 8, 1), 2);
  EXPECT_NEAR(schedule::cosine(3, 2, 8, 1), 2 + std::sqrt(0.5), 1e-15);
  EXPECT_DOUBLE_EQ(schedule::cosine(3, 8, 8, 1), 1);
  EXPECT_DOUBLE_EQ(schedule::cosine(3, 99, 8, 1), 1);
  EXPECT_THROW(schedule::cosine(3, 0, 0), Error);
}

TEST(Schedule, ConstantAndComposition) {
  EXPECT_EQ(schedule::constant(0.5, 77), 0.5);
  EXPECT_DOUBLE_EQ(schedule::multi_step(schedule::warm_up(1, 1, 3), 1, {1}, 0.1), 0.05);
}

}  // namespace
}  // namespace kg
