// Ranges, ticks and drawing of diagrams.
#include "data/export/plot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "data/export/font.h"
#include "data/export/png.h"
#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr double kTitleSize = 19, kLabelSize = 15, kTickSize = 14, kPlotMargin = 20, kLineWidth = 2.2, kPointSize = 5;
constexpr Color kBackground = rgb(0xffffff), kText = rgb(0x24292f), kFaintText = rgb(0x667080), kGrid = rgb(0xe3e6ea),
                kAxis = rgb(0x9aa4b1);
constexpr std::array<Color, 8> kSeriesColors = {rgb(0x2364c4), rgb(0xd9603b), rgb(0x2a9d6a), rgb(0x9a4fb8),
                                                rgb(0xc99a17), rgb(0x18a0b5), rgb(0xc2457c), rgb(0x6b7280)};

// One direction of the diagram: values [low, high] onto pixels [begin, end].
struct Axis {
  double low, high, begin = 0, end = 0;
  bool log = false;
  std::vector<double> ticks = {};

  double place(double value) const {
    const double part = log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return begin + part * (end - begin);
  }
};

bool shown(const Series& series, size_t i) { return std::isfinite(series.x[i]) && std::isfinite(series.y[i]); }

Axis range_of(const Plot& plot, std::vector<double> Series::*values, bool log, bool from_zero) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& series : plot.series)
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!shown(series, i)) continue;
      const double value = (series.*values)[i];
      CHECK(!log || value > 0, "[plot] '", plot.title, "': ", value, " in series '", series.name,
            "' has no place on a logarithmic axis");
      low = std::min(low, value), high = std::max(high, value);
    }
  CHECK(low <= high, "[plot] '", plot.title, "' has no point to show");
  if (log) {
    if (low == high) low /= 2, high *= 2;
    const double room = std::pow(high / low, .04);
    return {low / room, high * room, 0, 0, true};
  }
  if (from_zero) low = std::min(low, 0.), high = std::max(high, 0.);
  if (low == high) {
    const double around = low == 0 ? 1 : std::abs(low) * .1;
    low -= around, high += around;
  }
  const double room = .04 * (high - low);
  return {from_zero && low == 0 ? 0 : low - room, high + room};
}

std::string tick_text(double value) {
  char digits[32];
  const double size = std::abs(value);
  const auto format =
      size != 0 && (size < 1e-4 || size >= 1e6) ? std::chars_format::scientific : std::chars_format::fixed;
  // Ticks are 1, 2 or 5 times a power of ten apart: 12 digits hide only the rounding of their sums.
  double rounded = value;
  if (size != 0) {
    const double unit = std::pow(10, 11 - std::floor(std::log10(size)));
    if (std::isfinite(unit) && std::isfinite(value * unit)) rounded = std::round(value * unit) / unit;
  }
  return {digits, std::to_chars(digits, digits + sizeof(digits), rounded, format).ptr};
}

// A series as lines in pixels. More points than columns say nothing more: of the points of one column the first,
// lowest, highest and last stay.
std::vector<Polyline> lines_of(const Series& series, const Axis& x, const Axis& y) {
  std::vector<Polyline> lines(1);
  std::vector<Point> column;
  const auto flush = [&] {
    if (column.size() > 4) {
      const auto [lowest, highest] =
          std::minmax_element(column.begin(), column.end(), [](const Point& a, const Point& b) { return a.y < b.y; });
      column = {column.front(), std::min(lowest, highest)[0], std::max(lowest, highest)[0], column.back()};
    }
    lines.back().insert(lines.back().end(), column.begin(), column.end());
    column.clear();
  };
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!shown(series, i)) {
      flush();
      if (!lines.back().empty()) lines.emplace_back();
      continue;
    }
    const Point point{x.place(series.x[i]), y.place(series.y[i])};
    if (!column.empty() && std::floor(column.back().x) != std::floor(point.x)) flush();
    column.push_back(point);
  }
  flush();
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

void draw_series(Image& image, const Series& series, const Axis& x, const Axis& y, const Color& color) {
  if (series.mark != Mark::points) stroke(image, lines_of(series, x, y), kLineWidth, color);
  if (series.mark == Mark::line) return;
  const bool many = series.x.size() > 300;  // dense clouds stay readable where points are small and let others through
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!shown(series, i)) continue;
    const Polyline dot{{x.place(series.x[i]), y.place(series.y[i])}};
    stroke(image, std::span(&dot, 1), many ? kPointSize * .7 : kPointSize * 1.3, color, many ? .45f : 1.f);
  }
}

void draw_axes(Image& image, const Axis& x, const Axis& y) {
  for (const double tick : x.ticks) {
    const double at = x.place(tick);
    fill_rectangle(image, at - .5, y.end, at + .5, y.begin + 5, kGrid);
    const std::string text = tick_text(tick);
    draw_text(image, at - text_width(text, kTickSize) / 2, y.begin + 8 + kTickSize, text, kTickSize, kFaintText);
  }
  for (const double tick : y.ticks) {
    const double at = y.place(tick);
    fill_rectangle(image, x.begin, at - .5, x.end, at + .5, kGrid);
    const std::string text = tick_text(tick);
    draw_text(image, x.begin - 9 - text_width(text, kTickSize), at + kTickSize * .35, text, kTickSize, kFaintText);
  }
  fill_rectangle(image, x.begin - .5, y.end, x.begin + .5, y.begin + .5, kAxis);
  fill_rectangle(image, x.begin - .5, y.begin - .5, x.end, y.begin + .5, kAxis);
}

