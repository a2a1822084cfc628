// A small RGB picture and what is drawn on it in two dimensions: anti-aliased round strokes, discs, rectangles.
// Coordinates are pixels, x right, y down; pixel (0, 0) covers [0, 1) x [0, 1). Colours are sRGB values in 0..1.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kg {

struct Color {
  float r = 0, g = 0, b = 0;
  bool operator==(const Color&) const = default;
};
constexpr Color rgb(unsigned hex) {
  return {static_cast<float>(hex >> 16 & 255) / 255, static_cast<float>(hex >> 8 & 255) / 255,
          static_cast<float>(hex & 255) / 255};
}
constexpr Color mix(const Color& a, const Color& b, float t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

struct Point {
  double x = 0, y = 0;
};
using Polyline = std::vector<Point>;

struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, 3)

  Image() = default;
  Image(int width, int height, const Color& background);
  std::uint8_t* at(int x, int y) { return pixels.data() + 3 * (static_cast<std::size_t>(y) * width + x); }
  const std::uint8_t* at(int x, int y) const { return pixels.data() + 3 * (static_cast<std::size_t>(y) * width + x); }
  Color color(int x, int y) const;
  void blend(int x, int y, const Color& color, float alpha);
};

// All lines together are one shape with round ends and corners, so that overlaps are not painted twice. A line of one
// point is a disc.
void stroke(Image& image, std::span<const Polyline> lines, double line_width, const Color& color, float alpha = 1);
void fill_rectangle(Image& image, double x0, double y0, double x1, double y1, const Color& color, float alpha = 1);
// `top` with its upper left corner at (x, y); what lies outside is cut off.
void paste(Image& image, const Image& top, int x, int y);

}  // namespace kg
