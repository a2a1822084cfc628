#include "models/retrieval/index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "tensor/error.h"
#include "tensor/ops.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

constexpr double kLowest = -std::numeric_limits<double>::infinity();
// Up to so many queries are one pass over the rows (linear_rows), more are matrix products.
constexpr int64_t kFewQueries = 8;
constexpr int64_t kStride = 64;  // scores that are looked at together

bool before(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; }

// The first k of hits in order, of each clip only the first if asked for.
void keep_first(Hits& hits, int64_t k, bool one_per_clip) {
  if (one_per_clip) {
    std::unordered_set<int64_t> seen;
    std::erase_if(hits, [&](const Hit& hit) { return !seen.insert(hit.clip).second; });
  }
  if (int64_t(hits.size()) > k) hits.resize(size_t(k));
}

// (N, W) f32 in host memory, dense.
Tensor host_rows(const Tensor& x, const std::string& what) {
  CHECK(x.defined() && x.rank() == 2 && x.dtype() == Dtype::f32, what, " must be (N, W) f32");
  CHECK_INPUT(x.size(1) > 0 && x.size(1) <= 65536, what, " have ", x.size(1), " numbers, from 1 to 65536 are searched");
  return x.to(Device::cpu).contiguous();
}

void check_unit_rows(const Tensor& x, const std::string& what) {
  const int64_t width = x.size(1);
  parallel_for(x.size(0), std::max<int64_t>(1, kGrain / width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* row = x.data<float>() + i * width;
      const double square = exact_score(row, row, width);
      CHECK_INPUT(std::isfinite(square), what, ": row ", i, " holds a number that is not finite");
      CHECK_INPUT(std::abs(square - 1) <= 1e-3, what, ": row ", i, " has length ", std::sqrt(square),
                  ", rows of length 1 are searched (normalised_rows makes them)");
    }
  });
}

void check_labels(const std::vector<int32_t>& labels, int64_t rows, const char* what) {
  CHECK(labels.empty() || int64_t(labels.size()) == rows, "[index] ", labels.size(), " ", what, " for ", rows, " rows");
}

}  // namespace

// The rows that may be among the best k of one query, each with bounds on its score.
class BestRows {
 public:
  BestRows(const Index& index, const float* query, int64_t number, double error, const SearchOptions& options)
      : index_(index),
        query_(query),
        number_(number),
        source_(options.without_source.empty() ? -1 : options.without_source[size_t(number)]),
        k_(std::min(options.k, index.size())),
        capacity_(std::max<int64_t>(256, 4 * k_)),
        error_(error),
        options_(options) {}

  // Rows whose fast score is below need not be offered.
  float threshold() const { return threshold_; }

  void offer(int64_t row, float fast) {
    const RowLabels& labels = index_.labels_;
    if (source_ >= 0 && !labels.source.empty() && labels.source[size_t(row)] == source_) return;
    if (options_.allowed && !options_.allowed(number_, labels.first_row + row)) return;
    rows_.push_back({row, double(fast) - error_, double(fast) + error_});
    if (int64_t(rows_.size()) >= capacity_) tighten();
  }

  // Scores of the rows first, first + 1 ...; those of `known`, sorted, have been offered before.
  void offer_all(const float* fast, int64_t n, int64_t first, const std::vector<int64_t>& known = {}) {
    for (int64_t j = 0; j < n; j += kStride) {
      const int64_t end = std::min(n, j + kStride);
      const float least = threshold_;
      int any = 0;
      for (int64_t i = j; i < end; ++i) any |= int(fast[i] >= least);
      if (!any) continue;
      for (int64_t i = j; i < end; ++i)
        if (fast[i] >= threshold_ && !std::binary_search(known.begin(), known.end(), first + i))
          offer(first + i, fast[i]);
    }
  }

