// A motion to read and draw, and the distance of two.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/motion/skeleton.h"

namespace kg::test {

// A body on the target skeleton that walks along z with swinging limbs, its feet near the floor.
inline Joints walk(int frames) {
  Joints joints(static_cast<size_t>(frames), Pose(kJoints));
  for (int t = 0; t < frames; ++t) {
    Pose& pose = joints[size_t(t)];
    pose[0] = {0, .93, .05 * t};
    for (int j = 1; j < kJoints; ++j) {
      const bool leg = j == kLeftKnee || j == kLeftAnkle || j == kRightElbow || j == kRightWrist;
      const bool other = j == kRightKnee || j == kRightAnkle || j == kLeftElbow || j == kLeftWrist;
      const Quat swing = axis_angle({1, 0, 0}, (leg ? .5 : other ? -.5 : 0.) * std::sin(.3 * t));
      pose[j] =
          pose[humanml3d().parents[j]] + rotate(swing, humanml3d().rest_directions[j] * humanml3d().bone_lengths[j]);
    }
  }
  return joints;
}

// The largest distance of a joint in one from the same joint in the other.
inline double largest_distance(const Joints& a, const Joints& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t t = 0; t < std::min(a.size(), b.size()); ++t) {
    EXPECT_EQ(a[t].size(), b[t].size());
    for (size_t j = 0; j < std::min(a[t].size(), b[t].size()); ++j) worst = std::max(worst, length(a[t][j] - b[t][j]));
  }
  return worst;
}

}  // namespace kg::test
