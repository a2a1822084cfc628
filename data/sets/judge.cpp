// One rule set an action. A rule that fails says what was measured; see judge.h.
#include "data/sets/judge.h"

#include <cmath>
#include <sstream>

#include "data/sets/judge_facts.h"
#include "tensor/error.h"

namespace kg {
namespace {

// Collects the first rule that is broken.
class Rules {
 public:
  template <class... Parts>
  void need(bool holds, const Parts&... parts) {
    if (holds || !verdict_.obeyed) return;
    std::ostringstream text;
    text.precision(3);
    (text << ... << parts);
    verdict_ = {false, text.str()};
  }
  const Verdict& verdict() const { return verdict_; }

 private:
  Verdict verdict_{true, ""};
};

constexpr double kHanging = -0.45;  // `raised` of an arm that is down, bent elbow and swing included

int flights(const Facts& f) { return count_peaks(f.clearance, 0.03, 0.06); }

// Both wrists up with the feet apart, and back.
int jacks(const Facts& f) {
  FrameValues open(f.frames);
  for (int t = 0; t < f.frames; ++t) {
    const double arms = std::min(f.arms[0].raised[t], f.arms[1].raised[t]);
    open[t] = std::min(arms, (f.feet_apart[t] - 0.32) * 5);  // 0.42 m apart is 0.5
  }
  return count_peaks(open, 0, 0.4);
}

int squats(const Facts& f) {
  FrameValues down(f.frames);
  for (int t = 0; t < f.frames; ++t) down[t] = -f.pelvis[t];
  return count_peaks(down, -0.83, -0.73);
}

int bows(const Facts& f) { return count_peaks(f.lean, 20, 38); }

// A fist that shoots out at shoulder height from a bent arm.
int punches(const ArmFacts& arm) {
  FrameValues out(arm.raised.size());
  bool guard = false;
  for (size_t t = 0; t < out.size(); ++t) {
    guard = guard || (arm.raised[t] > -0.4 && arm.extension[t] < 0.62);
    out[t] = guard && std::abs(arm.raised[t]) < 0.45 ? arm.forward[t] : 0;
  }
  return count_peaks(out, 0.55, 0.75);
}

int kicks(const LegFacts& leg) {
  FrameValues out(leg.ankle.size());
  for (size_t t = 0; t < out.size(); ++t) out[t] = leg.forward[t] > 0.3 ? leg.ankle[t] : 0;
  return count_peaks(out, 0.2, 0.38);
}

int waves(const ArmFacts& arm) {  // half swings of a raised hand
  FrameValues swing;
  for (size_t t = 0; t < arm.waving.size(); ++t)
    if (arm.above_elbow[t] > 0.08 && arm.raised[t] > -0.05) swing.push_back(arm.waving[t]);
  return count_reversals(swing, 0.07);
}

void stays(Rules& r, const Facts& f) { r.need(f.reach < 0.5, "moves ", f.reach, " m away from its place"); }
void keeps_heading(Rules& r, const Facts& f) { r.need(std::abs(f.turned) < 45, "turns by ", f.turned, " degrees"); }
void stays_upright(Rules& r, const Facts& f) {
  r.need(minimum(f.pelvis) > 0.76, "the pelvis goes down to ", minimum(f.pelvis), " m");
  r.need(maximum(f.lean) < 40, "leans by ", maximum(f.lean), " degrees");
}
void stays_on_floor(Rules& r, const Facts& f) { r.need(flights(f) == 0, "leaves the floor ", flights(f), " times"); }
void begins_and_ends_standing(Rules& r, const Facts& f) {
  r.need(start_of(f.pelvis) > 0.82, "does not stand at the start: pelvis at ", start_of(f.pelvis), " m");
  r.need(end_of(f.pelvis) > 0.82, "does not stand at the end: pelvis at ", end_of(f.pelvis), " m");
}
void count_is(Rules& r, const char* what, int got, int expected) {
  r.need(got == expected, what, ": ", got, ", not ", expected);
}
void legs_quiet(Rules& r, const Facts& f) {
  for (const LegFacts& leg : f.legs) r.need(maximum(leg.ankle) < 0.25, "lifts a foot to ", maximum(leg.ankle), " m");
}
void no_jacks(Rules& r, const Facts& f) { count_is(r, "jumping jacks", jacks(f), 0); }

void judge_walk(Rules& r, const MotionParameters& p, const Facts& f) {
  const double way = p.direction == Direction::backward ? -f.forward : f.forward;
  r.need(way > 0.6, "goes ", f.forward, " m forward, ", f.left, " m to the left");
  r.need(std::abs(f.left) < 0.6 * way, "strays ", f.left, " m to the left on ", f.forward, " m forward");
  r.need(f.speed < 1.95, "too fast for walking: ", f.speed, " m/s");
  keeps_heading(r, f);
  stays_upright(r, f);
  FrameValues apart(f.frames);
  for (int t = 0; t < f.frames; ++t) apart[t] = f.legs[0].forward[t] - f.legs[1].forward[t];
  r.need(count_reversals(apart, 0.15) >= 2, "the feet do not step in turn");
  r.need(flights(f) <= 1, "leaves the floor ", flights(f), " times");
}

void judge_run(Rules& r, const Facts& f) {
  r.need(f.forward > 2, "goes only ", f.forward, " m forward");
  r.need(std::abs(f.left) < 0.6 * f.forward, "strays ", f.left, " m to the left");
  r.need(f.speed > 1.9, "too slow for running: ", f.speed, " m/s");
  keeps_heading(r, f);
}

void judge_jump(Rules& r, const MotionParameters& p, const Facts& f) {
  count_is(r, "jumps", flights(f), p.repetitions);
  r.need(maximum(f.pelvis) > 1.02, "the pelvis rises only to ", maximum(f.pelvis), " m");
  no_jacks(r, f);
  keeps_heading(r, f);
  double uneven = 0;
  for (int t = 0; t < f.frames; ++t) uneven = std::max(uneven, std::abs(f.legs[0].ankle[t] - f.legs[1].ankle[t]));
  r.need(uneven < 0.2, "one foot is ", uneven, " m above the other");
  if (p.direction == Direction::in_place) {
    r.need(f.reach < 0.45, "moves ", f.reach, " m away");
  } else {
    r.need(f.forward > 0.3 * p.repetitions, "jumps only ", f.forward, " m forward");
    r.need(std::abs(f.left) < 0.5 * f.forward, "jumps ", f.left, " m to the left");
  }
  begins_and_ends_standing(r, f);
}

void judge_hop(Rules& r, const MotionParameters& p, const Facts& f) {
  const int foot = p.side == Side::left ? 0 : 1;
  count_is(r, "hops", flights(f), p.repetitions);
  FrameValues free_foot;
  for (int t = 0; t < f.frames; ++t)
    if (f.clearance[t] > 0.06) free_foot.push_back(f.legs[1 - foot].ankle[t] - f.legs[foot].ankle[t]);
  r.need(!free_foot.empty() && minimum(free_foot) > 0.1, "the other foot is not held up");
  keeps_heading(r, f);
  r.need(f.reach < 1, "moves ", f.reach, " m away");
}

void judge_turn(Rules& r, const MotionParameters& p, const Facts& f) {
  const double turned = p.side == Side::left ? f.turned : -f.turned;
  const double low = p.degrees == 90 ? 50 : p.degrees == 180 ? 130 : 270;
  const double high = p.degrees == 90 ? 130 : p.degrees == 180 ? 230 : 450;
  r.need(turned > low && turned < high, "turns by ", turned, " degrees to that side, not ", p.degrees);
  r.need(f.reach < 0.55, "moves ", f.reach, " m away");
  stays_upright(r, f);
}

void judge_circle(Rules& r, const MotionParameters& p, const Facts& f) {
  const double turned = p.direction == Direction::counterclockwise ? f.turned : -f.turned;
  r.need(turned > 260 && turned < 460, "goes round by ", turned, " degrees in that direction");
  r.need(f.reach > 0.8, "the circle is only ", f.reach, " m wide");
  r.need(std::hypot(f.forward, f.left) < 0.65 * f.reach, "does not come back: ends ", std::hypot(f.forward, f.left),
         " m away");
  stays_upright(r, f);
}

void judge_sidestep(Rules& r, const MotionParameters& p, const Facts& f) {
  const double way = p.direction == Direction::left ? f.left : -f.left;
  r.need(way > 0.5, "goes ", f.left, " m to the left, ", f.forward, " m forward");
  r.need(std::abs(f.forward) < 0.5 * way, "goes ", f.forward, " m forward");
  keeps_heading(r, f);
  stays_upright(r, f);
}

void judge_wave(Rules& r, const MotionParameters& p, const Facts& f) {
  const int side = p.side == Side::left ? 0 : 1;
  r.need(waves(f.arms[side]) >= 3, "the hand swings ", waves(f.arms[side]), " times while raised");
  r.need(maximum(f.arms[1 - side].raised) < kHanging, "the other arm is raised");
  stays(r, f);
  keeps_heading(r, f);
  stays_upright(r, f);
  stays_on_floor(r, f);
}

void judge_raise_arm(Rules& r, const MotionParameters& p, const Facts& f) {
  for (int side = 0; side < 2; ++side) {
    const ArmFacts& arm = f.arms[side];
    const char* name = side == 0 ? "left" : "right";
    const double top = maximum(arm.raised);
    if (p.side != Side::both && p.side != (side == 0 ? Side::left : Side::right)) {
      r.need(top < kHanging, "the ", name, " arm is raised, too");
      continue;
    }
    if (p.height == Height::overhead)
      r.need(top > 0.7, "the ", name, " hand is not overhead: ", top);
    else
      r.need(std::abs(top) < 0.45, "the ", name, " hand is not at shoulder height: ", top);
    double straight = 0;  // at the top
    for (int t = 0; t < f.frames; ++t)
      if (arm.raised[t] > top - 0.1) straight = std::max(straight, arm.extension[t]);
    r.need(straight > 0.8, "the ", name, " arm is bent");
    r.need(start_of(arm.raised) < kHanging, "the ", name, " arm is not down at the start");
    r.need(waves(arm) < 3, "the ", name, " hand waves");
  }
  stays(r, f);
  keeps_heading(r, f);
  stays_upright(r, f);
  stays_on_floor(r, f);
  legs_quiet(r, f);
  no_jacks(r, f);
  for (const ArmFacts& arm : f.arms) count_is(r, "punches", punches(arm), 0);
}

void judge_punch(Rules& r, const MotionParameters& p, const Facts& f) {
  const int side = p.side == Side::left ? 0 : 1;
  count_is(r, "punches with that hand", punches(f.arms[side]), p.repetitions);
  count_is(r, "punches with the other hand", punches(f.arms[1 - side]), 0);
  stays(r, f);
  keeps_heading(r, f);
  stays_upright(r, f);
  legs_quiet(r, f);
}

void judge_kick(Rules& r, const MotionParameters& p, const Facts& f) {
  const int side = p.side == Side::left ? 0 : 1;
  count_is(r, "kicks with that leg", kicks(f.legs[side]), p.repetitions);
  count_is(r, "kicks with the other leg", kicks(f.legs[1 - side]), 0);
  stays(r, f);
  keeps_heading(r, f);
  stays_on_floor(r, f);
  begins_and_ends_standing(r, f);
}

void judge_squat(Rules& r, const MotionParameters& p, const Facts& f) {
  count_is(r, "squats", squats(f), p.repetitions);
  stays(r, f);
  keeps_heading(r, f);
  stays_on_floor(r, f);
  legs_quiet(r, f);
  begins_and_ends_standing(r, f);
}

void judge_sit(Rules& r, const Facts& f, bool standing_up) {
  const double high = standing_up ? end_of(f.pelvis) : start_of(f.pelvis);
  const double low = standing_up ? start_of(f.pelvis) : end_of(f.pelvis);
  r.need(high > 0.82, "does not stand ", standing_up ? "at the end" : "at the start", ": pelvis at ", high, " m");
  r.need(low > 0.38 && low < 0.72, "does not sit ", standing_up ? "at the start" : "at the end", ": pelvis at ", low,
         " m");
  const double lean = standing_up ? start_of(f.lean) : end_of(f.lean);
  r.need(lean < 35, "does not sit upright: leans by ", lean, " degrees");
  count_is(r, "times down", squats(f), 1);
  keeps_heading(r, f);
  stays_on_floor(r, f);
  r.need(f.reach < 0.8, "moves ", f.reach, " m away");
}

void judge_bow(Rules& r, const MotionParameters& p, const Facts& f) {
  count_is(r, "bows", bows(f), p.repetitions);
  r.need(minimum(f.pelvis) > 0.74, "the pelvis goes down to ", minimum(f.pelvis), " m");
  stays(r, f);
  keeps_heading(r, f);
  stays_on_floor(r, f);
  begins_and_ends_standing(r, f);
}

void judge_crawl(Rules& r, const Facts& f) {
  r.need(median(f.pelvis) < 0.6, "not on hands and knees: pelvis at ", median(f.pelvis), " m");
  r.need(median(f.lean) > 50, "the trunk is not level: leans by ", median(f.lean), " degrees");
  r.need(f.forward > 0.5, "goes only ", f.forward, " m forward");
  r.need(std::abs(f.left) < 0.6 * f.forward, "strays ", f.left, " m to the left");
}

void judge_jumping_jack(Rules& r, const MotionParameters& p, const Facts& f) {
  count_is(r, "jumping jacks", jacks(f), p.repetitions);
  stays(r, f);
  keeps_heading(r, f);
  stays_upright(r, f);
}

}  // namespace

Verdict judge(const MotionParameters& p, const Joints& joints) {
  CHECK(joints.size() >= 10, "[judge] a motion of ", joints.size(), " frames; at least 10 are needed");
  for (const Pose& pose : joints) {
    CHECK(pose.size() == kJoints, "[judge] a pose of ", pose.size(), " joints; HumanML3D's ", kJoints, " are judged");
    for (const Vec3& v : pose)
      if (!std::isfinite(v.x + v.y + v.z)) return {false, "the motion has a joint that is not a number"};
  }
  const Facts f(joints);
  Rules r;
  switch (p.action) {
    case Action::walk:
      judge_walk(r, p, f);
      break;
    case Action::run:
      judge_run(r, f);
      break;
    case Action::jump:
      judge_jump(r, p, f);
      break;
    case Action::hop:
      judge_hop(r, p, f);
      break;
    case Action::turn:
      judge_turn(r, p, f);
      break;
    case Action::circle:
      judge_circle(r, p, f);
      break;
    case Action::sidestep:
      judge_sidestep(r, p, f);
      break;
    case Action::wave:
      judge_wave(r, p, f);
      break;
    case Action::raise_arm:
      judge_raise_arm(r, p, f);
      break;
    case Action::punch:
      judge_punch(r, p, f);
      break;
    case Action::kick:
      judge_kick(r, p, f);
      break;
    case Action::squat:
      judge_squat(r, p, f);
      break;
    case Action::sit:
      judge_sit(r, f, false);
      break;
    case Action::stand_up:
      judge_sit(r, f, true);
      break;
    case Action::bow:
      judge_bow(r, p, f);
      break;
    case Action::crawl:
      judge_crawl(r, f);
      break;
    case Action::jumping_jack:
      judge_jumping_jack(r, p, f);
      break;
  }
  return r.verdict();
}

}  // namespace kg
