// Rareness of prompts and the metrics over it.
#include "models/metrics/rareness.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/error.h"
#include "tensor/ops.h"

namespace kg {
namespace {

void check_values(const std::vector<double>& values, const char* what) {
  CHECK_INPUT(!values.empty(), "[rareness] no prompts");
  for (size_t i = 0; i < values.size(); ++i)
    CHECK_INPUT(std::isfinite(values[i]), "[rareness] ", what, " of prompt ", i, " is not finite");
}

void check_distances(const std::vector<double>& rareness, const std::vector<double>& distances) {
  check_values(rareness, "rareness");
  check_values(distances, "distance");
  CHECK_INPUT(rareness.size() == distances.size(), "[rareness] ", rareness.size(), " prompts, but ", distances.size(),
              " distances");
}

}  // namespace

std::vector<double> rareness(const Tensor& prompts, const Tensor& training) {
  constexpr int64_t kBlock = 1024;  // training captions at a time: tens of thousands would fill the memory
  const std::string test = "[rareness] prompts", train = "[rareness] training captions";
  const Tensor rows = unit_rows(metric_rows(prompts, test), test);
  const int64_t n = rows.size(0);
  CHECK_INPUT(training.defined() && training.rank() == 2 && training.size(0) > 0 && training.size(1) == rows.size(1),
              train, ": expected rows of ", rows.size(1), " numbers, as the prompts have");
  std::vector<double> nearest(size_t(n), -INFINITY);
  for (int64_t begin = 0; begin < training.size(0); begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, training.size(0));
    const std::string place = train + " from row " + std::to_string(begin);
    const Tensor block = unit_rows(metric_rows(training.slice(0, begin, end), place), place);
    const std::vector<double> best = max(matmul(rows, block.transpose(0, 1)), 1).to_vector();
    for (size_t i = 0; i < nearest.size(); ++i) nearest[i] = std::max(nearest[i], best[i]);
  }
  for (double& value : nearest) value = 1 - value;
  return nearest;
}

std::vector<int64_t> rarest(const std::vector<double>& rareness, double part) {
  check_values(rareness, "rareness");
  CHECK(part > 0 && part <= 1, "[rareness] a part of ", part, ", expected above 0 and at most 1");
  std::vector<int64_t> order(rareness.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return rareness[size_t(a)] > rareness[size_t(b)]; });
  order.resize(size_t(std::max<int64_t>(1, std::llround(part * double(order.size())))));
  return order;
}

double tail_mm_dist(const std::vector<double>& rareness, const std::vector<double>& distances, double part) {
  check_distances(rareness, distances);
  const std::vector<int64_t> tail = rarest(rareness, part);
  double sum = 0;
  for (const int64_t i : tail) sum += distances[size_t(i)];
  return sum / double(tail.size());
}

Diversity tail_diversity(const std::vector<double>& rareness, const Tensor& motion, Philox random, double part) {
  const Tensor rows = metric_rows(motion, "[rareness] motion embeddings");
  CHECK_INPUT(int64_t(rareness.size()) == rows.size(0), "[rareness] ", rareness.size(), " prompts, but ", rows.size(0),
              " motions");
  const std::vector<int64_t> tail = rarest(rareness, part);
  const int64_t count = int64_t(tail.size());
  CHECK_INPUT(count > 1, "[rareness] the tail of ", rareness.size(), " prompts is one prompt, which has no diversity");
  const Tensor subset = Tensor::empty({count, rows.size(1)}, Dtype::f64);
  for (int64_t i = 0; i < count; ++i) subset.select(0, i).copy_from(rows.select(0, tail[size_t(i)]));
  return diversity(subset, random, std::min<int64_t>(300, count - 1));
}

std::vector<Bin> rareness_bins(const std::vector<double>& rareness, const std::vector<double>& distances, int bins) {
  check_distances(rareness, distances);
  CHECK(bins > 0, "[rareness] ", bins, " bins asked for");
  const auto [low, high] = std::minmax_element(rareness.begin(), rareness.end());
  const double width = (*high - *low) / bins;
  std::vector<Bin> result(static_cast<size_t>(bins));
  for (size_t i = 0; i < rareness.size(); ++i) {
    const int64_t place = width > 0 ? int64_t((rareness[i] - *low) / width) : 0;
    Bin& bin = result[size_t(std::clamp<int64_t>(place, 0, bins - 1))];  // the highest value closes the last bin
    bin.mean += distances[i];
    ++bin.prompts;
  }
  for (int b = 0; b < bins; ++b) {
    Bin& bin = result[size_t(b)];
    bin.centre = *low + (b + .5) * width;
    if (bin.prompts > 0) bin.mean /= double(bin.prompts);
  }
  std::erase_if(result, [](const Bin& bin) { return bin.prompts == 0; });
  return result;
}

double balanced_mm_dist(const std::vector<double>& rareness, const std::vector<double>& distances, int bins) {
  const std::vector<Bin> filled = rareness_bins(rareness, distances, bins);
  double sum = 0;
  for (const Bin& bin : filled) sum += bin.mean;
  return sum / double(filled.size());
}

}  // namespace kg
