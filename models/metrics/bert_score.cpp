// Greedy matching of tokens.
#include "models/metrics/bert_score.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "models/metrics/linalg.h"
#include "tensor/error.h"
#include "tensor/ops.h"

namespace kg {

IdfWeights::IdfWeights(const std::vector<std::vector<int>>& references) : references_(int64_t(references.size())) {
  CHECK_INPUT(!references.empty(), "[bert_score] no references to count tokens in");
  for (const auto& reference : references)
    for (const int token : std::set<int>(reference.begin(), reference.end())) ++documents_[token];
}

double IdfWeights::of(int token) const {
  if (references_ == 0) return 1;
  const auto found = documents_.find(token);
  return std::log(double(references_ + 1) / double(1 + (found == documents_.end() ? 0 : found->second)));
}

std::vector<double> IdfWeights::of(const std::vector<int>& tokens) const {
  std::vector<double> weights;
  for (const int token : tokens) weights.push_back(of(token));
  return weights;
}

namespace {

Tensor directions(const TokenEmbeddings& text, const std::string& what) {
  const Tensor rows = metric_rows(text.vectors, what);
  CHECK_INPUT(int64_t(text.weights.size()) == rows.size(0), what, ": ", rows.size(0), " tokens, but ",
              text.weights.size(), " weights");
  for (const double weight : text.weights)
    CHECK_INPUT(weight >= 0 && std::isfinite(weight), what, ": a weight of ", weight, ", expected 0 or more");
  return unit_rows(rows, what);
}

double weighted_mean(const std::vector<double>& values, const std::vector<double>& weights) {
  double sum = 0, total = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i], total += weights[i];
  return total > 0 ? sum / total : 0;
}

}  // namespace

BertScore bert_score(const TokenEmbeddings& candidate, const TokenEmbeddings& reference) {
  const Tensor c = directions(candidate, "[bert_score] candidate"), r = directions(reference, "[bert_score] reference");
  CHECK_INPUT(c.size(1) == r.size(1), "[bert_score] embeddings of ", c.size(1), " and ", r.size(1), " numbers");
  const Tensor cosines = matmul(c, r.transpose(0, 1));
  BertScore score;
  score.precision = weighted_mean(max(cosines, 1).to_vector(), candidate.weights);
  score.recall = weighted_mean(max(cosines, 0).to_vector(), reference.weights);
  const double sum = score.precision + score.recall;
  score.f1 = sum != 0 ? 2 * score.precision * score.recall / sum : 0;
  return score;
}

BertScore best_of(const std::vector<BertScore>& scores) {
  CHECK_INPUT(!scores.empty(), "[bert_score] no references");
  BertScore best = scores[0];
  for (const BertScore& score : scores)
    best = {std::max(best.precision, score.precision), std::max(best.recall, score.recall),
            std::max(best.f1, score.f1)};
  return best;
}

BertScore rescale(const BertScore& score, const BertScore& baseline) {
  const auto scaled = [](double x, double b) {
    CHECK_INPUT(b < 1, "[bert_score] a baseline of ", b, ", expected below 1");
    return (x - b) / (1 - b);
  };
  return {scaled(score.precision, baseline.precision), scaled(score.recall, baseline.recall),
          scaled(score.f1, baseline.f1)};
}

}  // namespace kg
