// The built-in set: geometry of the motions, words of the captions, determinism.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "data/sets/procedural.h"
#include "data/sets/procedural_curves.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr int kClips = 600;

const std::vector<ProceduralClip>& made_clips() {
  static const std::vector<ProceduralClip> all = [] {
    std::vector<ProceduralClip> made;
    for (int i = 0; i < kClips; ++i) made.push_back(make_procedural_clip(7, i));
    return made;
  }();
  return all;
}

std::string clip_name(int i) { return "clip " + std::to_string(i) + ": " + describe(made_clips()[i].parameters); }

bool same_bytes(const Joints& a, const Joints& b) { return a == b; }

std::set<std::string> words_of(const std::string& caption) {
  std::istringstream text(caption);
  std::set<std::string> words;
  for (std::string word; text >> word;) words.insert(word);
  return words;
}

TEST(Procedural, EasingIsSmoothAndTracksMeetTheirKeys) {
  EXPECT_DOUBLE_EQ(ease(0), 0);
  EXPECT_DOUBLE_EQ(ease(0.5), 0.5);
  EXPECT_DOUBLE_EQ(ease(0.25), 0.103515625);  // 10/64 - 15/256 + 6/1024
  EXPECT_DOUBLE_EQ(ease(2), 1);
  EXPECT_DOUBLE_EQ(bump(0.5), 1);
  Track<double> track(1);
  track.move(1, 2, 5).to(3, 0);
  EXPECT_DOUBLE_EQ(track(0), 1);
  EXPECT_DOUBLE_EQ(track(1.5), 3);
  EXPECT_DOUBLE_EQ(track(2), 5);
  EXPECT_DOUBLE_EQ(track(9), 0);
  // A quintic through the keys of a parabola is the parabola: x = 3 t - 4.905 t^2.
  Quintic fall;
  fall.key(0, 0, 3, -9.81).key(0.5, 3 * 0.5 - 4.905 * 0.25, 3 - 9.81 * 0.5, -9.81);
  EXPECT_NEAR(fall(0.2), 3 * 0.2 - 4.905 * 0.04, 1e-12);
}

TEST(Procedural, EveryClipHasALegalLengthAndStartsAtTheOriginFacingForward) {
  for (int i = 0; i < kClips; ++i) {
    const Joints& joints = made_clips()[i].joints;
    ASSERT_GE(joints.size(), 41u) << clip_name(i);
    ASSERT_LE(joints.size(), 197u) << clip_name(i);
    const Pose& p = joints[0];
    EXPECT_NEAR(p[kPelvis].x, 0, 1e-12);
    EXPECT_NEAR(p[kPelvis].z, 0, 1e-12);
    const Vec3 left = p[kLeftHip] - p[kRightHip] + (p[kLeftShoulder] - p[kRightShoulder]);
    EXPECT_GT(left.x, 0.3) << clip_name(i);
    EXPECT_NEAR(left.z, 0, 1e-9) << clip_name(i);
  }
}

TEST(Procedural, BonesKeepTheTargetLengths) {
  for (int i = 0; i < kClips; ++i)
    for (const Pose& pose : made_clips()[i].joints)
      for (int j = 1; j < kJoints; ++j)
        ASSERT_NEAR(length(pose[j] - pose[humanml3d().parents[j]]), humanml3d().bone_lengths[j], 1e-9)
            << clip_name(i) << " joint " << j;
}

TEST(Procedural, NothingIsBelowTheFloorAndSomethingTouchesIt) {
  for (int i = 0; i < kClips; ++i) {
    double lowest = 1;
    for (const Pose& pose : made_clips()[i].joints)
      for (const Vec3& p : pose) lowest = std::min(lowest, p.y);
    ASSERT_NEAR(lowest, 0, 1e-12) << clip_name(i);
  }
}

// A toe that is on the floor in two successive frames must not slide between them.
TEST(Procedural, FeetOnTheFloorDoNotSlide) {
  int contacts = 0;
  for (int i = 0; i < kClips; ++i) {
    if (made_clips()[i].parameters.action == Action::crawl) continue;  // there the toes drag
    const Joints& joints = made_clips()[i].joints;
    for (size_t t = 1; t < joints.size(); ++t)
      for (const int toe : {kLeftFoot, kRightFoot}) {
        const Vec3 &a = joints[t - 1][toe], &b = joints[t][toe];
        if (a.y > 0.003 || b.y > 0.003) continue;
        ++contacts;
        ASSERT_LT(std::hypot(b.x - a.x, b.z - a.z), 0.005) << clip_name(i) << " frame " << t;
      }
  }
  EXPECT_GT(contacts, 40 * kClips);
}

