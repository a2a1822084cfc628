// The engine: accumulation, order, long chains, what records and what does not, ownership of gradients, checkpoints,
// and how long closures and activations live.

#include "autograd/var.h"

#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

using Values = std::vector<double>;

Var leaf(const Values& values, const Shape& shape) { return Var(Tensor::from(values, shape), true); }
Var leaf(double value) { return leaf(Values{value}, {}); }

TEST(Backward, AVarUsedTwiceAddsUp) {
  const Var x = leaf({1, 2, 3}, {3});
  backward(sum(x * x + x));  // 2x + 1
  EXPECT_EQ(x.grad().to_vector(), (Values{3, 5, 7}));
}

TEST(Backward, Diamond) {
  const Var x = leaf(3), a = 2 * x;
  const Var y = (a * a) * (a + 1);  // a^3 + a^2, a = 2x: (3 a^2 + 2 a) 2
  backward(y);
  EXPECT_EQ(x.grad().item(), 240);
}

// 2^40 paths: done in time only if each node runs once.
TEST(Backward, EveryNodeRunsOnce) {
  const Var x = leaf(1);
  Var y = x;
  int runs = 0;
  for (int i = 0; i < 40; ++i) {
    y = record("double", add(y.value, y.value), {y, y}, [&runs](const Tensor& gy, Grads& gx) {
      ++runs;
      gx.add(0, gy);
      gx.add(1, gy);
    });
  }
  backward(y);
  EXPECT_EQ(runs, 40);
  EXPECT_EQ(x.grad().item(), 0x1p40);
}

TEST(Backward, LongChains) {
  const Var x = leaf(2);
  Var y = x;
  for (int i = 0; i < 100000; ++i) y = y + 1;
  backward(y);
  EXPECT_EQ(y.item(), 100002);
  EXPECT_EQ(x.grad().item(), 1);
}
TEST(Backward, LongChainsAreFreedWithoutRunning) {
  Var plain = leaf(2), twice = leaf(2);
  for (int i = 0; i < 100000; ++i) {
    plain = plain + 1;
    twice = (twice + twice) * 0.5;  // both inputs are the same record
  }
  EXPECT_EQ(twice.item(), 2);
}

TEST(Backward, GradientsGatherOverCalls) {
  const Var x = leaf({1, 2}, {2});
  backward(sum(x * x));
  backward(sum(3 * x));
  EXPECT_EQ(x.grad().to_vector(), (Values{5, 7}));
}
TEST(Backward, TwoLeavesDoNotShareAGradient) {
  const Var x = leaf({1, 2}, {2}), y = leaf({3, 4}, {2});
  backward(sum(x + y));
  backward(sum(x * x));
  EXPECT_EQ(x.grad().to_vector(), (Values{3, 5}));
  EXPECT_EQ(y.grad().to_vector(), (Values{1, 1}));
}

TEST(Backward, BroadcastOperandsGetSums) {
  const Var row = leaf({1, 2, 3}, {3}), column = leaf({10, 20}, {2, 1}), one = leaf(5);
  backward(sum(row * column + one));
  EXPECT_EQ(row.grad().to_vector(), (Values{30, 30, 30}));
  EXPECT_EQ(column.grad().to_vector(), (Values{6, 6}));
  EXPECT_EQ(column.grad().shape(), (Shape{2, 1}));
  EXPECT_EQ(one.grad().to_vector(), (Values{6}));
  EXPECT_EQ(one.grad().rank(), 0);
}

TEST(Backward, TwiceIsAnError) {
  const Var x = leaf(3), y = x * x;
  backward(y);
  EXPECT_NE(error_of(ErrorCode::runtime, [&] { backward(y); }).find("already used"), std::string::npos);
  // Also when only a part is shared, and then nothing has been added.
  const Var z = leaf(3), h = z * z;
  backward(h * 2);
  const double before = z.grad().item();
  EXPECT_NE(error_of(ErrorCode::runtime, [&] { backward(h * 5); }).find("run the forward again"), std::string::npos);
  EXPECT_EQ(z.grad().item(), before);
}

