// Tensors: views, reshapes of views, copies and conversions, bf16's rounding, and what the errors say.
#include <limits>

#include "tests/tensor/naive.h"

namespace kg {
namespace {

Tensor count_up(const Shape& shape) {
  std::vector<float> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(float(i));
  return Tensor::from(values, shape);
}

TEST(Tensor, ViewsShareMemory) {
  const Tensor t = count_up({2, 3, 4});
  EXPECT_EQ(t.slice(1, 1, 3).to_vector(), (Values{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23}));
  EXPECT_EQ(t.select(0, 1).select(1, -1 + 4).to_vector(), (Values{15, 19, 23}));
  EXPECT_EQ(t.select(2, 0).transpose(0, 1).to_vector(), (Values{0, 12, 4, 16, 8, 20}));
  EXPECT_EQ(t.permute({2, 0, 1}).shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(t.permute({2, 0, 1}).select(0, 1).to_vector(), (Values{1, 5, 9, 13, 17, 21}));
  const Tensor row = t.select(0, 1).slice(0, 0, 1).expand({3, 4});
  EXPECT_EQ(row.to_vector(), (Values{12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15}));
  EXPECT_EQ(t.unsqueeze(-1).shape(), (Shape{2, 3, 4, 1}));
  EXPECT_EQ(t.unsqueeze(0).squeeze(0).shape(), t.shape());
  t.select(0, 1).fill(-1);
  EXPECT_EQ(row.to_vector()[5], -1);
  EXPECT_EQ(t.select(0, 0).to_vector()[11], 11);
}

TEST(Tensor, ContiguityIgnoresExtentsOfOne) {
  const Tensor t = count_up({3, 1, 4});
  EXPECT_TRUE(t.transpose(0, 1).is_contiguous());
  EXPECT_FALSE(t.transpose(0, 2).is_contiguous());
  EXPECT_FALSE(t.slice(2, 0, 2).is_contiguous());
  EXPECT_TRUE(t.slice(0, 1, 3).is_contiguous());
  EXPECT_TRUE(Tensor::empty({0, 5}).is_contiguous());
  EXPECT_EQ(t.contiguous().storage(), t.storage());
  EXPECT_NE(t.clone().storage(), t.storage());
}

// Reshaping any view gives the elements in row-major order; without a copy if it is told so.
TEST(Tensor, ReshapesOfViews) {
  const Tensor t = count_up({4, 6, 5});
  struct Case {
    Tensor view;
    Shape shape;
    bool shares;
  };
  const Case cases[] = {
      {t, {24, 5}, true},
      {t, {2, 2, 30}, true},
      {t.slice(0, 1, 3), {60}, true},
      {t.slice(1, 0, 3), {4, 15}, true},       // the gap is between rows of 15
      {t.slice(1, 0, 3), {60}, false},         // and cannot be joined over
      {t.slice(2, 1, 4), {24, 3}, true},       // rows of 5, three of each: both outer axes join
      {t.slice(2, 1, 4), {4, 2, 3, 3}, true},  // and split
      {t.slice(2, 1, 4), {72}, false},
      {t.transpose(0, 1), {24, 5}, false},
      {t.transpose(0, 1), {2, 3, 4, 5}, true},
      {t.transpose(0, 1), {6, 1, 4, 5, 1}, true},
      {t.transpose(1, 2), {4, 30}, false},
      {t.permute({2, 0, 1}), {5, 24}, true},
      {t.permute({2, 0, 1}), {5, 2, 2, 6}, true},
      {t.select(1, 2), {20}, false},
      {t.select(2, 3), {24}, true},
      {t.select(2, 3), {3, 8}, true},
      {t.slice(1, 2, 3).expand({4, 7, 5}), {4, 35}, false},
      {t.slice(1, 2, 3), {1, 4, 5, 1}, true},
      {t.slice(0, 2, 2), {0, 3}, true},
  };
  for (const Case& c : cases) {
    const Tensor got = c.view.reshape(c.shape);
    EXPECT_EQ(got.shape(), c.shape);
    EXPECT_EQ(got.to_vector(), c.view.to_vector()) << c.view.shape() << c.view.strides() << " to " << c.shape;
    EXPECT_EQ(got.storage() == t.storage(), c.shares) << c.view.shape() << c.view.strides() << " to " << c.shape;
  }
}
TEST(Tensor, ReshapesOfManyRandomViews) {
  const Shape targets[] = {{-1}, {2, -1}, {3, -1}, {-1, 2}, {-1, 3}, {2, 3, -1}, {-1, 1, 2}, {2, -1, 3}, {6, -1}};
  Generator random{81, 0};
  int shared = 0, copied = 0;
  for (int trial = 0; trial < 500; ++trial) {
    const Philox draw = random.next();
    Tensor view = count_up({4, 6, 2, 6});
    for (uint64_t i = 0; i < 6; ++i) {
      const int a = int(draw.below(4 * i, 4)), b = int(draw.below(4 * i + 1, 4));
      view = view.transpose(a, b);
      const int64_t extent = view.shape()[a];
      if (i % 2 && extent % 2 == 0) view = view.slice(a, int64_t(draw.below(4 * i + 2, 2)) * (extent / 2), extent);
    }
    for (const Shape& target : targets) {
      int64_t known = 1;
      for (int64_t extent : target) known *= extent > 0 ? extent : 1;
      if (view.numel() % known) continue;
      const Tensor got = view.reshape(target);
      ASSERT_EQ(got.to_vector(), view.to_vector()) << view.shape() << view.strides() << " to " << target;
      (got.storage() == view.storage() ? shared : copied)++;
    }
  }
  EXPECT_GT(shared, 100);
  EXPECT_GT(copied, 100);
}
TEST(Tensor, Flatten) {
  const Tensor t = count_up({2, 3, 4});
  EXPECT_EQ(t.flatten(0, 1).shape(), (Shape{6, 4}));
  EXPECT_EQ(t.flatten(-2, -1).shape(), (Shape{2, 12}));
  EXPECT_EQ(t.flatten(1, 1).shape(), t.shape());
}

TEST(Tensor, ScalarsAndEmptyTensors) {
  EXPECT_EQ(Tensor::scalar(2.5).item(), 2.5);
  EXPECT_EQ(Tensor::scalar(2.5).rank(), 0);
  EXPECT_EQ(Tensor::full({1, 1}, 3).item(), 3);
  const Tensor none = Tensor::zeros({3, 0, 2});
  EXPECT_EQ(none.numel(), 0);
  EXPECT_TRUE(none.to_vector().empty());
  EXPECT_EQ(none.clone().shape(), none.shape());
  EXPECT_FALSE(Tensor().defined());
}

TEST(Tensor, CopiesBroadcastAndConvert) {
  const Tensor target = Tensor::zeros({2, 3}, Dtype::f64);
  target.copy_from(Tensor::from<int32_t>({1, 2, 3}, {3}));
  EXPECT_EQ(target.to_vector(), (Values{1, 2, 3, 1, 2, 3}));
  target.transpose(0, 1).select(0, 1).copy_from(Tensor::from<float>({8, 9}, {2}));
  EXPECT_EQ(target.to_vector(), (Values{1, 8, 3, 1, 9, 3}));
  EXPECT_EQ(Tensor::from<float>({-2.75, 300}, {2}).to(Dtype::i32).to_vector(), (Values{-2, 300}));
  EXPECT_EQ(Tensor::from<int32_t>({0, 7}, {2}).to(Dtype::u8).to_vector(), (Values{0, 7}));
  EXPECT_EQ(target.to(Dtype::f64).storage(), target.storage()) << "nothing to convert";
}

TEST(Tensor, Bf16RoundsToNearestEven) {
  const auto rounded = [](float x) { return float(bf16(x)); };
  const float unit = 0x1p-7f;  // the spacing above 1
  EXPECT_EQ(rounded(1), 1);
  EXPECT_EQ(rounded(1 + unit * 0.49f), 1);
  EXPECT_EQ(rounded(1 + unit * 0.5f), 1);             // a tie, to the even one below
  EXPECT_EQ(rounded(1 + unit * 1.5f), 1 + 2 * unit);  // a tie, to the even one above
  EXPECT_EQ(rounded(1 + unit * 0.51f), 1 + unit);
  EXPECT_EQ(rounded(-(1 + unit * 1.5f)), -(1 + 2 * unit));
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rounded(inf), inf);
  EXPECT_EQ(rounded(-inf), -inf);
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), inf);  // nearer to 2^128 than to the largest bf16
  EXPECT_EQ(rounded(0x1p-133f), 0x1p-133f);                    // denormals stay
  EXPECT_TRUE(std::signbit(rounded(-0.0f)));
  // A NaN whose lower bits alone are set must not become infinity, nor one of all ones a number.
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0xffffffffu))));
  const Tensor t = Tensor::from<float>({1 + unit * 0.5f, std::nanf(""), -3}, {3}).to(Dtype::bf16);
  EXPECT_EQ(t.bytes(), 6);
  const Values back = t.to_vector();
  EXPECT_EQ(back[0], 1);
  EXPECT_TRUE(std::isnan(back[1]));
  EXPECT_EQ(back[2], -3);
}

