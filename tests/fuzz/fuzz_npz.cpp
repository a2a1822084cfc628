// libFuzzer target of the npz reader: any bytes parse or throw kg::Error (input), nothing else.
#include "data/formats/npz.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return kg::fuzz_parser(data, size, [](std::string_view bytes) { kg::read_npz_bytes(bytes, "fuzz"); });
}
