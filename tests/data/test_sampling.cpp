// Orders, windows and crops: every clip once an epoch, any position without the ones before it, crops inside the clip.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/sets/sampling.h"

namespace kg {
namespace {

TEST(ShuffledOrder, EpochsVisitEverythingOnce) {
  ShuffledOrder order(10, 5, 1);
  EXPECT_EQ(order.batches_per_epoch(), 2);
  std::set<std::vector<int64_t>> seen;
  for (int epoch = 0; epoch < 20; ++epoch) {
    std::vector<int64_t> indices;
    for (int i = 0; i < 10; ++i) indices.push_back(order.at(epoch * 10 + i));
    EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), 10u);
    seen.insert(indices);
  }
  EXPECT_EQ(seen.size(), 20u);
}

TEST(ShuffledOrder, DropsTheIncompleteBatch) {
  ShuffledOrder order(11, 4, 1);
  EXPECT_EQ(order.epoch_length(), 8);
  std::map<int64_t, int> visits;
  for (int64_t p = 0; p < 8 * 1100; ++p) ++visits[order.at(p)];
  EXPECT_EQ(visits.size(), 11u);
  for (const auto& [index, count] : visits) EXPECT_NEAR(count, 800, 70) << index;  // 800 +- 15
}

TEST(ShuffledOrder, FewerThanABatch) {
  ShuffledOrder order(3, 8, 1);
  EXPECT_EQ(order.batches_per_epoch(), 1);
  std::map<int64_t, int> visits;
  for (int64_t p = 0; p < 9; ++p) ++visits[order.at(p)];
  EXPECT_EQ(visits, (std::map<int64_t, int>{{0, 3}, {1, 3}, {2, 3}}));
}

TEST(ShuffledOrder, IsAFunctionOfSeedAndPosition) {
  ShuffledOrder forward(50, 8, 9), backward(50, 8, 9), other(50, 8, 10);
  std::vector<int64_t> a, b, c;
  for (int64_t p = 0; p < 300; ++p) a.push_back(forward.at(p)), c.push_back(other.at(p));
  for (int64_t p = 299; p >= 0; --p) b.insert(b.begin(), backward.at(p));
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_THROW(ShuffledOrder(0, 4, 1), Error);
}

// Value of row t, column d of clip k: 1000 k + t + d / 10.
std::vector<Tensor> numbered(std::vector<int64_t> lengths) {
  std::vector<Tensor> clips;
  for (size_t k = 0; k < lengths.size(); ++k) {
    clips.push_back(Tensor::empty({lengths[k], 2}));
    for (int64_t i = 0; i < 2 * lengths[k]; ++i)
      clips.back().data<float>()[i] = float(1000 * double(k) + double(i / 2) + double(i % 2) / 10);
  }
  return clips;
}

TEST(WindowSampler, CutsWindowsAtEveryPlace) {
  WindowSampler sampler(numbered({4, 6, 9, 5}), 4, 2, 5);
  EXPECT_EQ(sampler.batches_per_epoch(), 2);
  std::map<int, std::map<int, int>> begins;
  for (int64_t i = 0; i < 4000; ++i) {
    const Tensor batch = sampler.batch(i);
    ASSERT_EQ(batch.shape(), (Shape{2, 4, 2}));
    for (int b = 0; b < 2; ++b) {
      const float* x = batch.data<float>() + 8 * b;
      for (int t = 1; t < 4; ++t) ASSERT_EQ(x[2 * t], x[0] + float(t));
      ++begins[int(x[0]) / 1000][int(x[0]) % 1000];
    }
  }
  const std::map<int, int> places = {{0, 1}, {1, 3}, {2, 6}, {3, 2}};
  for (const auto& [clip, count] : places) {
    EXPECT_EQ(int(begins[clip].size()), count);
    for (const auto& [begin, times] : begins[clip]) EXPECT_NEAR(times, 2000. / count, 200) << clip << ' ' << begin;
  }
}

