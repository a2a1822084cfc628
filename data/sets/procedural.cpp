// Clips of the built-in set: rolls the parameters, samples the action's script at 20 frames a second, places the clip
// at the origin. See procedural.h.
#include "data/sets/procedural.h"

#include <algorithm>
#include <cmath>

#include "data/sets/procedural_motion.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr int kMinFrames = 41, kMaxFrames = 197;  // of joints; features have one row fewer
enum Purpose : uint64_t { for_parameters, for_motion, for_captions, for_prompt, kPurposes };

Dice dice_for(uint64_t seed, int index, Purpose purpose) { return {seed, uint64_t(index) * kPurposes + purpose}; }

Script write_script(const MotionParameters& p, Dice& dice) {
  switch (p.action) {
    case Action::walk:
      return make_walk(p, dice);
    case Action::run:
      return make_run(p, dice);
    case Action::jump:
      return make_jump(p, dice);
    case Action::hop:
      return make_hop(p, dice);
    case Action::turn:
      return make_turn(p, dice);
    case Action::circle:
      return make_circle(p, dice);
    case Action::sidestep:
      return make_sidestep(p, dice);
    case Action::wave:
      return make_wave(p, dice);
    case Action::raise_arm:
      return make_raise_arm(p, dice);
    case Action::punch:
      return make_punch(p, dice);
    case Action::kick:
      return make_kick(p, dice);
    case Action::squat:
      return make_squat(p, dice);
    case Action::sit:
      return make_sit(p, dice);
    case Action::stand_up:
      return make_sit(p, dice);
    case Action::bow:
      return make_bow(p, dice);
    case Action::crawl:
      return make_crawl(p, dice);
    case Action::jumping_jack:
      return make_jumping_jack(p, dice);
  }
  fail(ErrorCode::runtime, "[procedural] no such action: ", int(p.action));
}

// Slow waves with random phases: nobody stands like a statue.
class Idle {
 public:
  Idle(Dice& dice, double size) : size_(size) {
    for (double& phase : phases_) phase = dice.uniform(0, 2 * kPi);
  }
  void add(BodyPose& b, double t) const {
    const auto wave = [&](int i, double period) { return size_ * std::sin(2 * kPi * t / period + phases_[i]); };
    b.pelvis.x += 0.004 * wave(0, 4.1);
    b.pelvis.z += 0.004 * wave(1, 3.3);
    b.bend += 0.8 * wave(2, 3.7);  // breath
    b.sway += 0.8 * wave(3, 4.7);
    b.look += 2.0 * wave(4, 3.9);
    b.nod += 1.5 * wave(5, 2.9);
    for (int side = 0; side < 2; ++side) {
      b.arms[side].flex += 1.5 * wave(6 + side, 3.1);
      b.arms[side].abduct += 0.8 * wave(6 + side, 3.7);
      b.arms[side].elbow += 2.0 * wave(8 + side, 3.5);
    }
  }

 private:
  double size_;
  std::array<double, 10> phases_;
};

// Step 2 to 4 of the joints-to-features recipe: floor at 0, pelvis of frame 0 at the origin, its hips and shoulders
// facing +z.
void place(Joints& joints) {
  double floor = joints[0][0].y;
  for (const Pose& pose : joints)
    for (const Vec3& p : pose) floor = std::min(floor, p.y);
  const Pose& first = joints[0];
  Vec3 across = first[kRightHip] - first[kLeftHip] + (first[kRightShoulder] - first[kLeftShoulder]);
  across.y = 0;
  const Quat turn = rotation_between(cross({0, 1, 0}, across), {0, 0, 1});
  const Vec3 origin{first[kPelvis].x, floor, first[kPelvis].z};
  for (Pose& pose : joints)
    for (Vec3& p : pose) p = rotate(turn, p - origin);
}

Joints perform(const Script& script, Dice& dice) {
  const double seconds = std::max(script.seconds, dice.uniform(2.05, 2.4)) + dice.uniform(0, 0.3);
  const int frames = int(std::lround(seconds * kFps)) + 1;
  CHECK(frames >= kMinFrames && frames <= kMaxFrames, "[procedural] a clip of ", frames, " frames; must be ",
        kMinFrames, " to ", kMaxFrames);
  const Idle idle(dice, script.idle);
  std::vector<BodyPose> poses(frames);
  for (int t = 0; t < frames; ++t) {
    poses[t] = script.pose(t / kFps);
    idle.add(poses[t], t / kFps);
  }
  if (script.keep_within_reach) keep_within_reach(poses);
  Joints joints(static_cast<size_t>(frames));
  for (int t = 0; t < frames; ++t) joints[t] = solve_body(poses[t]);
  place(joints);
  return joints;
}

}  // namespace

BodyPose Stance::pose() const {
  BodyPose b;
  b.pelvis.z = 0.025;  // the weight is over the middle of the feet, not over the ankles
  b.arms = {arm, arm};
  for (int side = 0; side < 2; ++side) {
    b.feet[side].ankle = {side_sign(side) * half_width, kAnkleHeight, 0};
    b.feet[side].yaw = side_sign(side) * toe_out;
  }
  return b;
}

Stance roll_stance(Dice& dice, Speed speed) {
  Stance s;
  s.half_width = dice.uniform(0.085, 0.12);
  s.toe_out = dice.uniform(4, 14);
  s.arm = {dice.uniform(-2, 6), dice.uniform(6, 12), dice.uniform(0, 15), dice.uniform(10, 22)};
  s.tempo = dice.uniform(0.93, 1.07) * (speed == Speed::slow ? 1.35 : speed == Speed::fast ? 0.76 : 1);
  return s;
}

ProceduralClip make_procedural_clip(uint64_t seed, int index) {
  Dice dice = dice_for(seed, index, for_parameters);
  return make_procedural_clip(seed, index, roll_parameters(dice));
}

ProceduralClip make_procedural_clip(uint64_t seed, int index, const MotionParameters& parameters) {
  CHECK(valid(parameters), "[procedural] the set has no motion like: ", describe(parameters));
  ProceduralClip clip;
  clip.parameters = parameters;
  Dice motion = dice_for(seed, index, for_motion);
  clip.joints = perform(write_script(parameters, motion), motion);
  Dice words = dice_for(seed, index, for_captions);
  const int wanted = words.between(3, 4);
  while (int(clip.captions.size()) < wanted) {
    std::string caption = make_caption(parameters, words);
    if (std::find(clip.captions.begin(), clip.captions.end(), caption) == clip.captions.end())
      clip.captions.push_back(std::move(caption));
  }
  return clip;
}

Prompt make_prompt(uint64_t seed, int index) {
  Dice dice = dice_for(seed, index, for_prompt);
  Prompt prompt;
  prompt.parameters = roll_parameters(dice);
  prompt.sentence = make_caption(prompt.parameters, dice);
  return prompt;
}

}  // namespace kg
