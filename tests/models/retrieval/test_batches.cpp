// What the retrievers' training steps read: functions of (seed, step), parts that make up the whole, windows inside of
// the motions, captions of the items, and masks of pairs that are no negatives.
#include "models/retrieval/batches.h"

#include <algorithm>
#include <set>

#include "tests/models/retrieval/toys.h"

namespace kg {
namespace {

// Item i has 3 + 2 i frames, in frame t of which every number is 100 i + t, and i % 3 + 1 captions "i c".
Dataset set_of_items(int count) {
  Dataset set;
  for (int i = 0; i < count; ++i) {
    const int64_t frames = 3 + 2 * i;
    const Tensor x = Tensor::empty({frames, 4});
    for (int64_t t = 0; t < frames; ++t) x.select(0, t).fill(double(100 * i + t));
    Item item{"clip" + std::to_string(i), x, {}, "clip" + std::to_string(i)};
    for (int c = 0; c <= i % 3; ++c)
      item.captions.push_back({"item " + std::to_string(i) + " says " + std::to_string(c), {}});
    set.items.push_back(std::move(item));
  }
  return set;
}
Statistics unit_statistics() { return {Tensor::zeros({4}), Tensor::full({4}, 1)}; }
std::vector<int32_t> item_ids(const RetrievalPairs& p) {
  return {p.ids.data<int32_t>(), p.ids.data<int32_t>() + p.ids.numel()};
}

TEST(RetrievalBatches, AreFunctionsOfSeedAndStep) {
  const Dataset set = set_of_items(11);
  const RetrievalBatching options{.batch = 4, .seed = 3, .window = 6, .noise = 5};
  const Part all{0, 4, 4};
  RetrievalBatches forward(set, unit_statistics(), options), alone(set, unit_statistics(), options);
  EXPECT_EQ(forward.batches_per_epoch(), 2);
  for (int64_t step = 0; step < 7; ++step) forward.pairs(step, all);
  const RetrievalPairs a = forward.pairs(7, all), b = alone.pairs(7, all), other = alone.pairs(8, all);
  EXPECT_EQ(a.captions, b.captions);
  EXPECT_EQ(item_ids(a), item_ids(b));
  EXPECT_EQ(a.noise.to_vector(), b.noise.to_vector());
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(a.motions[i].to_vector(), b.motions[i].to_vector());
  EXPECT_NE(a.noise.to_vector(), other.noise.to_vector());
  RetrievalBatching seeded = options;
  seeded.seed = 4;
  EXPECT_NE(RetrievalBatches(set, unit_statistics(), seeded).pairs(7, all).captions, a.captions);
}

TEST(RetrievalBatches, PairsOfAnEpochAreDifferentItemsWithTheirOwnCaptionsAndWindows) {
  const Dataset set = set_of_items(11);
  RetrievalBatches batches(set, unit_statistics(), {.batch = 4, .seed = 1, .window = 6});
  std::set<std::string> captions;
  std::set<double> begins;  // of item 10, which has 23 frames
  for (int64_t step = 0; step < 200; ++step) {
    const RetrievalPairs p = batches.pairs(step, {0, 4, 4});
    const std::vector<int32_t> ids = item_ids(p);
    EXPECT_EQ(std::set<int32_t>(ids.begin(), ids.end()).size(), 4u);
    EXPECT_FALSE(p.mask.defined() || p.noise.defined());
    int64_t longest = 0;
    for (size_t b = 0; b < 4; ++b) {
      const Item& item = set.items[size_t(ids[b])];
      const int64_t frames = std::min<int64_t>(6, item.features.size(0));
      longest = std::max(longest, frames);
      ASSERT_EQ(p.motions[b].shape(), (Shape{frames, 4}));
      const std::vector<double> x = p.motions[b].to_vector();
      const double begin = x.front() - 100 * ids[b];
      EXPECT_GE(begin, 0);
      EXPECT_LE(begin + double(frames), double(item.features.size(0)));
      EXPECT_EQ(x.back() - x.front(), double(frames - 1));
      EXPECT_TRUE(p.captions[b].starts_with("item " + std::to_string(ids[b]) + " says ")) << p.captions[b];
      captions.insert(p.captions[b]);
      if (ids[b] == 10) begins.insert(begin);
    }
    EXPECT_EQ(p.longest, longest);
  }
  size_t all = 0;
  for (const Item& item : set.items) all += item.captions.size();
  EXPECT_EQ(captions.size(), all);  // each caption was drawn
  EXPECT_EQ(begins.size(), 18u);    // and each window
}

TEST(RetrievalBatches, PartsMakeUpTheWhole) {
  const Dataset set = set_of_items(5);
  const RetrievalBatching options{
      .batch = 5, .seed = 2, .noise = 3, .filter = 0.8, .vectors = [](const std::vector<std::string>& some) {
        const Tensor rows = Tensor::zeros({int64_t(some.size()), 2});
        for (size_t i = 0; i < some.size(); ++i)  // items 0 and 1 are alike
          rows.select(0, int64_t(i)).slice(0, some[i][5] > '1', 1 + (some[i][5] > '1')).fill(1);
        return rows;
      }};
  RetrievalBatches batches(set, unit_statistics(), options);
  const RetrievalPairs whole = batches.pairs(3, {0, 5, 5});
  const std::vector<int32_t> ids = item_ids(whole);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 5; ++j)
      EXPECT_EQ(whole.mask.data<uint8_t>()[i * 5 + j], i != j && (ids[size_t(i)] > 1) == (ids[size_t(j)] > 1));
  for (const Part part : {Part{0, 3, 5}, Part{3, 5, 5}}) {
    const RetrievalPairs p = batches.pairs(3, part);
    const auto own = [&](const Tensor& t, int axis) {
      return t.slice(axis, part.begin, part.end).contiguous().to_vector();
    };
    EXPECT_EQ(p.captions,
              std::vector<std::string>(whole.captions.begin() + part.begin, whole.captions.begin() + part.end));
    EXPECT_EQ(item_ids(p), ids);
    EXPECT_EQ(p.longest, whole.longest);
    EXPECT_EQ(p.targets.to_vector(), own(whole.targets, 0));
    EXPECT_EQ(p.mask.to_vector(), own(whole.mask, 0));
    EXPECT_EQ(p.noise.to_vector(), own(whole.noise, 1));
    ASSERT_EQ(int64_t(p.motions.size()), part.end - part.begin);
    EXPECT_EQ(p.motions[0].to_vector(), whole.motions[size_t(part.begin)].to_vector());
  }
}

TEST(RetrievalBatches, AnItemThatComesTwiceIsNoNegativeOfItself) {
  const Dataset set = set_of_items(2);
  RetrievalBatches batches(set, unit_statistics(), {.batch = 4});
  const RetrievalPairs p = batches.pairs(0, {0, 4, 4});
  const std::vector<int32_t> ids = item_ids(p);
  ASSERT_TRUE(p.mask.defined());
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 4; ++j)
      EXPECT_EQ(p.mask.data<uint8_t>()[i * 4 + j], i != j && ids[size_t(i)] == ids[size_t(j)]);
}

