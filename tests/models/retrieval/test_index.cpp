// Exact search against all scores sorted: ties, near ties, rows left out, clips once, and the same answer however the
// work is cut up.
#include "models/retrieval/index.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tensor/ops.h"
#include "tensor/parallel.h"
#include "tests/error_of.h"

namespace kg {
namespace {

Tensor unit(int64_t n, int64_t width, uint64_t stream) {
  const Tensor x = Tensor::empty({n, width});
  fill_normal(x, 0, 1, {5, stream});
  return normalised_rows(x, "x");
}

// All rows sorted by the dot product, added one term after the other.
std::vector<Hits> sorted_rows(const Tensor& rows, const Tensor& queries, const SearchOptions& o,
                              const RowLabels& labels = {}) {
  const int64_t width = rows.size(1);
  std::vector<Hits> all;
  for (int64_t q = 0; q < queries.size(0); ++q) {
    Hits hits;
    for (int64_t r = 0; r < rows.size(0); ++r) {
      double score = 0;
      for (int64_t i = 0; i < width; ++i)
        score += double(queries.data<float>()[q * width + i]) * double(rows.data<float>()[r * width + i]);
      const bool out = !o.without_source.empty() && o.without_source[size_t(q)] == labels.source[size_t(r)];
      if (!out && (!o.allowed || o.allowed(q, r)))
        hits.push_back({r, labels.clip.empty() ? r : labels.clip[size_t(r)], score});
    }
    std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
    std::set<int64_t> clips;
    if (o.one_per_clip) std::erase_if(hits, [&](const Hit& hit) { return !clips.insert(hit.clip).second; });
    if (int64_t(hits.size()) > o.k) hits.resize(size_t(o.k));
    all.push_back(hits);
  }
  return all;
}

void expect_same(const std::vector<Hits>& got, const std::vector<Hits>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t q = 0; q < want.size(); ++q) {
    ASSERT_EQ(got[q].size(), want[q].size()) << what << ", query " << q;
    for (size_t i = 0; i < want[q].size(); ++i) {
      EXPECT_EQ(got[q][i].row, want[q][i].row) << what << ", query " << q << ", place " << i;
      EXPECT_EQ(got[q][i].clip, want[q][i].clip) << what;
      EXPECT_NEAR(got[q][i].score, want[q][i].score, 1e-14) << what;
    }
  }
}

void expect_error(const std::function<void()>& call, const std::string& part, ErrorCode code = ErrorCode::input) {
  const std::string message = error_of(code, call);
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

SearchOptions best(int64_t k) {
  SearchOptions o;
  o.k = k;
  return o;
}

TEST(RetrievalIndex, AllSizesAgainstSorting) {
  uint64_t stream = 0;
  for (const int64_t n : {1, 7, 400})
    for (const int64_t width : {2, 33, 512})
      for (const int64_t q : {1, 7, 9}) {
        const Tensor rows = unit(n, width, ++stream), queries = unit(q, width, ++stream);
        for (const int64_t k : {int64_t(1), int64_t(5), n + 3})
          expect_same(Index(rows).search(queries, best(k)), sorted_rows(rows, queries, best(k)),
                      std::to_string(n) + " x " + std::to_string(width) + ", k " + std::to_string(k));
      }
}

// Rows of one number are 1 or -1.
TEST(RetrievalIndex, EqualRowsComeByNumber) {
  const Tensor ones = unit(5000, 1, 1);
  const Tensor query = Tensor::ones({1, 1});
  expect_same(Index(ones).search(query, best(9)), sorted_rows(ones, query, best(9)), "signs");
  // 5,000 equal rows, and a better one behind them.
  const Tensor rows = unit(1, 48, 2).expand({5001, 48}).clone(), queries = unit(11, 48, 3);
  rows.select(0, 5000).copy_from(queries.select(0, 4));
  const Index index(rows);
  const std::vector<Hits> found = index.search(queries, best(4));
  expect_same(found, sorted_rows(rows, queries, best(4)), "equal rows");
  EXPECT_EQ(found[4][0].row, 5000);
  EXPECT_EQ(found[4][1].row, 0);
  expect_same(index.search(queries.slice(0, 4, 5), best(4)), {found[4]}, "one query");
  expect_same(Index(rows, {}, Device::cpu, true).search(queries.slice(0, 4, 5), best(4)), {found[4]}, "in bf16");
}

// Scores that differ by less than f32 can tell are told apart.
TEST(RetrievalIndex, NearlyEqualRowsAreToldApart) {
  const int64_t width = 96, n = 600;
  const Tensor rows = unit(1, width, 4).expand({n, width}).clone(), queries = unit(10, width, 5);
  float* x = rows.data<float>();
  for (int64_t r = 0; r < n; ++r) {
    float& changed = x[r * width + r * 7 % width];
    changed = std::nextafter(changed, r % 2 ? 2.f : -2.f);
  }
  std::set<float> rounded;
  const std::vector<Hits> want = sorted_rows(rows, queries, best(n));
  for (const Hit& hit : want[0]) rounded.insert(float(hit.score));
  ASSERT_LT(rounded.size(), 10u) << "in f32 they are equal";
  // Rows whose scores are the same but for the order of summation may change places; all others may not.
  const std::vector<Hits> got = Index(rows).search(queries, best(20));
  for (size_t q = 0; q < got.size(); ++q)
    for (size_t i = 0; i < 20; ++i) EXPECT_NEAR(got[q][i].score, want[q][i].score, 1e-15) << q << " " << i;
}

TEST(RetrievalIndex, RowsAreLeftOut) {
  const Tensor rows = unit(900, 24, 6), queries = unit(12, 24, 7);
  RowLabels labels;
  for (int32_t i = 0; i < 900; ++i) labels.source.push_back(i / 30), labels.clip.push_back(i / 3);
  const Index index(rows, labels);
  SearchOptions o = best(6);
  for (int32_t q = 0; q < 12; ++q) o.without_source.push_back(q % 3 == 0 ? -1 : q);
  expect_same(index.search(queries, o), sorted_rows(rows, queries, o, labels), "sources");
  o.allowed = [](int64_t query, int64_t row) { return (row + query) % 4 == 0; };
  expect_same(index.search(queries, o), sorted_rows(rows, queries, o, labels), "and a predicate");
  o.one_per_clip = true;
  o.allowed = {};
  expect_same(index.search(queries, o), sorted_rows(rows, queries, o, labels), "each clip once");
  o.k = 1000;
  expect_same(index.search(queries, o), sorted_rows(rows, queries, o, labels), "each clip once, all of them");
  o.allowed = [](int64_t, int64_t) { return false; };
  for (const Hits& hits : index.search(queries, o)) EXPECT_TRUE(hits.empty());
}

// One clip whose many rows are the best: the others must not be lost.
TEST(RetrievalIndex, AClipWithManyRowsIsOne) {
  const Tensor queries = unit(3, 16, 8), rows = unit(2000, 16, 9);
  RowLabels labels;
  for (int64_t i = 0; i < 2000; ++i) {
    const bool near = i % 2 == 0;
    labels.clip.push_back(near ? 0 : int32_t(i));
    if (near) rows.select(0, i).copy_from(queries.select(0, i / 2 % 3));
  }
  SearchOptions o = best(3);
  o.one_per_clip = true;
  expect_same(Index(rows, labels).search(queries, o), sorted_rows(rows, queries, o, labels), "one clip");
}

TEST(RetrievalIndex, TheSameBytesHoweverItIsCut) {
  const Tensor some = unit(700, 80, 10), rows = concat(std::vector<Tensor>{some, some, unit(50, 80, 11)}, 0),
               queries = unit(23, 80, 12);
  const Index index(rows);
  const int before = threads();
  set_threads(1);
  const std::vector<Hits> want = index.search(queries, best(12));
  set_threads(2);
  EXPECT_EQ(index.search(queries, best(12)), want) << "two threads";
  for (const int64_t batch : {1, 7})
    for (int64_t first = 0; first < 23; first += batch) {
      const int64_t end = std::min<int64_t>(23, first + batch);
      const std::vector<Hits> part = index.search(queries.slice(0, first, end), best(12));
      for (int64_t i = first; i < end; ++i) EXPECT_EQ(part[size_t(i - first)], want[size_t(i)]) << batch << " " << i;
    }
  for (const auto& [block_rows, block_queries] : {std::pair<int64_t, int64_t>{1, 23}, {13, 9}, {1450, 2}}) {
    SearchOptions o = best(12);
    o.block_rows = block_rows, o.block_queries = block_queries;
    EXPECT_EQ(index.search(queries, o), want) << block_rows << " x " << block_queries;
  }
  const Index half(rows, {}, Device::cpu, true);
  EXPECT_EQ(half.search(queries, best(12)), want) << "many queries do not read the bf16 copy";
  for (int64_t i = 0; i < 23; ++i)
    EXPECT_EQ(half.search(queries.slice(0, i, i + 1), best(12))[0], want[size_t(i)]) << "bf16 copy, " << i;
  set_threads(before);
}

TEST(RetrievalIndex, PartsMakeTheWhole) {
  const Tensor some = unit(300, 40, 13), rows = concat(std::vector<Tensor>{some, some, some}, 0),
               queries = unit(9, 40, 14);
  RowLabels labels;
  for (int32_t i = 0; i < 900; ++i) labels.source.push_back(i % 50), labels.clip.push_back(i / 2);
  const Index whole(rows, labels);
  std::vector<Index> parts;
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 1}, {1, 640}, {640, 640}, {640, 900}})
    parts.emplace_back(rows.slice(0, begin, end),
                       RowLabels{{labels.clip.begin() + begin, labels.clip.begin() + end},
                                 {labels.source.begin() + begin, labels.source.begin() + end},
                                 begin});
  for (const bool one_per_clip : {false, true}) {
    SearchOptions o = best(7);
    o.one_per_clip = one_per_clip;
    o.without_source.assign(9, 11);
    EXPECT_EQ(search_parts(parts, queries, o), whole.search(queries, o)) << one_per_clip;
  }
  EXPECT_EQ(merge_hits({{{3, 3, .5}}, {}, {{1, 1, .5}, {2, 2, .25}}}, 2), (Hits{{1, 1, .5}, {3, 3, .5}}));
  expect_error([&] { merge_hits({}, 0); }, "k must be at least 1");
}

