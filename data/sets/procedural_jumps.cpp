// Actions that leave the floor: jump, hop, jumping jack. The pelvis flies on a parabola between take-off and landing.
#include <cmath>

#include "data/sets/procedural_motion.h"

namespace kg {
namespace {

constexpr double kGravity = 9.81;

// Between leaving the floor and landing. The pelvis may land lower than it took off by `drop` (legs apart).
struct Flight {
  double start, speed, drop = 0;
  double seconds() const { return (speed + std::sqrt(speed * speed + 2 * kGravity * drop)) / kGravity; }
  double end() const { return start + seconds(); }
  double middle() const { return start + seconds() / 2; }
  double phase(double t) const { return (t - start) / seconds(); }
  // Of the toes above the floor, which they leave and meet at the same height.
  double height(double t) const { return std::max(0.0, kGravity / 2 * (t - start) * (end() - t)); }
};

void add_flight(Quintic& pelvis, const Flight& f, double take_off_height) {
  pelvis.key(f.start, take_off_height, f.speed, -kGravity);
  pelvis.key(f.end(), take_off_height - f.drop, f.speed - kGravity * f.seconds(), -kGravity);
}

// Feet that are on the floor at (x, z) or as far above it as the flight says.
FootPose foot_at(int side, double x, double y, double z, double yaw, double pitch) {
  FootPose foot;
  foot.ankle = ankle_on_toe(side, {x, y, z}, yaw, pitch);
  foot.yaw = yaw;
  foot.pitch = pitch;
  return foot;
}

}  // namespace

Script make_jump(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const bool forward = p.direction == Direction::forward;
  const double speed = dice.uniform(2.0, 2.5), depth = dice.uniform(0.2, 0.3), tuck = dice.uniform(0.0, 0.08);
  const double leap = forward ? dice.uniform(0.55, 0.85) : 0, swing = dice.uniform(80, 125);
  const double stand = kStandingHeight - 0.01, take_off = stand + 0.06, toes = -34;
  Quintic height, z;
  Track<double> feet_z(0), pitch(0), lean(0);
  Track<ArmPose> arm(stance.arm);
  std::vector<Flight> flights;
  double t = dice.uniform(0.25, 0.5);
  height.key(t, stand);
  z.key(t, 0);
  for (int k = 0; k < p.repetitions; ++k) {
    const double crouch = t + 0.42 * stance.tempo, z0 = k * leap;
    const Flight f{crouch + 0.25, speed};
    flights.push_back(f);
    const double glide = forward ? (leap - 0.3) / (f.end() - f.start) : 0, ahead = forward ? 0.18 : 0;
    height.key(crouch, stand - depth);
    add_flight(height, f, take_off);
    height.key(f.end() + 0.2, stand - 0.7 * depth);
    z.key(crouch, z0 - 0.03).key(f.start, z0 + ahead, glide).key(f.end(), z0 + leap - 0.12 * (leap > 0), glide);
    z.key(f.end() + 0.28, z0 + leap - 0.02);
    feet_z.move(f.start, f.end(), z0 + leap);
    pitch.move(f.start - 0.14, f.start, toes).move(f.start + 0.1, f.end(), 0.6 * toes).to(f.end() + 0.1, 0);
    lean.move(t, crouch, 28).to(f.start + 0.05, forward ? 8 : 0).move(f.middle(), f.end() + 0.2, 20);
    arm.move(t, crouch - 0.1, {-35, 12, 0, 20})
        .to(f.middle() + 0.06, {swing, 14, 5, 25})
        .to(f.end() + 0.25, {15, 14, 5, 30});
    t = f.end() + 0.3;
    if (k + 1 < p.repetitions) t += dice.uniform(0.02, 0.25);
  }
  const double end = t + 0.45;
  height.key(end, stand);
  z.key(end, p.repetitions * leap);
  lean.to(end, 0);
  arm.to(end, stance.arm);
  const BodyPose base = stance.pose();
  const auto pose = [=](double at) {
    BodyPose b = base;
    b.pelvis.y = height(at);
    const double back = std::min(0.12, 0.25 * std::max(0.0, stand - b.pelvis.y));
    b.pelvis.z += z(at) - back;
    b.pitch = 0.7 * lean(at);
    b.bend = 0.5 * lean(at);
    b.nod = -0.6 * lean(at);
    b.arms = {arm(at), arm(at)};
    double up = 0;
    for (const Flight& f : flights) up += f.height(at) + tuck * bump(f.phase(at));
    for (int side = 0; side < 2; ++side) {
      const double sign = side_sign(side);
      b.feet[side] = foot_at(side, sign * stance.half_width, up, feet_z(at), sign * stance.toe_out, pitch(at));
    }
    return b;
  };
  return {end + 0.2, pose, false};
}

Script make_hop(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const int hopping = p.side == Side::left ? 0 : 1, other = 1 - hopping;
  const double sign = side_sign(hopping), speed = dice.uniform(1.5, 1.85), dip = dice.uniform(0.08, 0.12);
  const double stand = kStandingHeight - 0.02, take_off = stand + 0.05, contact = dice.uniform(0.34, 0.42);
  const double ready = dice.uniform(0.75, 0.95);  // on one leg
  Quintic height;
  Track<double> pitch(0), lifted(0);
  std::vector<Flight> flights;
  height.key(0.2, stand).key(ready, stand - dip);
  double t = ready;
  for (int k = 0; k < p.repetitions; ++k) {
    const Flight f{t + contact / 2, speed};
    flights.push_back(f);
    add_flight(height, f, take_off);
    height.key(f.end() + contact / 2, stand - dip);
    pitch.move(f.start - 0.12, f.start, -30).move(f.start + 0.05, f.end(), -16).to(f.end() + 0.08, 0);
    t = f.end() + contact / 2;
  }
  const double end = t + 0.75;
  height.key(t + 0.4, stand);
  lifted.move(0.15, ready - 0.05, 1).move(t + 0.05, end, 0);
  const BodyPose base = stance.pose();
  const double knee_height = dice.uniform(0.0, 0.1), balance = dice.uniform(15, 40);
  const auto pose = [=](double at) {
    BodyPose b = base;
    const double up = lifted(at);
    b.pelvis.y = height(at);
    b.pelvis.x = sign * (stance.half_width - 0.035) * up;
    b.pelvis.z += -0.02 * up;
    b.roll = -sign * 4 * up;
    b.sway = sign * 5 * up;
    b.pitch = 6 * up;
    double air = 0;
    for (const Flight& f : flights) air += f.height(at);
    for (int side = 0; side < 2; ++side) {
      const double bounce = 40 * (b.pelvis.y - stand);
      b.arms[side] = stance.arm + ArmPose{15 + bounce, balance + 2 * bounce, 0, 45} * up;
    }
    b.feet[hopping] = foot_at(hopping, sign * stance.half_width, air, 0, sign * stance.toe_out, pitch(at));
    // The free leg: bent, its foot behind, moving with the pelvis.
    FootPose& free = b.feet[other];
    const Vec3 floor{-sign * stance.half_width, kAnkleHeight, 0};
    const Vec3 held{b.pelvis.x - sign * 0.1, b.pelvis.y - 0.55 + knee_height, -0.3};
    free.ankle = lerp(floor, held, up) + Vec3{0, 0.05 * bump(up), 0};
    free.yaw = -sign * stance.toe_out;
    free.pitch = -45 * up;
    free.planted = false;
    return b;
  };
  return {end + 0.2, pose, false};
}

Script make_jumping_jack(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double speed = dice.uniform(1.15, 1.35), contact = 0.26 * stance.tempo, wide = dice.uniform(0.28, 0.36);
  // Pelvis heights at take-off with the feet together and apart, heels up.
  const double together = 0.97, spread = 0.94 - (wide - 0.28) * 0.4, raised = dice.uniform(150, 168);
  Quintic height;
  Track<double> apart(stance.half_width), pitch(0);
  Track<ArmPose> arm(stance.arm);
  std::vector<Flight> flights;
  double t = dice.uniform(0.25, 0.5);
  height.key(t, kStandingHeight - 0.005).key(t + 0.22, together - 0.1);
  t += 0.22;
  for (int k = 0; k < 2 * p.repetitions; ++k) {
    const bool out = k % 2 == 0;
    const double from = out ? together : spread, to = out ? spread : together;
    const Flight f{t + contact / 2, speed + (out ? 0 : 0.25), from - to};
    flights.push_back(f);
    add_flight(height, f, from);
    t = f.end() + contact / 2;
    height.key(t, to - 0.07);
    apart.move(f.start, f.end(), out ? wide : stance.half_width);
    pitch.move(f.start - 0.1, f.start, -28).move(f.start + 0.05, f.end(), -14).to(f.end() + 0.07, 0);
    arm.move(f.start - 0.12, f.end() + 0.06, out ? ArmPose{5, raised, 0, 18} : stance.arm);
  }
  height.key(t + 0.4, kStandingHeight - 0.005);
  const BodyPose base = stance.pose();
  const auto pose = [=](double at) {
    BodyPose b = base;
    b.pelvis.y = height(at);
    double air = 0;
    for (const Flight& f : flights) air += f.height(at);
    for (int side = 0; side < 2; ++side) {
      const double sign = side_sign(side);
      b.arms[side] = arm(at);
      b.feet[side] =
          foot_at(side, sign * apart(at), air, 0, sign * (stance.toe_out + 20 * (apart(at) - 0.1)), pitch(at));
    }
    return b;
  };
  return {t + 0.6, pose, false};
}

}  // namespace kg
