// conv1d and its gradients, upsampling: against plain loops in f64 and central differences.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

struct Case {
  int64_t batch, time, in, out, taps;
  Conv1dOptions options;
  int64_t out_time() const {
    return (time + 2 * options.padding - options.dilation * (taps - 1) - 1) / options.stride + 1;
  }
};
std::ostream& operator<<(std::ostream& s, const Case& c) {
  return s << "B " << c.batch << " T " << c.time << " I " << c.in << " O " << c.out << " k " << c.taps << " stride "
           << c.options.stride << " padding " << c.options.padding << " dilation " << c.options.dilation;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (int64_t taps : {1, 2, 3, 4})
    for (int stride : {1, 2, 3})
      for (int padding : {0, 1, 3})
        for (int dilation : {1, 2, 3})
          for (int64_t time : {1, 4, 11}) {
            const Case c{2, time, 5, 3, taps, {stride, padding, dilation}};
            if (time + 2 * padding >= dilation * (taps - 1) + 1) cases.push_back(c);
          }
  // Those of the motion tokenizer, and sizes that make more than one block of rows.
  cases.push_back({3, 64, 263, 51, 3, {1, 1, 1}});
  cases.push_back({3, 64, 51, 40, 4, {2, 1, 1}});
  cases.push_back({2, 64, 33, 64, 3, {1, 9, 9}});
  cases.push_back({13, 51, 197, 131, 3, {1, 1, 1}});
  return cases;
}

Tensor random_weight(const Case& c, Dtype dtype) {
  return conv1d_weight_layout(random_tensor({c.out, c.in, c.taps}, dtype, 2));
}

// For every product x[b, s, i] w[o, i, j] in y[b, t, o].
template <class Visit>
void for_terms(const Case& c, Visit&& visit) {
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t t = 0; t < c.out_time(); ++t)
      for (int64_t j = 0; j < c.taps; ++j) {
        const int64_t s = t * c.options.stride - c.options.padding + j * c.options.dilation;
        if (s < 0 || s >= c.time) continue;
        for (int64_t o = 0; o < c.out; ++o)
          for (int64_t i = 0; i < c.in; ++i) visit(b, t, s, o, i, j);
      }
}

