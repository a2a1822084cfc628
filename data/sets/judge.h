// Obedience: does a motion do what a sentence of the built-in set says? Plain geometry on joint positions, tolerant of
// what a generative model adds (jitter of 2 cm, skating feet), strict about meaning: which action, which side, which
// direction, how often, how far round. Speed is not judged.
#pragma once

#include <string>

#include "data/sets/procedural.h"

namespace kg {

struct Verdict {
  bool obeyed = false;
  std::string why;  // what was missing, with the measured figure; empty when obeyed
};

// Joints at 20 frames a second, y up, in metres; at least 10 frames. The motion may start anywhere, facing anywhere.
Verdict judge(const MotionParameters& parameters, const Joints& joints);

}  // namespace kg
