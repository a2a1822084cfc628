// Search on CUDA: the same bytes as on the CPU.
#include <cmath>

#include "models/retrieval/index.h"
#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaRetrieval = DeviceTest;

Tensor unit(int64_t n, int64_t width, uint64_t stream) {
  return normalised_rows(random_values({n, width}, stream, Dtype::f32), "x");
}

TEST_F(CudaRetrieval, TheAnswerOfTheCpu) {
  // The rows 100 to 299 are equal or nearly so, and a query leaves out the first hundred of them: more than come to the
  // host of a block, so that some blocks must be looked at whole.
  const Tensor rows = unit(330, 37, 1), queries = unit(5, 37, 2);
  rows.slice(0, 100, 300).copy_from(queries.slice(0, 0, 1).expand({200, 37}));
  for (int64_t i = 220; i < 300; ++i) {
    float& x = rows.data<float>()[i * 37 + i % 37];
    x = std::nextafter(x, i % 2 ? 2.f : -2.f);
  }
  RowLabels labels;
  for (int32_t i = 0; i < 330; ++i) labels.clip.push_back(i / 2), labels.source.push_back(i / 100);
  const Index cpu(rows, labels), cuda(rows, labels, Device::cuda);
  for (const int64_t k : {1, 3, 400})
    for (const bool one_per_clip : {false, true})
      for (const bool without : {false, true}) {
        SearchOptions o;
        o.k = k, o.one_per_clip = one_per_clip, o.block_rows = 128, o.block_queries = 3;
        if (without) o.without_source = {1, -1, 1, 2, 0};
        EXPECT_EQ(cuda.search(queries, o), cpu.search(queries, o)) << k << " " << one_per_clip << " " << without;
      }
}

// Under TF32 the fast scores are off by more, the answer is not.
TEST_F(CudaRetrieval, Tf32ChangesNothing) {
  const Tensor rows = unit(500, 64, 3), queries = unit(4, 64, 4);
  SearchOptions o;
  o.k = 10;
  set_tf32(true);
  const std::vector<Hits> got = Index(rows, {}, Device::cuda).search(queries, o);
  set_tf32(false);
  EXPECT_EQ(got, Index(rows).search(queries, o));
}

}  // namespace
}  // namespace kg
