// Schedules against hand-computed rates; their agreement with PyTorch's is in test_nn_golden.cpp.
#include <gtest/gtest.h>

#include <cmath>

#include "nn/schedule.h"
#include "tensor/error.h"

namespace kg {
namespace {

TEST(Schedule, WarmUpIsLinearAndEndsAtTheRate) {
  const Schedule s{.decay = Decay::constant, .lr = 1, .warm_up = 4};
  EXPECT_DOUBLE_EQ(s.at(0, 100), 0.2);
  EXPECT_DOUBLE_EQ(s.at(3, 100), 0.8);
  EXPECT_DOUBLE_EQ(s.at(4, 100), 1);
  EXPECT_DOUBLE_EQ((Schedule{.decay = Decay::constant, .lr = 1}.at(0, 9)), 1);
  EXPECT_DOUBLE_EQ((Schedule{.decay = Decay::constant, .lr = 2e-4, .warm_up = 1000}.at(999, 5000)), 2e-4 * 1000 / 1001);
  EXPECT_THROW((Schedule{.warm_up = -1}.at(0, 9)), Error);
}

TEST(Schedule, StepDropsAtEachMilestoneAfterTheWarmUp) {
  // 10 steps after a warm-up of 2: the milestones are steps 2 + 4 and 2 + 7.
  const Schedule s{.decay = Decay::step, .lr = 8, .warm_up = 2, .milestones = {0.4, 0.75}, .gamma = 0.5};
  for (int64_t i : {2, 5}) EXPECT_EQ(s.at(i, 12), 8) << i;
  for (int64_t i : {6, 8}) EXPECT_EQ(s.at(i, 12), 4) << i;
  for (int64_t i : {9, 11, 1000}) EXPECT_EQ(s.at(i, 12), 2) << i;
  EXPECT_EQ((Schedule{.decay = Decay::step, .lr = 8}.at(100, 9)), 8);
}

TEST(Schedule, CosineFallsToTheLowest) {
  const Schedule s{.decay = Decay::cosine, .lr = 3, .lowest = 1};
  EXPECT_DOUBLE_EQ(s.at(0, 8), 3);
  EXPECT_DOUBLE_EQ(s.at(4, 8), 2);
  EXPECT_NEAR(s.at(2, 8), 2 + std::sqrt(0.5), 1e-15);
  EXPECT_DOUBLE_EQ(s.at(8, 8), 1);
  EXPECT_DOUBLE_EQ(s.at(99, 8), 1);
}

TEST(Schedule, StretchedCosineEndsOnItsWay) {
  const Schedule s{.decay = Decay::cosine, .lr = 3, .lowest = 1, .stretch = 2};
  EXPECT_DOUBLE_EQ(s.at(0, 4), 3);
  EXPECT_NEAR(s.at(2, 4), 2 + std::sqrt(0.5), 1e-15);
  EXPECT_DOUBLE_EQ(s.at(4, 4), 2);
  EXPECT_DOUBLE_EQ(s.at(99, 4), 1);
}

}  // namespace
}  // namespace kg
