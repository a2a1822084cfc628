// 3-vectors and unit quaternions (w, x, y, z; Hamilton product) in double precision, for motion geometry.
#pragma once

#include <cmath>

namespace kg {

struct Vec3 {
  double x = 0, y = 0, z = 0;
  Vec3 operator+(const Vec3& b) const { return {x + b.x, y + b.y, z + b.z}; }
  Vec3 operator-(const Vec3& b) const { return {x - b.x, y - b.y, z - b.z}; }
  Vec3 operator-() const { return {-x, -y, -z}; }
  Vec3 operator*(double s) const { return {x * s, y * s, z * s}; }
  Vec3 operator/(double s) const { return {x / s, y / s, z / s}; }
  Vec3& operator+=(const Vec3& b) { return *this = *this + b; }
  bool operator==(const Vec3&) const = default;
};
inline Vec3 operator*(double s, const Vec3& v) { return v * s; }
inline constexpr Vec3 kUp{0, 1, 0};  // every skeleton stands along y
inline double dot(const Vec3& a, const Vec3& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline double length(const Vec3& a) { return std::sqrt(dot(a, a)); }
inline Vec3 normalize(const Vec3& a) { return a / length(a); }
inline Vec3 lerp(const Vec3& a, const Vec3& b, double t) { return a + (b - a) * t; }

struct Quat {
  double w = 1, x = 0, y = 0, z = 0;
  Quat operator*(const Quat& b) const {
    return {w * b.w - x * b.x - y * b.y - z * b.z, w * b.x + x * b.w + y * b.z - z * b.y,
            w * b.y - x * b.z + y * b.w + z * b.x, w * b.z + x * b.y - y * b.x + z * b.w};
  }
};
inline Quat inverse(const Quat& q) { return {q.w, -q.x, -q.y, -q.z}; }  // of a unit quaternion
inline Quat normalize(const Quat& q) {
  const double n = std::sqrt(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z);
  return {q.w / n, q.x / n, q.y / n, q.z / n};
}
// q v q^-1
inline Vec3 rotate(const Quat& q, const Vec3& v) {
  const Vec3 u{q.x, q.y, q.z};
  const Vec3 uv = cross(u, v);
  return v + 2 * (q.w * uv + cross(u, uv));
}
// The shortest rotation that takes a to b (neither needs unit length). For opposite vectors, where every half turn is
// one, it is about an axis across a: y when a lies along z.
inline Quat rotation_between(const Vec3& a, const Vec3& b) {
  const double size = std::sqrt(dot(a, a) * dot(b, b));
  const double w = size + dot(a, b);
  if (w < 1e-14 * size) {
    const Vec3 u = normalize(cross(a, std::abs(a.x) < 0.9 * length(a) ? Vec3{1, 0, 0} : Vec3{0, 1, 0}));
    return {0, u.x, u.y, u.z};
  }
  const Vec3 v = cross(a, b);
  return normalize(Quat{w, v.x, v.y, v.z});
}
// Between two rotations the shorter way round.
inline Quat slerp(const Quat& a, const Quat& b, double t) {
  const double cosine = a.w * b.w + a.x * b.x + a.y * b.y + a.z * b.z, sign = cosine < 0 ? -1 : 1;
  double wa = 1 - t, wb = t;
  if (const double angle = std::acos(std::fmin(std::abs(cosine), 1.0)); angle > 1e-6) {
    wa = std::sin(wa * angle) / std::sin(angle);
    wb = std::sin(wb * angle) / std::sin(angle);
  }
  wb *= sign;
  return normalize(Quat{wa * a.w + wb * b.w, wa * a.x + wb * b.x, wa * a.y + wb * b.y, wa * a.z + wb * b.z});
}
inline Quat axis_angle(const Vec3& axis, double radians) {
  const Vec3 u = normalize(axis) * std::sin(radians / 2);
  return {std::cos(radians / 2), u.x, u.y, u.z};
}

}  // namespace kg
