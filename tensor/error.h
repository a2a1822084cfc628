// The one exception type and the one check of the project. An error says what was wrong, where, and what was expected:
//   CHECK(weight.numel() == c, "[layer_norm] weight must have ", c, " elements, has ", weight.numel());
// `code` is the exit code that a program ends with (the table in README.md).
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace kg {

enum class ErrorCode { runtime = 1, usage = 2, input = 3, memory = 4, diverged = 5, interrupted = 6, peer = 7 };

struct Error : std::runtime_error {
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  ErrorCode code;
};

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(code, text.str());
}

}  // namespace kg

// A broken precondition (a bug or a wrong call): exit code 1.
#define CHECK(condition, ...)                                            \
  do {                                                                   \
    if (!(condition)) ::kg::fail(::kg::ErrorCode::runtime, __VA_ARGS__); \
  } while (0)
// Bad or missing input (a file, its contents, a setting in it): exit code 3.
#define CHECK_INPUT(condition, ...)                                    \
  do {                                                                 \
    if (!(condition)) ::kg::fail(::kg::ErrorCode::input, __VA_ARGS__); \
  } while (0)
