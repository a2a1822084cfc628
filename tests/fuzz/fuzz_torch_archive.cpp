// libFuzzer target of the readers of PyTorch's files and of pickles: any bytes parse or throw kg::Error (input),
// nothing else. A pickle is also tried inside a zip archive, where no CRC stands in the way of what it says.
#include "data/formats/pickle.h"
#include "data/formats/torch_archive.h"
#include "data/formats/zip.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kg::fuzz_parser(data, size, [](std::string_view bytes) { kg::parse_pickle(bytes, "fuzz"); });
  kg::fuzz_parser(data, size, [](std::string_view bytes) {
    const std::string archive =
        kg::zip_bytes({{"a/data.pkl", std::string(bytes)}, {"a/data/0", std::string(64, '\1')}});
    kg::read_all(kg::open_torch_archive_bytes(archive, "fuzz").all);
  });
  return kg::fuzz_parser(data, size, [](std::string_view bytes) {
    kg::read_all(kg::open_torch_archive_bytes(std::string(bytes), "fuzz").all);
  });
}