  // Drops the rows whose score is certainly not among the best k.
  void tighten() {
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.low > b.low; });
    std::unordered_set<int64_t> seen;
    int64_t found = 0;
    for (const Row& row : rows_) {
      if (options_.one_per_clip && !seen.insert(clip(row.number)).second) continue;
      if (++found < k_) continue;
      set_floor(row.low);
      std::erase_if(rows_, [floor = row.low](const Row& r) { return r.high < floor; });
      break;
    }
    if (int64_t(rows_.size()) > capacity_ / 2) settle();  // of very many equal ones the exact score decides
  }

  Hits finish() {
    settle();
    Hits hits = std::move(exact_);
    for (Hit& hit : hits) hit.row += index_.labels_.first_row;
    return hits;
  }

 private:
  struct Row {
    int64_t number;
    double low, high;  // equal once the score is exact
  };

  int64_t clip(int64_t row) const {
    const RowLabels& labels = index_.labels_;
    return labels.clip.empty() ? labels.first_row + row : labels.clip[size_t(row)];
  }

  void set_floor(double score) {
    threshold_ = std::nextafter(float(score - error_), -std::numeric_limits<float>::infinity());
  }

  // Scores every row exactly and keeps the best k.
  void settle() {
    exact_.clear();
    const int64_t width = index_.width();
    for (const Row& row : rows_) {
      const float* x = index_.rows_.data<float>() + row.number * width;
      exact_.push_back({row.number, clip(row.number), row.low == row.high ? row.low : exact_score(query_, x, width)});
    }
    std::sort(exact_.begin(), exact_.end(), before);
    keep_first(exact_, k_, options_.one_per_clip);
    rows_.clear();
    for (const Hit& hit : exact_) rows_.push_back({hit.row, hit.score, hit.score});
    if (int64_t(exact_.size()) == k_) set_floor(exact_.back().score);
  }

  const Index& index_;
  const float* query_;
  int64_t number_;
  int32_t source_;
  int64_t k_, capacity_;
  double error_;
  const SearchOptions& options_;
  float threshold_ = float(kLowest);
  std::vector<Row> rows_;
  Hits exact_;
};

Index::Index(const Tensor& rows, RowLabels labels, Device device, bool half_copy)
    : rows_(host_rows(rows, "[index] rows")), labels_(std::move(labels)), device_(device) {
  check_labels(labels_.clip, size(), "clips");
  check_labels(labels_.source, size(), "sources");
  check_unit_rows(rows_, "[index] rows");
  if (device_ != Device::cpu)
    on_device_ = rows_.to(device_);
  else if (half_copy)
    half_ = rows_.to(Dtype::bf16);
}

bool Index::reads_half(int64_t queries) const { return half_.defined() && queries <= kFewQueries; }

// Of a fast score. Sums of W rounded terms, in any order, are off by at most W u / (1 - W u) times the sum of the terms'
// sizes, here at most the product of two lengths, with u = 2^-24 (Higham, Accuracy and Stability of Numerical
// Algorithms, 3.1). On CUDA the inputs may have been cut to TF32's 10 bits, each off by 2^-10 of its size; rows in bf16
// are off by 2^-9.
double Index::error(int64_t queries) const {
  const double sum = double(width()) * 0x1p-24;
  return 1.01 * (sum / (1 - sum) + (device_ != Device::cpu || reads_half(queries) ? 0x1p-9 : 0)) + 1e-12;
}

std::vector<Hits> Index::search(const Tensor& queries, const SearchOptions& options) const {
  const Tensor q = host_rows(queries, "[search] queries");
  CHECK_INPUT(q.size(1) == width(), "[search] queries have ", q.size(1), " numbers, the rows ", width());
  CHECK_INPUT(options.k >= 1, "[search] k must be at least 1, is ", options.k);
  check_labels(options.without_source, q.size(0), "sources to leave out");
  CHECK(options.without_source.empty() || !labels_.source.empty() || size() == 0,
        "[search] a source is to be left out of an index whose rows have none");
  check_unit_rows(q, "[search] queries");
  std::vector<Hits> hits(size_t(q.size(0)));
  if (size() == 0) return hits;
  const int64_t most = options.block_queries > 0 ? options.block_queries : 512;
  const int64_t blocks = (q.size(0) + most - 1) / most, block = blocks ? (q.size(0) + blocks - 1) / blocks : 1;
  for (int64_t first = 0; first < q.size(0); first += block) {
    const Tensor some = q.slice(0, first, std::min(first + block, q.size(0)));
    std::vector<BestRows> best;
    for (int64_t i = 0; i < some.size(0); ++i)
      best.emplace_back(*this, some.data<float>() + i * width(), first + i, error(some.size(0)), options);
    device_ == Device::cpu ? scan(some, options, best) : scan_on_device(some, options, best);
    parallel_for(some.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) hits[size_t(first + i)] = best[size_t(i)].finish();
    });
  }
  return hits;
}

