// Feet from a plan of steps, and the body that follows them. See procedural_steps.h.
#include "data/sets/procedural_steps.h"

#include <cmath>

#include "data/sets/procedural_curves.h"

namespace kg {
namespace {

constexpr int kTaps = 12;  // on each side, to three sigma
constexpr double kNever = 1e9;

// Gaussian average over time of f(t), which returns a value and a weight.
template <class T, class F>
T smooth(double t, double sigma, const F& f) {
  T sum{};
  double total = 0;
  for (int k = -kTaps; k <= kTaps; ++k) {
    const double x = 3.0 * k / kTaps;
    const auto [value, weight] = f(t + x * sigma);
    const double w = weight * std::exp(-x * x / 2);
    sum = sum + value * w;
    total += w;
  }
  return sum * (1 / total);
}

}  // namespace

StepPlan::StepPlan(const Vec3& left, const Vec3& right, double left_yaw, double right_yaw, const GaitStyle& style)
    : style_(style) {
  feet_[0].push_back({-kNever, -kNever, left, left_yaw});
  feet_[1].push_back({-kNever, -kNever, right, right_yaw});
}

void StepPlan::step(int side, double start, double end, const Vec3& to, double yaw) {
  feet_[side].push_back({start, end, to, yaw});
  last_end_ = std::max(last_end_, end);
}

StepPlan::Flat StepPlan::flat(int side, double t) const {
  const std::vector<Step>& steps = feet_[side];
  size_t i = steps.size() - 1;
  while (steps[i].start > t) --i;
  const Step& s = steps[i];
  if (i == 0 || t >= s.end) return {s.to, s.yaw, 1};
  const double u = (t - s.start) / (s.end - s.start), e = ease(u);
  return {lerp(steps[i - 1].to, s.to, e), steps[i - 1].yaw + (s.yaw - steps[i - 1].yaw) * e, u};
}

// Heel up before and at lift-off, toe up at the landing, flat between.
double StepPlan::pitch(int side, double t) const {
  const std::vector<Step>& steps = feet_[side];
  size_t i = steps.size() - 1;
  while (steps[i].start > t) --i;
  const Step& now = steps[i];
  if (i > 0 && t < now.end) {
    const double u = (t - now.start) / (now.end - now.start);
    // The heel goes on rising a little after lift-off.
    const double down = -style_.heel_off * (1 + 0.6 * bump(u / 0.45)) * (1 - ease((u - 0.1) / 0.75));
    return down + style_.heel_strike * ease((u - 0.35) / 0.65);
  }
  const double landed = i == 0 ? -kNever : now.end;
  const double leaves = i + 1 < steps.size() ? steps[i + 1].start : kNever;
  const double stance = std::min(leaves - landed, 1.2);
  const double flatten = 1 - ease((t - landed) / (0.25 * stance));
  const double rise = ease((t - leaves + 0.4 * stance) / (0.4 * stance));
  return style_.heel_strike * flatten - style_.heel_off * rise;
}

FootPose StepPlan::foot(int side, double t) const {
  const Flat f = flat(side, t);
  const double angle = pitch(side, t), u = f.swing;
  FootPose foot;
  foot.yaw = f.yaw;
  foot.pitch = angle;
  foot.planted = u >= 1;
  foot.ankle = ankle_on_toe(side, f.ground, f.yaw, std::min(angle, 0.0));  // on the toe, or on the heel
  if (u < 1) foot.ankle.y += style_.lift * quick_bump(std::pow(u, style_.lift_early));
  return foot;
}

Vec3 StepPlan::centre(double t) const {
  return smooth<Vec3>(t, style_.smoothing, [&](double at) {
    const Flat l = flat(0, at), r = flat(1, at);
    const double wl = 1 - style_.unload * bump(l.swing), wr = 1 - style_.unload * bump(r.swing);
    return std::pair{(l.ground * wl + r.ground * wr) / (wl + wr), 1.0};
  });
}

double StepPlan::heading(double t) const {
  return smooth<double>(t, style_.smoothing, [&](double at) {
    return std::pair{(flat(0, at).yaw + flat(1, at).yaw) / 2, 1.0};
  });
}

BodyPose StepPlan::pose(double t, const BodyPose& base) const {
  BodyPose p = base;
  const Vec3 c = centre(t);
  p.pelvis.x += c.x;
  p.pelvis.z += c.z;
  p.yaw += heading(t);
  p.feet = {foot(0, t), foot(1, t)};
  // How far the left foot is before the right one, smoothed like a swinging arm.
  const Vec3 forward = heading_vector(p.yaw);
  const double ahead = smooth<double>(t - 0.02, style_.smoothing / 3, [&](double at) {
    return std::pair{dot(flat(0, at).ground - flat(1, at).ground, forward), 1.0};
  });
  // 0 standing, 1 walking: lean and bent elbows come and go with the gait.
  const double busy = smooth<double>(t, style_.smoothing, [&](double at) {
    return std::pair{ease(at / 0.4 + 0.5) * ease((last_end_ - at) / 0.4), 1.0};
  });
  p.yaw -= style_.trunk_turn * ahead;
  p.twist += 2 * style_.trunk_turn * ahead;
  p.look -= style_.trunk_turn * ahead;
  p.pitch += style_.forward_lean * busy;
  for (int side = 0; side < 2; ++side) {
    const double swing = -side_sign(side) * style_.arm_swing * ahead;
    ArmPose& arm = p.arms[side];
    arm.flex += swing + 0.12 * style_.arm_elbow * busy;
    arm.elbow += (style_.arm_elbow - base.arms[side].elbow) * busy + 0.35 * swing * busy;
    arm.twist += style_.arm_in * busy;
  }
  return p;
}

}  // namespace kg
