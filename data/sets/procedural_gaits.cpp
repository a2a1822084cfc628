// Actions made of steps: walk, run, circle, side-step, turn, and crawl (the same plan for knees and hands).
#include <cmath>

#include "data/sets/procedural_motion.h"
#include "data/sets/procedural_steps.h"

namespace kg {
namespace {

// Slow, normal, fast.
double by_speed(Speed speed, double slow, double normal, double fast) {
  return speed == Speed::slow ? slow : speed == Speed::fast ? fast : normal;
}

// Where the body is and faces after `s` metres of a path.
struct Place {
  Vec3 at;
  double yaw;
};
using Path = std::function<Place(double)>;

Path straight(double bearing) {  // degrees of direction of travel; the body keeps facing +z
  return [=](double s) { return Place{heading_vector(bearing) * s, 0}; };
}

struct Walk {
  int steps;
  double length, period, swing;  // metres a step, seconds a step, seconds in the air
  double half_width;             // of the feet while walking
  int first_side;
};

// The floor point of a foot beside the path.
Vec3 beside(const Place& place, int side, double half_width) {
  return place.at + leftward_vector(place.yaw) * (side_sign(side) * half_width);
}

// Alternating steps along a path; lengths grow at the start and shrink at the end; the last step closes the feet.
void walk_along(StepPlan& plan, const Path& path, const Walk& walk, const Stance& stance, double start) {
  double s = 0;
  for (int k = 0; k < walk.steps; ++k) {
    const int side = (walk.first_side + k) % 2;
    const bool last = k == walk.steps - 1;
    const double grow = std::min({1.0, 0.6 + 0.25 * k, last ? 0.0 : 0.6 + 0.25 * (walk.steps - 2 - k)});
    s += walk.length * grow;
    const double begin = start + k * walk.period;
    const double toe_out = side_sign(side) * stance.toe_out * (last || k == walk.steps - 2 ? 1 : 0.5);
    const Place place = path(s);
    plan.step(side, begin, begin + walk.swing, beside(place, side, last ? stance.half_width : walk.half_width),
              place.yaw + toe_out);
  }
}

StepPlan standing_plan(const Stance& stance, const GaitStyle& style) {
  return {{stance.half_width, 0, 0}, {-stance.half_width, 0, 0}, stance.toe_out, -stance.toe_out, style};
}

Script follow(const StepPlan& plan, const BodyPose& base, double seconds) {
  return {seconds, [=](double t) { return plan.pose(t, base); }};
}

}  // namespace

Script make_walk(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const bool back = p.direction == Direction::backward;
  double speed = by_speed(p.speed, dice.uniform(0.48, 0.6), dice.uniform(0.95, 1.12), dice.uniform(1.45, 1.6));
  double period = by_speed(p.speed, dice.uniform(0.7, 0.78), dice.uniform(0.53, 0.58), dice.uniform(0.43, 0.46));
  if (back) speed *= 0.72, period *= 1.05;
  GaitStyle style;
  style.smoothing = 0.35 * period;
  style.arm_swing *= dice.uniform(0.7, 1.2);
  style.lift = dice.uniform(0.06, 0.09);
  style.forward_lean = back ? -1 : dice.uniform(1, 3) + by_speed(p.speed, 0, 0, 2);
  if (back) style.heel_off = 6, style.heel_strike = -16;
  const int low = int(std::ceil(by_speed(p.speed, 3.6, 2.8, 2.8) / period));
  const Walk walk{dice.between(low, low + 4), speed * period, period, 0.92 * period,
                  dice.uniform(0.06, 0.085),  dice.below(2)};
  StepPlan plan = standing_plan(stance, style);
  const double start = dice.uniform(0.2, 0.6);
  walk_along(plan, straight(back ? 180 + dice.uniform(-3, 3) : dice.uniform(-3, 3)), walk, stance, start);
  return follow(plan, stance.pose(), plan.last_end() + 0.3);
}

Script make_run(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double speed = by_speed(p.speed, dice.uniform(2.2, 2.4), dice.uniform(2.7, 2.95), dice.uniform(3.1, 3.35));
  const double period = by_speed(p.speed, 0.37, 0.345, 0.325);
  GaitStyle style;
  style.heel_off = 40;
  style.heel_strike = 2;
  style.lift = by_speed(p.speed, 0.2, 0.24, 0.28);
  style.lift_early = 0.75;
  style.smoothing = 0.4 * period;
  style.unload = 0.15;
  style.arm_swing = dice.uniform(42, 55);
  style.arm_elbow = dice.uniform(75, 95);
  style.arm_in = 22;
  style.forward_lean = by_speed(p.speed, 5, 8, 11);
  const Walk walk{dice.between(8, 12), speed * period, period, 1.35 * period, dice.uniform(0.05, 0.07), dice.below(2)};
  StepPlan plan = standing_plan(stance, style);
  const double start = dice.uniform(0.2, 0.5);
  walk_along(plan, straight(dice.uniform(-3, 3)), walk, stance, start);
  const BodyPose base = stance.pose();
  const double stop = start + walk.steps * period, bounce = dice.uniform(0.025, 0.035);
  const auto pose = [=](double t) {
    BodyPose b = base;  // lower than in walking, highest in the flight, which is centred 1.175 periods after lift-off
    const double busy = ease((t - start) / 0.5) * ease((stop - t) / 0.5);
    b.pelvis.y += busy * (-0.055 + bounce * std::cos(2 * kPi * (t - start - 1.175 * period) / period));
    return plan.pose(t, b);
  };
  return {plan.last_end() + 0.3, pose};
}

Script make_circle(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double sign = p.direction == Direction::counterclockwise ? 1 : -1;  // to the left, seen from above
  const double period = by_speed(p.speed, 0.64, 0.54, 0.46),
               radius = dice.uniform(0.65, by_speed(p.speed, 0.8, 0.95, 1.1));
  const double length = by_speed(p.speed, dice.uniform(0.46, 0.5), dice.uniform(0.5, 0.56), dice.uniform(0.58, 0.64));
  GaitStyle style;
  style.smoothing = 0.35 * period;
  style.arm_swing *= dice.uniform(0.7, 1.2);
  const double total = 2 * kPi * radius;
  const int steps = int(std::lround(total / length)) + 2;
  const double stride = total / (steps - 1 - 0.8);  // the start and the end lose 0.8 steps
  const Path circle = [=](double s) {
    const double angle = s / radius;
    return Place{{sign * radius * (1 - std::cos(angle)), 0, radius * std::sin(angle)}, sign * degrees_of(angle)};
  };
  StepPlan plan = standing_plan(stance, style);
  const Walk walk{steps, stride, period, 0.92 * period, dice.uniform(0.06, 0.085), dice.below(2)};
  walk_along(plan, circle, walk, stance, dice.uniform(0.2, 0.4));
  BodyPose base = stance.pose();
  base.look = sign * 12;  // into the curve
  base.roll = -sign * 2;
  return follow(plan, base, plan.last_end() + 0.2);
}

Script make_sidestep(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const int lead = p.direction == Direction::left ? 0 : 1;
  const double period = by_speed(p.speed, 0.6, 0.46, 0.36), length = dice.uniform(0.3, 0.42);
  GaitStyle style;
  style.heel_off = 10;
  style.heel_strike = -6;
  style.lift = dice.uniform(0.05, 0.08);
  style.smoothing = 0.3 * period;
  style.unload = 0.4;
  style.arm_elbow = 30;
  style.forward_lean = 3;
  StepPlan plan = standing_plan(stance, style);
  const int pairs = dice.between(3, 4);
  double t = dice.uniform(0.2, 0.5);
  for (int k = 1; k <= pairs; ++k) {
    const double middle = side_sign(lead) * k * length;
    for (int side : {lead, 1 - lead}) {
      const double x = middle + side_sign(side) * stance.half_width;
      plan.step(side, t, t + 0.85 * period, {x, 0, 0}, side_sign(side) * stance.toe_out);
      t += period;
    }
  }
  return follow(plan, stance.pose(), plan.last_end() + 0.3);
}

Script make_turn(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double sign = p.side == Side::left ? 1 : -1;
  // Half turns end short of facing exactly backwards, where the heading of the features is singular.
  const double total = p.degrees == 180   ? dice.uniform(160, 171)
                       : p.degrees == 360 ? dice.uniform(350, 364)
                                          : p.degrees + dice.uniform(-6, 6);
  const double period = by_speed(p.speed, 0.6, 0.47, 0.38);
  GaitStyle style;
  style.heel_off = 14;
  style.heel_strike = -4;
  style.lift = dice.uniform(0.05, 0.08);
  style.smoothing = 0.4 * period;
  style.unload = 0.45;
  style.arm_swing = 15;
  const int half_steps = int(std::lround(total / dice.uniform(30, 36)));
  StepPlan plan = standing_plan(stance, style);
  double t = dice.uniform(0.2, 0.5);
  const int first = p.side == Side::left ? 0 : 1;
  for (int k = 1; k <= half_steps + 1; ++k) {
    const int side = (first + k + 1) % 2;
    const double yaw = sign * std::min(total, total * k / half_steps);
    plan.step(side, t, t + 0.85 * period, beside({{}, yaw}, side, stance.half_width),
              yaw + side_sign(side) * stance.toe_out);
    t += period;
  }
  const BodyPose base = stance.pose();
  const auto pose = [=](double at) {
    BodyPose b = plan.pose(at, base);
    b.look += std::clamp(plan.heading(at + 0.25) - plan.heading(at), -25.0, 25.0);  // the head leads
    return b;
  };
  return {plan.last_end() + 0.3, pose};
}

Script make_crawl(const MotionParameters& p, Dice& dice) {
  const double period = by_speed(p.speed, 0.8, 0.6, 0.45), length = dice.uniform(0.2, 0.28);
  GaitStyle style;
  style.heel_off = style.heel_strike = 0;
  style.lift = 0.03;
  style.smoothing = 0.4 * period;
  style.unload = 0;
  const double knee_width = dice.uniform(0.1, 0.13), hand_width = dice.uniform(0.16, 0.2);
  GaitStyle hand_style = style;
  hand_style.lift = 0.06;
  StepPlan knees{{knee_width, 0, 0}, {-knee_width, 0, 0}, 0, 0, style};
  StepPlan hands{{hand_width, 0, 0}, {-hand_width, 0, 0}, 0, 0, hand_style};
  const int steps = std::max(dice.between(6, 9), int(2.2 / period));
  const double start = dice.uniform(0.1, 0.4);
  const int first = dice.below(2);
  const Path path = straight(dice.uniform(-3, 3));
  const Walk walk{steps, length, period, 0.85 * period, knee_width, first};
  walk_along(knees, path, walk, Stance{knee_width, 0}, start);
  Walk arms = walk;  // the opposite hand moves with the knee
  arms.first_side = 1 - first;
  arms.half_width = hand_width;
  walk_along(hands, path, arms, Stance{hand_width, 0}, start - 0.05);
  const double head_up = dice.uniform(35, 55);
  const auto pose = [=](double t) {
    BodyPose b;
    b.crawling = true;
    const Vec3 c = knees.centre(t);
    b.pelvis = {c.x, 0.452, c.z + 0.09};
    b.pitch = 74;
    b.bend = 6;
    b.nod = -head_up;
    for (int side = 0; side < 2; ++side) {
      b.knees[side] = knees.foot(side, t).ankle;
      b.hands[side] = hands.foot(side, t).ankle + Vec3{0, 0, 0.53};
    }
    const double ahead = b.knees[0].z - b.knees[1].z;
    b.yaw = -12 * ahead;
    b.twist = 20 * ahead;
    // The hips are as high as the thigh over the standing knee is long: the soft lower one of the two.
    std::array<double, 2> height;
    for (int side = 0; side < 2; ++side) {
      const Vec3 hip = b.pelvis + hip_offset(b, side);
      const double dx = b.knees[side].x - hip.x, dz = b.knees[side].z - hip.z, l = thigh_length(side);
      height[side] = b.knees[side].y + std::sqrt(l * l - dx * dx - dz * dz) - hip_offset(b, side).y;
    }
    b.pelvis.y = -0.003 * std::log(std::exp(-height[0] / 0.003) + std::exp(-height[1] / 0.003));
    return b;
  };
  return {knees.last_end() + 0.2, pose, false, 0.3};
}

}  // namespace kg
