// A skeleton that retrievers are tried on.
#pragma once

#include "data/motion/skeleton.h"

namespace kg {

// A root with five limbs of one bone: right leg, left leg, spine, right arm, left arm. 71 features a frame.
inline Skeleton six_joints() {
  Skeleton s;
  s.name = "six";
  s.parents = {-1, 0, 0, 0, 0, 0};
  s.chains = {{0, 2}, {0, 1}, {0, 3}, {0, 4}, {0, 5}};
  s.contacts = {1, 1, 2, 2};
  return s;
}

}  // namespace kg