TEST(Backward, Seeds) {
  const Var x = leaf({1, 2}, {2});
  const auto message = [&](const Var& y, const Tensor& seed) {
    return error_of(ErrorCode::runtime, [&] { backward(y, seed); });
  };
  EXPECT_NE(message(x * x, {}).find("output has shape (2); give a seed"), std::string::npos);
  EXPECT_NE(message(x * x, Tensor::ones({1, 2}, Dtype::f64)).find("must be f64 (2) like the output, is f64 (1, 2)"),
            std::string::npos);
  EXPECT_NE(message(x * x, Tensor::ones({2}, Dtype::f32)).find("is f32 (2)"), std::string::npos);
  EXPECT_NE(message(Var(Tensor::ones({2})), {}).find("does not depend on anything"), std::string::npos);
  EXPECT_FALSE(x.grad().defined());
  backward(x * x, Tensor::from<double>({10, -1}, {2}));
  EXPECT_EQ(x.grad().to_vector(), (Values{20, -4}));
  backward(x, Tensor::from<double>({1, 1}, {2}));  // a leaf itself
  EXPECT_EQ(x.grad().to_vector(), (Values{21, -3}));
}

TEST(Backward, NoGradRecordsNothing) {
  const Var x = leaf(3);
  {
    NoGrad guard;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE((x * x).requires_grad());
    {
      EnableGrad inner;
      EXPECT_TRUE((x * x).requires_grad());
    }
    EXPECT_FALSE((x * x).requires_grad());
  }
  EXPECT_TRUE((x * x).requires_grad());
  EXPECT_FALSE((Var(Tensor::ones({2})) * Var(Tensor::ones({2}))).requires_grad());
}

TEST(Backward, DetachAndStraightThrough) {
  const Var x = leaf(3);
  backward(x * detach(x));
  EXPECT_EQ(x.grad().item(), 3);
  const Var y = leaf({0.4, 1.7}, {2});
  const Var rounded(Tensor::from<double>({0, 2}, {2}));
  const Var through = y + detach(rounded - y);
  EXPECT_EQ(through.value.to_vector(), (Values{0, 2}));
  backward(sum(through * through));
  EXPECT_EQ(y.grad().to_vector(), (Values{0, 4}));
}

TEST(Backward, IntegersTakeNoGradient) {
  EXPECT_NE(error_of(ErrorCode::runtime, [] { Var(Tensor::ones({2}, Dtype::i32), true); }).find("this is i32"),
            std::string::npos);
}

// An optimizer's flat buffer: what arrives is added to the view in place.
TEST(Backward, AnOwnedGradientIsAddedToInPlace) {
  const Tensor flat = Tensor::full({10}, 1, Dtype::f64);
  const Var weight = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  weight.meta->grad = Tensor::view_of(flat.storage(), 2, {2, 3}, Dtype::f64);
  weight.meta->owned = true;
  const Var x(Tensor::from<double>({1, 0, 2}, {1, 3}));
  backward(sum(linear(x, weight, Var())));
  EXPECT_EQ(flat.to_vector(), (Values{1, 1, 2, 1, 3, 2, 1, 3, 1, 1}));
  backward(sum(weight * 10));
  EXPECT_EQ(flat.to_vector(), (Values{1, 1, 12, 11, 13, 12, 11, 13, 1, 1}));
  EXPECT_EQ(weight.grad().storage(), flat.storage());
}

