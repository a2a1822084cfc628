// matmul, matmul_into, linear and linear_rows against plain loops in f64.
#include <limits>

#include "tests/tensor/naive.h"

namespace kg {
namespace {

std::string where_of(int64_t i, int64_t j, const Tensor& a, const Tensor& b) {
  std::ostringstream out;
  out << "element (" << i << ", " << j << ") of " << a.shape() << " x " << b.shape() << " " << name_of(a.dtype());
  return out.str();
}

// Checks c = a b (+ before) for matrices given as any views.
void expect_product(const Tensor& c, const Tensor& a, const Tensor& b, const Tensor& before = {}) {
  ASSERT_EQ(c.size(0), a.size(0));
  ASSERT_EQ(c.size(1), b.size(1));
  for (int64_t i = 0; i < c.size(0); ++i)
    for (int64_t j = 0; j < c.size(1); ++j) {
      double sum = before.defined() ? at(before, {i, j}) : 0, magnitude = std::fabs(sum);
      for (int64_t p = 0; p < a.size(1); ++p) {
        const double term = at(a, {i, p}) * at(b, {p, j});
        sum += term, magnitude += std::fabs(term);
      }
      expect_close(at(c, {i, j}), sum, magnitude, c.dtype(), where_of(i, j, a, b));
      if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Matmul, ByHand) {
  const Tensor a = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}),
               b = Tensor::from<float>({7, 8, 9, 10, 11, 12}, {3, 2});
  EXPECT_EQ(matmul(a, b).to_vector(), (std::vector<double>{58, 64, 139, 154}));
}

TEST(Matmul, OddSizes) {
  const int64_t sizes[] = {1, 3, 51, 197};
  for (Dtype dtype : kDtypes)
    for (int64_t m : sizes)
      for (int64_t n : sizes)
        for (int64_t k : sizes) {
          const Tensor a = random_tensor({m, k}, dtype, 1), b = random_tensor({k, n}, dtype, 2);
          expect_product(matmul(a, b), a, b);
          if (HasFatalFailure()) return;
        }
  for (Dtype dtype : kDtypes) {
    const Tensor a = random_tensor({263, 513}, dtype, 3), b = random_tensor({513, 600}, dtype, 4);
    expect_product(matmul(a, b), a, b);
  }
}

TEST(Matmul, Views) {
  for (Dtype dtype : kDtypes) {
    const Tensor a = random_tensor({37, 53}, dtype, 1), b = random_tensor({53, 41}, dtype, 2);
    const Tensor at = random_tensor({53, 37}, dtype, 3).transpose(0, 1);
    const Tensor bt = random_tensor({41, 53}, dtype, 4).transpose(0, 1);
    for (const Tensor& x : {a, at})
      for (const Tensor& y : {b, bt}) expect_product(matmul(x, y), x, y);
    // A window of a larger matrix, a single row and column of it, a row repeated by stride 0, every third column.
    const Tensor window = random_tensor({60, 80}, dtype, 5).slice(0, 3, 40).slice(1, 7, 60);
    expect_product(matmul(window, b), window, b);
    const Tensor column = random_tensor({53, 9}, dtype, 6).slice(1, 4, 5), row = window.slice(0, 2, 3);
    expect_product(matmul(a, column), a, column);
    expect_product(matmul(row, column), row, column);
    expect_product(matmul(column, column.transpose(0, 1)), column, column.transpose(0, 1));
    const Tensor repeated = row.expand({5, 53});
    expect_product(matmul(repeated, b), repeated, b);
    const Tensor thirds = random_tensor({37, 53, 3}, dtype, 7).select(2, 1);
    expect_product(matmul(thirds, b), thirds, b);
  }
}

TEST(Matmul, BatchesAndBroadcasting) {
  for (Dtype dtype : kDtypes) {
    const Tensor a = random_tensor({2, 3, 5, 7}, dtype, 1), b = random_tensor({2, 3, 7, 4}, dtype, 2);
    const Tensor shared = random_tensor({7, 4}, dtype, 3), heads = random_tensor({3, 7, 4}, dtype, 4);
    const Tensor one = random_tensor({1, 1, 7, 4}, dtype, 5);
    const Tensor y = matmul(a, b), ys = matmul(a, shared), yh = matmul(a, heads), yo = matmul(a, one);
    const Tensor yp = matmul(a.permute({1, 0, 2, 3}), one), yl = matmul(a.select(0, 0).select(0, 0), b);
    EXPECT_EQ(y.shape(), (Shape{2, 3, 5, 4}));
    EXPECT_EQ(yp.shape(), (Shape{3, 2, 5, 4}));
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 3; ++j) {
        auto part = [&](const Tensor& t) { return t.select(0, i).select(0, j); };
        expect_product(part(y), part(a), part(b));
        expect_product(part(ys), part(a), shared);
        expect_product(part(yh), part(a), heads.select(0, j));
        expect_product(part(yo), part(a), one.select(0, 0).select(0, 0));
        expect_product(yp.select(0, j).select(0, i), part(a), one.select(0, 0).select(0, 0));
        expect_product(part(yl), a.select(0, 0).select(0, 0), part(b));
      }
  }
}

