// What the fuzz targets share. `make fuzz` runs all; one alone, with new inputs kept in the folder CORPUS:
//   build-fuzz/bin/fuzz_npy -max_total_time=60 -max_len=4096 CORPUS tests/golden/formats tests/golden/archives
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tensor/error.h"

namespace kg {

// Bad input is an Error with the exit code of bad input; an error of any other kind escapes, which libFuzzer reports.
template <class Parse>
int fuzz_parser(const uint8_t* data, size_t size, Parse parse) {
  try {
    parse(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Error& error) {
    if (error.code != ErrorCode::input) throw;
  }
  return 0;
}

}  // namespace kg
