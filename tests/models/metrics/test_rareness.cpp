// Rareness of prompts, the tail and the balanced mean: by hand, against NumPy, under transformations, and bad input.
#include "models/metrics/rareness.h"

#include <numeric>

#include "data/sets/sampling.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"

namespace kg {
namespace {

TEST(Rareness, ByHand) {
  const Tensor prompts = Tensor::from<double>({1, 0, 0, 5, -1, 0}, {3, 2}),
               training = Tensor::from<double>({2, 0, 3, 4}, {2, 2});
  const std::vector<double> values = rareness(prompts, training);
  EXPECT_NEAR(values[0], 0, 1e-15);
  EXPECT_NEAR(values[1], 1 - .8, 1e-15);
  EXPECT_NEAR(values[2], 1 + .6, 1e-15);
}

TEST(Rareness, TailByHand) {
  const std::vector<double> values = {.1, .9, .3, .9, .2}, distances = {1, 2, 3, 4, 5};
  EXPECT_EQ(rarest(values, .4), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(rarest(values), (std::vector<int64_t>{1}));  // at least one
  EXPECT_EQ(rarest(values, 1), (std::vector<int64_t>{1, 3, 2, 4, 0}));
  EXPECT_EQ(tail_mm_dist(values, distances, .4), 3);
  EXPECT_EQ(tail_mm_dist(values, distances, 1), 3);
  EXPECT_EQ(rarest(std::vector<double>(100, 0.)).size(), 5u);
}

TEST(Rareness, BalancedByHand) {
  // Four bins of 0.25 from 0 to 1: {1, 3}, none, {5}, {7, 9}.
  const std::vector<double> values = {0, .2, .5, .8, 1}, distances = {1, 3, 5, 7, 9};
  const std::vector<Bin> bins = rareness_bins(values, distances, 4);
  ASSERT_EQ(bins.size(), 3u);
  EXPECT_EQ(bins[0].mean, 2);
  EXPECT_EQ(bins[0].prompts, 2);
  EXPECT_EQ(bins[1].centre, .625);
  EXPECT_EQ(bins[2].mean, 8);
  EXPECT_EQ(balanced_mm_dist(values, distances, 4), 5);
  EXPECT_EQ(balanced_mm_dist({.3, .3}, {1, 2}, 10), 1.5);  // no range at all
}

TEST(Rareness, Golden) {
  const Golden golden("metrics.safetensors");
  const auto value = [&](const std::string& name) { return golden.get("rareness." + name); };
  const std::vector<double> values = rareness(value("prompts"), value("training"));  // 2500: more than two blocks
  const std::vector<double> want = value("values").to_vector(), distances = value("distances").to_vector();
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(values[i], want[i], 1e-14);
  EXPECT_NEAR(tail_mm_dist(want, distances), value("tail").item(), 1e-14);
  EXPECT_NEAR(balanced_mm_dist(want, distances, 10), value("balanced10").item(), 1e-14);
  EXPECT_NEAR(balanced_mm_dist(want, distances, 100), value("balanced100").item(), 1e-14);
}

// Only the order matters for the tail; a shift and a positive factor do not matter for the bins.
TEST(Rareness, Invariances) {
  const Golden golden("metrics.safetensors");
  const std::vector<double> values = golden.get("rareness.values").to_vector(),
                            distances = golden.get("rareness.distances").to_vector();
  std::vector<double> cubed, moved, other_values, other_distances;
  for (const double value : values) cubed.push_back(value * value * value), moved.push_back(3 * value + 1);
  EXPECT_EQ(tail_mm_dist(cubed, distances), tail_mm_dist(values, distances));
  EXPECT_NEAR(balanced_mm_dist(moved, distances, 10), balanced_mm_dist(values, distances, 10), 1e-14);
  for (const int64_t i : random_order(61, {1, 1}))
    other_values.push_back(values[size_t(i)]), other_distances.push_back(distances[size_t(i)]);
  EXPECT_NEAR(tail_mm_dist(other_values, other_distances), tail_mm_dist(values, distances), 1e-14);
  EXPECT_NEAR(balanced_mm_dist(other_values, other_distances, 100), balanced_mm_dist(values, distances, 100), 1e-14);
}

TEST(Rareness, TailDiversityIsThatOfTheRarest) {
  const Tensor motion = Tensor::empty({200, 3}, Dtype::f64);
  fill_normal(motion, 0, 1, {1, 1});
  std::vector<double> values(200);
  std::iota(values.begin(), values.end(), 0.);  // the last ten are the rarest
  const Diversity tail = tail_diversity(values, motion, {5, 5});
  EXPECT_EQ(tail.pairs, 9);
  const Tensor reversed = Tensor::empty({10, 3}, Dtype::f64);
  for (int64_t i = 0; i < 10; ++i) reversed.select(0, i).copy_from(motion.select(0, 199 - i));
  EXPECT_EQ(tail.value, diversity(reversed, {5, 5}, 9).value);
  EXPECT_EQ(tail_diversity(values, Tensor::ones({200, 3}), {5, 5}).value, 0);
}

TEST(Rareness, BadInputIsNamed) {
  const auto says = [](const std::string& part, const std::function<void()>& call) {
    EXPECT_NE(error_of(ErrorCode::input, call).find(part), std::string::npos) << part;
  };
  const Tensor nan = Tensor::from<double>({1, 2, NAN, 3}, {2, 2});
  says("prompts: row 1 is not finite", [&] { rareness(nan, Tensor::ones({2, 2})); });
  says("training captions from row 0: row 1 is not finite", [&] { rareness(Tensor::ones({2, 2}), nan); });
  says("rows of 2 numbers", [] { rareness(Tensor::ones({2, 2}), Tensor::ones({2, 3})); });
  says("row 0 is zero", [] { rareness(Tensor::zeros({2, 2}), Tensor::ones({2, 2})); });
  says("no prompts", [] { rarest({}); });
  says("rareness of prompt 1", [] { rarest({1, NAN}); });
  says("distance of prompt 0", [] { tail_mm_dist({1}, {NAN}); });
  says("2 prompts, but 1 distances", [] { balanced_mm_dist({1, 2}, {1}, 10); });
  says("2 prompts, but 3 motions", [] { tail_diversity({1, 2}, Tensor::ones({3, 2}), {1, 1}); });
  says("which has no diversity", [] { tail_diversity({1, 2}, Tensor::ones({2, 2}), {1, 1}); });
  error_of(ErrorCode::runtime, [] { rarest({1}, 0); });
}

}  // namespace
}  // namespace kg
