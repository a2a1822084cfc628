// The metrics of generated motions.
#include "models/metrics/generation.h"

#include <algorithm>
#include <numeric>

#include "data/sets/sampling.h"
#include "tensor/error.h"
#include "tensor/ops.h"
#include "tensor/parallel.h"

namespace kg {

FidReference::FidReference(const Tensor& real)
    : real_(moments_of(metric_rows(real, "[fid] real embeddings", 2))), root_(symmetric_root(real_.covariance)) {}

double FidReference::operator()(const Tensor& generated) const {
  const Moments other = moments_of(metric_rows(generated, "[fid] generated embeddings", 2));
  const int64_t d = real_.mean.size(0);
  CHECK_INPUT(other.mean.size(0) == d, "[fid] real embeddings have ", d, " numbers, generated ones ",
              other.mean.size(0));
  const double *s1 = real_.covariance.data<double>(), *s2 = other.covariance.data<double>();
  double result = squared_distance(real_.mean.data<double>(), other.mean.data<double>(), d);
  for (int64_t i = 0; i < d; ++i) result += s1[i * d + i] + s2[i * d + i];
  const Tensor product = matmul(matmul(root_, other.covariance), root_);
  for (const double value : eigen_symmetric(product, false).values) result -= 2 * std::sqrt(std::max(0., value));
  return std::max(0., result);
}

double fid(const Tensor& real, const Tensor& generated) { return FidReference(real)(generated); }

double Place::within(int64_t k) const { return std::clamp(double(k - nearer) / double(equal + 1), 0., 1.); }

namespace {

void check_order(const std::vector<int64_t>& order, int64_t items) {
  std::vector<bool> seen(size_t(items), false);
  CHECK(int64_t(order.size()) == items, "[r_precision] an order of ", order.size(), " for ", items, " pairs");
  for (const int64_t i : order) {
    CHECK(i >= 0 && i < items && !seen[size_t(i)], "[r_precision] ", i, " in an order of 0..", items - 1,
          ", each once");
    seen[size_t(i)] = true;
  }
}

// Sums over one pool: hits[k - 1] and the distances of pairs. t[i] and m[i] are the rows of pair i.
void score_pool(const std::vector<const double*>& t, const std::vector<const double*>& m, int64_t d, double* hits,
                int top, double& distances) {
  for (size_t i = 0; i < t.size(); ++i) {
    const double own = squared_distance(t[i], m[i], d);
    Place place;
    for (size_t j = 0; j < m.size(); ++j) {
      if (j == i) continue;
      const double other = squared_distance(t[i], m[j], d);
      place.nearer += other < own;
      place.equal += other == own;
    }
    for (int k = 1; k <= top; ++k) hits[k - 1] += place.within(k);
    distances += std::sqrt(own);
  }
}

// Rows are known to be good here.
Matching match(const Tensor& text, const Tensor& motion, const std::vector<int64_t>& text_order,
               const std::vector<int64_t>& motion_order, int pool, int top) {
  const int64_t pools = text.size(0) / pool, d = text.size(1);
  std::vector<double> hits(size_t(pools * top), 0.), distances(size_t(pools), 0.);
  parallel_for(pools, 1, [&](int64_t begin, int64_t end) {
    std::vector<const double*> t(static_cast<size_t>(pool)), m(static_cast<size_t>(pool));
    for (int64_t p = begin; p < end; ++p) {
      for (int i = 0; i < pool; ++i) {
        t[size_t(i)] = text.data<double>() + text_order[size_t(p * pool + i)] * d;
        m[size_t(i)] = motion.data<double>() + motion_order[size_t(p * pool + i)] * d;
      }
      score_pool(t, m, d, &hits[size_t(p * top)], top, distances[size_t(p)]);
    }
  });
  Matching result{std::vector<double>(size_t(top), 0.), 0, pools * pool};
  for (int64_t p = 0; p < pools; ++p) {
    for (int k = 0; k < top; ++k) result.r_precision[size_t(k)] += hits[size_t(p * top + k)] / double(result.items);
    result.mm_dist += distances[size_t(p)] / double(result.items);
  }
  return result;
}

void check_pool(const Tensor& text, int pool, int top) {
  CHECK(pool > 0 && top > 0 && top <= pool, "[r_precision] top ", top, " of pools of ", pool);
  CHECK_INPUT(text.size(0) >= pool, "[r_precision] ", text.size(0), " pairs are fewer than one pool of ", pool,
              "; evaluate more items");
}

// The first `count` of 0..n-1 in a random order.
std::vector<int64_t> subset(int64_t n, int64_t count, Philox random) {
  std::vector<int64_t> order = random_order(n, random);
  order.resize(size_t(count));
  return order;
}

// The two subsets of a draw have streams of their own.
double subset_distance(const double* rows, int64_t n, int64_t d, int64_t pairs, Philox random) {
  const std::vector<int64_t> first = subset(n, pairs, {random.seed, mix(random.stream, 1)}),
                             second = subset(n, pairs, {random.seed, mix(random.stream, 2)});
  double sum = 0;
  for (size_t i = 0; i < first.size(); ++i) sum += distance(rows + first[i] * d, rows + second[i] * d, d);
  return sum / double(pairs);
}

}  // namespace

Matching matching_score(const Tensor& text, const Tensor& motion, const std::vector<int64_t>& order, int pool,
                        int top) {
  const Tensor t = metric_rows(text, "[r_precision] text embeddings"),
               m = metric_rows(motion, "[r_precision] motion embeddings");
  check_pairs(t, m, "[r_precision] texts and motions");
  check_pool(t, pool, top);
  check_order(order, t.size(0));
  return match(t, m, order, order, pool, top);
}

std::vector<double> pair_distances(const Tensor& text, const Tensor& motion) {
  const Tensor t = metric_rows(text, "[mm_dist] text embeddings"),
               m = metric_rows(motion, "[mm_dist] motion embeddings");
  check_pairs(t, m, "[mm_dist] texts and motions");
  const int64_t d = t.size(1);
  std::vector<double> distances;
  for (int64_t i = 0; i < t.size(0); ++i)
    distances.push_back(distance(t.data<double>() + i * d, m.data<double>() + i * d, d));
  return distances;
}

double mm_dist(const Tensor& text, const Tensor& motion) {
  const std::vector<double> distances = pair_distances(text, motion);
  return std::accumulate(distances.begin(), distances.end(), 0.) / double(distances.size());
}

Diversity diversity(const Tensor& motion, Philox random, int64_t pairs) {
  CHECK(pairs > 0, "[diversity] ", pairs, " pairs asked for");
  const Tensor m = metric_rows(motion, "[diversity] motion embeddings", 2);
  const int64_t n = m.size(0);
  if (n < pairs) pairs = std::min<int64_t>(100, n - 1);
  return {subset_distance(m.data<double>(), n, m.size(1), pairs, random), pairs};
}

double multimodality(const Tensor& motions, Philox random, int64_t pairs) {
  CHECK_INPUT(motions.defined() && motions.rank() == 3 && pairs > 0,
              "[multimodality] expected embeddings (texts, generations, D)");
  const int64_t texts = motions.size(0), generations = motions.size(1), d = motions.size(2);
  CHECK_INPUT(generations >= pairs, "[multimodality] ", generations, " generations a text, at least ", pairs,
              " are needed");
  const Tensor rows =
      metric_rows(motions.reshape({texts * generations, d}), "[multimodality] motion embeddings", pairs);
  double sum = 0;
  for (int64_t i = 0; i < texts; ++i)
    sum += subset_distance(rows.data<double>() + i * generations * d, generations, d, pairs, random);
  return sum / double(texts);
}

namespace {

std::vector<Tensor> rows_of_repeats(const std::vector<Tensor>& given, int repeats, const std::string& what) {
  CHECK(given.size() == 1 || int(given.size()) == repeats, what, ": given once or for each of ", repeats,
        " repeats, got ", given.size());
  std::vector<Tensor> rows;
  for (const Tensor& tensor : given) rows.push_back(metric_rows(tensor, what));
  return rows;
}

}  // namespace

GenerationScores score_generation(const std::vector<Tensor>& texts, const std::vector<Tensor>& motions,
                                  const FidReference* real, const GenerationProtocol& options) {
  CHECK(options.repeats > 0, "[generation] ", options.repeats, " repeats asked for");
  const std::vector<Tensor> text = rows_of_repeats(texts, options.repeats, "[generation] text embeddings"),
                            motion = rows_of_repeats(motions, options.repeats, "[generation] motion embeddings");
  std::vector<std::vector<double>> precision(size_t(options.top));
  std::vector<double> distances, diversities, fids;
  GenerationScores scores;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    const Tensor &t = text[text.size() == 1 ? 0 : size_t(repeat)], &m = motion[motion.size() == 1 ? 0 : size_t(repeat)];
    check_pairs(t, m, "[generation] texts and motions");
    check_pool(t, options.pool, options.top);
    const auto order = random_order(t.size(0), draw(options.seed, repeat, Draw::pools));
    const auto text_order =
        options.shuffle_texts ? random_order(t.size(0), draw(options.seed, repeat, Draw::texts)) : order;
    const Matching matching = match(t, m, text_order, order, options.pool, options.top);
    for (size_t k = 0; k < precision.size(); ++k) precision[k].push_back(matching.r_precision[k]);
    distances.push_back(matching.mm_dist);
    const Diversity spread = diversity(m, draw(options.seed, repeat, Draw::pairs), options.diversity_pairs);
    diversities.push_back(spread.value);
    scores.items = t.size(0), scores.matched_items = matching.items, scores.diversity_pairs = spread.pairs;
  }
  if (real)
    for (const Tensor& m : motion) fids.push_back((*real)(m));
  for (const auto& values : precision) scores.r_precision.push_back(interval_of(values));
  scores.mm_dist = interval_of(distances);
  scores.diversity = interval_of(diversities);
  if (real) scores.fid = interval_of(fids);
  return scores;
}

}  // namespace kg