TEST(Matmul, EmptyExtents) {
  for (Dtype dtype : kDtypes) {
    const Tensor zeros = matmul(Tensor::empty({3, 0}, dtype), Tensor::empty({0, 2}, dtype));
    EXPECT_EQ(zeros.to_vector(), std::vector<double>(6, 0.0));
    EXPECT_EQ(matmul(Tensor::empty({0, 4}, dtype), Tensor::empty({4, 2}, dtype)).shape(), (Shape{0, 2}));
    EXPECT_EQ(matmul(Tensor::empty({0, 3, 4}, dtype), Tensor::empty({4, 2}, dtype)).shape(), (Shape{0, 3, 2}));
    const Tensor bias = Tensor::full({2}, 3, dtype);
    EXPECT_EQ(linear(Tensor::empty({2, 0}, dtype), Tensor::empty({2, 0}, dtype), bias).to_vector(),
              std::vector<double>(4, 3.0));
    EXPECT_EQ(linear_rows(Tensor::empty({2, 0}, dtype), Tensor::empty({2, 0}, dtype), bias).to_vector(),
              std::vector<double>(4, 3.0));
    EXPECT_EQ(linear(Tensor::empty({0, 5}, dtype), Tensor::empty({2, 5}, dtype), bias).shape(), (Shape{0, 2}));
  }
}

TEST(MatmulInto, AccumulatesIntoViews) {
  for (Dtype dtype : kDtypes) {
    const Tensor a = random_tensor({19, 70}, dtype, 1), b = random_tensor({70, 23}, dtype, 2);
    const Tensor wide = random_tensor({19, 40}, dtype, 3), tall = random_tensor({40, 19}, dtype, 4);
    for (const Tensor& out : {wide.slice(1, 5, 28), tall.slice(0, 2, 25).transpose(0, 1)}) {
      const Tensor before = out.clone();
      const uint32_t version = out.version();
      matmul_into(out, a, b, 1);
      expect_product(out, a, b, before);
      matmul_into(out, a, b, 0);
      expect_product(out, a, b);
      EXPECT_EQ(out.version(), version + 2);
    }
    // Beside the view nothing changed.
    EXPECT_TRUE(same_bytes(wide.slice(1, 0, 5), random_tensor({19, 40}, dtype, 3).slice(1, 0, 5)));
    const Tensor kept = Tensor::full({2, 2}, 5, dtype);
    matmul_into(kept, Tensor::empty({2, 0}, dtype), Tensor::empty({0, 2}, dtype), 1);
    EXPECT_EQ(kept.to_vector(), std::vector<double>(4, 5.0));
    matmul_into(kept, Tensor::empty({2, 0}, dtype), Tensor::empty({0, 2}, dtype), 0);
    EXPECT_EQ(kept.to_vector(), std::vector<double>(4, 0.0));
  }
}

TEST(Linear, WithAndWithoutBias) {
  for (Dtype dtype : kDtypes)
    for (int64_t rows : {1, 7, 102}) {
      const Tensor x = random_tensor({rows, 3, 51}, dtype, 1), w = random_tensor({263, 51}, dtype, 2);
      const Tensor bias = random_tensor({263}, dtype, 3), flat = x.reshape({rows * 3, 51});
      const Tensor y = linear(x, w, bias);
      EXPECT_EQ(y.shape(), (Shape{rows, 3, 263}));
      const Tensor with = bias.expand({rows * 3, 263});
      expect_product(y.reshape({rows * 3, 263}), flat, w.transpose(0, 1), with);
      expect_product(linear(x, w, {}).reshape({rows * 3, 263}), flat, w.transpose(0, 1));
      expect_product(linear_rows(x, w, bias).reshape({rows * 3, 263}), flat, w.transpose(0, 1), with);
      expect_product(linear_rows(x, w, {}).reshape({rows * 3, 263}), flat, w.transpose(0, 1));
    }
}

