// Small tools of the motion generator: a deterministic dice, easing, keyframe tracks.
// Tracks map time in seconds to a value; between keys they follow the minimum-jerk polynomial (Flash and Hogan 1985).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/random.h"

namespace kg {

inline constexpr double kPi = 3.14159265358979323846;
inline double radians(double degrees) { return degrees * kPi / 180; }
inline double degrees_of(double radians) { return radians * 180 / kPi; }

// Successive draws of one Philox stream.
class Dice {
 public:
  Dice(uint64_t seed, uint64_t stream) : philox_{seed, stream} {}
  double uniform(double low, double high) { return low + (high - low) * double(philox_.uniform(next_++)); }
  int below(int n) { return int(philox_.below(next_++, uint32_t(n))); }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool chance(double p) { return uniform(0, 1) < p; }

 private:
  Philox philox_;
  uint64_t next_ = 0;
};

// 0 to 1 with zero velocity and acceleration at both ends.
inline double ease(double u) {
  u = std::clamp(u, 0.0, 1.0);
  return u * u * u * (10 + u * (6 * u - 15));
}
// 0 to 1 to 0, smooth, the top at u = 1/2.
inline double bump(double u) {
  u = std::clamp(u, 0.0, 1.0);
  return 64 * u * u * u * (1 - u) * (1 - u) * (1 - u);
}

// The same with a quicker start and end: what lifts a foot off the floor before it moves along it.
inline double quick_bump(double u) {
  u = std::clamp(u, 0.0, 1.0);
  return 16 * u * u * (1 - u) * (1 - u);
}

// Keys at increasing times; at rest at every key.
template <class T>
class Track {
 public:
  explicit Track(T start) : keys_{{-1e9, start}} {}
  // Stays as it is until `from`, then goes to `value` by `until`.
  Track& move(double from, double until, T value) { return to(from, keys_.back().second).to(until, value); }
  // Goes from the last key to `value` at time t.
  Track& to(double t, T value) {
    CHECK(t >= keys_.back().first, "[procedural] a key at ", t, " s after one at ", keys_.back().first, " s");
    keys_.push_back({t, value});
    return *this;
  }
  T operator()(double t) const {
    if (t >= keys_.back().first) return keys_.back().second;
    size_t i = 1;
    while (keys_[i].first <= t) ++i;
    const auto& [t0, a] = keys_[i - 1];
    const auto& [t1, b] = keys_[i];
    return a + (b - a) * ease((t - t0) / (t1 - t0));
  }

 private:
  std::vector<std::pair<double, T>> keys_;
};

// Keys with position, velocity and acceleration, joined by quintic Hermite polynomials (C2). Constant outside.
class Quintic {
 public:
  struct Key {
    double t, x, v = 0, a = 0;
  };
  Quintic& key(double t, double x, double v = 0, double a = 0) {
    CHECK(keys_.empty() || t > keys_.back().t, "[procedural] a key at ", t, " s after one at ", keys_.back().t, " s");
    keys_.push_back({t, x, v, a});
    return *this;
  }
  double operator()(double t) const {
    if (t <= keys_.front().t) return keys_.front().x;
    if (t >= keys_.back().t) return keys_.back().x;
    size_t i = 1;
    while (keys_[i].t <= t) ++i;
    const Key &p = keys_[i - 1], &q = keys_[i];
    const double h = q.t - p.t, u = (t - p.t) / h;
    const double v0 = p.v * h, v1 = q.v * h, a0 = p.a * h * h, a1 = q.a * h * h, d = q.x - p.x;
    const double c3 = 10 * d - 6 * v0 - 4 * v1 - 1.5 * a0 + 0.5 * a1;
    const double c4 = -15 * d + 8 * v0 + 7 * v1 + 1.5 * a0 - a1;
    const double c5 = 6 * d - 3 * (v0 + v1) - 0.5 * (a0 - a1);
    return p.x + u * (v0 + u * (a0 / 2 + u * (c3 + u * (c4 + u * c5))));
  }

 private:
  std::vector<Key> keys_;
};

}  // namespace kg