// A tensor of sums and of the sums of absolute values.
struct Sums {
  std::vector<double> sum, magnitude;
  explicit Sums(int64_t n) : sum(size_t(n), 0.0), magnitude(size_t(n), 0.0) {}
  void add(int64_t i, double term) { sum[size_t(i)] += term, magnitude[size_t(i)] += std::fabs(term); }
  void expect(const Tensor& t, const std::string& where) const {
    const std::vector<double> values = t.to_vector();
    ASSERT_EQ(values.size(), sum.size());
    for (size_t i = 0; i < values.size(); ++i) {
      expect_close(values[i], sum[i], magnitude[i], t.dtype(), where + " element " + std::to_string(i));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
};

TEST(Conv1d, AgainstLoops) {
  for (Dtype dtype : kDtypes)
    for (const Case& c : all_cases()) {
      SCOPED_TRACE(testing::Message() << c << " " << name_of(dtype));
      const Tensor x = random_tensor({c.batch, c.time, c.in}, dtype, 1), w = random_weight(c, dtype);
      const Tensor bias = random_tensor({c.out}, dtype, 3),
                   gy = random_tensor({c.batch, c.out_time(), c.out}, dtype, 4);
      const Tensor gw = conv1d_weight_layout(random_tensor({c.out, c.in, c.taps}, dtype, 5));
      Sums y(gy.numel()), plain(gy.numel()), gx(x.numel()), gw_new(w.numel()), gw_added(w.numel());
      for (int64_t n = 0; n < gy.numel(); ++n) y.add(n, at(bias, {n % c.out}));
      const std::vector<double> before = gw.to_vector();
      for (int64_t n = 0; n < w.numel(); ++n) gw_added.add(n, before[size_t(n)]);
      for_terms(c, [&](int64_t b, int64_t t, int64_t s, int64_t o, int64_t i, int64_t j) {
        const double xv = at(x, {b, s, i}), wv = at(w, {o, i, j}), gv = at(gy, {b, t, o});
        const int64_t yi = (b * c.out_time() + t) * c.out + o, wi = (o * c.in + i) * c.taps + j;
        y.add(yi, xv * wv), plain.add(yi, xv * wv);
        gx.add((b * c.time + s) * c.in + i, gv * wv);
        gw_new.add(wi, gv * xv), gw_added.add(wi, gv * xv);
      });
      y.expect(conv1d(x, w, bias, c.options), "y");
      plain.expect(conv1d(x, w, {}, c.options), "y without bias");
      gx.expect(conv1d_backward_input(gy, w, x.shape(), c.options), "gx");
      conv1d_backward_weight(gw, gy, x, c.options, 1);
      gw_added.expect(gw, "gw, accumulated");
      conv1d_backward_weight(gw, gy, x, c.options, 0);
      gw_new.expect(gw, "gw");
      if (HasFatalFailure()) return;
    }
}

TEST(Conv1d, ByHand) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4}, {1, 4, 1});
  const Tensor w = conv1d_weight_layout(Tensor::from<float>({1, 10, 100}, {1, 1, 3}));
  EXPECT_EQ(conv1d(x, w, {}, {1, 1, 1}).to_vector(), (std::vector<double>{210, 321, 432, 43}));
  EXPECT_EQ(conv1d(x, w, {}, {2, 1, 1}).to_vector(), (std::vector<double>{210, 432}));
  EXPECT_EQ(conv1d(x, w, {}, {1, 2, 2}).to_vector(), (std::vector<double>{310, 420, 31, 42}));
}

TEST(Conv1d, GradientsByDifferences) {
  for (const Case& c :
       {Case{2, 7, 3, 2, 3, {1, 1, 1}}, Case{2, 8, 2, 3, 4, {2, 1, 1}}, Case{1, 9, 2, 2, 3, {2, 3, 3}}}) {
    SCOPED_TRACE(testing::Message() << c);
    const Tensor x = random_tensor({c.batch, c.time, c.in}, Dtype::f64, 1);
    const Tensor raw = random_tensor({c.taps, c.in, c.out}, Dtype::f64, 2), w = raw.permute({2, 1, 0});
    const Tensor gy = random_tensor({c.batch, c.out_time(), c.out}, Dtype::f64, 4);
    auto f = [&] { return conv1d(x, w, {}, c.options); };
    expect_gradient(x, conv1d_backward_input(gy, w, x.shape(), c.options), gy, f);
    const Tensor gw = conv1d_weight_layout(zeros_like(w));
    conv1d_backward_weight(gw, gy, x, c.options, 0);
    expect_gradient(raw, gw.permute({2, 1, 0}), gy, f);
  }
}

TEST(Conv1d, WeightLayoutCopiesOnlyOnce) {
  const Tensor w = random_tensor({3, 4, 2}, Dtype::f32, 1), stored = conv1d_weight_layout(w);
  EXPECT_EQ(stored.to_vector(), w.to_vector());
  EXPECT_EQ(stored.strides(), (Shape{1, 3, 12}));
  EXPECT_EQ(conv1d_weight_layout(stored).raw(), stored.raw());
}

TEST(Conv1d, ThreadCountDoesNotMatter) {
  for (const Case& c : {Case{7, 64, 65, 130, 3, {1, 1, 1}}, Case{7, 64, 65, 130, 4, {2, 1, 1}}}) {
    const Tensor x = random_tensor({c.batch, c.time, c.in}, Dtype::f32, 1), w = random_weight(c, Dtype::f32);
    const Tensor bias = random_tensor({c.out}, Dtype::f32, 3);
    const Tensor gy = random_tensor({c.batch, c.out_time(), c.out}, Dtype::f32, 4);
    expect_same_for_any_threads([&] { return conv1d(x, w, bias, c.options); });
    expect_same_for_any_threads([&] { return conv1d_backward_input(gy, w, x.shape(), c.options); });
    expect_same_for_any_threads([&] {
      const Tensor gw = conv1d_weight_layout(zeros_like(w));
      conv1d_backward_weight(gw, gy, x, c.options, 0);
      return gw;
    });
  }
}

