// N-gram statistics of captions and the metrics over them.
#include "models/metrics/captioning.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "tensor/error.h"

namespace kg {
namespace {

constexpr size_t kOrders = 4;
constexpr double kPercent = 100;

using Gram = std::array<int, kOrders>;  // ids of words, -1 behind the last one
using Counts = std::map<Gram, double>;
using OrderedCounts = std::array<Counts, kOrders>;  // [n - 1]

// Words as numbers, in the order of their first use.
class WordIds {
 public:
  int of(const std::string& word) { return ids_.emplace(word, int(ids_.size())).first->second; }

 private:
  std::map<std::string, int> ids_;
};

OrderedCounts count_grams(const Words& words, WordIds& ids) {
  std::vector<int> numbers;
  for (const std::string& word : words) numbers.push_back(ids.of(word));
  OrderedCounts counts;
  for (size_t n = 1; n <= kOrders; ++n)
    for (size_t i = 0; i + n <= numbers.size(); ++i) {
      Gram gram{-1, -1, -1, -1};
      std::copy_n(numbers.begin() + int64_t(i), n, gram.begin());
      ++counts[n - 1][gram];
    }
  return counts;
}

double count_of(const Counts& counts, const Gram& gram) {
  const auto found = counts.find(gram);
  return found == counts.end() ? 0 : found->second;
}

void check_items(const std::vector<CaptionItem>& items, const char* what, size_t least = 1) {
  CHECK_INPUT(items.size() >= least, "[", what, "] ", items.size(), " captions, at least ", least, " are needed");
  for (size_t i = 0; i < items.size(); ++i)
    CHECK_INPUT(!items[i].references.empty(), "[", what, "] caption ", i, " has no reference");
}

double due_length(const CaptionItem& item, Brevity brevity) {
  const double own = double(item.words.size());
  double best = double(item.references[0].size());
  for (const Words& reference : item.references) {
    const double length = double(reference.size());
    if (brevity == Brevity::shortest) {
      best = std::min(best, length);
    } else {
      const double gap = std::abs(length - own), least = std::abs(best - own);
      if (gap < least || (gap == least && length < best)) best = length;
    }
  }
  return best;
}

size_t common_subsequence(const Words& a, const Words& b) {
  std::vector<size_t> row(b.size() + 1, 0);  // of a's words so far and each beginning of b
  for (const std::string& word : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

// Precision and recall of the longest common subsequence; 0 where either text is empty.
struct Overlap {
  double precision = 0, recall = 0;
};
Overlap overlap(const Words& words, const Words& reference) {
  if (words.empty() || reference.empty()) return {};
  const double common = double(common_subsequence(words, reference));
  return {common / double(words.size()), common / double(reference.size())};
}

double f_measure(const Overlap& o, double beta) {
  if (o.precision == 0 || o.recall == 0) return 0;
  return (1 + beta * beta) * o.precision * o.recall / (o.recall + beta * beta * o.precision);
}

double mean_over(const std::vector<CaptionItem>& items, const std::function<double(const CaptionItem&)>& score) {
  double sum = 0;
  for (const CaptionItem& item : items) sum += score(item);
  return kPercent * sum / double(items.size());
}

}  // namespace

std::array<double, 4> bleu(const std::vector<CaptionItem>& items, Brevity brevity) {
  check_items(items, "bleu");
  WordIds ids;
  std::array<double, kOrders> matches = {}, grams = {};
  double length = 0, due = 0;
  for (const CaptionItem& item : items) {
    const OrderedCounts own = count_grams(item.words, ids);
    OrderedCounts largest;
    for (const Words& reference : item.references) {
      const OrderedCounts counts = count_grams(reference, ids);
      for (size_t n = 0; n < kOrders; ++n)
        for (const auto& [gram, count] : counts[n]) largest[n][gram] = std::max(largest[n][gram], count);
    }
    for (size_t n = 0; n < kOrders; ++n)
      for (const auto& [gram, count] : own[n]) {
        matches[n] += std::min(count, count_of(largest[n], gram));
        grams[n] += count;
      }
    length += double(item.words.size());
    due += due_length(item, brevity);
  }
  const double penalty = length >= due ? 1 : length > 0 ? std::exp(1 - due / length) : 0;
  std::array<double, 4> scores = {};
  double logs = 0;
  for (size_t n = 0; n < kOrders && matches[n] > 0; ++n) {
    logs += std::log(matches[n] / grams[n]);
    scores[n] = kPercent * penalty * std::exp(logs / double(n + 1));
  }
  return scores;
}

double rouge_l(const std::vector<CaptionItem>& items) {
  check_items(items, "rouge_l");
  return mean_over(items, [](const CaptionItem& item) {
    double best = 0;
    for (const Words& reference : item.references) best = std::max(best, f_measure(overlap(item.words, reference), 1));
    return best;
  });
}

double rouge_l_beta(const std::vector<CaptionItem>& items, double beta) {
  check_items(items, "rouge_l");
  return mean_over(items, [&](const CaptionItem& item) {
    Overlap best;
    for (const Words& reference : item.references) {
      const Overlap one = overlap(item.words, reference);
      best = {std::max(best.precision, one.precision), std::max(best.recall, one.recall)};
    }
    return f_measure(best, beta);
  });
}

namespace {

// tf-idf weights of one text, their lengths for each order, and the number of bigrams.
struct WeightedGrams {
  OrderedCounts weights;
  std::array<double, kOrders> norms = {};
  double bigrams = 0;
};

WeightedGrams weigh(OrderedCounts counts, const Counts& documents, double log_items) {
  WeightedGrams result;
  for (const auto& [gram, count] : counts[1]) result.bigrams += count;
  for (size_t n = 0; n < kOrders; ++n) {
    double squares = 0;
    for (auto& [gram, weight] : counts[n]) {
      weight *= log_items - std::log(std::max(1., count_of(documents, gram)));
      squares += weight * weight;
    }
    result.norms[n] = std::sqrt(squares);
  }
  result.weights = std::move(counts);
  return result;
}

// The mean over the orders of the cosines, clipped and with the penalty on length for CIDEr-D.
double tf_idf_cosine(const WeightedGrams& own, const WeightedGrams& reference, bool clipped) {
  constexpr double kSigma = 6;
  double mean = 0;
  for (size_t n = 0; n < kOrders; ++n) {
    double product = 0;
    for (const auto& [gram, weight] : own.weights[n]) {
      const double other = count_of(reference.weights[n], gram);
      product += (clipped ? std::min(weight, other) : weight) * other;
    }
    const double norms = own.norms[n] * reference.norms[n];
    if (norms > 0) mean += product / norms / kOrders;
  }
  const double longer = own.bigrams - reference.bigrams;
  return clipped ? mean * std::exp(-longer * longer / (2 * kSigma * kSigma)) : mean;
}

double cider_of(const std::vector<CaptionItem>& items, bool clipped) {
  check_items(items, "cider", 2);  // of one item every idf is 0
  WordIds ids;
  std::vector<std::vector<OrderedCounts>> references;
  Counts documents;  // in how many items' references an n-gram occurs
  for (const CaptionItem& item : items) {
    Counts seen;
    references.emplace_back();
    for (const Words& reference : item.references) {
      references.back().push_back(count_grams(reference, ids));
      for (const Counts& counts : references.back().back())
        for (const auto& [gram, count] : counts) seen[gram] = 1;
    }
    for (const auto& [gram, one] : seen) documents[gram] += one;
  }
  const double log_items = std::log(double(items.size()));
  double sum = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const WeightedGrams own = weigh(count_grams(items[i].words, ids), documents, log_items);
    for (OrderedCounts& reference : references[i])
      sum +=
          tf_idf_cosine(own, weigh(std::move(reference), documents, log_items), clipped) / double(references[i].size());
  }
  return kPercent * 10 * sum / double(items.size());
}

}  // namespace

double cider(const std::vector<CaptionItem>& items) { return cider_of(items, false); }
double cider_d(const std::vector<CaptionItem>& items) { return cider_of(items, true); }

double mean_length(const std::vector<CaptionItem>& items) {
  CHECK_INPUT(!items.empty(), "[captions] no captions");
  return mean_over(items, [](const CaptionItem& item) { return double(item.words.size()); }) / kPercent;
}

CaptionScores score_captions(const std::vector<std::string>& captions,
                             const std::vector<std::vector<std::string>>& references) {
  CHECK_INPUT(captions.size() == references.size(), "[captions] ", captions.size(), " captions, but references of ",
              references.size(), " items");
  const auto items_of = [&](Words (*split)(std::string_view)) {
    std::vector<CaptionItem> items;
    for (size_t i = 0; i < captions.size(); ++i) {
      items.push_back({split(captions[i]), {}});
      for (const std::string& reference : references[i]) items.back().references.push_back(split(reference));
    }
    return items;
  };
  const auto plain = items_of(plain_words), separated = items_of(blank_separated), runs = items_of(alphanumeric_words);
  return {.bleu = bleu(plain, Brevity::shortest),
          .bleu_closest = bleu(plain, Brevity::closest),
          .rouge_l = rouge_l(runs),
          .rouge_l_beta = rouge_l_beta(plain),
          .cider = cider(plain),
          .cider_d = cider_d(separated),
          .mean_length = mean_length(plain)};
}

}  // namespace kg
