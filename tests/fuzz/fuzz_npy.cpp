// libFuzzer target of the npy reader: any bytes parse or throw kg::Error (input), nothing else.
#include "data/formats/npy.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return kg::fuzz_parser(data, size, [](std::string_view bytes) { kg::read_npy_bytes(bytes, "fuzz"); });
}
