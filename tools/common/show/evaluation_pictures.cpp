#include "tools/common/show/evaluation_pictures.h"

#include <algorithm>
#include <sstream>

#include "data/export/html.h"
#include "data/export/plot.h"
#include "data/motion/features.h"
#include "tools/common/show/training_plots.h"

namespace kg::tools {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCases = 8;  // best ones, and as many worst ones

Plot curves_plot(Plot plot, const std::vector<Curve>& curves) {
  for (const Curve& curve : curves) plot.series.push_back({curve.name, curve.x, curve.y, Mark::line_and_points});
  return plot;
}

Plot rareness_plot(const std::vector<Case>& cases) {
  Plot plot{"Rareness of the caption", "1 - nearest training caption's cosine", "text-motion distance", {}};
  Series points{"", {}, {}, Mark::points};
  for (const Case& c : cases) points.x.push_back(c.rareness), points.y.push_back(c.distance);
  plot.series.push_back(std::move(points));
  return plot;
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(3);
  text << value;
  return text.str();
}

HtmlSection html_section(const Case& c, const EvaluationSet& set) {
  const Item& item = set.item(c.item);
  const Skeleton& skeleton = set.data.skeleton;
  HtmlSection section;
  section.title = item.captions[size_t(c.caption)].text;
  section.text = item.name + ", text-motion distance " + number(c.distance);
  section.motions.push_back({"model", item.name, features_to_joints(c.motion, skeleton), skeleton.fps, skeleton});
  section.motions.push_back(
      {"ground truth", item.name, features_to_joints(item.features, skeleton), skeleton.fps, skeleton});
  return section;
}

void write_cases(const fs::path& path, const Evaluation& evaluation, const EvaluationSet& set) {
  std::vector<const Case*> order;
  for (const Case& c : evaluation.cases) order.push_back(&c);
  std::stable_sort(order.begin(), order.end(), [](const Case* a, const Case* b) { return a->distance < b->distance; });
  const size_t shown = std::min(kCases, (order.size() + 1) / 2);
  std::vector<HtmlSection> sections;
  for (size_t i = 0; i < shown; ++i) {
    sections.push_back(html_section(*order[i], set));
    if (i == 0) sections.back().title = "Best cases: " + sections.back().title;
  }
  for (size_t i = 0; i < std::min(shown, order.size() - shown); ++i) {
    sections.push_back(html_section(*order[order.size() - 1 - i], set));
    if (i == 0) sections.back().title = "Worst cases: " + sections.back().title;
  }
  write_html(path, "Best and worst cases",
             "By the distance between caption and motion in the evaluator's space, of " + std::to_string(order.size()) +
                 " items",
             sections);
}

}  // namespace

std::vector<fs::path> write_pictures(const fs::path& folder, const Evaluation& evaluation, const EvaluationSet& set,
                                     const fs::path& log) {
  std::vector<fs::path> written;
  const auto plot = [&](const char* name, const Plot& picture) {
    if (picture.series.empty()) return;
    write_plot(folder / name, picture);
    written.push_back(folder / name);
  };
  if (fs::exists(log))
    for (const std::string& name : write_training_plots(log, folder)) written.push_back(folder / name);
  plot("recall.png", curves_plot({"Text to motion retrieval", "k", "R@k, %", {}}, evaluation.recall));
  plot("noise.png",
       curves_plot({"FID of the ground truth with noise", "deviations of each feature", "FID", {}}, evaluation.noise));
  if (evaluation.cases.empty()) return written;
  const bool rare =
      std::any_of(evaluation.cases.begin(), evaluation.cases.end(), [](const Case& c) { return c.rareness != 0; });
  if (rare) plot("rareness.png", rareness_plot(evaluation.cases));
  write_cases(folder / "cases.html", evaluation, set);
  written.push_back(folder / "cases.html");
  return written;
}

}  // namespace kg::tools
