// The quantiser's codebook: start, moving averages and resets by hand-computed values for each kind of update.

#include "models/tokenizer/quantizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nn/linear.h"
#include "nn/optim.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

using Values = std::vector<double>;

// Three codes (0, 0), (10, 10), (20, 20), each seen once; decay 1/2.
std::unique_ptr<Quantizer> three_codes(CodebookUpdate update) {
  auto q = std::make_unique<Quantizer>(3, 2, update, 0.5);
  q->codebook.value.copy_from(Tensor::from<float>({0, 0, 10, 10, 20, 20}, {3, 2}));
  q->code_sum.copy_from(q->codebook.value);
  q->code_count.fill(1);
  q->initialized.fill(1);
  return q;
}
Tensor batch() { return Tensor::from<float>({1, 1, 3, 3, 9, 9, 11, 11}, {4, 2}); }

// Assigned: two vectors to code 0 with sum (4, 4), two to code 1 with sum (20, 20), none to code 2. So the moving sums
// are 2, 15, 10 and the moving counts 1.5, 1.5, 0.5.
void expect_codebook(CodebookUpdate update, const Values& codes) {
  SCOPED_TRACE(name_of_value(update));
  const auto q = three_codes(update);
  const Quantizer::Output out = (*q)(batch());
  EXPECT_EQ(out.ids.to_vector(), (Values{0, 0, 1, 1}));
  EXPECT_EQ(out.y.value.to_vector(), (Values{0, 0, 0, 0, 10, 10, 10, 10})) << "the codes before the update";
  EXPECT_EQ(out.used(), 2);
  EXPECT_NEAR(out.perplexity(), 2, 1e-6);
  // mean of 1, 9, 1, 1; with a learned codebook the codebook loss has the same value again
  const bool learned = update == CodebookUpdate::learned || update == CodebookUpdate::reset;
  EXPECT_FLOAT_EQ(float(out.loss.item()), learned ? 6 : 3);
  expect_near(q->codebook.value, codes, 1e-6, "codebook");
  if (update == CodebookUpdate::learned) return;
  expect_near(q->code_sum, {2, 2, 15, 15, 10, 10}, 1e-6, "sums");
  expect_near(q->code_count, {1.5, 1.5, 0.5}, 1e-6, "counts");
}

TEST(Quantizer, Updates) {
  const double mean = 2 / 1.5;
  expect_codebook(CodebookUpdate::ema, {mean, mean, 10, 10, 20, 20});
  expect_codebook(CodebookUpdate::ema_reset, {mean, mean, 10, 10, 9, 9});  // row 2 of the batch
  expect_codebook(CodebookUpdate::reset, {0, 0, 10, 10, 9, 9});
  expect_codebook(CodebookUpdate::learned, {0, 0, 10, 10, 20, 20});
}
TEST(Quantizer, EvaluationChangesNothing) {
  for (CodebookUpdate update : {CodebookUpdate::ema_reset, CodebookUpdate::reset}) {
    const auto q = three_codes(update);
    q->eval();
    (*q)(batch());
    EXPECT_EQ(q->codebook.value.to_vector(), (Values{0, 0, 10, 10, 20, 20}));
    EXPECT_EQ(q->code_count.to_vector(), (Values{1, 1, 1}));
  }
}
TEST(Quantizer, CodesAreResetBelowTheirThreshold) {
  Quantizer q(3, 2, CodebookUpdate::ema_reset, 0.5, 0.25);  // 0.5 is above it: code 2 stays alive
  q.codebook.value.copy_from(Tensor::from<float>({0, 0, 10, 10, 20, 20}, {3, 2}));
  q.code_sum.copy_from(q.codebook.value);
  q.code_count.fill(1);
  q.initialized.fill(1);
  q(batch());
  EXPECT_EQ(q.codebook.value.select(0, 2).to_vector(), (Values{20, 20}));
}

