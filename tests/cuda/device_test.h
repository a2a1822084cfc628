// The tests of this folder run in test_cuda on the emulation and in test_gpu on a GPU, where there is one.
#pragma once

#include <gtest/gtest.h>

#include "tensor/device.h"

namespace kg {

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = cuda_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
};

}  // namespace kg
