// Small diagrams as PNG: curves and scatters with axes, ticks, legend and labels, in linear or logarithmic scale.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/export/image.h"

namespace kg {

enum class Mark { line, points, line_and_points };

struct Series {
  std::string name = {};               // in the legend; empty: not listed there
  std::vector<double> x = {}, y = {};  // equally many; a point that is not finite is left out and breaks the line
  Mark mark = Mark::line;
};

struct Plot {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<Series> series = {};    // each in a colour of its own
  bool log_x = false, log_y = false;  // values above 0 only
  bool y_from_zero = false;
  int width = 720, height = 440;
};

// Errors (runtime): no point to show, x and y of different lengths, a value <= 0 on a logarithmic axis.
Image draw_plot(const Plot& plot);
void write_plot(const std::filesystem::path& path, const Plot& plot);

// The values of ticks: 1, 2 or 5 times a power of ten, about `count` of them within [low, high]. On a logarithmic axis
// powers of ten, with 2 and 5 times them where the range is short.
std::vector<double> linear_ticks(double low, double high, int count);
std::vector<double> log_ticks(double low, double high, int count);

}  // namespace kg