TEST(Quantizer, TheFirstBatchFillsTheCodebook) {
  Quantizer q(3, 2, CodebookUpdate::learned);
  q.eval();
  q(batch());
  EXPECT_EQ(q.initialized.item(), 0) << "evaluation must not start the codebook";
  q.train();
  q(batch());
  EXPECT_EQ(q.codebook.value.to_vector(), (Values{1, 1, 3, 3, 9, 9}));
  EXPECT_EQ(q.code_sum.to_vector(), q.codebook.value.to_vector());
  EXPECT_EQ(q.code_count.to_vector(), (Values{1, 1, 1}));
  EXPECT_EQ(q.initialized.item(), 1);
  q(Tensor::full({4, 2}, 7));
  EXPECT_EQ(q.codebook.value.to_vector(), (Values{1, 1, 3, 3, 9, 9})) << "only the first";
}
// More codes than vectors: the vectors repeat, with noise of deviation 0.01 / sqrt(2).
TEST(Quantizer, FewVectorsAreTiled) {
  default_generator() = {71, 0};
  Quantizer q(5, 2, CodebookUpdate::learned);
  q(Tensor::from<float>({1, 2, 30, 40}, {2, 2}));
  const Values want = {1, 2, 30, 40, 1, 2, 30, 40, 1, 2}, got = q.codebook.value.to_vector();
  double noise = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], 5 * 0.00708);
    noise = std::max(noise, std::fabs(got[i] - want[i]));
  }
  EXPECT_GT(noise, 1e-4);
  EXPECT_NE(got[0], got[4]) << "copies would be codes that are never used";
}

TEST(Quantizer, PassesTheGradientStraightThrough) {
  const auto q = three_codes(CodebookUpdate::ema);
  const Var x(batch(), true);
  const Quantizer::Output out = (*q)(x);
  backward(sum(out.y * Var(Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {4, 2}))));
  EXPECT_EQ(x.grad().to_vector(), (Values{1, 2, 3, 4, 5, 6, 7, 8}));
}
TEST(Quantizer, CommitmentPullsVectorsAndCodebookLossPullsCodes) {
  const auto q = three_codes(CodebookUpdate::learned);
  const Var x(batch(), true);
  backward((*q)(x).loss);
  // 2 (x - code) / 8 and, for each code, the sum of 2 (code - x) / 8
  expect_near(x.grad(), {0.25, 0.25, 0.75, 0.75, -0.25, -0.25, 0.25, 0.25}, 1e-6);
  expect_near(q->codebook.grad(), {-1, -1, 0, 0, 0, 0}, 1e-6);
}
// The first batch and resets write to a learned codebook between forward and backward. The gradients are those without
// the write, and debug builds do not mistake it for a change of other weights in the optimizer's buffer.
TEST(Quantizer, WritesToALearnedCodebookLeaveBackwardAlone) {
  const auto gradients = [](Quantizer& q) {
    Linear linear(2, 2, false);
    linear.weight.value.copy_from(Tensor::from<float>({1, 0, 0, 1}, {2, 2}));
    const AdamW optimizer({{.parameters = linear.named_parameters()}, {.parameters = q.named_parameters()}}, {});
    backward(q(linear(batch())).loss);
    Values both = linear.weight.grad().to_vector();
    for (double g : q.codebook.grad().to_vector()) both.push_back(g);
    return both;
  };
  const auto kept = three_codes(CodebookUpdate::learned), reset = three_codes(CodebookUpdate::reset);
  const Values expected = gradients(*kept);
  EXPECT_EQ(expected[4], -1) << "the codebook's first, as above";
  EXPECT_EQ(gradients(*reset), expected);
  EXPECT_EQ(reset->codebook.value.select(0, 2).to_vector(), (Values{9, 9})) << "it was reset";

  Quantizer fresh(3, 2, CodebookUpdate::learned);
  const auto same = three_codes(CodebookUpdate::learned);
  same->codebook.value.copy_from(batch().slice(0, 0, 3));
  EXPECT_EQ(gradients(fresh), gradients(*same));
  EXPECT_EQ(fresh.initialized.item(), 1);
}
TEST(Quantizer, IdsAndCodesHaveTheShapeOfTheirInput) {
  const auto q = three_codes(CodebookUpdate::ema);
  const Tensor ids = q->ids(batch().reshape({2, 2, 2}));
  EXPECT_EQ(ids.shape(), (Shape{2, 2}));
  EXPECT_EQ(q->codes(ids).to_vector(), (Values{0, 0, 0, 0, 10, 10, 10, 10}));
  EXPECT_EQ(q->codes(ids).shape(), (Shape{2, 2, 2}));
}
TEST(Quantizer, NamesOfUpdates) {
  for (const char* name : {"ema_reset", "ema", "reset", "learned"})
    EXPECT_STREQ(name_of_value(*value_named<CodebookUpdate>(name)), name);
  EXPECT_FALSE(value_named<CodebookUpdate>("kmeans"));
}

}  // namespace
}  // namespace kg
