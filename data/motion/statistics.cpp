// Statistics of features. Sums are double and merged clip by clip (Chan's update), so they lose nothing on large sets.
#include "data/motion/statistics.h"

#include <array>
#include <cmath>
#include <string>

#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "tensor/error.h"

namespace kg {
namespace {

// Beginnings of the blocks whose deviations are averaged, and the end.
std::array<int, 8> blocks_of(const FeatureLayout& l) {
  return {kRootYaw,      kRootVelocity,  kRootHeight,  kLocalPositions,
          l.rotations(), l.velocities(), l.contacts(), l.features()};
}
constexpr double kStill = 1e-6;  // a deviation that is rounding, not motion
// What changes in each, and what a set of clips needs in order to have it.
constexpr const char* kBlockNames[][2] = {{"the direction that the body faces", "turns"},
                                          {"the place of the root", "walks"},
                                          {"the height of the root", "steps or squats"},
                                          {"the joints' positions", "movement"},
                                          {"the joints' rotations", "movement"},
                                          {"the joints' velocities", "movement"},
                                          {"the contacts of the feet with the floor", "steps"}};

template <class Fn>
Tensor map_rows(const char* op, const Tensor& features, const Statistics& s, Fn fn) {
  const int64_t width = s.features();
  CHECK(features.dtype() == Dtype::f32 && features.rank() >= 1 && features.size(-1) == width, "[", op, "] needs (..., ",
        width, ") f32 as the statistics have, got ", features.shape(), " ", name_of(features.dtype()));
  const Tensor in = features.contiguous();
  const Tensor out = empty_like(in);
  const float *x = in.data<float>(), *mean = s.mean.data<float>(), *std = s.std.data<float>();
  float* y = out.data<float>();
  const int64_t rows = in.numel() / width;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; ++i, ++x, ++y) *y = fn(*x, mean[i], std[i]);
  return out;
}

Statistics read_pair(const std::filesystem::path& mean_file, const std::filesystem::path& std_file) {
  const auto read = [](const std::filesystem::path& path) {
    const Tensor t = read_npy(path);
    CHECK_INPUT(t.rank() == 1, path.string(), ": one number a feature was expected, it has shape ", t.shape());
    return t.to(Dtype::f32).contiguous();
  };
  return {read(mean_file), read(std_file)};
}

}  // namespace

StatisticsBuilder::StatisticsBuilder(const Skeleton& skeleton)
    : layout_(skeleton.layout()), mean_(size_t(layout_.features()), 0), squares_(mean_) {}

void StatisticsBuilder::add(const Tensor& features) {
  const int width = layout_.features();
  CHECK(features.dtype() == Dtype::f32 && features.rank() == 2 && features.size(1) == width,
        "[StatisticsBuilder] needs (frames, ", width, ") f32, got ", features.shape());
  const Tensor rows = features.contiguous();
  const float* x = rows.data<float>();
  const int64_t n = rows.size(0);
  if (n == 0) return;
  for (int i = 0; i < width; ++i) {
    double mean = 0, squares = 0;
    for (int64_t t = 0; t < n; ++t) mean += x[t * width + i];
    mean /= double(n);
    for (int64_t t = 0; t < n; ++t) squares += (x[t * width + i] - mean) * (x[t * width + i] - mean);
    const double difference = mean - mean_[i], total = double(frames_ + n);
    mean_[i] += difference * double(n) / total;
    squares_[i] += squares + difference * difference * double(frames_) * double(n) / total;
  }
  frames_ += n;
}

Statistics StatisticsBuilder::finish() const {
  CHECK_INPUT(frames_ > 0, "no frames to take statistics of");
  const int width = layout_.features();
  const std::array<int, 8> blocks = blocks_of(layout_);
  Statistics s{Tensor::empty({width}), Tensor::empty({width})};
  for (int i = 0; i < width; ++i) s.mean.data<float>()[i] = float(mean_[i]);
  for (size_t b = 0; b + 1 < blocks.size(); ++b) {
    double sum = 0;
    for (int i = blocks[b]; i < blocks[b + 1]; ++i) sum += std::sqrt(squares_[i] / double(frames_));
    const double average = sum / (blocks[b + 1] - blocks[b]);
    CHECK_INPUT(!(average <= kStill), "no clip changes ", kBlockNames[b][0], " (features ", blocks[b], " to ",
                blocks[b + 1] - 1, "), so there is no scale to learn by; add clips with ", kBlockNames[b][1]);
    for (int i = blocks[b]; i < blocks[b + 1]; ++i) s.std.data<float>()[i] = float(average);
  }
  check_statistics(s, "the clips' statistics");
  return s;
}

Statistics eval_statistics(const Statistics& statistics, double divisor) {
  Statistics s{statistics.mean, statistics.std.clone()};
  const FeatureLayout layout = layout_of_features(s.features());
  float* std = s.std.data<float>();
  for (int i = kRootYaw; i < kLocalPositions; ++i) std[i] = float(std[i] / divisor);
  for (int i = layout.contacts(); i < layout.features(); ++i) std[i] = float(std[i] / divisor);
  return s;
}

void check_statistics(const Statistics& s, const std::string& where) {
  CHECK_INPUT(s.mean.numel() == s.std.numel() && s.features() % 12 == 11, where, ": ", s.mean.numel(), " means and ",
              s.std.numel(), " deviations; a frame of features has 12 J - 1 numbers for J joints, as 263 or 251");
  for (int64_t i = 0; i < s.features(); ++i) {
    const float mean = s.mean.data<float>()[i], std = s.std.data<float>()[i];
    CHECK_INPUT(std::isfinite(mean), where, ": the mean of feature ", i, " is ", mean);
    CHECK_INPUT(std::isfinite(std) && std > 0, where, ": the standard deviation of feature ", i, " is ", std,
                ", must be positive; make the statistics again from clips that differ in it");
  }
}

Statistics read_statistics(const std::filesystem::path& folder) {
  const Statistics s = read_pair(folder / "Mean.npy", folder / "Std.npy");
  check_statistics(s, (folder / "Mean.npy").string() + " and Std.npy");
  return s;
}

Statistics read_eval_statistics(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder / "mean.npy", error)) return eval_statistics(read_statistics(folder));
  const Statistics s = read_pair(folder / "mean.npy", folder / "std.npy");
  check_statistics(s, (folder / "mean.npy").string() + " and std.npy");
  return s;
}

void write_statistics(const std::filesystem::path& folder, const Statistics& s) {
  write_npy(folder / "Mean.npy", s.mean);
  write_npy(folder / "Std.npy", s.std);
}

Tensor normalize_features(const Tensor& features, const Statistics& statistics) {
  return map_rows("normalize_features", features, statistics,
                  [](float x, float mean, float std) { return (x - mean) / std; });
}

Tensor denormalize_features(const Tensor& features, const Statistics& statistics) {
  return map_rows("denormalize_features", features, statistics,
                  [](float x, float mean, float std) { return x * std + mean; });
}

}  // namespace kg
