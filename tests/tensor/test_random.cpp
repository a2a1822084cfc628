// Random numbers: Philox's published vectors, ranges and moments, dropout's mask.
#include "tensor/random.h"

#include <set>

#include "tests/tensor/naive.h"

namespace kg {
namespace {

// The known-answer vectors of Random123 (Salmon et al. 2011) for Philox 4x32-10: counter words 0, 1 are `counter`,
// words 2, 3 the stream; the key is the seed.
TEST(Philox, KnownAnswers) {
  struct Case {
    uint64_t seed, stream, counter;
    uint32_t words[4];
  };
  const uint64_t ones = ~uint64_t(0);
  const Case cases[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {ones, ones, ones, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (const Case& c : cases)
    for (int i = 0; i < 4; ++i) EXPECT_EQ((Philox{c.seed, c.stream}.block(c.counter).v[i]), c.words[i]) << i;
}

TEST(Philox, WordsAreThoseOfTheBlocks) {
  const Philox random{7, 9};
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(random.word(i), random.block(i / 4).v[i % 4]);
}

TEST(Philox, UniformNumbersAndIntegers) {
  const Philox random{11, 13};
  const int n = 40000;
  double total = 0, squares = 0;
  std::vector<int> counts(7);
  for (uint64_t i = 0; i < n; ++i) {
    const double u = random.uniform(i);
    ASSERT_TRUE(u >= 0 && u < 1) << u;
    total += u, squares += u * u;
    const uint32_t k = random.below(i, 7);
    ASSERT_LT(k, 7u);
    ++counts[k];
  }
  EXPECT_NEAR(total / n, 0.5, 4 * 0.2887 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 4 * 0.2981 / std::sqrt(n));
  for (int count : counts) EXPECT_NEAR(count, n / 7.0, 4 * std::sqrt(n * 6 / 49.0));
  EXPECT_EQ(random.below(3, 1), 0u);
}

TEST(Philox, NormalNumbers) {
  const Tensor t = Tensor::empty({40000}, Dtype::f64);
  fill_normal(t, 3, 2, {17, 1});
  double total = 0, squares = 0;
  for (double x : t.to_vector()) {
    ASSERT_TRUE(std::isfinite(x));
    total += x, squares += (x - 3) * (x - 3);
  }
  EXPECT_NEAR(total / 40000, 3, 4 * 2 / 200.0);
  EXPECT_NEAR(squares / 40000, 4, 4 * 4 * std::sqrt(2.0) / 200);
}

TEST(Fill, RangeStreamsAndThreads) {
  const Tensor t = Tensor::empty({30011});
  fill_uniform(t, -2, 6, {19, 2});
  for (double x : t.to_vector()) ASSERT_TRUE(x >= -2 && x <= 6) << x;
  const auto filled = [](uint64_t seed, uint64_t stream) {
    const Tensor x = Tensor::empty({50021});
    fill_normal(x, 0, 1, {seed, stream});
    return x;
  };
  expect_same_for_any_threads([&] { return filled(19, 2); });
  EXPECT_FALSE(same_bytes(filled(19, 2), filled(19, 3)));
  EXPECT_FALSE(same_bytes(filled(19, 2), filled(20, 2)));
  expect_error([&] { fill_uniform(Tensor::empty({4, 4}).transpose(0, 1), 0, 1, {}); }, "[fill_uniform]");
}

TEST(Generator, EveryDrawIsANewStream) {
  Generator random{5, 0};
  EXPECT_EQ(random.next().stream, 0u);
  EXPECT_EQ(random.next().stream, 1u);
  EXPECT_EQ(random.position, 2u);
  std::set<uint64_t> mixed;
  for (uint64_t a = 0; a < 50; ++a)
    for (uint64_t b = 0; b < 50; ++b) mixed.insert(mix(a, b));
  EXPECT_EQ(mixed.size(), 2500u);
}

// Element i is kept if uniform(i) >= p, and then scaled by 1 / (1 - p).
TEST(Dropout, FollowsTheRule) {
  for (Dtype dtype : {Dtype::f32, Dtype::f64})
    for (double p : {0.1, 0.5, 0.97}) {
      const Philox random{23, 5};
      const Tensor x = random_tensor({3, 20011}, dtype, 4);
      const std::vector<double> in = x.to_vector(), out = dropout(x, p, random).to_vector();
      const double scale = dtype == Dtype::f32 ? double(float(1 / (1 - p))) : 1 / (1 - p);
      for (size_t i = 0; i < in.size(); ++i) {
        const double product = dtype == Dtype::f32 ? double(float(in[i]) * float(scale)) : in[i] * scale;
        ASSERT_EQ(out[i], double(random.uniform(i)) >= p ? product : 0) << i;
      }
    }
}
TEST(Dropout, EdgesViewsAndThreads) {
  const Tensor x = random_tensor({201, 203}, Dtype::f32, 4);
  EXPECT_TRUE(same_bytes(dropout(x, 0, {1, 1}), x));
  EXPECT_TRUE(
      same_bytes(dropout(x.transpose(0, 1), 0.5, {1, 1}), dropout(x.transpose(0, 1).contiguous(), 0.5, {1, 1})));
  EXPECT_EQ(dropout(Tensor::empty({0, 3}), 0.5, {1, 1}).numel(), 0);
  expect_same_for_any_threads([&] { return dropout(x, 0.3, {1, 1}); });
  expect_error([&] { dropout(x, 1, {1, 1}); }, "[dropout] p must be in [0, 1), is 1");
  expect_error([&] { dropout(x, -0.1, {1, 1}); }, "[dropout] p must be in [0, 1)");
}

}  // namespace
}  // namespace kg