TEST(RetrievalBatches, RareWordsTellCaptionsApart) {
  std::vector<std::string> all(20, "a person walks");
  all.insert(all.end(), {"a person waves the left arm", "a person kicks"});
  const Tensor v = word_vectors(all)({"a person walks", "Walks, a person!", "a person kicks", "a person flies"});
  const std::vector<double> x = v.to_vector();
  const auto cosine = [&](int64_t i, int64_t j) {
    double dot = 0, left = 0, right = 0;
    for (int64_t k = 0; k < v.size(1); ++k) {
      const double a = x[size_t(i * v.size(1) + k)], b = x[size_t(j * v.size(1) + k)];
      dot += a * b, left += a * a, right += b * b;
    }
    return dot / std::sqrt(left * right);
  };
  EXPECT_NEAR(cosine(0, 1), 1, 1e-6);
  EXPECT_LT(cosine(2, 3), cosine(0, 2));
  EXPECT_LT(cosine(0, 2), 0.6);  // TMR's filter
}

TEST(RetrievalBatches, RefuseAFilterWithoutVectorsAndItemsWithoutCaptions) {
  Dataset set = set_of_items(3);
  EXPECT_THROW(RetrievalBatches(set, unit_statistics(), {.batch = 2, .filter = 0.8}), Error);
  RetrievalBatches batches(set, unit_statistics(), {.batch = 2});
  EXPECT_THROW(batches.pairs(0, {0, 3, 3}), Error);
  set.items[1].captions.clear();
  EXPECT_THROW(RetrievalBatches(set, unit_statistics(), {.batch = 2}), Error);
}

}  // namespace
}  // namespace kg