TEST(Procedural, CrawlingHandsAndKneesStayPlanted) {
  for (int i = 0; i < kClips; ++i) {
    if (made_clips()[i].parameters.action != Action::crawl) continue;
    const Joints& joints = made_clips()[i].joints;
    for (const int j : {kLeftKnee, kRightKnee, kLeftWrist, kRightWrist}) {
      double lowest = 1;
      for (const Pose& pose : joints) lowest = std::min(lowest, pose[j].y);
      for (size_t t = 1; t < joints.size(); ++t) {
        const Vec3 &a = joints[t - 1][j], &b = joints[t][j];
        if (std::max(a.y, b.y) < lowest + 0.005) {
          ASSERT_LT(length(b - a), 0.01) << clip_name(i) << " frame " << t << " joint " << j;
        }
      }
    }
  }
}

// Second differences, metres a frame squared: 0.25 is 100 m/s^2, the knee of a sprinter.
TEST(Procedural, MotionIsSmooth) {
  for (int i = 0; i < kClips; ++i) {
    const Joints& joints = made_clips()[i].joints;
    for (size_t t = 2; t < joints.size(); ++t)
      for (int j = 0; j < kJoints; ++j) {
        const Vec3 a = joints[t][j] - joints[t - 1][j] * 2 + joints[t - 2][j];
        ASSERT_LT(length(a), 0.25) << clip_name(i) << " frame " << t << " joint " << j;
        if (j == kPelvis || j == kHead) {
          ASSERT_LT(length(a), 0.12) << clip_name(i) << " frame " << t << " joint " << j;
        }
      }
  }
}

TEST(Procedural, KneesAndElbowsBendTheRightWay) {
  for (int i = 0; i < kClips; ++i) {
    if (made_clips()[i].parameters.action == Action::crawl) continue;
    for (const Pose& p : made_clips()[i].joints)
      for (const auto& [hip, knee, ankle, toe] :
           {std::array{kLeftHip, kLeftKnee, kLeftAnkle, kLeftFoot}, {kRightHip, kRightKnee, kRightAnkle, kRightFoot}}) {
        Vec3 front = p[toe] - p[ankle];
        front.y = 0;
        if (length(front) < 0.06) continue;  // the foot points down
        // A thigh turns back to the shank about the axis to the left of the foot.
        const Vec3 left = cross({0, 1, 0}, front);
        ASSERT_GT(dot(cross(p[knee] - p[hip], p[ankle] - p[knee]), left), -1e-9) << clip_name(i);
      }
  }
}

TEST(Procedural, ClipsAreAFunctionOfSeedAndIndex) {
  const ProceduralClip a = make_procedural_clip(3, 11), b = make_procedural_clip(3, 11);
  EXPECT_TRUE(same_bytes(a.joints, b.joints));
  EXPECT_EQ(a.captions, b.captions);
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_FALSE(same_bytes(a.joints, make_procedural_clip(4, 11).joints));
  EXPECT_FALSE(same_bytes(a.joints, make_procedural_clip(3, 12).joints));
  // The same parameters do not mean the same motion.
  EXPECT_FALSE(
      same_bytes(make_procedural_clip(3, 1, a.parameters).joints, make_procedural_clip(3, 2, a.parameters).joints));
}

TEST(Procedural, AllActionsAndValuesOccurAboutEquallyOften) {
  std::map<std::string, int> count;
  for (int i = 0; i < 6000; ++i) {
    MotionParameters p = make_prompt(1, i).parameters;
    ASSERT_TRUE(valid(p));
    ++count[std::string(action_name(p.action))];
    if (p.action == Action::punch) ++count["punch " + std::to_string(int(p.side)) + std::to_string(p.repetitions)];
    if (p.action == Action::turn) ++count["turn " + std::to_string(int(p.side)) + std::to_string(int(p.degrees))];
    if (p.action == Action::walk) ++count["walk " + std::to_string(int(p.direction)) + std::to_string(int(p.speed))];
  }
  ASSERT_EQ(count.size(), size_t(kActions + 6 + 6 + 6));
  for (const auto& [what, n] : count) {
    const double expected = what.find(' ') == std::string::npos ? 6000.0 / kActions : 6000.0 / kActions / 6;
    EXPECT_NEAR(n, expected, 5 * std::sqrt(expected)) << what;
  }
}

