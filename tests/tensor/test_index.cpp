// Indexing, gathering, scattering, joining, by hand-computed values.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

Tensor ids(const std::vector<int32_t>& values, const Shape& shape) { return Tensor::from(values, shape); }
Tensor half_dozen() { return Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}); }

TEST(Index, EmbeddingAndItsTranspose) {
  const Tensor weight = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor at = ids({2, 0, 2, 1}, {2, 2});
  EXPECT_EQ(embedding(weight, at).to_vector(), (Values{5, 6, 1, 2, 5, 6, 3, 4}));
  EXPECT_EQ(embedding(weight, at).shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(embedding(weight, ids({}, {0})).shape(), (Shape{0, 2}));
  const Tensor gradient = Tensor::ones({3, 2}), gy = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  embedding_backward(gradient, gy, at);
  EXPECT_EQ(gradient.to_vector(), (Values{4, 5, 8, 9, 7, 9}));
  const Tensor turned = Tensor::ones({2, 3}).transpose(0, 1);
  embedding_backward(turned, gy, at);
  EXPECT_EQ(turned.to_vector(), gradient.to_vector());
}
TEST(Index, EmbeddingOfRowsAtAPosition) {
  const Tensor first = Tensor::from<float>({10, 20, 30, 40}, {2, 2}), table = half_dozen().reshape({3, 2});
  const Tensor places = Tensor::from<float>({100, 200, 300, 400}, {2, 2}), position = Tensor::zeros({1}, Dtype::i32);
  const auto at = [&](int p, const std::vector<int32_t>& rows) {
    position.fill(p);
    return embedding_rows(first, table, ids(rows, {2}), places, position).to_vector();
  };
  EXPECT_EQ(at(0, {-7, 9}), (Values{110, 220, 130, 240}));  // the ids are not read
  EXPECT_EQ(at(1, {2, 0}), (Values{305, 406, 301, 402}));
  expect_error([&] { at(1, {2, 3}); }, "index 3 at place 1 is outside 0..2");
  expect_error([&] { at(2, {2, 0}); }, "position 2 is outside 0..1");
  expect_error([&] { embedding_rows(first, table, ids({0}, {1}), places, position); }, "[embedding_rows] needs first");
}
TEST(Index, SelectAndAdd) {
  const Tensor x = half_dozen();
  EXPECT_EQ(index_select(x, 1, ids({2, 2, 0}, {3})).to_vector(), (Values{3, 3, 1, 6, 6, 4}));
  EXPECT_EQ(index_select(x, 0, ids({1}, {1})).to_vector(), (Values{4, 5, 6}));
  EXPECT_EQ(index_select(x.transpose(0, 1), 0, ids({1}, {1})).to_vector(), (Values{2, 5}));
  EXPECT_EQ(index_add({2, 4}, 1, ids({2, 2, 0}, {3}), x).to_vector(), (Values{3, 0, 3, 0, 6, 0, 9, 0}));
}
TEST(Index, GatherAndScatter) {
  const Tensor x = half_dozen(), at = ids({2, 0, 1, 1}, {2, 2});
  EXPECT_EQ(gather(x, 1, at).to_vector(), (Values{3, 1, 5, 5}));
  EXPECT_EQ(gather(x, 0, ids({1, 0, 1}, {1, 3})).to_vector(), (Values{4, 2, 6}));
  EXPECT_EQ(scatter_add({2, 3}, 1, at, Tensor::from<float>({1, 2, 3, 4}, {2, 2})).to_vector(),
            (Values{2, 0, 1, 0, 7, 0}));
}
TEST(Index, ConcatAndStack) {
  const Tensor x = half_dozen(), column = Tensor::from<float>({8, 9}, {2, 1});
  EXPECT_EQ(concat({x, column}, 1).to_vector(), (Values{1, 2, 3, 8, 4, 5, 6, 9}));
  EXPECT_EQ(concat({x, Tensor::empty({0, 3})}, 0).to_vector(), x.to_vector());
  EXPECT_EQ(stack({x, x}, 1).shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(stack({x.select(0, 0), x.select(0, 1)}, -1).to_vector(), (Values{1, 4, 2, 5, 3, 6}));
}
TEST(Index, Errors) {
  const Tensor x = half_dozen();
  expect_error([&] { embedding(x, ids({0, 2}, {2})); }, "index 2 at place 1 is outside 0..1");
  expect_error([&] { embedding(x, ids({-1}, {1})); }, "index -1 at place 0");
  expect_error([&] { embedding(x.select(0, 0), ids({0}, {1})); }, "[embedding] weight must be (V, C), has shape (3)");
  expect_error([&] { index_select(x, 0, Tensor::zeros({1})); }, "[index_select] indices must be contiguous i32");
  expect_error([&] { index_select(x, 2, ids({0}, {1})); }, "axis 2 is out of bounds");
  expect_error([&] { gather(x, 1, ids({0, 0, 0}, {3, 1})); }, "[gather] index (3, 1) must have the shape (2, 3)");
  expect_error([&] { gather(x, 1, ids({0, 3}, {2, 1})); }, "index 3 at place 1");
  expect_error([&] { scatter_add({2, 3}, 1, ids({0, 1}, {2, 1}), x); }, "[scatter_add] values (2, 3) and index (2, 1)");
  expect_error([&] { index_add({2, 2}, 1, ids({0, 1}, {2}), x); }, "[index_add] values (2, 3) do not fit (2, 2)");
  expect_error(
      [&] {
        concat({x, Tensor::zeros({3, 2})}, 0);
      },
      "[concat] shapes (2, 3) and (3, 2) differ besides axis 0");
  expect_error([] { concat({}, 0); }, "[concat] no tensors");
}

}  // namespace
}  // namespace kg