// A vector, and a weight that is a transposed view, as tied embeddings have it.
TEST(Linear, VectorAndTransposedWeight) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = random_tensor({20}, dtype, 1), w = random_tensor({20, 30}, dtype, 2).transpose(0, 1);
    const Tensor y = linear(x, w, {});
    EXPECT_EQ(y.shape(), (Shape{30}));
    expect_product(y.unsqueeze(0), x.unsqueeze(0), w.transpose(0, 1));
  }
}

TEST(LinearRows, RowDoesNotDependOnBatch) {
  for (Dtype dtype : kDtypes)
    for (int64_t width : {5, 64, 263, 1024}) {
      const Tensor x = random_tensor({21, width}, dtype, 1), w = random_tensor({67, width}, dtype, 2);
      const Tensor bias = random_tensor({67}, dtype, 3), all = linear_rows(x, w, bias);
      for (int64_t row = 0; row < 21; ++row)
        EXPECT_TRUE(same_bytes(all.slice(0, row, row + 1), linear_rows(x.slice(0, row, row + 1), w, bias)));
      for (int64_t count = 2; count < 21; ++count)
        EXPECT_TRUE(same_bytes(all.slice(0, 1, 1 + count), linear_rows(x.slice(0, 1, 1 + count), w, bias)));
    }
}

TEST(LinearRows, Bf16Weights) {
  const Tensor x = random_tensor({3, 77}, Dtype::f32, 1), bias = random_tensor({33}, Dtype::f32, 3);
  const Tensor half = random_tensor({33, 77}, Dtype::f32, 2).to(Dtype::bf16), w = half.to(Dtype::f32);
  const Tensor y = linear_rows(x, half, bias);
  expect_product(y, x, w.transpose(0, 1), bias.expand({3, 33}));
  EXPECT_TRUE(same_bytes(y, linear_rows(x, w, bias)));
}

TEST(LinearRows, NormActivationGateAndResidualAreTheOpsOfTheSameNames) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = random_tensor({5, 40}, dtype, 1), w = random_tensor({24, 40}, dtype, 2);
    const Tensor bias = random_tensor({24}, dtype, 3), gate = random_tensor({24, 40}, dtype, 4);
    const Tensor residual = random_tensor({5, 24}, dtype, 5), scale = random_tensor({40}, dtype, 6);
    const Tensor shift = random_tensor({40}, dtype, 7);
    const RowNorm layer{scale, shift, 1e-5, false}, rms{scale, {}, 1e-6, true};
    const Tensor of_layer = layer_norm(x, scale, shift, 1e-5).y, of_rms = rms_norm(x, scale, 1e-6).y;
    EXPECT_TRUE(same_bytes(linear_rows(x, w, bias, {.norm = layer}), linear_rows(of_layer, w, bias)));
    EXPECT_TRUE(same_bytes(linear_rows(x, w, bias, {.norm = layer, .activation = RowActivation::gelu}),
                           gelu(linear_rows(of_layer, w, bias))));
    EXPECT_TRUE(same_bytes(linear_rows(x, w, {}, {.activation = RowActivation::relu, .residual = residual}),
                           add(residual, relu(linear_rows(x, w, {})))));
    const RowsOptions all{rms, RowActivation::gelu_tanh, gate, residual};
    EXPECT_TRUE(same_bytes(linear_rows(x, w, {}, all),
                           add(residual, mul(gelu_tanh(linear_rows(of_rms, w, {})), linear_rows(of_rms, gate, {})))));
  }
}

