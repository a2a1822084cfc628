// Exact search by cosine in rows (N, W) of length 1, f32. The score of a query and a row is their dot product in f64,
// whose terms are exact and are added in one fixed order; rows of equal score come in the order of their numbers. So the
// answer is the same bytes for any number of threads, any batch of queries, either device and any split into parts.
//
// How: a fast f32 product of a block of rows gives scores that are off by at most e = W 2^-24 (2^-9 more from bf16 rows
// and under TF32). A row whose fast score is below the k-th best by more than that cannot be among the best k; the
// others are few, and are scored exactly on the host. Few queries read the rows once, at the speed of memory; many are a
// matrix product of blocks. Memory for scores is a block of queries by a block of rows, whatever N and Q.
//
// More rows than a machine holds: each part is an Index whose first_row is its place in the whole, every process
// searches its own, and merge_hits makes one list of theirs; search_parts does so for parts in one process. On paper,
// 10^9 rows of 512 are 2 TB, 16 machines of 192 GB with 62.5 million rows each (128 GB). One query reads them all: 128
// GB at 100 GB/s are 1.3 s (0.6 s with a bf16 copy, for which there must be room), and merging moves 16 k hits of 24
// bytes. 1,000 queries at once are 10^15 operations, 32 s of 16 machines of 2 TFLOP/s. Far less needs an index that does
// not look at all rows and is no longer exact.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

struct Hit {
  int64_t row = 0, clip = 0;
  double score = 0;
  bool operator==(const Hit&) const = default;
};
using Hits = std::vector<Hit>;  // best first

struct RowLabels {
  std::vector<int32_t> clip = {};    // (N) or empty: each row is a clip of its own, called by its number
  std::vector<int32_t> source = {};  // (N) or empty: what a query can leave out
  int64_t first_row = 0;             // the number of the first row
};

struct SearchOptions {
  int64_t k = 1;              // fewer hits come where fewer rows are allowed
  bool one_per_clip = false;  // the best row of each clip only
  // (Q) or empty: rows of this source are left out for the query; -1: none are.
  std::vector<int32_t> without_source = {};
  // Rows for which it is false are left out. Asked for promising rows only, by several threads at once.
  std::function<bool(int64_t query, int64_t row)> allowed = {};
  int64_t block_rows = 0, block_queries = 0;  // 0: as fits the caches; the answer does not depend on them
};

class Index {
 public:
  // The rows stay where they are in host memory and are copied to a GPU. With `half_copy` a few queries on the CPU read a
  // bf16 copy, which takes half the time and half as much memory again; the answer is the same. Errors (input) name a
  // row that is not finite or not of length 1.
  explicit Index(const Tensor& rows, RowLabels labels = {}, Device device = Device::cpu, bool half_copy = false);

  int64_t size() const { return rows_.size(0); }
  int64_t width() const { return rows_.size(1); }
  int64_t first_row() const { return labels_.first_row; }

  // Of queries (Q, W) f32 of length 1, checked like the rows.
  std::vector<Hits> search(const Tensor& queries, const SearchOptions& options = {}) const;

 private:
  friend class BestRows;
  bool reads_half(int64_t queries) const;
  double error(int64_t queries) const;
  void scan(const Tensor& queries, const SearchOptions& options, std::vector<class BestRows>& best) const;
  void scan_on_device(const Tensor& queries, const SearchOptions& options, std::vector<class BestRows>& best) const;

  Tensor rows_, half_, on_device_;
  RowLabels labels_;
  Device device_;
};

// The best k of lists that parts gave for one query.
Hits merge_hits(const std::vector<Hits>& lists, int64_t k, bool one_per_clip = false);
// The same as one Index of all rows would answer; of the parts, first_row and labels must fit together.
std::vector<Hits> search_parts(const std::vector<Index>& parts, const Tensor& queries,
                               const SearchOptions& options = {});

// The score of two vectors of W numbers.
double exact_score(const float* a, const float* b, int64_t width);
// Rows (N, W) divided by their length, f32 on the CPU. An Error (input) that begins with `what` names a row that is not
// finite or has no direction.
Tensor normalised_rows(const Tensor& x, const std::string& what);

}  // namespace kg