// ---- checkpoint
struct BlockRun {
  std::vector<Values> values;
  uint64_t position;
};
BlockRun run_block(bool checkpointed) {
  const auto random = [](const Shape& shape, uint64_t stream) {
    const Tensor t = Tensor::empty(shape);
    fill_normal(t, 0, 1, {2, stream});
    return Var(t, true);
  };
  const Var x = random({17, 31}, 1), weight = random({31, 31}, 2), bias = random({31}, 3);
  default_generator() = {4, 5};
  const auto block = [&](const std::vector<Var>& in) {  // weight and bias are not among the inputs
    return dropout(tanh(linear(dropout(in[0], 0.2, true), weight, bias)), 0.4, true);
  };
  const auto apply = [&](const Var& in) { return checkpointed ? checkpoint(block, {in}) : block({in}); };
  const Var y = apply(dropout(apply(x), 0.1, true));
  const uint64_t position = default_generator().position;
  backward(sum(y * y));
  EXPECT_EQ(default_generator().position, position) << "backward moved the random generator";
  return {{y.value.to_vector(), x.grad().to_vector(), weight.grad().to_vector(), bias.grad().to_vector()}, position};
}
TEST(Checkpoint, GivesTheVeryGradientsOfThePlainBlock) {
  const BlockRun plain = run_block(false), checkpointed = run_block(true);
  EXPECT_EQ(plain.values, checkpointed.values);
  EXPECT_EQ(plain.position, checkpointed.position);
}

// ---- memory
constexpr int64_t kRow = 1 << 18;  // elements of f32: 1 MiB

int64_t in_use() { return allocator_stats(Device::cpu).in_use; }
constexpr int64_t kMegabyte = 1 << 20;

TEST(Memory, ActivationsAreFreedByBackward) {
  const Var x(Tensor::full({kRow}, 0.5), true);
  const int64_t start = in_use();
  Var y = x;
  for (int i = 0; i < 10; ++i) y = tanh(y);  // keeps its output
  EXPECT_GE(in_use() - start, 10 * kMegabyte);
  backward(sum(y));
  EXPECT_LE(in_use() - start, 5 * kMegabyte) << "y, the gradient of x, and little else";
}
TEST(Memory, ADroppedGraphIsFreed) {
  const Var x(Tensor::full({kRow}, 0.5), true);
  const int64_t start = in_use();
  {
    Var y = x;
    for (int i = 0; i < 10; ++i) y = tanh(y);
    EXPECT_GE(in_use() - start, 10 * kMegabyte);
  }
  EXPECT_EQ(in_use(), start);
}
TEST(Memory, WhatNoClosureNeedsIsNotKept) {
#ifndef NDEBUG
  GTEST_SKIP() << "debug builds keep the storages of inputs to check their versions";
#endif
  const Var x(Tensor::full({kRow}, 0.5), true), c(Tensor::full({kRow}, 0.25));
  const int64_t start = in_use();
  Var y = x;
  for (int i = 0; i < 10; ++i) y = -((y + c) * 3 - c);
  EXPECT_LE(in_use() - start, 3 * kMegabyte);
  backward(sum(y));
  EXPECT_EQ(x.grad().to_vector()[7], 59049);  // 3^10, ten changes of sign
}
TEST(Memory, ACheckpointKeepsItsInputsOnly) {
  const Var x(Tensor::full({kRow}, 0.5), true);
  const int64_t start = in_use();
  const Var y = checkpoint(
      [](const std::vector<Var>& in) {
        Var z = in[0];
        for (int i = 0; i < 10; ++i) z = tanh(z);
        return z;
      },
      {x});
  EXPECT_LE(in_use() - start, 3 * kMegabyte);
}

TEST(Versions, AChangeOfASavedTensorIsNamed) {
#ifdef NDEBUG
  GTEST_SKIP() << "versions are checked in debug builds";
#else
  const Var x = leaf({1, 2}, {2});
  const Var y = sum(square(x));
  x.value.fill(7);
  const std::string message = error_of(ErrorCode::runtime, [&] { backward(y); });
  EXPECT_NE(message.find("saved for square was changed in place"), std::string::npos) << message;
#endif
}

}  // namespace
}  // namespace kg