TEST(ProjectRows, KeysAndValuesGoToThePosition) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = random_tensor({3, 20}, dtype, 1), scale = random_tensor({20}, dtype, 2);
    const auto projection = [&](uint64_t i) {
      return RowProjection{random_tensor({12, 20}, dtype, 10 + i), random_tensor({12}, dtype, 20 + i)};
    };
    const RowProjection q = projection(0), k = projection(1), v = projection(2);
    const Tensor keys = Tensor::full({3, 4, 2, 6}, 7, dtype), values = keys.clone(), h = rms_norm(x, scale, 1e-6).y;
    const Tensor position = Tensor::from<int32_t>({2}, {1});
    const RowNorm norm{scale, {}, 1e-6, true};
    EXPECT_TRUE(same_bytes(project_rows(x, norm, q, k, v, keys, values, position), linear_rows(h, q.weight, q.bias)));
    const auto at = [](const Tensor& cache, int64_t p) { return cache.select(1, p).reshape({3, 12}).contiguous(); };
    EXPECT_TRUE(same_bytes(at(keys, 2), linear_rows(h, k.weight, k.bias)));
    EXPECT_TRUE(same_bytes(at(values, 2), linear_rows(h, v.weight, v.bias)));
    for (int64_t p : {0, 1, 3}) EXPECT_EQ(at(keys, p).to_vector(), std::vector<double>(36, 7.0));
    position.fill(4);
    expect_error([&] { project_rows(x, norm, q, k, v, keys, values, position); }, "position 4 is outside 0..3");
    expect_error([&] { project_rows(x, norm, q, k, v, keys, values, Tensor::zeros({1}, dtype)); }, "one i32");
    expect_error([&] { project_rows(x, norm, q, k, v, keys.slice(1, 0, 2), values, position); }, "keys and values");
  }
}

// Several at once, into places of a buffer with gaps, one right operand for all, columns of one matrix as left ones.
TEST(Matmul, SeveralIntoOneBuffer) {
  for (Dtype dtype : kDtypes)
    for (double beta : {0, 1}) {
      const Tensor gy = random_tensor({37, 15}, dtype, 1), x = random_tensor({37, 7}, dtype, 2);
      const Tensor flat = Tensor::full({3 * 48}, 2, dtype);
      const Tensor out = Tensor::view_of(flat.storage(), 0, {3, 5, 7}, {48, 7, 1}, dtype);
      matmul_into(out, gy.reshape({37, 3, 5}).permute({1, 2, 0}), x.unsqueeze(0).expand({3, 37, 7}), beta);
      for (int64_t i = 0; i < 3; ++i) {
        const Tensor want = matmul(gy.slice(1, 5 * i, 5 * i + 5).transpose(0, 1), x);
        expect_values(sub(out.select(0, i), want), std::vector<double>(35, 2 * beta), 10 * rounding(dtype));
        EXPECT_EQ(flat.slice(0, 48 * i + 35, 48 * i + 48).to_vector(), std::vector<double>(13, 2)) << "the gaps";
      }
    }
  const Tensor a = Tensor::zeros({2, 3, 4}), b = Tensor::zeros({2, 4, 5});
  expect_error([&] { matmul_into(Tensor::zeros({3, 5}), a, b, 0); }, "needs matrices, or as many on each side");
  expect_error([&] { matmul_into(Tensor::zeros({1, 3, 5}), a, b, 0); }, "do not fit");
  expect_error([&] { matmul_into(Tensor::zeros({2, 5, 3}).transpose(1, 2), a, b, 0); }, "unit stride in its last axis");
}

