// What a call throws.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tensor/error.h"

namespace kg {

// The message of the error of this code that `call` throws; fails the test when it throws nothing or another.
inline std::string error_of(ErrorCode code, const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace kg