TEST(Tensor, ErrorsSayWhatIsWrong) {
  const Tensor t = count_up({2, 3});
  expect_error([&] { t.reshape({4, 2}); }, "[reshape] cannot reshape (2, 3) to (4, 2)");
  expect_error([&] { t.reshape({-1, -1}); }, "more than one -1 in (-1, -1)");
  expect_error([&] { t.reshape({-1, 4}); }, "cannot reshape (2, 3)");
  expect_error([&] { t.slice(1, 1, 4); }, "[slice] [1, 4) is outside axis 1 of shape (2, 3)");
  expect_error([&] { t.slice(1, 2, 1); }, "[slice]");
  expect_error([&] { t.select(0, 2); }, "outside axis 0");
  expect_error([&] { t.size(2); }, "axis 2 is out of bounds for rank 2");
  expect_error([&] { t.transpose(0, -3); }, "axis -3 is out of bounds");
  expect_error([&] { t.permute({0}); }, "[permute] 1 axes for shape (2, 3)");
  expect_error([&] { t.permute({0, 0}); }, "axis 0 is given twice");
  expect_error([&] { t.expand({4, 3}); }, "[expand] cannot expand (2, 3) to (4, 3)");
  expect_error([&] { t.expand({3}); }, "[expand]");
  expect_error([&] { t.squeeze(0); }, "[squeeze] axis 0 of shape (2, 3) is not 1");
  expect_error([&] { t.item(); }, "[item] tensor has shape (2, 3), not one element");
  expect_error([&] { t.data<double>(); }, "[data] tensor is f32, asked for f64");
  expect_error([&] { Tensor().data<float>(); }, "tensor is undefined, asked for f32");
  expect_error([&] { Tensor::empty({2, -1}); }, "[empty] negative extent");
  expect_error([&] { Tensor::from<float>({1, 2}, {3}); }, "[from] 2 values for shape (3)");
  expect_error([&] { t.copy_from(Tensor::zeros({3, 3})); }, "[expand] cannot expand (3, 3) to (2, 3)");
  expect_error([&] { t.copy_from(Tensor()); }, "source is undefined");
  expect_error([&] { Tensor::view_of(t.storage(), 1, {2, 3}, Dtype::f32); }, "larger than its storage of 24 bytes");
  expect_error([] { Shape s{1, 2, 3, 4, 5, 6, 7}; }, "rank 7 is above the limit of 6");
  expect_error([&] { exp(t.to(Dtype::i32)); }, "[exp] computes in f32 or f64 on the CPU, got i32");
}

}  // namespace
}  // namespace kg
