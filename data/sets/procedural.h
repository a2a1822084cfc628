// The built-in motion set: people walking, jumping, waving ... on the 22-joint skeleton, made by rule, with captions.
// A clip is a function of (seed, index): 41 to 197 frames at 20 a second, starting at the origin and facing +z, the
// lowest joint at y = 0, bones as long as humanml3d()'s. It carries the parameters that its captions state, so that
// judge.h can ask whether a motion made from such a sentence does what the sentence says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

enum class Action {
  walk,
  run,
  jump,
  hop,
  turn,
  circle,
  sidestep,
  wave,
  raise_arm,
  punch,
  kick,
  squat,
  sit,
  stand_up,
  bow,
  crawl,
  jumping_jack
};
inline constexpr int kActions = 17;
enum class Side { none, left, right, both };  // which arm or leg; which way to turn
enum class Direction { none, in_place, forward, backward, left, right, clockwise, counterclockwise };
enum class Speed { slow, normal, fast };
enum class Height { none, shoulder, overhead };  // of a raised arm

// What a caption states. A field that means nothing for the action stays at its default.
struct MotionParameters {
  Action action = Action::walk;
  Side side = Side::none;
  Direction direction = Direction::none;
  Speed speed = Speed::normal;
  Height height = Height::none;
  int repetitions = 0;  // 0: not counted
  double degrees = 0;   // of a turn: 90, 180 or 360
  bool operator==(const MotionParameters&) const = default;
};

struct ProceduralClip {
  Joints joints;
  std::vector<std::string> captions;  // three or four, all different
  MotionParameters parameters;
};

struct Prompt {
  std::string sentence;
  MotionParameters parameters;
};

ProceduralClip make_procedural_clip(uint64_t seed, int index);
// A clip that does exactly this. The parameters must be ones that the set contains: see valid().
ProceduralClip make_procedural_clip(uint64_t seed, int index, const MotionParameters& parameters);
// A sentence as clip captions are, without the motion; a caller keeps those that no training clip has.
Prompt make_prompt(uint64_t seed, int index);

bool valid(const MotionParameters& parameters);
std::string_view action_name(Action action);
// One line, such as "punch side=left count=2 speed=fast".
std::string describe(const MotionParameters& parameters);

// Left and right, clockwise and counterclockwise exchanged.
MotionParameters mirror_parameters(const MotionParameters& parameters);

}  // namespace kg
