// The drawing of scene.h. A limb is the hull of balls a (radius ra) and b (rb): with y the height along the axis, h the
// distance from it and k = (rb - ra) / |b - a|, its side is the cone h sqrt(1 - k^2) = ra + k y, closed by the balls.
#include "data/export/scene.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kg {
namespace {

struct Hit {
  double distance = std::numeric_limits<double>::infinity();
  Vec3 normal;
};

// A limb seen from one point; what does not depend on the ray is worked out once.
class LimbFromEye {
 public:
  LimbFromEye(const Vec3& eye, const Vec3& a, double ra, const Vec3& b, double rb)
      : ra_(ra), rb_(rb), to_a_(eye - a), to_b_(eye - b), squared_a_(dot(to_a_, to_a_)), squared_b_(dot(to_b_, to_b_)) {
    size_ = length(b - a);
    k_ = size_ > 1e-9 ? (rb - ra) / size_ : 2;
    axis_ = size_ > 1e-9 ? (b - a) / size_ : Vec3{0, 1, 0};
    m_ = 1 - k_ * k_;
    y0_ = dot(to_a_, axis_);
    c_ = ra + k_ * y0_;
  }

  // The nearest point along eye + s ray with 0 < s < hit.distance goes to `hit`; whether there is one.
  bool nearer(const Vec3& ray, Hit& hit) const {
    const double rr = dot(ray, ray), b = dot(to_a_, ray);
    bool found = ball(ray, rr, b, to_a_, squared_a_, ra_, hit);
    if (size_ > 1e-9 || rb_ > ra_) found |= ball(ray, rr, dot(to_b_, ray), to_b_, squared_b_, rb_, hit);
    if (std::abs(k_) >= 1) return found;  // one ball holds the other
    const double y1 = dot(ray, axis_);
    const double q2 = (rr - y1 * y1) * m_ - k_ * k_ * y1 * y1;
    const double q1 = (b - y0_ * y1) * m_ - c_ * k_ * y1;
    const double q0 = (squared_a_ - y0_ * y0_) * m_ - c_ * c_;
    const double root = q1 * q1 - q2 * q0;
    if (root < 0 || std::abs(q2) < 1e-12) return found;
    const double s = (-q1 - std::sqrt(root)) / q2, y = y0_ + s * y1;
    const double t = y + k_ * (ra_ + k_ * y) / m_;  // the ball of the hull that touches here
    if (s <= 0 || s >= hit.distance || t < 0 || t > size_) return found;
    hit = {s, normalize(to_a_ + ray * s - axis_ * t)};
    return true;
  }

 private:
  static bool ball(const Vec3& ray, double rr, double b, const Vec3& to, double squared, double radius, Hit& hit) {
    const double root = b * b - rr * (squared - radius * radius);
    if (root < 0) return false;
    const double s = (-b - std::sqrt(root)) / rr;
    if (s <= 0 || s >= hit.distance) return false;
    hit = {s, (to + ray * s) / radius};
    return true;
  }

