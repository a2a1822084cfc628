// Coverage of a pixel is its signed distance from the shape's edge, one pixel wide: enough for smooth edges.
#include "data/export/image.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace kg {
namespace {

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.f, 1.f) * 255)); }

double distance_to_segment(const Point& p, const Point& a, const Point& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, squared = dx * dx + dy * dy;
  const double t = squared > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / squared, 0., 1.) : 0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

// Pixels that [low, high] touches, cut to [0, size).
struct Range {
  int first, last;
};
Range pixels_of(double low, double high, int size) {
  return {static_cast<int>(std::clamp(std::floor(low), 0., static_cast<double>(size))),
          static_cast<int>(std::clamp(std::ceil(high), 0., static_cast<double>(size)))};
}

}  // namespace

Image::Image(int width, int height, const Color& background) : width(width), height(height) {
  CHECK(width > 0 && height > 0 && width <= 16384 && height <= 16384, "[image] ", width, " x ", height,
        " pixels asked for, 1 to 16384 each way are possible");
  const std::uint8_t bytes[3] = {to_byte(background.r), to_byte(background.g), to_byte(background.b)};
  pixels.resize(3 * static_cast<std::size_t>(width) * height);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = bytes[i % 3];
}

Color Image::color(int x, int y) const {
  const std::uint8_t* p = at(x, y);
  return {p[0] / 255.f, p[1] / 255.f, p[2] / 255.f};
}

void Image::blend(int x, int y, const Color& top, float alpha) {
  const Color mixed = mix(color(x, y), top, alpha);
  std::uint8_t* p = at(x, y);
  p[0] = to_byte(mixed.r);
  p[1] = to_byte(mixed.g);
  p[2] = to_byte(mixed.b);
}

void stroke(Image& image, std::span<const Polyline> lines, double line_width, const Color& color, float alpha) {
  const double reach = line_width / 2 + 1;
  double x0 = image.width, y0 = image.height, x1 = 0, y1 = 0;
  for (const Polyline& line : lines)
    for (const Point& p : line) {
      x0 = std::min(x0, p.x - reach), x1 = std::max(x1, p.x + reach);
      y0 = std::min(y0, p.y - reach), y1 = std::max(y1, p.y + reach);
    }
  const Range columns = pixels_of(x0, x1, image.width), rows = pixels_of(y0, y1, image.height);
  if (columns.first >= columns.last || rows.first >= rows.last) return;

  const int stride = columns.last - columns.first;
  std::vector<float> distance(static_cast<std::size_t>(stride) * (rows.last - rows.first), 1e9f);
  for (const Polyline& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i + 1 == line.size() && line.size() > 1) break;
      const Point &a = line[i], &b = line[std::min(i + 1, line.size() - 1)];
      const Range xs = pixels_of(std::min(a.x, b.x) - reach, std::max(a.x, b.x) + reach, image.width);
      const Range ys = pixels_of(std::min(a.y, b.y) - reach, std::max(a.y, b.y) + reach, image.height);
      for (int y = ys.first; y < ys.last; ++y)
        for (int x = xs.first; x < xs.last; ++x) {
          float& d = distance[static_cast<std::size_t>(y - rows.first) * stride + (x - columns.first)];
          d = std::min(d, static_cast<float>(distance_to_segment({x + .5, y + .5}, a, b)));
        }
    }
  for (int y = rows.first; y < rows.last; ++y)
    for (int x = columns.first; x < columns.last; ++x) {
      const float d = distance[static_cast<std::size_t>(y - rows.first) * stride + (x - columns.first)];
      const float coverage = std::clamp(static_cast<float>(line_width) / 2 + .5f - d, 0.f, 1.f);
      if (coverage > 0) image.blend(x, y, color, alpha * coverage);
    }
}

void fill_rectangle(Image& image, double x0, double y0, double x1, double y1, const Color& color, float alpha) {
  const Range columns = pixels_of(x0, x1, image.width), rows = pixels_of(y0, y1, image.height);
  const auto covered = [](int pixel, double low, double high) {
    return std::max(0., std::min(pixel + 1., high) - std::max<double>(pixel, low));
  };
  for (int y = rows.first; y < rows.last; ++y)
    for (int x = columns.first; x < columns.last; ++x)
      image.blend(x, y, color, alpha * static_cast<float>(covered(x, x0, x1) * covered(y, y0, y1)));
}

void paste(Image& image, const Image& top, int x, int y) {
  const int first = std::max(0, -x), last = std::min(top.width, image.width - x);
  for (int row = std::max(0, -y); row < std::min(top.height, image.height - y) && first < last; ++row)
    std::copy(top.at(first, row), top.at(first, row) + 3 * (last - first), image.at(x + first, y + row));
}

}  // namespace kg
