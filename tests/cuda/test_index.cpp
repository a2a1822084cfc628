// Index select, gather and their transposes on CUDA: any dtype, frequent and rare ids, ids out of range.
#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaIndex = DeviceTest;

TEST_F(CudaIndex, SelectCopiesRowsOfAnyDtype) {
  for (Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::i32, Dtype::u8})
    for (int64_t inner : {1, 7, 8, 64, 257})
      for (int64_t shift : {0, 1}) {
        const Tensor x = random_ids(2 * 9 * inner, 200, 1).to(dtype).reshape({2, 9, inner});
        const Tensor ids = random_ids(33, 9, 2);
        EXPECT_EQ(index_select(on_device(x, dtype, shift), 1, ids.to(Device::cuda)).to_vector(),
                  index_select(x, 1, ids).to_vector())
            << name_of(dtype) << " " << inner << " " << shift;
      }
  const Tensor weight = Tensor::from<float>({1, 2, 3, 4}, {2, 2}).to(Device::cuda);
  EXPECT_EQ(embedding(weight, Tensor::from<int32_t>({1, 0, 1}, {3}).to(Device::cuda)).to_vector(),
            (std::vector<double>{3, 4, 1, 2, 3, 4}));
}
TEST_F(CudaIndex, GatherCopiesElements) {
  for (Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::i32}) {
    const Tensor x = random_ids(3 * 11 * 5, 200, 3).to(dtype).reshape({3, 11, 5});
    const Tensor index = random_ids(3 * 20 * 5, 11, 4).reshape({3, 20, 5});
    EXPECT_EQ(gather(x.to(Device::cuda), 1, index.to(Device::cuda)).to_vector(), gather(x, 1, index).to_vector());
  }
}

// More rows than ids, fewer, and one id for a third of them.
TEST_F(CudaIndex, AddSumsRowsOfEqualIds) {
  for (Dtype dtype : kDeviceFloats)
    for (auto [n, m] : {std::pair<int64_t, int64_t>{5, 700}, {700, 5}, {70, 65}, {1, 33}, {64, 64}})
      for (int64_t inner : {1, 300}) {
        const Tensor ids = random_ids(m, n, uint64_t(n)), values = random_values({m, inner}, 5, dtype);
        for (int64_t i = 0; i < m; i += 3) ids.data<int32_t>()[i] = int32_t(n / 2);
        const Tensor want = index_add({n, inner}, 0, ids, values);
        const Tensor there = on_device(values, dtype, 1), places = ids.to(Device::cuda);
        expect_within(index_add({n, inner}, 0, places, there), want, tolerance_of(dtype), "index_add");
        // gradient of an embedding: f32 for bf16, added to what is there
        const Tensor gradient = Tensor::ones({n, inner}, Dtype::f32, Device::cuda);
        embedding_backward(gradient, there, places);
        expect_within(gradient, affine(want, 1, 1), 2e-6, "embedding_backward");
        const Tensor again = Tensor::ones({n, inner}, Dtype::f32, Device::cuda);
        embedding_backward(again, there, places);
        EXPECT_EQ(again.to_vector(), gradient.to_vector()) << "not the same bytes in the second run";
      }
}
// A large vocabulary, where a block looks for an earlier id like its own in several rounds.
TEST_F(CudaIndex, AddToRowsOfWhichFewOccur) {
  const Tensor ids = random_ids(1100, 300, 9), values = Tensor::ones({1100, 1}, Dtype::f64);
  ids.select(0, 0).fill(4999);
  ids.select(0, 1099).fill(4999);
  expect_within(index_add({5000, 1}, 0, ids.to(Device::cuda), on_device(values, Dtype::f32)),
                index_add({5000, 1}, 0, ids, values), 0, "counts");
}
TEST_F(CudaIndex, AddAlongAnInnerAxis) {
  for (Dtype dtype : kDeviceFloats)
    for (int64_t n : {4, 100}) {
      const Tensor ids = random_ids(37, n, 6), values = random_values({3, 37, 5}, 7, dtype);
      expect_within(index_add({3, n, 5}, 1, ids.to(Device::cuda), on_device(values, dtype)),
                    index_add({3, n, 5}, 1, ids, values), tolerance_of(dtype), "index_add");
    }
}
TEST_F(CudaIndex, ScatterAddsElements) {
  for (Dtype dtype : kDeviceFloats) {
    const Tensor index = random_ids(3 * 40 * 5, 4, 8).reshape({3, 40, 5});
    const Tensor values = random_values({3, 40, 5}, 9, Dtype::bf16);
    expect_within(scatter_add({3, 4, 5}, 1, index.to(Device::cuda), on_device(values, dtype)),
                  scatter_add({3, 4, 5}, 1, index, values), dtype == Dtype::bf16 ? 0x1p-5 : 2e-6, "scatter_add");
  }
}

// The host cannot look at ids on the device: what is out of range reads NaN and adds nothing.
TEST_F(CudaIndex, IdsOutOfRangeTouchNothing) {
  const Tensor ids = Tensor::from<int32_t>({1, -1, 3, 0}, {4}).to(Device::cuda);
  const Tensor weight = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2}).to(Device::cuda);
  const std::vector<double> rows = embedding(weight, ids).to_vector();
  EXPECT_EQ(rows[0], 3);
  for (size_t i : {2, 3, 4, 5}) EXPECT_TRUE(std::isnan(rows[i])) << i;
  EXPECT_EQ(rows[7], 2);
  for (int64_t n : {3, 8}) {  // by row and by id
    const Tensor bad = n == 3 ? ids : Tensor::from<int32_t>({1, -1, 8, 0}, {4}).to(Device::cuda);
    std::vector<double> want(size_t(n), 0.0);
    want[0] = want[1] = 1;
    EXPECT_EQ(index_add({n, 1}, 0, bad, Tensor::ones({4, 1}, Dtype::f32, Device::cuda)).to_vector(), want);
  }
  const Tensor index = ids.reshape({1, 4});
  const Tensor x = Tensor::from<float>({7, 8, 9}, {1, 3}).to(Device::cuda);
  EXPECT_TRUE(std::isnan(gather(x, 1, index).to_vector()[1]));
  EXPECT_EQ(scatter_add({1, 3}, 1, index, Tensor::ones({1, 4}, Dtype::f32, Device::cuda)).to_vector(),
            (std::vector<double>{1, 1, 0}));
}

}  // namespace
}  // namespace kg
