// What every parser must survive: a file cut off anywhere, and a file with any byte changed.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "data/formats/file.h"
#include "tensor/error.h"
#include "tests/error_of.h"
#include "tests/temporary_folder.h"

namespace kg {

using ParseFunction = std::function<void(const std::string& bytes)>;

inline std::string input_error(const std::function<void()>& call) { return error_of(ErrorCode::input, call); }

// `call` throws an input error whose message begins with `begin` (what was read) and says `part`.
inline void expect_input_error(const std::function<void()>& call, const std::string& begin, const std::string& part) {
  const std::string message = input_error(call);
  EXPECT_EQ(message.find(begin), 0u) << message;
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

inline const std::filesystem::path kGolden = std::filesystem::path(KG_TEST_DIR) / "golden";
inline std::string golden_bytes(const std::string& file) { return read_file(kGolden / file, 1 << 20); }

// True when it parses, false when it is refused with an input error; anything else escapes and fails the test.
inline bool accepted(const ParseFunction& parse, const std::string& bytes) {
  try {
    parse(bytes);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::input) << error.what();
    return false;
  }
}

// Every proper prefix of `bytes` shorter than `shortest_valid` must be refused, the whole accepted.
inline void expect_prefixes_refused(const ParseFunction& parse, const std::string& bytes, size_t shortest_valid) {
  for (size_t n = 0; n < shortest_valid; ++n) {
    EXPECT_FALSE(accepted(parse, bytes.substr(0, n))) << "the first " << n << " bytes of " << bytes.size();
  }
  EXPECT_TRUE(accepted(parse, bytes));
}

// Changes each byte in several ways. Returns how many of the changed files were still accepted.
inline int survive_corruption(const ParseFunction& parse, const std::string& bytes) {
  int count = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned char value : {0x00, 0x01, 0x0a, 0x20, 0x2d, 0x39, 0x7b, 0x7f, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      count += accepted(parse, changed);
    }
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      count += accepted(parse, changed);
    }
  }
  return count;
}

// The folder of real files that stands beside the repository, if it is there.
inline std::optional<std::filesystem::path> shared_data() {
  const char* named = std::getenv("KINEGRAD_SHARED_DATA");
  const std::filesystem::path folder =
      named ? std::filesystem::path(named) : std::filesystem::path(KG_TEST_DIR) / "../../shared/data";
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) return std::nullopt;
  return folder;
}

using test::TemporaryFolder;

}  // namespace kg