  double ra_, rb_;
  Vec3 to_a_, to_b_, axis_;
  double squared_a_, squared_b_, size_, k_, m_, y0_, c_;
};

// Light from above on the viewer's left, sky light, and a brighter edge against the background.
Color shade(const Color& base, const Vec3& normal, const Vec3& ray, const Camera& camera) {
  const Vec3 light = normalize(camera.up * .75 - camera.right * .55 - camera.forward * .75);
  const Vec3 view = normalize(ray);
  const double diffuse = std::max(0., dot(normal, light)), sky = .5 + .5 * normal.y;
  const double rim = 1 - std::max(0., -dot(normal, view)), edge = rim * rim * rim;
  double gloss = std::max(0., dot(normal, normalize(light - view)));
  for (int i = 0; i < 5; ++i) gloss *= gloss;  // to the power of 32
  const auto amount = static_cast<float>(.38 + .24 * sky + .46 * diffuse);
  const Color lit{base.r * amount, base.g * amount, base.b * amount};
  return mix(lit, {1, 1, 1}, static_cast<float>(std::min(.6, .16 * edge + .14 * gloss)));
}

// Smallest range of pixels around the balls that surround a limb; empty when it is behind the camera.
struct PixelBox {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};
PixelBox bounds(const Camera& camera, const Image& image, std::span<const Vec3> centres,
                std::span<const double> radii) {
  double x0 = 1e9, y0 = 1e9, x1 = -1e9, y1 = -1e9;
  for (std::size_t i = 0; i < centres.size(); ++i) {
    const double depth = camera.depth(centres[i]) - radii[i];
    if (depth < .05) return {};
    const Point p = camera.project(centres[i]);
    const double reach = 1.1 * radii[i] * camera.focal / depth + 1;
    x0 = std::min(x0, p.x - reach), x1 = std::max(x1, p.x + reach);
    y0 = std::min(y0, p.y - reach), y1 = std::max(y1, p.y + reach);
  }
  const auto clip = [](double v, int size) { return static_cast<int>(std::clamp(v, 0., static_cast<double>(size))); };
  return {clip(std::floor(x0), image.width), clip(std::floor(y0), image.height), clip(std::ceil(x1), image.width),
          clip(std::ceil(y1), image.height)};
}

PixelBox united(const PixelBox& a, const PixelBox& b) {
  if (b.x0 >= b.x1 || b.y0 >= b.y1) return a;
  return {std::min(a.x0, b.x0), std::min(a.y0, b.y0), std::max(a.x1, b.x1), std::max(a.y1, b.y1)};
}

// Where the ray through a pixel meets the ground; false above the horizon.
bool ground_point(const Camera& camera, double x, double y, double height, Vec3& point) {
  const Vec3 ray = camera.ray(x, y);
  const double s = (height - camera.eye.y) / ray.y;
  if (!(ray.y < -1e-6) || s <= 0) return false;
  point = camera.eye + ray * s;
  return true;
}

double distance_in_plane(const Vec3& p, const Vec3& a, const Vec3& b, double& t) {
  const double dx = b.x - a.x, dz = b.z - a.z, squared = dx * dx + dz * dz;
  t = squared > 0 ? std::clamp(((p.x - a.x) * dx + (p.z - a.z) * dz) / squared, 0., 1.) : 0;
  return std::hypot(p.x - a.x - t * dx, p.z - a.z - t * dz);
}

}  // namespace

void draw_ground(Image& image, const Camera& camera, double height, const Vec3& centre, const SceneStyle& style) {
  constexpr double kLine = .006;  // half the width of a line, metres
  Vec3 p, right, below;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      if (!ground_point(camera, x + .5, y + .5, height, p) || !ground_point(camera, x + 1.5, y + .5, height, right) ||
          !ground_point(camera, x + .5, y + 1.5, height, below))
        continue;
      // How much of a pixel's footprint the lines x = n cell cover, and likewise z.
      const auto covered = [&](double v, double dx, double dy) {
        const double footprint = std::hypot(dx, dy) + 1e-9;
        const double distance = std::abs(v - style.cell * std::round(v / style.cell));
        const double part = std::min(1., 2 * kLine / footprint);  // a line thinner than a pixel
        return part * std::clamp(.5 + (std::max(kLine, footprint / 2) - distance) / footprint, 0., 1.);
      };
      const double lines =
          std::max(covered(p.x, right.x - p.x, below.x - p.x), covered(p.z, right.z - p.z, below.z - p.z));
      const double away = std::hypot(p.x - centre.x, p.z - centre.z) / style.fade_radius;
      const double fade = std::clamp(1.6 * (1 - away), 0., 1.);
      if (lines * fade > 0) image.blend(x, y, style.grid, static_cast<float>(lines * fade));
    }
}

void draw_shadows(Image& image, const Camera& camera, double height, std::span<const Figure> figures,
                  const SceneStyle& style) {
  constexpr double kLean = .35;  // metres that the shadow moves for each metre of height
  const Vec3 lean =
      normalize(Vec3{camera.right.x, 0, camera.right.z} + Vec3{camera.forward.x, 0, camera.forward.z}) * kLean;
  std::vector<float> strongest(static_cast<std::size_t>(image.width) * image.height, 0);
  PixelBox all{image.width, image.height, 0, 0};
  for (const Figure& figure : figures)
    for (const Limb& limb : figure.body.limbs) {
      if (limb.side == BodySide::face) continue;
      // The limb's balls pressed on the ground, with an edge that is softer the higher they are.
      Vec3 ends[2] = {figure.pose[limb.a], figure.pose[limb.b]};
      double radius[2] = {limb.radius_a, limb.radius_b}, soft[2], reach[2];
      for (int i = 0; i < 2; ++i) {
        const double above = std::max(0., ends[i].y - height);
        soft[i] = .03 + .13 * above;
        reach[i] = radius[i] + soft[i];
        ends[i] = Vec3{ends[i].x, height, ends[i].z} + lean * above;
      }
      const PixelBox box = bounds(camera, image, ends, reach);
      all = united(all, box);
      Vec3 p;
      for (int y = box.y0; y < box.y1; ++y)
        for (int x = box.x0; x < box.x1; ++x) {
          if (!ground_point(camera, x + .5, y + .5, height, p)) continue;
          double t = 0;
          const double outside = distance_in_plane(p, ends[0], ends[1], t) - (radius[0] + (radius[1] - radius[0]) * t);
          const double edge = soft[0] + (soft[1] - soft[0]) * t;
          const double in = std::clamp(.5 - outside / edge / 2, 0., 1.);
          const double strength = in * in * (3 - 2 * in) * .42 / (1 + 1.2 * edge / .2) * (1 - .8 * figure.fade);
          float& now = strongest[static_cast<std::size_t>(y) * image.width + x];
          now = std::max(now, static_cast<float>(strength));
        }
    }
  for (int y = all.y0; y < all.y1; ++y)
    for (int x = all.x0; x < all.x1; ++x) {
      const float strength = strongest[static_cast<std::size_t>(y) * image.width + x];
      if (strength > 1.f / 512) image.blend(x, y, style.shadow, strength);
    }
}

