// libFuzzer target of the BVH reader and its forward kinematics: any text parses or throws kg::Error (input), and what
// parses has finite positions.
#include <cmath>
#include <cstdlib>

#include "data/formats/bvh.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return kg::fuzz_parser(data, size, [](std::string_view text) {
    const kg::Bvh bvh = kg::parse_bvh(text, "fuzz");
    for (int frame = 0; frame < bvh.frames; ++frame) {
      for (const kg::Vec3& p : kg::global_positions(bvh, frame)) {
        if (!std::isfinite(p.x + p.y + p.z)) std::abort();
      }
    }
  });
}
