// Languages for the tests of models/motiongpt: one of eight pieces, and one of captions like those of a data set.
#pragma once

#include "models/motiongpt/language.h"
#include "tests/data/bad_input.h"
#include "tests/data/tiny_spiece.h"

namespace kg {

// 0 pad, 1 </s>, 2 unknown, 3 space, 4 " walk", 5 s, 6 " w", 7 alk; <extra_id_1> 8, <extra_id_0> 9; codes 10 to 13,
// start 14, end 15, mask 16.
inline MotionLanguage tiny_language() { return {{"tiny", tiny_spiece()}, {.codes = 4, .sentinels = 2}}; }

// `count` captions of 4 to some 25 words, drawn with a seed.
inline std::vector<std::string> made_up_captions(int count) {
  const char* who[] = {"a person", "the man", "someone", "a figure with raised arms", "the person in the room"};
  const char* does[] = {"walks forward",
                        "jumps twice on the spot",
                        "waves both hands above the head",
                        "turns left",
                        "sits down on a chair",
                        "runs in a circle",
                        "kicks with the right leg",
                        "bows",
                        "picks up a small box",
                        "steps back slowly",
                        "balances on one foot",
                        "claps",
                        "throws a ball forward",
                        "stretches to the side",
                        "crawls under a table",
                        "stops"};
  std::vector<std::string> captions;
  for (int i = 0; i < count; ++i) {
    const Philox random{5, uint64_t(i)};
    std::string text = who[random.below(0, 5)];
    const uint32_t parts = 1 + random.below(1, 4);
    for (uint32_t k = 0; k < parts; ++k) text += std::string(k > 0 ? ", then " : " ") + does[random.below(2 + k, 16)];
    captions.push_back(text + ".");
  }
  return captions;
}

// Of these captions and the instructions' words, for a codebook of 512; trained once.
inline const MotionLanguage& caption_language() {
  static const MotionLanguage language = MotionLanguage::train(made_up_captions(200), {instruction_templates()}, {});
  return language;
}

}  // namespace kg
