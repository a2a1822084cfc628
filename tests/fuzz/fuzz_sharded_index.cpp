// libFuzzer target of the index of sharded weights: any bytes parse or throw kg::Error (input), and what parses names
// only files of its own folder.
#include <cstdlib>

#include "data/formats/weights.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return kg::fuzz_parser(data, size, [](std::string_view json) {
    for (const auto& [tensor, file] : kg::parse_shard_index(json, "fuzz"))
      if (std::filesystem::path(file).has_parent_path() || file == "..") std::abort();
  });
}
