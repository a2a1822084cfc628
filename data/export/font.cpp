// The glyphs and how they are laid out. A glyph is strokes separated by blanks; a stroke is points of two hexadecimal
// digits (x, y) on a grid whose baseline is y = 3, x-height 8, capitals a, descenders 0. A plain stroke is a polyline,
// one point a dot; `~` a quadratic B-spline from its first to its last point; `o` a closed one.
#include "data/export/font.h"

#include <algorithm>
#include <array>

namespace kg {
namespace {

constexpr double kUnitsPerEm = 10, kBaseline = 3, kGap = 1.9, kBlank = 3.2, kWeight = 0.95;

constexpr std::array<std::string_view, 95> kGlyphs = {
    "",                                  // space
    "0a05 03",                           // !
    "0a08 2a28",                         // "
    "132a 435a 0555 1868",               // #
    "~494a0a0746430304 2b22",            // $
    "136a o1a3a3818 o45656343",          // %
    "~6328181a4a470605034355",           // &
    "0a08",                              // '
    "~2b090421",                         // (
    "~0b292401",                         // )
    "2a26 0947 0749",                    // *
    "2824 0646",                         // +
    "1401",                              // ,
    "0636",                              // -
    "03",                                // .
    "024b",                              // /
    "o0a4a4303",                         // 0
    "082a23",                            // 1
    "~080a4a470403 0343",                // 2
    "~090a4a4717 ~1747430304",           // 3
    "3a0545 3a33",                       // 4
    "4a0a07 ~071848430304",              // 5
    "~3a0a05 o07474303",                 // 6
    "0a4a13",                            // 7
    "o0a4a4707 o07474303",               // 8
    "o0a4a4606 ~484313",                 // 9
    "07 04",                             // :
    "17 1401",                           // ;
    "480644",                            // <
    "0747 0545",                         // =
    "084604",                            // >
    "~090a4a472725 23",                  // ?
    "~52010a7a74545748 o28585424",       // @
    "033a63 1555",                       // A
    "030a ~0a2a4a472707 ~072757532303",  // B
    "~585a0a035355",                     // C
    "030a ~0a2a5a532303",                // D
    "4a0a0343 0737",                     // E
    "4a0a03 0737",                       // F
    "~585a0a035356 5636",                // G
    "0a03 5a53 0757",                    // H
    "0a2a 1a13 0323",                    // I
    "~3a35330304",                       // J
    "0a03 4a06 1743",                    // K
    "0a0343",                            // L
    "030a356a63",                        // M
    "030a535a",                          // N
    "o0a6a6303",                         // O
    "030a ~0a2a5a562606",                // P
    "o0a6a6303 4562",                    // Q
    "030a ~0a2a5a562606 2653",           // R
    "~594a0a0756530304",                 // S
    "0a4a 2a23",                         // T
    "~0a060353565a",                     // U
    "0a336a",                            // V
    "0a2349638a",                        // W
    "0a53 5a03",                         // X
    "0a264a 2623",                       // Y
    "0a5a0353",                          // Z
    "2b0b0121",                          // [
    "0b42",                              // backslash
    "0b2b2101",                          // ]
    "082a48",                            // ^
    "0242",                              // _
    "0a18",                              // `
    "o08484303 4843",                    // a
    "0a03 o08484303",                    // b
    "~474808034344",                     // c
    "4a43 o08484303",                    // d
    "0545 ~454808034344",                // e
    "~3a1a181613 0828",                  // f
    "o08484303 ~4843400001",             // g
    "0a03 ~0608484643",                  // h
    "0803 0a",                           // i
    "~18131000 1a",                      // j
    "0a03 3805 1643",                    // k
    "~0a040313",                         // l
    "0803 ~0608383633 ~3638686663",      // m
    "0803 ~0608484643",                  // n
    "o08484303",                         // o
    "0800 o08484303",                    // p
    "4840 o08484303",                    // q
    "0803 ~060838",                      // r
    "~3738080635330304",                 // s
    "~1a141333 0828",                    // t
    "~0805034345 4843",                  // u
    "082348",                            // v
    "0823374368",                        // w
    "0843 4803",                         // x
    "0823 4811",                         // y
    "08480343",                          // z
    "~2b1b1706 ~06151121",               // {
    "0b01",                              // |
    "~0b1b1726 ~26151101",               // }
    "~05173547",                         // ~
};
constexpr std::string_view kMissing = "0a4a43030a";

int hex(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// Points on a quadratic B-spline: each inner control point rounds one corner between the middles of its two sides.
Polyline spline(const Polyline& control, bool closed) {
  constexpr int kSteps = 6;
  const std::size_t n = control.size();
  const auto middle = [](const Point& a, const Point& b) { return Point{(a.x + b.x) / 2, (a.y + b.y) / 2}; };
  Polyline out;
  if (!closed) out.push_back(control.front());
  for (std::size_t i = closed ? 0 : 1; i + (closed ? 0 : 1) < n; ++i) {
    const Point &before = control[(i + n - 1) % n], &corner = control[i], &after = control[(i + 1) % n];
    const Point a = !closed && i == 1 ? before : middle(before, corner);
    const Point b = !closed && i + 2 == n ? after : middle(corner, after);
    for (int s = 0; s <= kSteps; ++s) {
      const double t = static_cast<double>(s) / kSteps, u = 1 - t;
      out.push_back(
          {u * u * a.x + 2 * u * t * corner.x + t * t * b.x, u * u * a.y + 2 * u * t * corner.y + t * t * b.y});
    }
  }
  return out;
}

struct Glyph {
  std::vector<Polyline> strokes;  // in grid units, y up from the baseline
  double width = 0;
};

Glyph parse_glyph(std::string_view text) {
  Glyph glyph;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    std::string_view stroke = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const char kind = stroke.front();
    if (kind == '~' || kind == 'o') stroke.remove_prefix(1);
    Polyline line;
    for (std::size_t i = 0; i + 1 < stroke.size(); i += 2) {
      line.push_back({static_cast<double>(hex(stroke[i])), hex(stroke[i + 1]) - kBaseline});
      glyph.width = std::max(glyph.width, line.back().x);
    }
    glyph.strokes.push_back(kind == '~' || kind == 'o' ? spline(line, kind == 'o') : line);
  }
  return glyph;
}

// Glyph 95 is the box for what is missing.
const Glyph& glyph_of(unsigned char first_byte) {
  static const auto glyphs = [] {
    std::array<Glyph, 96> out;
    for (std::size_t i = 0; i < 95; ++i) out[i] = parse_glyph(kGlyphs[i]);
    out[0].width = kBlank - kGap;
    out[95] = parse_glyph(kMissing);
    return out;
  }();
  return glyphs[first_byte >= 32 && first_byte < 127 ? first_byte - 32u : 95u];
}

// The bytes after the first of a UTF-8 character take no place.
bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// `text` cut so that it fits with "..." behind it.
std::string shorten(std::string text, double size, double width) {
  while (!text.empty() && text_width(text + "...", size) > width) {
    while (text.size() > 1 && continues(text.back())) text.pop_back();
    text.pop_back();
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text + "...";
}

}  // namespace

double text_width(std::string_view text, double size) {
  double units = 0;
  for (const char c : text)
    if (!continues(c)) units += glyph_of(static_cast<unsigned char>(c)).width + kGap;
  return std::max(0., units - kGap) * size / kUnitsPerEm;
}

void draw_text(Image& image, double x, double y, std::string_view text, double size, const Color& color) {
  const double unit = size / kUnitsPerEm;
  for (const char c : text) {
    if (continues(c)) continue;
    const Glyph& glyph = glyph_of(static_cast<unsigned char>(c));
    std::vector<Polyline> strokes = glyph.strokes;
    for (Polyline& line : strokes)
      for (Point& p : line) p = {x + p.x * unit, y - p.y * unit};
    stroke(image, strokes, kWeight * unit + .35, color);
    x += (glyph.width + kGap) * unit;
  }
}

std::vector<std::string> wrap_text(std::string_view text, double size, double width, std::size_t max_lines) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const std::string longer = line.empty() ? word : line + " " + word;
    if (text_width(longer, size) <= width) {
      line = longer;
    } else if (lines.size() + 1 == max_lines) {
      lines.push_back(shorten(longer, size, width));
      return lines;
    } else {
      if (!line.empty()) lines.push_back(line);
      line = text_width(word, size) <= width ? word : shorten(word, size, width);
    }
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

}  // namespace kg