TEST(Conv1d, EmptyBatch) {
  const Tensor w = conv1d_weight_layout(Tensor::ones({2, 3, 3})), x = Tensor::empty({0, 5, 3});
  EXPECT_EQ(conv1d(x, w, {}, {1, 1, 1}).shape(), (Shape{0, 5, 2}));
  const Tensor gw = conv1d_weight_layout(Tensor::ones({2, 3, 3}));
  conv1d_backward_weight(gw, Tensor::empty({0, 5, 2}), x, {1, 1, 1}, 1);
  EXPECT_EQ(gw.to_vector(), std::vector<double>(18, 1.0));
  conv1d_backward_weight(gw, Tensor::empty({0, 5, 2}), x, {1, 1, 1}, 0);
  EXPECT_EQ(gw.to_vector(), std::vector<double>(18, 0.0));
}

TEST(Conv1d, Errors) {
  const Tensor x = Tensor::zeros({1, 4, 3}), w = conv1d_weight_layout(Tensor::zeros({2, 3, 3}));
  expect_error([&] { conv1d(Tensor::zeros({4, 3}), w, {}, {}); }, "[conv1d] x must be (batch, time, channels)");
  expect_error([&] { conv1d(x, Tensor::zeros({2, 3, 3}), {}, {}); }, "conv1d_weight_layout()");
  expect_error([&] { conv1d(Tensor::zeros({1, 4, 5}), w, {}, {}); }, "x has 5 channels");
  expect_error([&] { conv1d(x, w, Tensor::zeros({3}), {}); }, "bias must have shape (2)");
  expect_error([&] { conv1d(x, w, {}, {0, 0, 1}); }, "stride and dilation >= 1");
  expect_error([&] { conv1d(x, w, {}, {1, 0, 2}); }, "shorter than the kernel's span of 5");
  expect_error([&] { conv1d(Tensor::zeros({1, 4, 3}, Dtype::f64), w, {}, {}); }, "weight is f32, expected f64");
  expect_error(
      [&] {
        conv1d_backward_input(Tensor::zeros({1, 4, 2}), w, x.shape(), {});
      },
      "gy must have shape (1, 2, 2)");
  expect_error([&] { conv1d_backward_weight(w, Tensor::zeros({1, 4, 2}), x, {}, 0); }, "gy must have shape (1, 2, 2)");
  expect_error([&] { upsample_nearest(x, 0); }, "factor must be at least 1");
}

TEST(Upsample, RepeatsAndSums) {
  for (Dtype dtype : kDtypes) {
    const Tensor x = random_tensor({2, 3, 2}, dtype, 1), y = upsample_nearest(x, 3);
    EXPECT_EQ(y.shape(), (Shape{2, 9, 2}));
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t t = 0; t < 9; ++t)
        for (int64_t c = 0; c < 2; ++c) EXPECT_EQ(at(y, {b, t, c}), at(x, {b, t / 3, c}));
    const Tensor ones = upsample_nearest_backward(Tensor::ones({2, 9, 2}, dtype), 3);
    EXPECT_EQ(ones.to_vector(), std::vector<double>(12, 3.0));
  }
  const Tensor x = random_tensor({1, 2, 2}, Dtype::f64, 1), gy = random_tensor({1, 4, 2}, Dtype::f64, 2);
  expect_gradient(x, upsample_nearest_backward(gy, 2), gy, [&] { return upsample_nearest(x, 2); });
}

}  // namespace
}  // namespace kg
