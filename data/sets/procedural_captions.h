// Reads sentences of the built-in set back to what they tell of a motion, by the grammar that makes them. A sentence
// that this grammar cannot make tells nothing: for judging captions that a model writes.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/procedural.h"

namespace kg {

struct CaptionFacts {
  MotionParameters parameters;   // with a normal speed, whatever is said of it
  std::array<bool, 3> speeds{};  // by Speed: those that the words leave open; sentences often say nothing of it
};

// Capitals, quotes around the sentence and a full stop are no part of it.
std::optional<CaptionFacts> read_caption(std::string_view sentence);
// What captions of one motion tell together; nothing if there is none, one cannot be read, or two contradict.
std::optional<CaptionFacts> common_facts(const std::vector<std::string>& sentences);
// The same parameters, and a speed that both allow.
bool agree(const CaptionFacts& a, const CaptionFacts& b);

}  // namespace kg
