// Columns of the log as series.
#include "tools/common/show/training_plots.h"

#include <algorithm>
#include <cmath>

#include "tools/common/train/csv.h"

namespace kg::tools {
namespace {

// Iterations without a value are left out: validation has one every few hundred.
Series series_of(const CsvTable& table, size_t column, const std::string& name, Mark mark) {
  Series series{name, {}, {}, mark};
  for (size_t i = 0; i < table.values[column].size(); ++i) {
    if (!std::isfinite(table.values[column][i])) continue;
    series.x.push_back(table.values[0][i]);
    series.y.push_back(table.values[column][i]);
  }
  return series;
}

// Whether a curve falls so far that a linear axis would hide its end.
bool wants_log_scale(const std::vector<Series>& all) {
  double low = INFINITY, high = 0;
  for (const Series& series : all)
    for (const double y : series.y) low = std::min(low, y), high = std::max(high, y);
  return low > 0 && high > 30 * low && all[0].y.back() < std::sqrt(low * high);
}

}  // namespace

std::vector<Plot> training_plots(const std::filesystem::path& log) {
  const CsvTable table = read_csv(log);
  const auto find = [&](const std::string& name) {
    return size_t(std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin());
  };
  std::vector<Plot> plots;
  for (size_t c = 1; c < table.columns.size(); ++c) {
    const std::string& name = table.columns[c];
    const bool validates = name.starts_with("val_");
    if (name == "lr" || (validates && find(name.substr(4)) < table.columns.size())) continue;
    Plot plot{.title = name, .x_label = "iteration"};
    plot.series.push_back(
        series_of(table, c, validates ? "validation" : "training", validates ? Mark::line_and_points : Mark::line));
    if (const size_t pair = find("val_" + name); pair < table.columns.size())
      plot.series.push_back(series_of(table, pair, "validation", Mark::line_and_points));
    std::erase_if(plot.series, [](const Series& series) { return series.x.empty(); });
    if (plot.series.empty()) continue;
    plot.log_y = wants_log_scale(plot.series);
    plots.push_back(plot);
  }
  return plots;
}

std::vector<std::string> write_training_plots(const std::filesystem::path& log, const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const Plot& plot : training_plots(log)) {
    names.push_back("training_" + plot.title + ".png");
    write_plot(folder / names.back(), plot);
  }
  return names;
}

}  // namespace kg::tools