TEST(Procedural, CaptionsStateTheParameters) {
  static const std::map<int, std::set<std::string>> counts{
      {1, {"once", "single", "one"}}, {2, {"twice", "two"}}, {3, {"three"}}, {4, {"four"}}};
  for (int i = 0; i < kClips; ++i) {
    const ProceduralClip& clip = made_clips()[i];
    const MotionParameters& p = clip.parameters;
    ASSERT_GE(clip.captions.size(), 3u);
    ASSERT_LE(clip.captions.size(), 4u);
    EXPECT_EQ(std::set<std::string>(clip.captions.begin(), clip.captions.end()).size(), clip.captions.size());
    for (const std::string& caption : clip.captions) {
      const std::set<std::string> words = words_of(caption);
      const auto has = [&](const char* word) { return words.count(word) > 0; };
      const bool left = p.side == Side::left || p.direction == Direction::left;
      const bool right = p.side == Side::right || p.direction == Direction::right;
      EXPECT_EQ(has("left"), left) << caption;
      EXPECT_EQ(has("right"), right) << caption;
      EXPECT_EQ(has("both"), p.side == Side::both || caption.find("both feet") != std::string::npos) << caption;
      EXPECT_EQ(has("clockwise"), p.direction == Direction::clockwise) << caption;
      EXPECT_EQ(has("counterclockwise"), p.direction == Direction::counterclockwise) << caption;
      EXPECT_EQ(has("shoulder"), p.height == Height::shoulder) << caption;
      if (p.action == Action::walk) {
        EXPECT_EQ(has("backward") || has("backwards") || has("back") || has("backs") || has("reverse"),
                  p.direction == Direction::backward)
            << caption;
      }
      if (p.repetitions > 0) {
        bool stated = false;
        for (const auto& [n, names] : counts)
          for (const std::string& name : names)
            if (words.count(name) && n == p.repetitions) stated = true;
        EXPECT_TRUE(stated) << caption;
      }
      for (const char c : caption) ASSERT_TRUE((c >= 'a' && c <= 'z') || c == ' ' || c == ',') << caption;
      EXPECT_EQ(caption.find("  "), std::string::npos) << caption;
    }
  }
}

TEST(Procedural, PromptsReachBeyondTheCaptionsOfASmallSet) {
  std::set<std::string> seen;
  for (const ProceduralClip& clip : made_clips()) seen.insert(clip.captions.begin(), clip.captions.end());
  std::set<std::string> held_out;
  for (int i = 0; i < 1000; ++i) {
    const Prompt prompt = make_prompt(99, i);
    if (!seen.count(prompt.sentence)) held_out.insert(prompt.sentence);
  }
  EXPECT_GT(held_out.size(), 400u);
  EXPECT_EQ(make_prompt(99, 5).sentence, make_prompt(99, 5).sentence);
}

TEST(Procedural, MirroredParametersSwapTheSides) {
  MotionParameters p{.action = Action::punch, .side = Side::left, .repetitions = 2};
  EXPECT_EQ(mirror_parameters(p).side, Side::right);
  EXPECT_EQ(mirror_parameters(mirror_parameters(p)), p);
  p = {.action = Action::circle, .direction = Direction::clockwise};
  EXPECT_EQ(mirror_parameters(p).direction, Direction::counterclockwise);
}

TEST(Procedural, RefusesParametersThatTheSetDoesNotHave) {
  MotionParameters p{.action = Action::kick, .side = Side::left, .repetitions = 2};
  EXPECT_TRUE(valid(p));
  EXPECT_EQ(describe(p), "kick side=left count=2");
  p.repetitions = 40;
  EXPECT_FALSE(valid(p));
  EXPECT_THROW(make_procedural_clip(1, 0, p), Error);
  p = {.action = Action(99)};
  EXPECT_FALSE(valid(p));
  EXPECT_THROW(make_procedural_clip(1, 0, p), Error);
}

}  // namespace
}  // namespace kg
