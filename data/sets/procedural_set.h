// The built-in set as clips that a data set folder is written from.
#pragma once

#include "data/sets/humanml3d.h"
#include "data/sets/procedural.h"

namespace kg {

// Clips 0 .. count-1 of make_procedural_clip(seed, i), named by their number, with tagged captions; `mirror` adds the
// captions of the mirrored clips.
std::vector<Clip> procedural_clips(uint64_t seed, int count, bool mirror);

}  // namespace kg
