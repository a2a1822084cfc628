// Statistics of features. Sums are double and merged clip by clip (Chan's update), so they lose nothing on large sets.
#include "data/motion/statistics.h"

#include <cmath>
#include <string>

#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "tensor/error.h"

namespace kg {
namespace {

// Beginnings of the blocks whose deviations are averaged, and the end.
constexpr int kBlocks[] = {kRootYaw,        kRootVelocity, kRootHeight, kLocalPositions,
                           kLocalRotations, kVelocities,   kContacts,   kFeatures};
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
  CHECK(features.dtype() == Dtype::f32 && features.rank() >= 1 && features.size(-1) == kFeatures, "[", op,
        "] needs (..., ", kFeatures, ") f32, got ", features.shape(), " ", name_of(features.dtype()));
  const Tensor in = features.contiguous();
  const Tensor out = empty_like(in);
  const float *x = in.data<float>(), *mean = s.mean.data<float>(), *std = s.std.data<float>();
  float* y = out.data<float>();
  const int64_t rows = in.numel() / kFeatures;
  for (int64_t r = 0; r < rows; ++r)
    for (int i = 0; i < kFeatures; ++i, ++x, ++y) *y = fn(*x, mean[i], std[i]);
  return out;
}

Tensor read_vector(const std::filesystem::path& path) {
  const Tensor t = read_npy(path);
  CHECK_INPUT(t.rank() == 1 && t.size(0) == kFeatures, path.string(), ": needs shape (", kFeatures, "), has ",
              t.shape());
  return t.to(Dtype::f32).contiguous();
}

}  // namespace

StatisticsBuilder::StatisticsBuilder() : mean_(kFeatures, 0), squares_(kFeatures, 0) {}

void StatisticsBuilder::add(const Tensor& features) {
  CHECK(features.dtype() == Dtype::f32 && features.rank() == 2 && features.size(1) == kFeatures,
        "[StatisticsBuilder] needs (frames, ", kFeatures, ") f32, got ", features.shape());
  const Tensor rows = features.contiguous();
  const float* x = rows.data<float>();
  const int64_t n = rows.size(0);
  if (n == 0) return;
  for (int i = 0; i < kFeatures; ++i) {
    double mean = 0, squares = 0;
    for (int64_t t = 0; t < n; ++t) mean += x[t * kFeatures + i];
    mean /= double(n);
    for (int64_t t = 0; t < n; ++t) squares += (x[t * kFeatures + i] - mean) * (x[t * kFeatures + i] - mean);
    const double difference = mean - mean_[i], total = double(frames_ + n);
    mean_[i] += difference * double(n) / total;
    squares_[i] += squares + difference * difference * double(frames_) * double(n) / total;
  }
  frames_ += n;
}

Statistics StatisticsBuilder::finish() const {
  CHECK_INPUT(frames_ > 0, "no frames to take statistics of");
  Statistics s{Tensor::empty({kFeatures}), Tensor::empty({kFeatures})};
  for (int i = 0; i < kFeatures; ++i) s.mean.data<float>()[i] = float(mean_[i]);
  for (size_t b = 0; b + 1 < std::size(kBlocks); ++b) {
    double sum = 0;
    for (int i = kBlocks[b]; i < kBlocks[b + 1]; ++i) sum += std::sqrt(squares_[i] / double(frames_));
    const double average = sum / (kBlocks[b + 1] - kBlocks[b]);
    CHECK_INPUT(!(average <= kStill), "no clip changes ", kBlockNames[b][0], " (features ", kBlocks[b], " to ",
                kBlocks[b + 1] - 1, "), so there is no scale to learn by; add clips with ", kBlockNames[b][1]);
    for (int i = kBlocks[b]; i < kBlocks[b + 1]; ++i) s.std.data<float>()[i] = float(average);
  }
  check_statistics(s, "the clips' statistics");
  return s;
}

Statistics eval_statistics(const Statistics& statistics, double divisor) {
  Statistics s{statistics.mean, statistics.std.clone()};
  float* std = s.std.data<float>();
  for (int i = kRootYaw; i < kLocalPositions; ++i) std[i] = float(std[i] / divisor);
  for (int i = kContacts; i < kFeatures; ++i) std[i] = float(std[i] / divisor);
  return s;
}

void check_statistics(const Statistics& s, const std::string& where) {
  for (int i = 0; i < kFeatures; ++i) {
    const float mean = s.mean.data<float>()[i], std = s.std.data<float>()[i];
    CHECK_INPUT(std::isfinite(mean), where, ": the mean of feature ", i, " is ", mean);
    CHECK_INPUT(std::isfinite(std) && std > 0, where, ": the standard deviation of feature ", i, " is ", std,
                ", must be positive; make the statistics again from clips that differ in it");
  }
}

Statistics read_statistics(const std::filesystem::path& folder) {
  const Statistics s{read_vector(folder / "Mean.npy"), read_vector(folder / "Std.npy")};
  check_statistics(s, folder.string() + "/{Mean,Std}.npy");
  return s;
}

Statistics read_eval_statistics(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder / "mean.npy", error)) return eval_statistics(read_statistics(folder));
  const Statistics s{read_vector(folder / "mean.npy"), read_vector(folder / "std.npy")};
  check_statistics(s, folder.string() + "/{mean,std}.npy");
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
