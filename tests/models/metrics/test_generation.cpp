// FID, R-Precision, MM-Dist, Diversity, MModality: by hand, against SciPy, under transformations, and with bad input.
#include "models/metrics/generation.h"

#include <numeric>

#include "data/sets/sampling.h"
#include "tensor/ops.h"
#include "tensor/parallel.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"
#include "tests/models/metrics/rows.h"

namespace kg {
namespace {

// An orthogonal matrix (d, d).
Tensor random_rotation(int64_t d) {
  const Tensor x = random_rows(d, d, 99);
  return eigen_symmetric(add(x, x.transpose(0, 1))).vectors;
}

std::vector<int64_t> in_order(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

Tensor rows_of(const Tensor& x, const std::vector<int64_t>& order) {
  const Tensor y = empty_like(x);
  for (size_t i = 0; i < order.size(); ++i) y.select(0, int64_t(i)).copy_from(x.select(0, order[i]));
  return y;
}

TEST(Fid, OneDimensionByHand) {
  // Means 2 and 5, variances 1 and 4: 9 + (1 - 2)^2.
  const Tensor a = Tensor::from<double>({1, 2, 3}, {3, 1}), b = Tensor::from<double>({3, 5, 7}, {3, 1});
  EXPECT_NEAR(fid(a, b), 10, 1e-14);
  EXPECT_NEAR(fid(b, a), 10, 1e-14);
}

TEST(Fid, Golden) {
  const Golden golden("metrics.safetensors");
  for (const std::string name : {"fid", "singular"}) {
    const double want = golden.get(name + ".value").item();
    EXPECT_NEAR(fid(golden.get(name + ".real"), golden.get(name + ".generated")), want, 2e-8 * want) << name;
  }
}

TEST(Fid, InvariantUnderOrderRotationAndShift) {
  const Tensor a = random_rows(50, 8, 1), b = random_rows(40, 8, 2), turn = random_rotation(8);
  const double value = fid(a, b);
  EXPECT_GT(value, .1);
  EXPECT_NEAR(fid(rows_of(a, random_order(50, {7, 7})), b), value, 1e-12);
  EXPECT_NEAR(fid(matmul(a, turn), matmul(b, turn)), value, 1e-12);
  EXPECT_NEAR(fid(affine(a, 3., 5.), affine(b, 3., 5.)), 9 * value, 1e-10);
  EXPECT_NEAR(fid(a, a), 0, 1e-12);
}

TEST(Fid, RisesWithNoise) {
  const Tensor real = random_rows(400, 8, 1), noise = random_rows(400, 8, 2);
  double before = fid(real, real);
  for (const double size : {.1, .2, .5, 1., 2.}) {
    const double value = fid(real, add(real, affine(noise, size, 0.)));
    EXPECT_GT(value, before + 1e-4);
    before = value;
  }
}

TEST(Matching, ByHand) {
  const Tensor text = Tensor::from<double>({0, 10, 20, 30}, {4, 1}),
               motion = Tensor::from<double>({1, 22, 19, 40}, {4, 1});
  const Matching matching = matching_score(text, motion, in_order(4), 4, 3);
  EXPECT_EQ(matching.items, 4);
  // Text 10: distances 9, 12, 9, 30: third. Text 30: 29, 8, 11, 10: second.
  EXPECT_EQ(matching.r_precision, (std::vector<double>{.5, .75, 1}));
  EXPECT_DOUBLE_EQ(matching.mm_dist, (1 + 12 + 1 + 10) / 4.);
  EXPECT_DOUBLE_EQ(mm_dist(text, motion), 6);
}

TEST(Matching, EqualMotionsMatchByChance) {
  const Matching matching = matching_score(random_rows(64, 5, 1), Tensor::zeros({64, 5}), in_order(64));
  for (int k = 1; k <= 3; ++k) EXPECT_DOUBLE_EQ(matching.r_precision[size_t(k - 1)], k / 32.);
  EXPECT_EQ((Place{2, 0}.within(2)), 0);
  EXPECT_EQ((Place{2, 0}.within(3)), 1);
  EXPECT_EQ((Place{1, 3}.within(3)), .5);
}

TEST(Matching, Golden) {
  const Golden golden("metrics.safetensors");
  std::vector<int64_t> order;
  for (const double i : golden.get("match.order").to_vector()) order.push_back(int64_t(i));
  const Matching matching = matching_score(golden.get("match.text"), golden.get("match.motion"), order);
  EXPECT_EQ(matching.items, 64);
  const std::vector<double> want = golden.get("match.r_precision").to_vector();
  for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(matching.r_precision[k], want[k], 1e-14);
  EXPECT_NEAR(matching.mm_dist, golden.get("match.mm_dist").item(), 1e-13);
}

TEST(Matching, InvariantUnderRotationAndOrderWithinAPool) {
  const Tensor text = random_rows(40, 6, 1), motion = add(text, random_rows(40, 6, 2)), turn = random_rotation(6);
  const Matching matching = matching_score(text, motion, in_order(40));
  EXPECT_GT(matching.r_precision[0], .1);
  EXPECT_LT(matching.r_precision[0], 1);
  const Matching turned =
      matching_score(affine(matmul(text, turn), 1., 3.), affine(matmul(motion, turn), 1., 3.), in_order(40));
  EXPECT_EQ(turned.r_precision, matching.r_precision);
  std::vector<int64_t> order = random_order(32, {1, 2});
  for (int64_t i = 32; i < 40; ++i) order.push_back(i);
  const Matching other = matching_score(text, motion, order);
  EXPECT_EQ(other.r_precision, matching.r_precision);
  EXPECT_NEAR(other.mm_dist, matching.mm_dist, 1e-14);
}

TEST(Diversity, ByHandAndGolden) {
  // All distances are 0 or 2.
  const Tensor two = Tensor::from<double>({1, -1}, {2, 1});
  const Diversity spread = diversity(two, {1, 1});
  EXPECT_EQ(spread.pairs, 1);
  EXPECT_TRUE(spread.value == 0 || spread.value == 2);
  const Golden golden("metrics.safetensors");
  const Tensor motion = golden.get("match.motion");
  EXPECT_NEAR(diversity(motion, {11, 5}, 40).value, golden.get("diversity.value").item(), 1e-13);
  EXPECT_EQ(diversity(Tensor::ones({400, 3}), {1, 1}).value, 0);
}

TEST(Diversity, PairsAreThreeHundredOrTheDocumentedFallback) {
  EXPECT_EQ(diversity(random_rows(300, 2, 1), {1, 1}).pairs, 300);
  EXPECT_EQ(diversity(random_rows(299, 2, 1), {1, 1}).pairs, 100);
  EXPECT_EQ(diversity(random_rows(101, 2, 1), {1, 1}).pairs, 100);
  EXPECT_EQ(diversity(random_rows(100, 2, 1), {1, 1}).pairs, 99);
}

TEST(Diversity, ScalesAndIgnoresShifts) {
  const Tensor x = random_rows(120, 4, 1);
  const double value = diversity(x, {1, 1}).value;
  EXPECT_NEAR(value, 2 * std::sqrt(2) * .94, .4);  // of normal points in 4 dimensions
  EXPECT_NEAR(diversity(affine(x, 3., 7.), {1, 1}).value, 3 * value, 1e-12);
  EXPECT_NE(diversity(x, {2, 1}).value, value);
}

TEST(Multimodality, ByHandAndGolden) {
  const Golden golden("metrics.safetensors");
  EXPECT_NEAR(multimodality(golden.get("multimodality.motions"), {3, 9}), golden.get("multimodality.value").item(),
              1e-13);
  EXPECT_EQ(multimodality(Tensor::ones({3, 10, 4}), {1, 1}), 0);
  // Both subsets hold every generation: of n equal to its own index the mean distance is that of a permutation.
  const double value = multimodality(Tensor::from<double>({0, 1}, {1, 2, 1}), {1, 1}, 2);
  EXPECT_TRUE(value == 0 || value == 1);
}

TEST(ScoreGeneration, RepeatsShareEmbeddingsAndAreReproducible) {
  const Tensor text = random_rows(200, 8, 1), motion = add(text, affine(random_rows(200, 8, 2), .7, 0.)),
               real = random_rows(210, 8, 3);
  const FidReference reference(real);
  const GenerationProtocol options{.seed = 5};
  const GenerationScores scores = score_generation({text}, {motion}, &reference, options);
  EXPECT_EQ(scores.items, 200);
  EXPECT_EQ(scores.matched_items, 192);
  EXPECT_EQ(scores.diversity_pairs, 100);
  EXPECT_GT(scores.r_precision[0].mean, .3);
  EXPECT_GT(scores.r_precision[2].mean, scores.r_precision[0].mean);
  EXPECT_GT(scores.r_precision[0].half_width, 0);
  EXPECT_EQ(scores.fid.mean, fid(real, motion));
  EXPECT_TRUE(std::isnan(scores.fid.half_width));  // nothing about it is random
  const int before = threads();
  set_threads(1);
  const GenerationScores again = score_generation({text}, {motion}, &reference, options);
  set_threads(before);
  EXPECT_EQ(again.r_precision[1].mean, scores.r_precision[1].mean);
  EXPECT_EQ(again.mm_dist.half_width, scores.mm_dist.half_width);
  EXPECT_EQ(again.diversity.mean, scores.diversity.mean);
  // Embeddings given anew for each repeat: the same numbers, and FID has a spread.
  const GenerationScores slow =
      score_generation(std::vector<Tensor>(20, text), std::vector<Tensor>(20, motion), &reference, options);
  EXPECT_EQ(slow.r_precision[0].mean, scores.r_precision[0].mean);
  EXPECT_EQ(slow.mm_dist.mean, scores.mm_dist.mean);
  EXPECT_NEAR(slow.fid.half_width, 0, 1e-12);  // of equal numbers, up to rounding
}

TEST(ScoreGeneration, ShuffledTextsMatchByChance) {
  const Tensor text = random_rows(640, 8, 1);
  const GenerationScores scores = score_generation({text}, {text}, nullptr, {.seed = 1, .shuffle_texts = true});
  EXPECT_NEAR(scores.r_precision[0].mean, 1 / 32., .005);
  EXPECT_NEAR(scores.r_precision[2].mean, 3 / 32., .01);
  EXPECT_GT(scores.mm_dist.mean, 3);
  EXPECT_TRUE(std::isnan(scores.fid.mean));
}

TEST(Generation, BadInputIsNamed) {
  const Tensor x = random_rows(40, 3, 1);
  const Tensor bad = x.clone();
  bad.data<double>()[3 * 17 + 2] = INFINITY;
  const auto says = [](const char* part, const std::function<void()>& call) {
    EXPECT_NE(error_of(ErrorCode::input, call).find(part), std::string::npos) << part;
  };
  says("generated embeddings: row 17", [&] { fid(x, bad); });
  says("real embeddings: row 17", [&] { fid(bad, x); });
  says("at least 2 rows", [&] { fid(x, x.slice(0, 0, 1)); });
  says("3 numbers, generated ones 2", [&] { fid(x, x.slice(1, 0, 2)); });
  says("31 pairs are fewer than one pool of 32",
       [&] { matching_score(x.slice(0, 0, 31), x.slice(0, 0, 31), in_order(31)); });
  says("shapes", [&] { mm_dist(x, x.slice(0, 0, 31)); });
  says("at least 2", [&] { diversity(x.slice(0, 0, 1), {1, 1}); });
  says("9 generations a text, at least 10", [&] { multimodality(Tensor::zeros({3, 9, 2}), {1, 1}); });
  says("motion embeddings: row 17", [&] { score_generation({x}, {bad}, nullptr, {}); });
  error_of(ErrorCode::runtime, [&] { matching_score(x, x, std::vector<int64_t>(40, 0)); });
  error_of(ErrorCode::runtime, [&] { score_generation({x, x}, {x}, nullptr, {}); });
}

}  // namespace
}  // namespace kg
