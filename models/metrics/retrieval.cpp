// Ranks of the right items, and what is reported of them.
#include "models/metrics/retrieval.h"

#include <algorithm>
#include <map>

#include "models/metrics/linalg.h"
#include "tensor/error.h"
#include "tensor/ops.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

// (N, N), finite, as contiguous f64.
Tensor checked(const Tensor& similarity) {
  const Tensor values = metric_rows(similarity, "[retrieval] similarities");
  CHECK_INPUT(values.size(0) == values.size(1), "[retrieval] similarities must be (N, N), a row a query, got ",
              values.shape());
  return values;
}

// Averaged ranks lie between whole ones; half a place behind k still counts, as in TMR's code.
double recall(const std::vector<double>& ranks, int k) {
  const auto hits = std::count_if(ranks.begin(), ranks.end(), [&](double rank) { return rank < k + 1; });
  return 100. * double(hits) / double(ranks.size());
}

Retrieval both_ways(const Tensor& values, const Tensor& right = {}) {
  return {retrieval_scores(target_ranks(values, right)),
          retrieval_scores(target_ranks(values.transpose(0, 1), right.defined() ? right.transpose(0, 1) : right))};
}

Tensor among(const Tensor& values, const int64_t* items, int64_t count) {
  const int64_t n = values.size(0);
  const Tensor chosen = Tensor::empty({count, count}, Dtype::f64);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < count; ++j)
      chosen.data<double>()[i * count + j] = values.data<double>()[items[i] * n + items[j]];
  return chosen;
}

// Each at most once.
void check_items(const std::vector<int64_t>& items, int64_t n) {
  std::vector<bool> seen(size_t(n), false);
  for (const int64_t i : items) {
    CHECK_INPUT(i >= 0 && i < n && !seen[size_t(i)], "[retrieval] item ", i, " of 0..", n - 1, ", each at most once");
    seen[size_t(i)] = true;
  }
}

void add(RetrievalScores& sum, const RetrievalScores& group, double share) {
  for (size_t k = 0; k < sum.recall.size(); ++k) sum.recall[k] += share * group.recall[k];
  sum.median_rank += share * group.median_rank;
  sum.queries += group.queries;
}

}  // namespace

Tensor cosine_similarity(const Tensor& texts, const Tensor& motions) {
  const std::string text = "[retrieval] text vectors", motion = "[retrieval] motion vectors";
  const Tensor t = metric_rows(texts, text), m = metric_rows(motions, motion);
  CHECK_INPUT(t.size(1) == m.size(1), "[retrieval] text vectors have ", t.size(1), " numbers, motion vectors ",
              m.size(1));
  return matmul(unit_rows(t, text), unit_rows(m, motion).transpose(0, 1));
}

std::vector<double> target_ranks(const Tensor& similarity, const Tensor& right) {
  const Tensor values = checked(similarity);
  const int64_t n = values.size(0);
  CHECK(!right.defined() || (right.dtype() == Dtype::u8 && right.shape() == values.shape()),
        "[retrieval] right items must be (", n, ", ", n, ") u8");
  const Tensor mask = right.defined() ? right.contiguous() : right;
  std::vector<double> ranks(static_cast<size_t>(n));
  parallel_for(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double* row = values.data<double>() + i * n;
      double best = row[i];
      if (mask.defined())
        for (int64_t j = 0; j < n; ++j)
          if (mask.data<uint8_t>()[i * n + j]) best = std::max(best, row[j]);
      int64_t better = 0, equal = 0;
      for (int64_t j = 0; j < n; ++j) better += row[j] > best, equal += row[j] == best;
      ranks[size_t(i)] = 1 + double(better) + double(equal - 1) / 2;
    }
  });
  return ranks;
}

RetrievalScores retrieval_scores(const std::vector<double>& ranks) {
  CHECK_INPUT(!ranks.empty(), "[retrieval] no queries");
  RetrievalScores scores;
  for (size_t i = 0; i < kRecallAt.size(); ++i) scores.recall[i] = recall(ranks, kRecallAt[i]);
  std::vector<double> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  scores.median_rank = (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
  scores.queries = int64_t(ranks.size());
  return scores;
}

std::vector<double> recall_curve(const std::vector<double>& ranks, int up_to) {
  CHECK_INPUT(!ranks.empty(), "[retrieval] no queries");
  std::vector<double> curve;
  for (int k = 1; k <= up_to; ++k) curve.push_back(recall(ranks, k));
  return curve;
}

Retrieval retrieve(const Tensor& similarity) { return both_ways(checked(similarity)); }

Retrieval retrieve_by_threshold(const Tensor& similarity, const Tensor& caption_similarity, double threshold) {
  const Tensor values = checked(similarity),
               captions = metric_rows(caption_similarity, "[retrieval] caption similarities");
  check_pairs(values, captions, "[retrieval] similarities of motions and of captions");
  const Tensor right = Tensor::empty(values.shape(), Dtype::u8);
  for (int64_t i = 0; i < right.numel(); ++i) right.data<uint8_t>()[i] = captions.data<double>()[i] > threshold;
  return both_ways(values, right);
}

Retrieval retrieve_same_caption(const Tensor& similarity, const std::vector<std::string>& captions) {
  const Tensor values = checked(similarity);
  const int64_t n = values.size(0);
  CHECK_INPUT(int64_t(captions.size()) == n, "[retrieval] ", captions.size(), " captions for ", n, " items");
  std::map<std::string, std::vector<int64_t>> items;
  for (int64_t i = 0; i < n; ++i) items[captions[size_t(i)]].push_back(i);
  const Tensor right = Tensor::zeros(values.shape(), Dtype::u8);
  for (const auto& [caption, group] : items)
    for (const int64_t i : group)
      for (const int64_t j : group) right.data<uint8_t>()[i * n + j] = 1;
  return both_ways(values, right);
}

Retrieval retrieve_subset(const Tensor& similarity, const std::vector<int64_t>& items) {
  const Tensor values = checked(similarity);
  CHECK_INPUT(!items.empty(), "[retrieval] the subset has no items");
  check_items(items, values.size(0));
  return both_ways(among(values, items.data(), int64_t(items.size())));
}

Retrieval retrieve_small_batches(const Tensor& similarity, const std::vector<int64_t>& order, int64_t batch) {
  const Tensor values = checked(similarity);
  check_items(order, values.size(0));
  CHECK(batch > 0, "[retrieval] batches of ", batch);
  const int64_t groups = int64_t(order.size()) / batch;
  CHECK_INPUT(groups > 0, "[retrieval] ", order.size(), " items are fewer than one batch of ", batch);
  Retrieval mean;
  for (int64_t g = 0; g < groups; ++g) {
    const Retrieval group = both_ways(among(values, order.data() + g * batch, batch));
    add(mean.text_to_motion, group.text_to_motion, 1. / double(groups));
    add(mean.motion_to_text, group.motion_to_text, 1. / double(groups));
  }
  return mean;
}

}  // namespace kg