TEST(Matmul, GradientsOfALinearLayer) {
  // gy = [[1, 2], [3, 4]], x = [[5, 6, 7], [8, 9, 10]]: gy^T x = [[29, 33, 37], [42, 48, 54]], rows' sum [4, 6]
  const Tensor gy = Tensor::from<float>({1, 2, 3, 4}, {2, 2}), x = Tensor::from<float>({5, 6, 7, 8, 9, 10}, {2, 3});
  const std::vector<double> want{30, 34, 38, 43, 49, 55};
  const Tensor weight = Tensor::ones({2, 3}), turned = Tensor::ones({3, 2}), bias = Tensor::full({2}, 7);
  const auto rows_sum = [&](const Tensor& gweight, const Tensor& g, const Tensor& in, double beta) {
    linear_backward_weight(gweight, bias, g, in, beta);
    return bias.to_vector();
  };
  EXPECT_EQ(rows_sum(weight, gy, x, 1), (std::vector<double>{4, 6}));
  EXPECT_EQ(weight.to_vector(), want);
  EXPECT_EQ(rows_sum(turned.transpose(0, 1), gy, x, 1), (std::vector<double>{4, 6}));
  EXPECT_EQ(turned.transpose(0, 1).to_vector(), want);
  EXPECT_EQ(rows_sum(weight, gy.slice(0, 0, 0), x.slice(0, 0, 0), 1), (std::vector<double>{0, 0}));
  EXPECT_EQ(weight.to_vector(), want) << "no rows add nothing";
  for (const Tensor& stored : {weight, turned.transpose(0, 1)}) {
    stored.fill(std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(rows_sum(stored, gy, x, 0), (std::vector<double>{4, 6}));
    EXPECT_EQ(stored.to_vector(), (std::vector<double>{29, 33, 37, 42, 48, 54})) << "beta 0 reads nothing";
  }
  rows_sum(weight, gy.slice(0, 0, 0), x.slice(0, 0, 0), 0);
  EXPECT_EQ(weight.to_vector(), std::vector<double>(6, 0));
  expect_error([&] { linear_backward_weight(weight, bias, gy.slice(0, 0, 1), x, 1); }, "needs gweight (O, I)");
  expect_error([&] { linear_backward_weight(weight, bias, gy, x, 0.5); }, "beta must be 0 or 1");
  expect_error([&] { linear_backward_weight(weight, Tensor::zeros({3}), gy, x, 0); }, "gbias must be a contiguous f32");
}

TEST(Matmul, ThreadCountDoesNotMatter) {
  for (Dtype dtype : kDtypes) {
    const Tensor a = random_tensor({301, 263}, dtype, 1), b = random_tensor({263, 517}, dtype, 2);
    const Tensor w = random_tensor({517, 263}, dtype, 3), bias = random_tensor({517}, dtype, 4);
    const Tensor batch = random_tensor({40, 51, 64}, dtype, 5), keys = random_tensor({40, 51, 64}, dtype, 6);
    expect_same_for_any_threads([&] { return matmul(a, b); });
    expect_same_for_any_threads([&] { return linear(a, w, bias); });
    expect_same_for_any_threads([&] { return linear_rows(a.slice(0, 0, 9), w, bias); });
    expect_same_for_any_threads([&] { return matmul(batch, keys.transpose(1, 2)); });
    // One tile, on the calling thread: the provider's own threads must not come in.
    expect_same_for_any_threads([&] { return matmul(a.slice(0, 0, 40), w.slice(0, 0, 40).transpose(0, 1)); });
  }
}

TEST(Matmul, Errors) {
  const Tensor a = Tensor::zeros({2, 3}), b = Tensor::zeros({4, 5});
  expect_error([&] { matmul(a, b); }, "[matmul] inner extents differ: (2, 3) x (4, 5)");
  expect_error([&] { matmul(a, Tensor::zeros({3})); }, "rank 2 or more");
  expect_error([&] { matmul(a, Tensor::zeros({3, 2}, Dtype::f64)); }, "operands are f32 and f64");
  expect_error([&] { matmul(Tensor::zeros({2, 2, 3}), Tensor::zeros({3, 3, 2})); }, "do not broadcast");
  expect_error([&] { matmul(a, {}); }, "undefined");
  expect_error([&] { matmul(Tensor::zeros({1, 1}, Dtype::i32), Tensor::zeros({1, 1}, Dtype::i32)); }, "f32 or f64");
  expect_error([&] { matmul_into(Tensor::zeros({2, 2}), a, Tensor::zeros({3, 4}), 0); }, "do not fit");
  expect_error([&] { matmul_into(Tensor::zeros({2, 4}), a, Tensor::zeros({3, 4}), 0.5); }, "beta must be 0 or 1");
  expect_error([&] { matmul_into(Tensor::zeros({2, 4, 2}).select(2, 0), a, Tensor::zeros({3, 4}), 0); }, "unit stride");
  expect_error([&] { linear(a, b, {}); }, "[linear] x has 3 features, weight of shape (4, 5) takes 5");
  expect_error([&] { linear(a, Tensor::zeros({4, 3}), Tensor::zeros({5})); }, "bias must have 4 elements");
  expect_error([&] { linear_rows(a, Tensor::zeros({3, 4}).transpose(0, 1), {}); }, "contiguous");
  expect_error([&] { linear_rows(a, Tensor::zeros({4, 3}, Dtype::f64), {}); }, "weight must be f32 like x");
  const Tensor three = Tensor::zeros({3}), square = Tensor::zeros({4, 3});
  expect_error([&] { linear_rows(a, square, {}, {.gate = three}); }, "gate must be f32");
  expect_error([&] { linear_rows(a, square, {}, {.residual = a}); }, "residual must be");
  expect_error([&] { linear_rows(a, square, {}, {.norm = {Tensor::zeros({4}), {}, 1e-5, false}}); }, "of the norm");
  expect_error([&] { linear_rows(a, square, {}, {.norm = {three, three, 1e-5, true}}); }, "cannot be RMS norm");
}

}  // namespace
}  // namespace kg
