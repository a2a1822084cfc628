// The momentum copy by its formula, and the ring queue's places.
#include "nn/linear.h"
#include "nn/momentum.h"
#include "nn/queue.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

TEST(Momentum, FollowsByTheFormula) {
  Linear copy(2, 1), of(2, 1);
  copy.weight.value.copy_from(Tensor::from<float>({1, -2}, {1, 2})), copy.bias.value.fill(4);
  of.weight.value.copy_from(Tensor::from<float>({3, 2}, {1, 2})), of.bias.value.fill(0);
  follow(copy, of, 0.75);
  expect_near(copy.weight.value, {1.5, -1}, 1e-6);  // 0.75 x 1 + 0.25 x 3, 0.75 x -2 + 0.25 x 2
  expect_near(copy.bias.value, {3}, 1e-6);
  follow(copy, of, 0.75);
  expect_near(copy.bias.value, {2.25}, 1e-6);
  expect_near(of.weight.value, {3, 2}, 0);
}
// Steps of 1 % of weights that are rounded to bf16 do not get lost in a copy that is f32.
TEST(Momentum, CopyMayBeFiner) {
  Linear copy(1, 1), of(1, 1);
  copy.weight.value.fill(1), of.weight.value.fill(1.25);
  of.to(Dtype::bf16);
  follow(copy, of, 0.99);
  expect_near(copy.weight.value, {1.0025}, 1e-6);
}
TEST(Momentum, RefusesAnotherModule) {
  Linear copy(2, 1), wider(3, 1), bare(2, 1, false);
  EXPECT_THROW(follow(copy, wider, 0.9), Error);
  EXPECT_THROW(follow(copy, bare, 0.9), Error);
}

TEST(RingQueue, WrapsAround) {
  RingQueue queue(5, 1);
  const auto push = [&](const std::vector<float>& rows) { queue.push(Tensor::from(rows, {int64_t(rows.size()), 1})); };
  push({1, 2, 3});
  expect_near(queue.rows(), {1, 2, 3, 0, 0}, 0);
  EXPECT_EQ(queue.place(), 3);
  EXPECT_EQ(queue.filled(), 3);
  push({4, 5, 6, 7});
  expect_near(queue.rows(), {6, 7, 3, 4, 5}, 0);
  EXPECT_EQ(queue.place(), 2);
  EXPECT_EQ(queue.filled(), 5);
  push({8, 9, 10});  // up to the very end
  expect_near(queue.rows(), {6, 7, 8, 9, 10}, 0);
  EXPECT_EQ(queue.place(), 0);
  push({1, 2, 3, 4, 5});
  expect_near(queue.rows(), {1, 2, 3, 4, 5}, 0);
  EXPECT_THROW(push({1, 2, 3, 4, 5, 6}), Error);
  EXPECT_THROW(queue.push(Tensor::zeros({1, 2})), Error);
}
TEST(RingQueue, RowsMayBeWholeNumbers) {
  RingQueue queue(2, 1, Dtype::i32);
  queue.push(Tensor::from<int32_t>({1 << 30, (1 << 30) + 1}, {2, 1}));
  EXPECT_EQ(queue.rows().data<int32_t>()[1], (1 << 30) + 1);
}
TEST(RingQueue, StateBringsItBack) {
  RingQueue queue(3, 2), other(3, 2);
  queue.push(Tensor::from<float>({1, 2, 3, 4}, {2, 2}));
  load_strict(other.state(), queue.state(), "the queue");
  EXPECT_EQ(other.place(), 2);
  EXPECT_EQ(other.filled(), 2);
  expect_near(other.rows(), {1, 2, 3, 4, 0, 0}, 0);
}

}  // namespace
}  // namespace kg
