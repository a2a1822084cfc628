// The lines that the README shows, compiled and run: a line is fitted to points on y = 3 x - 1.
#include <gtest/gtest.h>

#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/optim.h"

namespace kg {
namespace {

TEST(Readme, TheExampleFitsALine) {
  // [readme]
  Tensor x = Tensor::from<float>({-1, 0, 1, 2}, {4, 1});
  Tensor y = affine(x, 3, -1);  // what is to be learned: 3 x - 1
  Linear line(1, 1);            // a module with weight (1, 1) and bias (1)
  AdamW optimizer(line, {.lr = 0.05});
  for (int i = 0; i < 500; ++i) {
    optimizer.zero_grad();
    Var loss = mse_loss(line(x), y);  // records what it computes
    backward(loss);                   // gradients of weight and bias
    optimizer.step();
  }
  // [readme end]
  EXPECT_NEAR(line.weight.value.item(), 3, 0.05);
  EXPECT_NEAR(line.bias.value.item(), -1, 0.05);
}

}  // namespace
}  // namespace kg
