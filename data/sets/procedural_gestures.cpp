// Actions of arms and trunk over standing feet: wave, raise, punch, bow; and of the legs: kick, squat, sit.
#include <cmath>

#include "data/sets/procedural_motion.h"

namespace kg {
namespace {

int side_index(Side side) { return side == Side::right ? 1 : 0; }

}  // namespace

Script make_wave(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const int side = side_index(p.side);
  const double start = dice.uniform(0.25, 0.6), up = start + 0.75 * stance.tempo;
  const int swings = dice.between(3, 5);
  const double period = dice.uniform(0.5, 0.62) * stance.tempo, width = dice.uniform(20, 30);
  const double down = up + swings * period, end = down + 0.8 * stance.tempo;
  const ArmPose high{dice.uniform(10, 25), dice.uniform(75, 105), dice.uniform(-85, -70), dice.uniform(75, 95)};
  Track<ArmPose> arm(stance.arm);
  Track<double> waving(0);
  arm.move(start, up, high).move(down, end, stance.arm);
  waving.move(up - 0.2, up + 0.2, 1).move(down - 0.15, down + 0.25, 0);
  const BodyPose base = stance.pose();
  const double sign = side_sign(side), turned = dice.uniform(0, 8);
  const auto pose = [=](double t) {
    BodyPose b = base;
    const double w = waving(t), s = std::sin(2 * kPi * (t - up) / period);
    b.arms[side] = arm(t) + ArmPose{0, 4 * s * w, 0, width * s * w};
    b.sway = -sign * 3 * w;
    b.look = sign * turned * w;
    return b;
  };
  return {end + 0.2, pose};
}

Script make_raise_arm(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double start = dice.uniform(0.25, 0.6), up = start + dice.uniform(0.8, 1.0) * stance.tempo;
  const double down = up + dice.uniform(0.5, 1.3), end = down + dice.uniform(0.8, 1.0) * stance.tempo;
  const bool sideways = dice.chance(0.5);
  ArmPose high;
  if (p.height == Height::overhead)
    high = sideways ? ArmPose{5, dice.uniform(160, 172), 0, dice.uniform(3, 12)}
                    : ArmPose{dice.uniform(162, 175), dice.uniform(2, 8), 0, dice.uniform(3, 12)};
  else
    high = sideways ? ArmPose{5, dice.uniform(84, 94), 0, dice.uniform(3, 10)}
                    : ArmPose{dice.uniform(84, 94), dice.uniform(0, 8), 0, dice.uniform(3, 10)};
  Track<ArmPose> arm(stance.arm);
  arm.move(start, up, high).move(down, end, stance.arm);
  const BodyPose base = stance.pose();
  const auto pose = [=](double t) {
    BodyPose b = base;
    const double share = ease((t - start) / (up - start)) * (1 - ease((t - down) / (end - down)));
    if (p.side != Side::right) b.arms[0] = arm(t);
    if (p.side != Side::left) b.arms[1] = arm(t);
    if (p.side != Side::both) b.sway = (p.side == Side::left ? 3 : -3) * share;
    b.bend = -3 * share;
    if (p.height == Height::overhead) b.nod = -8 * share;
    return b;
  };
  return {end + 0.2, pose};
}

Script make_punch(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const int side = side_index(p.side);
  const double sign = side_sign(side);
  // Both fists before the chin.
  const ArmPose guard{dice.uniform(28, 40), 14, 28, dice.uniform(118, 132)};
  const ArmPose hit{dice.uniform(84, 92), dice.uniform(-8, 0), 0, dice.uniform(2, 8)};
  Track<ArmPose> arm(stance.arm), other(stance.arm);
  Track<double> turn(0), crouch(0);
  double t = dice.uniform(0.2, 0.4);
  const double ready = t + 0.5 * stance.tempo;
  arm.move(t, ready, guard);
  other.move(t, ready, guard);
  crouch.move(t, ready, 1);
  turn.move(t, ready, -8);
  t = ready;
  for (int k = 0; k < p.repetitions; ++k) {
    const double go = t + dice.uniform(0.12, 0.3) * stance.tempo, there = go + 0.24 * stance.tempo;
    arm.move(go, there, hit).move(there + 0.05, there + 0.05 + 0.3 * stance.tempo, guard);
    turn.move(go, there, 26).move(there + 0.05, there + 0.05 + 0.3 * stance.tempo, -8);
    t = there + 0.05 + 0.3 * stance.tempo;
  }
  const double down = t + dice.uniform(0.15, 0.4), end = down + 0.6 * stance.tempo;
  arm.move(down, end, stance.arm);
  other.move(down, end, stance.arm);
  crouch.move(down, end, 0);
  turn.move(down, end, 0);
  BodyPose base = stance.pose();
  const double stagger = dice.uniform(0.05, 0.16);  // the other foot stands before
  base.feet[side].ankle.z -= stagger;
  base.feet[1 - side].ankle.z += stagger;
  for (FootPose& foot : base.feet) foot.ankle.x *= 1.2;
  const auto pose = [=](double at) {
    BodyPose b = base;
    const double c = crouch(at), punch = std::max(0.0, turn(at)) / 26;
    b.pelvis.y -= 0.04 * c;
    b.pelvis.z += 0.05 * punch;
    b.yaw = -sign * 0.35 * turn(at);
    b.twist = -sign * 0.75 * turn(at);
    b.look = sign * 0.9 * turn(at);  // the eyes stay on the target
    b.bend = 6 * c + 4 * punch;
    b.pitch = 3 * c + 3 * punch;
    b.nod = -4 * c;
    b.arms[side] = arm(at);
    b.arms[1 - side] = other(at);
    return b;
  };
  return {end + 0.2, pose};
}

Script make_kick(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const int side = side_index(p.side), support = 1 - side;
  const double sign = side_sign(side), reach = dice.uniform(0.62, 0.72), height = dice.uniform(0.56, 0.8);
  const Vec3 floor{sign * stance.half_width, 0, 0}, back{sign * 0.1, 0, -0.28}, hit{sign * 0.06, 0, reach};
  Track<Vec3> place(floor);  // of the foot; the heel rises about the toe
  Track<double> rise(0), pitch(0), balance(0), strike(0);
  double t = dice.uniform(0.25, 0.5);
  for (int k = 0; k < p.repetitions; ++k) {
    const double m = std::max(0.85, stance.tempo), away = t + 0.42 * m, there = away + 0.42 * m,
                 home = there + 0.62 * m;
    balance.move(t - 0.1, t + 0.32 * m, 1).move(home - 0.35 * m, home, 0);
    rise.move(t + 0.06 * m, away, 0.13).to(there, height).move(there + 0.06, home, 0);
    place.move(t + 0.14 * m, away, back).to(there, hit).move(there + 0.06, home, floor);
    pitch.move(t, away, -42).to(there, -5).move(there + 0.06, home, 0);
    strike.move(away - 0.1, there, 1).move(there + 0.06, home - 0.1, 0);
    t = home + dice.uniform(0.1, 0.35);
  }
  const BodyPose base = stance.pose();
  const double lean = dice.uniform(8, 16), arms_out = dice.uniform(15, 35);
  const auto pose = [=](double at) {
    BodyPose b = base;
    const double on = balance(at), hard = strike(at);
    b.pelvis.x = -sign * (stance.half_width - 0.03) * on;
    b.pelvis.y -= 0.02 * on;
    b.pelvis.z += 0.04 * hard - 0.02 * on;
    b.pitch = 4 * on - lean * hard;
    b.bend = lean * 1.1 * hard;
    b.roll = sign * 3 * on;
    b.yaw = sign * (4 * on - 12 * hard);
    b.twist = sign * (-6 * on + 22 * hard);
    b.arms[side] = stance.arm + ArmPose{10 * on - 35 * hard, arms_out * on, 0, 25 * on};
    b.arms[support] = stance.arm + ArmPose{-8 * on + 50 * hard, 0.7 * arms_out * on, 0, 30 * on};
    FootPose& foot = b.feet[side];
    foot.pitch = pitch(at);
    foot.ankle = ankle_on_toe(side, place(at) + Vec3{0, rise(at), 0}, foot.yaw, foot.pitch);
    foot.planted = rise(at) < 0.005;
    return b;
  };
  return {t + 0.2, pose, false};
}

Script make_squat(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double depth = dice.uniform(0.34, 0.46), reach = dice.uniform(70, 92), lean = dice.uniform(24, 34);
  Track<double> down(0);
  double t = dice.uniform(0.25, 0.5);
  for (int k = 0; k < p.repetitions; ++k) {
    const double low = t + dice.uniform(0.75, 0.95) * stance.tempo, rise = low + dice.uniform(0.05, 0.3);
    const double up = rise + dice.uniform(0.7, 0.9) * stance.tempo;
    down.move(t, low, 1).move(rise, up, 0);
    t = up + dice.uniform(0.05, 0.25);
  }
  BodyPose base = stance.pose();
  const double wider = dice.uniform(1.2, 1.6);
  for (FootPose& foot : base.feet) foot.ankle.x *= wider, foot.yaw *= 1.6;
  const bool arms_forward = dice.chance(0.75);
  const auto pose = [=](double at) {
    BodyPose b = base;
    const double d = down(at);
    b.pelvis.y -= depth * d;
    b.pelvis.z += -0.16 * d;
    b.pitch = lean * d;
    b.bend = 12 * d;
    b.nod = -22 * d;
    for (int side = 0; side < 2; ++side) {
      b.feet[side].knee_out = 12 * d;
      b.arms[side] = stance.arm + ArmPose{(reach + lean) * d, 0, 0, -5 * d};
      if (!arms_forward) b.arms[side] = stance.arm + ArmPose{(lean + 35) * d, 12 * d, 35 * d, 75 * d};
    }
    return b;
  };
  return {t + 0.15, pose};
}

Script make_sit(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double wait = dice.uniform(0.3, 0.7), takes = dice.uniform(1.3, 1.7) * stance.tempo;
  const double rest = dice.uniform(0.5, 1.2), total = wait + takes + rest;
  const double seat = dice.uniform(0.53, 0.59), back = dice.uniform(0.34, 0.4), lean = dice.uniform(26, 36);
  const ArmPose lap{dice.uniform(28, 36), 6, 22, dice.uniform(45, 58)};
  const BodyPose base = stance.pose();
  const bool standing_up = p.action == Action::stand_up;
  const auto pose = [=](double at) {
    const double u = ((standing_up ? total - at : at) - wait) / takes;
    BodyPose b = base;
    const double d = ease(u), tip = bump(u / 1.1);  // the trunk tips forward on the way
    b.pelvis.y = base.pelvis.y + (seat - base.pelvis.y) * ease(u * 0.98 + 0.02 * d);
    b.pelvis.z += -back * ease(1.1 * u);
    b.pitch = lean * tip - 6 * d;
    b.bend = 0.4 * lean * tip + 8 * d;
    b.nod = -0.5 * lean * tip;
    for (int side = 0; side < 2; ++side) {
      b.arms[side] = stance.arm + (lap - stance.arm) * ease(1.2 * u - 0.2) + ArmPose{0.9 * lean, 0, 0, 10} * tip;
      b.feet[side].knee_out = 4 * d;
    }
    return b;
  };
  return {total, pose};
}

Script make_bow(const MotionParameters& p, Dice& dice) {
  const Stance stance = roll_stance(dice, p.speed);
  const double depth = dice.uniform(55, 85);
  Track<double> down(0);
  double t = dice.uniform(0.25, 0.5);
  for (int k = 0; k < p.repetitions; ++k) {
    const double low = t + dice.uniform(0.85, 1.05) * stance.tempo, rise = low + dice.uniform(0.2, 0.6);
    const double up = rise + dice.uniform(0.85, 1.05) * stance.tempo;
    down.move(t, low, 1).move(rise, up, 0);
    t = up + dice.uniform(0.1, 0.3);
  }
  const BodyPose base = stance.pose();
  const double arms_follow = dice.uniform(0.1, 0.5);
  const auto pose = [=](double at) {
    BodyPose b = base;
    const double d = depth * down(at);
    b.pitch = 0.6 * d;
    b.bend = 0.4 * d;
    b.pelvis.z += -0.0022 * d;
    b.nod = 0.2 * d;
    for (ArmPose& arm : b.arms) arm = arm + ArmPose{arms_follow * d, 0, 0, 0};
    return b;
  };
  return {t + 0.15, pose};
}

}  // namespace kg
