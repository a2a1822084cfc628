// The codebook of several ranks is that of one process with the whole batch:
// start, averages, resets, gradients, figures.
#include <gtest/gtest.h>

#include "models/tokenizer/quantizer.h"
#include "nn/optim.h"
#include "tests/nn/ranks.h"

namespace kg {
namespace {

struct QuantizerCourse {
  std::vector<double> codebook, sums, counts, gradient, figures;
};

// Three batches of ten vectors, of which the ranks take 4, 3, 3. `codes` above ten: the first fill needs noise.
QuantizerCourse run(CodebookUpdate update, int64_t codes) {
  default_generator() = {uint64_t(11 + world().rank()), 0};  // ranks draw different numbers, as they do in training
  Quantizer q(codes, 2, update, 0.5);
  const Part part = part_of(10);
  QuantizerCourse course;
  for (uint64_t i = 0; i < 3; ++i) {
    const Tensor batch = Tensor::empty({10, 2});
    fill_normal(batch, 0, 1, {3, i});
    const Quantizer::Output out = q(Var(batch.slice(0, part.begin, part.end).clone(), true));
    course.figures.insert(course.figures.end(), {out.perplexity(), double(out.used())});
    course.figures.push_back(mean_over_ranks({out.loss.item()}, part.share())[0]);
    if (!q.codebook.requires_grad()) continue;
    AdamW adam(q, {.lr = 0.1});
    adam.zero_grad();
    backward_over_ranks(out.loss, part, adam.parameters());
    course.gradient = adam.parameters().gradients().to_vector();
    adam.step();
  }
  course.codebook = q.codebook.value.to_vector();
  course.sums = q.code_sum.to_vector();
  course.counts = q.code_count.to_vector();
  return course;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, const char* what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-6) << what << " " << i;
}

class QuantizerRanks : public testing::TestWithParam<const char*> {};

TEST_P(QuantizerRanks, EqualOneProcess) {
  for (int64_t codes : {4, 16})
    for (int size : {2, 3}) {
      const QuantizerCourse alone = run(*value_named<CodebookUpdate>(GetParam()), codes);
      std::vector<QuantizerCourse> ranks(static_cast<size_t>(size));
      test::run_ranks(size, [&](int r) { ranks[size_t(r)] = run(*value_named<CodebookUpdate>(GetParam()), codes); });
      for (const QuantizerCourse& other : ranks) {
        EXPECT_EQ(other.codebook, ranks[0].codebook);
        EXPECT_EQ(other.sums, ranks[0].sums);
        EXPECT_EQ(other.counts, ranks[0].counts);
        EXPECT_EQ(other.figures, ranks[0].figures);
      }
      expect_near(ranks[0].codebook, alone.codebook, "codebook");
      expect_near(ranks[0].sums, alone.sums, "sums");
      expect_near(ranks[0].counts, alone.counts, "counts");
      expect_near(ranks[0].gradient, alone.gradient, "gradient");
      expect_near(ranks[0].figures, alone.figures, "figures");
    }
}
INSTANTIATE_TEST_SUITE_P(Updates, QuantizerRanks, testing::Values("ema_reset", "ema", "reset", "learned"),
                         [](const auto& info) { return std::string(info.param); });

TEST(QuantizerRanks, EvaluationOnOneRankAloneWaitsForNone) {
  test::run_ranks(2, [](int r) {
    Quantizer q(4, 2, CodebookUpdate::ema_reset);
    q.eval();
    if (r != 0) return;
    EXPECT_EQ(q(Var(Tensor::ones({5, 2}))).used(), 1);
  });
}

}  // namespace
}  // namespace kg
