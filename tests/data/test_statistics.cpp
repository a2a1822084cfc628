// Mean and deviation of features against NumPy and by hand, normalisation, and bad statistics.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/motion/statistics.h"
#include "tests/data/bad_input.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

using test::kLayout;

// Column i of row t is i + (t alternates: -1, 1) * (i + 1).
Tensor alternating(int rows, int first = 0) {
  const Tensor t = Tensor::empty({rows, kFeatures});
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < kFeatures; ++i)
      t.data<float>()[r * kFeatures + i] = float(i + ((r + first) % 2 ? 1 : -1) * (i + 1));
  return t;
}

Statistics simple_statistics() {
  StatisticsBuilder builder;
  builder.add(alternating(4));
  return builder.finish();
}

TEST(Statistics, MeanAndBlockAverages) {
  StatisticsBuilder builder;  // clips of other lengths, the same frames in all
  builder.add(alternating(3));
  builder.add(alternating(0));
  builder.add(alternating(5, 3));
  EXPECT_EQ(builder.frames(), 8);
  const Statistics s = builder.finish();
  const float* std = s.std.data<float>();
  for (int i = 0; i < kFeatures; ++i) EXPECT_NEAR(s.mean.data<float>()[i], i, 1e-4);
  // The deviation of column i is i + 1: the blocks' averages are of first + 1 ... last + 1.
  EXPECT_NEAR(std[0], 1, 1e-6);
  EXPECT_NEAR(std[1], 2.5, 1e-6);
  EXPECT_NEAR(std[2], 2.5, 1e-6);
  EXPECT_NEAR(std[3], 4, 1e-6);
  EXPECT_NEAR(std[kLocalPositions], (5 + 67) / 2., 1e-4);
  EXPECT_NEAR(std[kLayout.velocities() - 1], (68 + 193) / 2., 1e-4);
  EXPECT_NEAR(std[kLayout.velocities()], (194 + 259) / 2., 1e-4);
  EXPECT_NEAR(std[kFeatures - 1], (260 + 263) / 2., 1e-4);
}

TEST(Statistics, EvaluatorsDivideRootAndContacts) {
  const Statistics s = simple_statistics(), e = eval_statistics(s);
  for (int i = 0; i < kFeatures; ++i) {
    const bool biased = i < 4 || i >= 259;
    EXPECT_EQ(e.std.data<float>()[i], biased ? s.std.data<float>()[i] / 25 : s.std.data<float>()[i]) << i;
    EXPECT_EQ(e.mean.data<float>()[i], s.mean.data<float>()[i]);
  }
}

TEST(Statistics, PublishedEvaluatorsHaveTheFactor25) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const Statistics s = read_statistics(*folder / "golden");
  EXPECT_NEAR(s.std.data<float>()[0], 0.0128256, 1e-6);
  EXPECT_NEAR(s.mean.data<float>()[3], 0.938551, 1e-5);
  const Tensor published = read_npy(*folder / "golden" / "evaluator_t2m_std.npy").to(Dtype::f32);
  const Statistics e = eval_statistics(s);
  for (int i = 0; i < kFeatures; ++i)  // built from slightly other data
    EXPECT_NEAR(e.std.data<float>()[i] / published.data<float>()[i], 1, 0.015) << i;
}

TEST(Statistics, MetaFoldersAreTakenAsTheyAre) {
  const TemporaryFolder folder;
  const Statistics s = simple_statistics();
  write_statistics(folder.path(), s);
  EXPECT_EQ(read_eval_statistics(folder.path()).std.to_vector(), eval_statistics(s).std.to_vector());
  write_npy(folder / "mean.npy", s.mean);
  write_npy(folder / "std.npy", s.std);
  EXPECT_EQ(read_eval_statistics(folder.path()).std.to_vector(), s.std.to_vector());
  write_npy(folder / "std.npy", Tensor::zeros({kFeatures}));
  EXPECT_NE(input_error([&] { read_eval_statistics(folder.path()); }).find("std.npy: the standard deviation"),
            std::string::npos);
}

TEST(Statistics, NormalizeAndBack) {
  const Statistics s = simple_statistics();
  const Tensor x = alternating(6), y = normalize_features(x, s), z = denormalize_features(y, s);
  EXPECT_NEAR(y.data<float>()[0], -1, 1e-6);
  EXPECT_NEAR(y.data<float>()[3], -1, 1e-6);
  for (int64_t i = 0; i < x.numel(); ++i) EXPECT_NEAR(z.data<float>()[i], x.data<float>()[i], 1e-4);
  const Tensor batch = normalize_features(x.reshape({2, 3, kFeatures}), s);
  EXPECT_EQ(batch.shape(), (Shape{2, 3, kFeatures}));
  EXPECT_EQ(batch.reshape({6, kFeatures}).to_vector(), y.to_vector());
}

TEST(Statistics, FilesAndBadFiles) {
  const TemporaryFolder folder;
  const Statistics s = simple_statistics();
  write_statistics(folder.path(), s);
  EXPECT_EQ(read_statistics(folder.path()).mean.to_vector(), s.mean.to_vector());
  EXPECT_EQ(read_statistics(folder.path()).std.to_vector(), s.std.to_vector());

  write_npy(folder.path() / "Mean.npy", Tensor::zeros({251}));
  EXPECT_NE(input_error([&] { read_statistics(folder.path()); }).find("251 means and 263 deviations"),
            std::string::npos);
  write_npy(folder.path() / "Mean.npy", s.mean);
  for (const double bad : {0.0, -1.0, double(NAN), double(INFINITY)}) {
    const Tensor std = s.std.clone();
    std.data<float>()[7] = float(bad);
    write_npy(folder.path() / "Std.npy", std);
    EXPECT_NE(input_error([&] { read_statistics(folder.path()); }).find("deviation of feature 7"), std::string::npos);
  }
  std::filesystem::remove(folder.path() / "Std.npy");
  EXPECT_NE(input_error([&] { read_statistics(folder.path()); }).find("Std.npy"), std::string::npos);
}

TEST(Statistics, NothingThatMoves) {
  StatisticsBuilder builder;
  EXPECT_NE(input_error([&] { builder.finish(); }).find("no frames"), std::string::npos);
  builder.add(Tensor::ones({5, kFeatures}));
  EXPECT_NE(input_error([&] { builder.finish(); }).find("faces (features 0 to 0)"), std::string::npos);
  StatisticsBuilder standing;  // feet that never leave the floor: what to do about it
  const Tensor clip = alternating(4);
  for (int row = 0; row < 4; ++row) clip.slice(0, row, row + 1).slice(1, kLayout.contacts(), kFeatures).fill(1);
  standing.add(clip);
  const std::string message = input_error([&] { standing.finish(); });
  EXPECT_NE(message.find("feet with the floor (features 259 to 262)"), std::string::npos) << message;
  EXPECT_NE(message.find("add clips with steps"), std::string::npos) << message;
}

}  // namespace
}  // namespace kg