void draw_trail(Image& image, const Camera& camera, double height, std::span<const Vec3> path, double width,
                const Color& color, float alpha) {
  Polyline line;
  double depth = 0;
  for (const Vec3& p : path) {
    const Vec3 on_ground{p.x, height, p.z};
    if (camera.depth(on_ground) < .1) continue;
    line.push_back(camera.project(on_ground));
    depth += camera.depth(on_ground);
  }
  if (line.empty()) return;
  const double pixels = width * camera.focal * static_cast<double>(line.size()) / depth;
  stroke(image, std::span(&line, 1), std::max(1.2, pixels), color, alpha);
}

void draw_figures(Image& image, const Camera& camera, std::span<const Figure> figures, const SceneStyle& style) {
  struct Sample {
    Hit hit;
    BodySide side = BodySide::middle;
    float fade = 0;
  };
  std::vector<PixelBox> boxes;
  PixelBox all{image.width, image.height, 0, 0};
  for (const Figure& figure : figures)
    for (const Limb& limb : figure.body.limbs) {
      const Vec3 ends[2] = {figure.pose[limb.a], figure.pose[limb.b]};
      const double radii[2] = {limb.radius_a, limb.radius_b};
      const PixelBox box = bounds(camera, image, ends, radii);
      boxes.push_back(box);
      all = united(all, box);
    }
  if (all.x0 >= all.x1) return;

  // The nearest limb of every ray, then its colour.
  const int n = style.samples, stride = (all.x1 - all.x0) * n;
  std::vector<Sample> samples(static_cast<std::size_t>(stride) * (all.y1 - all.y0) * n);
  const auto sample = [&](int x, int y) -> Sample& {
    return samples[static_cast<std::size_t>(y - all.y0 * n) * stride + (x - all.x0 * n)];
  };
  const auto ray = [&](int x, int y) { return camera.ray((x + .5) / n, (y + .5) / n); };
  std::size_t next = 0;
  for (const Figure& figure : figures)
    for (const Limb& limb : figure.body.limbs) {
      const PixelBox& box = boxes[next++];
      const LimbFromEye seen(camera.eye, figure.pose[limb.a], limb.radius_a, figure.pose[limb.b], limb.radius_b);
      for (int y = box.y0 * n; y < box.y1 * n; ++y)
        for (int x = box.x0 * n; x < box.x1 * n; ++x) {
          Sample& nearest = sample(x, y);
          if (!seen.nearer(ray(x, y), nearest.hit)) continue;
          nearest.side = limb.side;
          nearest.fade = figure.fade;
        }
    }
  for (int y = all.y0; y < all.y1; ++y)
    for (int x = all.x0; x < all.x1; ++x) {
      Color sum;
      int covered = 0;
      for (int i = 0; i < n * n; ++i) {
        const int sx = x * n + i % n, sy = y * n + i / n;
        const Sample& s = sample(sx, sy);
        if (std::isinf(s.hit.distance)) continue;
        const Color c = mix(shade(side_color(s.side), s.hit.normal, ray(sx, sy), camera), style.background, s.fade);
        sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
        ++covered;
      }
      if (covered == 0) continue;
      const auto count = static_cast<float>(covered);
      image.blend(x, y, {sum.r / count, sum.g / count, sum.b / count}, count / static_cast<float>(n * n));
    }
}

}  // namespace kg