TEST(WindowSampler, OfPlacesTakesEveryWindowOnceAnEpoch) {
  WindowSampler sampler(numbered({4, 6, 9, 5}), 4, 4, 5, Windows::of_places);  // 1 + 3 + 6 + 2 windows
  EXPECT_EQ(sampler.batches_per_epoch(), 3);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::set<float> first;
    for (int i = 0; i < 3; ++i) {
      const Tensor batch = sampler.batch(3 * epoch + i);
      for (int64_t w = 0; w < 4; ++w) first.insert(batch.data<float>()[w * 8]);
    }
    EXPECT_EQ(first, (std::set<float>{0, 1000, 1001, 1002, 2000, 2001, 2002, 2003, 2004, 2005, 3000, 3001}));
  }
}

TEST(WindowSampler, ResumesAtAnyIteration) {
  WindowSampler a(numbered({40, 60, 90, 50, 70}), 16, 3, 5), b(numbered({40, 60, 90, 50, 70}), 16, 3, 5);
  for (int64_t i = 0; i < 17; ++i) a.batch(i);
  EXPECT_EQ(a.batch(17).to_vector(), b.batch(17).to_vector());
  EXPECT_NE(a.batch(18).to_vector(), b.batch(17).to_vector());
  EXPECT_THROW(WindowSampler(numbered({40, 15}), 16, 1, 0), Error);
}

TEST(Crops, SharesAndBounds) {
  std::map<int, int> lengths, begins;
  for (int64_t i = 0; i < 3000; ++i) {
    const Crop crop = random_crop(43, draw(1, i, Draw(2)));
    ++lengths[crop.frames], ++begins[crop.begin];
    ASSERT_LE(crop.begin + crop.frames, 43);
  }
  EXPECT_EQ(lengths.size(), 2u);
  EXPECT_NEAR(lengths[36], 1000, 100);
  EXPECT_NEAR(lengths[40], 2000, 100);
  EXPECT_EQ(begins.size(), 8u);
  EXPECT_EQ(random_crop(4, draw(1, 0, Draw(2))).frames, 4);
  EXPECT_THROW(random_crop(3, draw(1, 0, Draw(2))), Error);

  std::set<int> places;
  for (int64_t i = 0; i < 200; ++i) {
    const Crop crop = aligned_crop(43, draw(1, i, Draw(2)));
    EXPECT_EQ(crop.frames, 40);
    places.insert(crop.begin);
  }
  EXPECT_EQ(places, (std::set<int>{0, 1, 2, 3}));
}

TEST(Crops, TokenJitter) {
  std::map<std::pair<int, int>, int> kinds;
  for (int64_t i = 0; i < 3000; ++i) {
    const Crop crop = jittered_tokens(10, draw(3, i, Draw(1)));
    ++kinds[{crop.begin, crop.frames}];
  }
  EXPECT_EQ(kinds.size(), 3u);
  EXPECT_NEAR((kinds[{0, 10}]), 2000, 100);
  EXPECT_NEAR((kinds[{0, 9}]), 500, 80);
  EXPECT_NEAR((kinds[{1, 9}]), 500, 80);
  EXPECT_EQ(jittered_tokens(1, draw(3, 0, Draw(1))).frames, 1);
}

// Checkpoints go on and figures come out as before only while these stay.
TEST(Sampling, UsesOfTheSeedKeepTheirNumbers) {
  const auto first = [](uint64_t number) { return Philox{5, mix(number, 7)}.uniform(0); };
  EXPECT_EQ(draw(5, 7, Draw::token_crop).uniform(0), first(11));
  EXPECT_EQ(draw(5, 7, Draw::token_jitter).uniform(0), first(12));
  EXPECT_EQ(draw(5, 7, Draw::caption).uniform(0), first(13));
  EXPECT_EQ(draw(5, 7, Draw::corruption).uniform(0), first(14));
  EXPECT_EQ(draw(5, 7, Draw::keep).uniform(0), first(15));
  EXPECT_EQ(draw(5, 7, Draw::evaluator_crop).uniform(0), first(21));
  EXPECT_EQ(draw(5, 7, Draw::evaluator_caption).uniform(0), first(22));
  EXPECT_EQ(draw(5, 7, Draw::partner).uniform(0), first(23));
  EXPECT_EQ(draw(5, 7, Draw::order).uniform(0), first(0x6F72646572));
  EXPECT_EQ(draw(5, 7, Draw::window).uniform(0), first(0x77696E646F77));
}

}  // namespace
}  // namespace kg
