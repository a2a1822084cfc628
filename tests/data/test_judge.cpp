// The judge of obedience: accepts the generator's own clips, clean and noisy; rejects them against other sentences.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "data/motion/features.h"
#include "data/sets/judge.h"
#include "data/sets/judge_facts.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace kg {
namespace {

Joints mirrored(Joints joints) {
  for (Pose& pose : joints) {
    const Pose old = pose;
    for (int j = 0; j < kJoints; ++j) pose[humanml3d().mirror[j]] = {-old[j].x, old[j].y, old[j].z};
  }
  return joints;
}

Joints with_noise(Joints joints, double sigma, uint64_t stream) {
  const Philox random{1, stream};
  uint64_t i = 0;
  for (Pose& pose : joints)
    for (Vec3& p : pose) {
      p += Vec3{random.normal(i), random.normal(i + 1), random.normal(i + 2)} * sigma;
      i += 3;
    }
  return joints;
}

MotionParameters without_speed(MotionParameters p) {
  p.speed = Speed::normal;
  return p;
}

TEST(Judge, CountsPeaksWithHysteresis) {
  EXPECT_EQ(count_peaks({0, 1, 0, 1, 0}, 0.2, 0.8), 2);
  EXPECT_EQ(count_peaks({0, 1, 0.5, 1, 0}, 0.2, 0.8), 1);  // did not go down far enough
  EXPECT_EQ(count_peaks({}, 0.2, 0.8), 0);
  EXPECT_EQ(count_reversals({0, 1, 0, 1, 0}, 0.5), 3);
  EXPECT_EQ(count_reversals({0, 1, 0.8, 1, 0}, 0.5), 1);
  EXPECT_EQ(count_reversals({0, 0.1, 0}, 0.5), 0);
}

TEST(Judge, MeasuresAWalkOfKnownDirection) {
  // A rigid pose that slides 2 m along +x in 2 s while facing +x: forward, not sideways.
  Pose pose = make_procedural_clip(1, 0, {.action = Action::sit}).joints[0];
  for (Vec3& p : pose) p = {p.z, p.y, -p.x};
  Joints joints(41, pose);
  for (int t = 0; t < 41; ++t)
    for (Vec3& p : joints[t]) p.x += 0.05 * t;
  const Facts facts(joints);
  EXPECT_NEAR(facts.forward, 1.8, 0.02);  // between the means of five frames at each end
  EXPECT_NEAR(facts.left, 0, 0.02);
  EXPECT_NEAR(facts.speed, 1, 1e-6);
  EXPECT_NEAR(facts.turned, 0, 1e-6);
}

TEST(Judge, AcceptsTheGeneratorsOwnClips) {
  int accepted = 0, noisy = 0;
  for (int i = 0; i < 2000; ++i) {
    const ProceduralClip clip = make_procedural_clip(21, i);
    accepted += judge(clip.parameters, clip.joints).obeyed;
    if (i < 1000) noisy += judge(clip.parameters, with_noise(clip.joints, 0.015, uint64_t(i))).obeyed;
  }
  EXPECT_GE(accepted, 1990);
  EXPECT_GE(noisy, 980);
}

// What a model learns from and what comes out of it are features: nothing that the judge sees may be lost in them.
TEST(Judge, AcceptsTheClipsAfterFeatures) {
  for (int i = 0; i < 200; ++i) {
    const ProceduralClip clip = make_procedural_clip(27, i);
    const Joints exact = features_to_joints(joints_to_features(clip.joints, {.continuous_yaw = true}));
    ASSERT_EQ(exact.size(), clip.joints.size() - 1);
    double worst = 0;
    for (size_t t = 0; t < exact.size(); ++t)
      for (int j = 0; j < kJoints; ++j) worst = std::max(worst, length(exact[t][j] - clip.joints[t][j]));
    EXPECT_LT(worst, 1e-4) << describe(clip.parameters);
    EXPECT_TRUE(judge(clip.parameters, exact).obeyed) << describe(clip.parameters);
    // The reference's yaw, wrong in the row where the body turns through -z.
    const Verdict verdict = judge(clip.parameters, features_to_joints(joints_to_features(clip.joints)));
    EXPECT_TRUE(verdict.obeyed) << describe(clip.parameters) << ": " << verdict.why;
  }
}

TEST(Judge, DoesNotCareWhereTheMotionStarts) {
  for (int i = 0; i < 100; ++i) {
    ProceduralClip clip = make_procedural_clip(22, i);
    const Quat turn = axis_angle({0, 1, 0}, 0.1 * i);
    for (Pose& pose : clip.joints)
      for (Vec3& p : pose) p = rotate(turn, p) + Vec3{3, 0.2, -1};
    const Verdict verdict = judge(clip.parameters, clip.joints);
    EXPECT_TRUE(verdict.obeyed) << describe(clip.parameters) << ": " << verdict.why;
  }
}

TEST(Judge, SlowRejectsOtherActionsSidesAndCounts) {
  constexpr int kClips = 500;
  std::vector<ProceduralClip> clips;
  for (int i = 0; i < kClips; ++i) clips.push_back(make_procedural_clip(23, i));
  std::map<std::array<int, 2>, std::array<int, 2>> table;  // (motion, sentence) -> accepted, asked
  for (int i = 0; i < kClips; ++i) {
    for (int k = 1; k <= 80; ++k) {
      const MotionParameters said = without_speed(clips[(i * 7 + k * 13) % kClips].parameters);
      const MotionParameters done = without_speed(clips[i].parameters);
      if (said == done) continue;
      auto& [accepted, asked] = table[{int(done.action), int(said.action)}];
      ++asked;
      accepted += judge(said, clips[i].joints).obeyed;
    }
  }
  for (const auto& [pair, counts] : table)
    EXPECT_LE(counts[0], 0.05 * counts[1]) << action_name(Action(pair[0])) << " taken for "
                                           << action_name(Action(pair[1])) << " " << counts[0] << " of " << counts[1];
  EXPECT_GT(table.size(), 250u);  // nearly all 17 x 17 pairs were asked
}

TEST(Judge, RejectsTheMirroredMotionAndAcceptsTheMirroredSentence) {
  int sided = 0;
  for (int i = 0; i < 300; ++i) {
    const ProceduralClip clip = make_procedural_clip(24, i);
    const MotionParameters other = mirror_parameters(clip.parameters);
    const Joints joints = mirrored(clip.joints);
    const Verdict verdict = judge(other, joints);
    EXPECT_TRUE(verdict.obeyed) << describe(other) << ": " << verdict.why;
    if (other == clip.parameters) continue;
    ++sided;
    EXPECT_FALSE(judge(clip.parameters, joints).obeyed) << describe(clip.parameters);
  }
  EXPECT_GT(sided, 80);
}

TEST(Judge, RejectsCountsThatDifferByOne) {
  for (int i = 0; i < 400; ++i) {
    const ProceduralClip clip = make_procedural_clip(25, i);
    if (clip.parameters.repetitions == 0) continue;
    for (const int off : {-1, 1}) {
      MotionParameters said = clip.parameters;
      said.repetitions += off;
      const Verdict verdict = judge(said, clip.joints);
      EXPECT_FALSE(verdict.obeyed) << describe(said);
      EXPECT_FALSE(verdict.why.empty());
    }
  }
}

TEST(Judge, RejectsStandingStillForEverything) {
  const Joints still(60, make_procedural_clip(1, 0, {.action = Action::sit}).joints[0]);
  for (int i = 0; i < 300; ++i) {
    const MotionParameters p = make_prompt(26, i).parameters;
    EXPECT_FALSE(judge(p, still).obeyed) << describe(p);
  }
}

TEST(Judge, HandlesBadMotion) {
  const MotionParameters walk{.action = Action::walk, .direction = Direction::forward};
  EXPECT_THROW(judge(walk, {}), Error);
  EXPECT_THROW(judge(walk, Joints(9)), Error);
  Joints joints(50, Pose(kJoints));  // all joints in one point
  EXPECT_FALSE(judge(walk, joints).obeyed);
  joints[3][5].x = std::nan("");
  EXPECT_EQ(judge(walk, joints).why, "the motion has a joint that is not a number");
}

}  // namespace
}  // namespace kg