TEST(RetrievalIndex, BadInputIsNamed) {
  const Tensor rows = unit(4, 8, 15);
  const Index index(rows);
  Tensor bad = rows.clone();
  bad.data<float>()[2 * 8 + 3] = std::nanf("");
  expect_error([&] { Index{bad}; }, "[index] rows: row 2 holds a number that is not finite");
  expect_error([&] { index.search(bad); }, "[search] queries: row 2 holds a number that is not finite");
  expect_error([&] { normalised_rows(bad, "motion"); }, "motion: row 2 holds a number that is not finite");
  bad = rows.clone();
  scale_(bad.select(0, 1), 2);
  expect_error([&] { Index{bad}; }, "row 1 has length 2");
  bad.select(0, 3).fill(0);
  expect_error([&] { normalised_rows(bad, "motion"); }, "motion: row 3 is all zeros");
  expect_error([&] { index.search(unit(1, 9, 16)); }, "queries have 9 numbers, the rows 8");
  expect_error([&] { index.search(rows, best(0)); }, "k must be at least 1, is 0");
  expect_error([&] { index.search(rows.to(Dtype::f64)); }, "[search] queries must be (N, W) f32", ErrorCode::runtime);
  expect_error([&] { Index(rows, {{1, 2}, {}, 0}); }, "2 clips for 4 rows", ErrorCode::runtime);
  SearchOptions o = best(1);
  o.without_source = {1};
  expect_error([&] { index.search(rows, o); }, "1 sources to leave out for 4 rows", ErrorCode::runtime);
  o.without_source = {1, 1, 1, 1};
  expect_error([&] { index.search(rows, o); }, "an index whose rows have none", ErrorCode::runtime);
  EXPECT_TRUE(index.search(Tensor::empty({0, 8})).empty());
  EXPECT_TRUE(Index(Tensor::empty({0, 8})).search(rows)[3].empty());
}

}  // namespace
}  // namespace kg
