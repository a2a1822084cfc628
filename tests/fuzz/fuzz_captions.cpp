// libFuzzer target of the small text formats of a data set: caption lines, caption tables, joint maps. What parses as
// captions is written and read back the same.
#include <cstdlib>

#include "data/motion/retarget.h"
#include "data/sets/captions.h"
#include "data/text/pos_tagger.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kg::fuzz_parser(data, size, [](std::string_view text) {
    const std::string written = kg::format_captions(kg::parse_captions(text, "fuzz"));
    if (kg::format_captions(kg::parse_captions(written, "written")) != written) std::abort();
  });
  kg::fuzz_parser(data, size, [](std::string_view text) {
    for (const kg::CaptionRow& row : kg::parse_caption_table(text, "fuzz")) {
      kg::mirrored_text(row.caption);
      kg::tag_caption(row.caption);
    }
  });
  return kg::fuzz_parser(data, size, [](std::string_view text) { kg::parse_joint_map(text, "fuzz"); });
}