// Rows and scores of a block share the last-level cache: 4 MB each for many queries of 512.
void Index::scan(const Tensor& queries, const SearchOptions& options, std::vector<BestRows>& best) const {
  const int64_t count = queries.size(0);
  const bool few = count <= kFewQueries;
  const int64_t block = std::min(size(), options.block_rows > 0 ? options.block_rows : few ? 65536 : 2048);
  Tensor scores = few ? Tensor() : Tensor::empty({count, block});
  for (int64_t first = 0; first < size(); first += block) {
    const int64_t n = std::min(block, size() - first);
    if (few)
      scores = linear_rows(queries, (half_.defined() ? half_ : rows_).slice(0, first, first + n), {});
    else
      matmul_into(scores.slice(1, 0, n), queries, rows_.slice(0, first, first + n).transpose(0, 1), 0);
    const int64_t stride = scores.strides()[0];
    parallel_for(count, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) best[size_t(i)].offer_all(scores.data<float>() + i * stride, n, first);
    });
  }
}

// The largest scores of a block come to the host. Where the least of them could still be among the best (many equal
// rows, or rows that are left out), all scores of the query come.
void Index::scan_on_device(const Tensor& queries, const SearchOptions& options, std::vector<BestRows>& best) const {
  const int64_t count = queries.size(0), most = options.block_rows > 0 ? options.block_rows : 65536;
  const Tensor q = queries.contiguous().to(device_);
  for (int64_t first = 0; first < size(); first += most) {
    const int64_t n = std::min(most, size() - first), top = std::min(n, 2 * std::min(options.k, size()) + 32);
    const Tensor scores = matmul(q, on_device_.slice(0, first, first + n).transpose(0, 1));
    const auto [largest, places] = topk(scores, top);
    const Tensor values = largest.to(Device::cpu), index = places.to(Device::cpu);
    for (int64_t i = 0; i < count; ++i) {
      const float* value = values.data<float>() + i * top;
      const int32_t* place = index.data<int32_t>() + i * top;
      std::vector<int64_t> known;
      for (int64_t j = 0; j < top && value[j] >= best[size_t(i)].threshold(); ++j) {
        known.push_back(first + place[j]);
        best[size_t(i)].offer(known.back(), value[j]);
      }
      best[size_t(i)].tighten();
      if (top == n || value[top - 1] < best[size_t(i)].threshold()) continue;
      std::sort(known.begin(), known.end());
      const Tensor all = scores.select(0, i).to(Device::cpu);
      best[size_t(i)].offer_all(all.data<float>(), n, first, known);
    }
  }
}

Hits merge_hits(const std::vector<Hits>& lists, int64_t k, bool one_per_clip) {
  CHECK_INPUT(k >= 1, "[merge_hits] k must be at least 1, is ", k);
  Hits all;
  for (const Hits& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::sort(all.begin(), all.end(), before);
  keep_first(all, k, one_per_clip);
  return all;
}

std::vector<Hits> search_parts(const std::vector<Index>& parts, const Tensor& queries, const SearchOptions& options) {
  CHECK(!parts.empty(), "[search_parts] no parts");
  std::vector<std::vector<Hits>> found;
  for (const Index& part : parts) found.push_back(part.search(queries, options));
  std::vector<Hits> merged;
  for (int64_t i = 0; i < queries.size(0); ++i) {
    std::vector<Hits> lists;
    for (const std::vector<Hits>& part : found) lists.push_back(part[size_t(i)]);
    merged.push_back(merge_hits(lists, options.k, options.one_per_clip));
  }
  return merged;
}

// Eight sums, whatever the machine's registers; a product of two f32 fits an f64, so a fused multiply-add gives the
// same bits.
double exact_score(const float* a, const float* b, int64_t width) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= width; i += 8)
    for (int64_t j = 0; j < 8; ++j) sums[j] += double(a[i + j]) * double(b[i + j]);
  for (int64_t j = 0; i + j < width; ++j) sums[j] += double(a[i + j]) * double(b[i + j]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

Tensor normalised_rows(const Tensor& x, const std::string& what) {
  CHECK(x.defined() && x.rank() == 2, what, " must be (N, W)");
  const Tensor rows = x.to(Device::cpu).to(Dtype::f32).contiguous(), y = empty_like(rows);
  const int64_t width = rows.size(1);
  parallel_for(rows.size(0), std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const float* from = rows.data<float>() + i * width;
                   const double length = std::sqrt(exact_score(from, from, width));
                   CHECK_INPUT(std::isfinite(length), what, ": row ", i, " holds a number that is not finite");
                   CHECK_INPUT(length > 0, what, ": row ", i, " is all zeros, which has no direction");
                   for (int64_t j = 0; j < width; ++j) y.data<float>()[i * width + j] = float(double(from[j]) / length);
                 }
               });
  return y;
}

}  // namespace kg
