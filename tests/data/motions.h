// Motions to read and draw, a skeleton that is nobody's, and the distance of two motions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "data/motion/features.h"
#include "data/motion/skeleton.h"

namespace kg::test {

inline constexpr FeatureLayout kLayout{kJoints};

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

// A bird in centimetres: a body with a tail behind and a wing of two bones on each side; its names need care in files.
inline Skeleton bird() {
  Skeleton s;
  s.name = "bird";
  s.fps = 25;
  s.metres_per_unit = .01;
  s.joint_names = {"body", "breast", "Head 1", "tail", "right wing", "left wing", "right tip", "left tip"};
  s.parents = {-1, 0, 1, 0, 1, 1, 4, 5};
  s.mirror = {0, 1, 2, 3, 5, 4, 7, 6};
  s.rest_directions = {{0, 0, 0}, {0, .6, .8}, {0, .6, .8}, {0, 0, -1}, {-1, 0, 0}, {1, 0, 0}, {-1, 0, 0}, {1, 0, 0}};
  s.bone_lengths = {0, 10, 6, 12, 8, 8, 14, 14};
  s.hips = s.shoulders = {5, 4};
  s.scale_joints = {4, 6};
  s.contacts = {5, 7, 4, 6};
  s.chains = {{0, 1, 2}, {0, 3}, {1, 4, 6}, {1, 5, 7}};
  s.contact_threshold = 1;
  s.min_frames = 1, s.max_frames = 100;
  return s;
}

// Every bone of a skeleton turns on its own, by up to about 100 degrees, the body travels and spins; lengths stay.
inline Joints wild_motion(int frames, unsigned seed, const Skeleton& skeleton) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<std::array<double, 6>> wave(skeleton.parents.size());
  for (auto& w : wave)
    for (double& value : w) value = uniform(random);
  const double metre = 1 / skeleton.metres_per_unit;
  Joints joints(static_cast<size_t>(frames), Pose(wave.size()));
  for (int t = 0; t < frames; ++t) {
    Pose& pose = joints[size_t(t)];
    const Quat body = axis_angle({0, 1, 0}, .1 * t);
    pose[0] = Vec3{.05 * t, 1 + .2 * std::sin(.1 * t), std::cos(.07 * t)} * metre;
    for (size_t j = 1; j < pose.size(); ++j) {
      const auto& w = wave[j];
      const Quat turn = axis_angle({w[0], w[1], w[2]}, 1.8 * std::sin(.15 * t + 6 * w[3]));
      pose[j] = pose[size_t(skeleton.parents[j])] +
                rotate(body * turn, skeleton.rest_directions[j] * skeleton.bone_lengths[j]);
    }
  }
  return joints;
}

// KIT-ML's reference body upright, as it stands in the data: its left at +x.
inline Pose kit_rest() {
  const Skeleton& kit = kit_ml();
  Pose pose(kit.parents.size());
  pose[0] = {0, 540, 0};
  for (size_t j = 1; j < pose.size(); ++j) {
    const Vec3 d = kit.rest_directions[j];
    pose[j] = pose[size_t(kit.parents[j])] + Vec3{-d.x, d.y, d.z} * kit.bone_lengths[j];
  }
  return pose;
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