// Names in rows below the title; returns where the rows end.
double draw_legend(Image& image, const Plot& plot, double top) {
  constexpr double kSample = 22, kGap = 8, kBetween = 22;
  double x = kPlotMargin;
  const double row = kLabelSize * kLineHeight;
  bool any = false;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const std::string& name = plot.series[i].name;
    if (name.empty()) continue;
    const double width = kSample + kGap + text_width(name, kLabelSize);
    if (any && x + width > image.width - kPlotMargin) x = kPlotMargin, top += row;
    const double middle = top + row / 2;
    const Polyline sample{{x + 2, middle}, {x + kSample - 2, middle}}, dot{{x + kSample / 2, middle}};
    const Color& color = kSeriesColors[i % kSeriesColors.size()];
    if (plot.series[i].mark != Mark::points) stroke(image, std::span(&sample, 1), kLineWidth, color);
    if (plot.series[i].mark != Mark::line) stroke(image, std::span(&dot, 1), kPointSize * 1.3, color);
    draw_text(image, x + kSample + kGap, middle + kLabelSize * .35, name, kLabelSize, kText);
    x += width + kBetween;
    any = true;
  }
  return any ? top + row + 4 : top;
}

void check_plot(const Plot& plot) {
  CHECK(plot.width >= 200 && plot.height >= 160, "[plot] '", plot.title, "': ", plot.width, " x ", plot.height,
        " pixels have no room for a diagram; 200 x 160 are the least");
  for (const Series& series : plot.series)
    CHECK(series.x.size() == series.y.size(), "[plot] '", plot.title, "': series '", series.name, "' has ",
          series.x.size(), " x and ", series.y.size(), " y values");
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(1, count);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {1., 2., 5.})
    if (nice * power >= rough * (1 - 1e-9)) {
      step = nice * power;
      break;
    }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) ticks.push_back(k * step + 0.);
  return ticks;
}

std::vector<double> log_ticks(double low, double high, int count) {
  const double decades = std::log10(high / low);
  if (decades < .7) return linear_ticks(low, high, count);
  const int every = std::max(1, int(std::ceil(decades / std::max(1, count))));
  std::vector<double> ticks;
  for (int power = int(std::floor(std::log10(low))); power <= int(std::ceil(std::log10(high))); ++power)
    for (const double times : {1., 2., 5.}) {
      const double tick = times * std::pow(10, power);
      if ((times > 1 && 3 * decades > count) || (times == 1 && power % every != 0)) continue;
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  return ticks;
}

Image draw_plot(const Plot& plot) {
  check_plot(plot);
  Axis x = range_of(plot, &Series::x, plot.log_x, false), y = range_of(plot, &Series::y, plot.log_y, plot.y_from_zero);
  Image image(plot.width, plot.height, kBackground);
  double top = 14;
  for (const std::string& line : wrap_text(plot.title, kTitleSize, plot.width - 2 * kPlotMargin, 2)) {
    draw_text(image, kPlotMargin, top + kTitleSize, line, kTitleSize, kText);
    top += kTitleSize * kLineHeight;
  }
  top = draw_legend(image, plot, top);
  draw_text(image, kPlotMargin, top + kLabelSize, plot.y_label, kLabelSize, kFaintText);
  y.end = top + 8 + (plot.y_label.empty() ? 0 : kLabelSize * kLineHeight);
  y.begin = plot.height - kPlotMargin - kTickSize - 8 - (plot.x_label.empty() ? 0 : kLabelSize * kLineHeight);
  CHECK(y.begin > y.end, "[plot] '", plot.title, "': title and legend leave no room in a height of ", plot.height);

  y.ticks = y.log ? log_ticks(y.low, y.high, int((y.begin - y.end) / 45))
                  : linear_ticks(y.low, y.high, int((y.begin - y.end) / 45));
  double widest = 0;
  for (const double tick : y.ticks) widest = std::max(widest, text_width(tick_text(tick), kTickSize));
  x.begin = kPlotMargin + widest + 10, x.end = plot.width - kPlotMargin - 10;
  x.ticks = x.log ? log_ticks(x.low, x.high, int((x.end - x.begin) / 80))
                  : linear_ticks(x.low, x.high, int((x.end - x.begin) / 80));
  draw_axes(image, x, y);
  draw_text(image, (x.begin + x.end - text_width(plot.x_label, kLabelSize)) / 2, plot.height - kPlotMargin * .7,
            plot.x_label, kLabelSize, kFaintText);
  for (size_t i = 0; i < plot.series.size(); ++i)
    draw_series(image, plot.series[i], x, y, kSeriesColors[i % kSeriesColors.size()]);
  return image;
}

void write_plot(const std::filesystem::path& path, const Plot& plot) {
  write_file_atomically(path, encode_png(draw_plot(plot)), false);
}

}  // namespace kg
