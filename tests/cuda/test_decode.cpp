// Decoding on CUDA: the operations on rows against the CPU's f64, and whole steps by one graph for all positions
// against the same steps without a graph.
#include <gtest/gtest.h>

#include "models/t2m_gpt/gpt.h"
#include "models/text/t5.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

using CudaDecode = DeviceTest;
using Values = std::vector<double>;

Tensor values(const Shape& shape, uint64_t stream, Dtype dtype = Dtype::f32) {
  const Tensor t = Tensor::empty(shape);
  fill_uniform(t, -1, 1, {33, stream});
  return t.to(dtype);
}
Tensor on_device(const Tensor& t) { return t.defined() ? t.to(Device::cuda) : t; }
Tensor exact(const Tensor& t) { return t.defined() ? t.to(Dtype::f64) : t; }
Tensor row(const Tensor& t, int64_t i) { return t.defined() ? t.slice(0, i, i + 1).contiguous() : t; }
Tensor position(int64_t p, Device device) { return Tensor::from<int32_t>({int32_t(p)}, {1}).to(device); }
void expect_close(const Tensor& got, const Tensor& want, const std::string& which) {
  const double tolerance = got.dtype() == Dtype::f32 ? 1e-5 : 0x1p-7;
  EXPECT_LE(max_abs_difference(got.to(Device::cpu).to(Dtype::f64), want),
            tolerance * (1 + max_abs_difference(want, zeros_like(want))))
      << which;
}

struct Dtypes {
  Dtype x, weight;
};
constexpr Dtypes kDtypes[] = {{Dtype::f32, Dtype::f32}, {Dtype::f32, Dtype::bf16}, {Dtype::bf16, Dtype::bf16}};

// What a product is given beside x, in one of its uses.
struct Product {
  Tensor weight, bias;
  RowsOptions options;

  Product(int use, int64_t rows, int64_t in, int64_t out, Dtypes d)
      : weight(values({out, in}, 2, d.weight)), bias(use % 2 == 0 ? values({out}, 3, d.x) : Tensor()) {
    if (use == 1) options.norm = {values({in}, 4, d.x), {}, 1e-6, true};
    if (use == 2) options.norm = {values({in}, 4, d.x), values({in}, 5, d.x), 1e-5, false};
    if (use == 1) options.activation = RowActivation::gelu_tanh, options.gate = values({out, in}, 6, d.weight);
    if (use == 2) options.activation = RowActivation::gelu;
    if (use == 3) options.activation = RowActivation::relu;
    if (use == 0 || use == 3) options.residual = values({rows, out}, 7, d.x);
  }
  Tensor operator()(const Tensor& x, Tensor (*to)(const Tensor&), int64_t of_row = -1) const {
    RowsOptions o = options;
    if (of_row >= 0) o.residual = row(o.residual, of_row);
    for (Tensor* t : {&o.norm.weight, &o.norm.bias, &o.gate, &o.residual}) *t = to(*t);
    return linear_rows(to(x), to(weight), to(bias), o);
  }
};

TEST_F(CudaDecode, ProductsOfRowsWithWhatComesBeforeAndAfter) {
  for (const Dtypes d : kDtypes)
    for (const int64_t rows : {1, 3, 8, 9, 33})
      for (const int64_t in : {1, 7, 64, 250})
        for (int use = 0; use < 4; ++use) {
          const Product product(use, rows, in, in % 9 + 6, d);
          const Tensor x = values({rows, in}, 1, d.x), got = product(x, on_device);
          const std::string which = std::to_string(rows) + " x " + std::to_string(in) + ", use " + std::to_string(use);
          expect_close(got, product(x, exact), which);
          for (const int64_t r : {int64_t(0), rows - 1})
            EXPECT_EQ(product(row(x, r), on_device, r).to_vector(), row(got, r).to_vector()) << which;
        }
}
TEST_F(CudaDecode, RowsOfSeveralTiles) {
  for (const Dtypes d : kDtypes)
    for (const int64_t in : {4104, 4107})
      for (const int use : {1, 2}) {
        const Product product(use, 3, in, 5, d);
        const Tensor x = values({3, in}, 1, d.x), got = product(x, on_device);
        expect_close(got, product(x, exact), std::to_string(in));
        EXPECT_EQ(product(row(x, 1), on_device, 1).to_vector(), row(got, 1).to_vector());
      }
}
TEST_F(CudaDecode, WeightsThatAreNotAligned) {
  const Tensor all = values({1 + 6 * 64}, 2), x = values({3, 64}, 1), there = all.to(Device::cuda);
  const auto weight = [](const Tensor& t) { return t.slice(0, 1, 385).reshape({6, 64}); };
  const Tensor got = linear_rows(x.to(Device::cuda), weight(there), {});
  expect_close(got, linear_rows(exact(x), exact(weight(all).contiguous()), {}), "unaligned");
}

TEST_F(CudaDecode, KeysAndValuesGoToTheirPlace) {
  for (const Dtypes d : kDtypes)
    for (const int64_t rows : {1, 9}) {
      const Tensor x = values({rows, 40}, 1, d.x);
      const RowNorm norm{values({40}, 2, d.x), values({40}, 3, d.x), 1e-5, false};
      const auto projection = [&](uint64_t i) {
        return RowProjection{values({15, 40}, 4 + i, d.weight), values({15}, 8 + i, d.x)};
      };
      const RowProjection p[3] = {projection(0), projection(1), projection(2)};
      const auto run = [&](Tensor (*to)(const Tensor&), Dtype dtype, Device device) {
        const auto given = [&](const RowProjection& q) { return RowProjection{to(q.weight), to(q.bias)}; };
        const Tensor keys = Tensor::full({rows, 4, 3, 5}, 7, dtype, device), kept = keys.clone();
        const Tensor q = project_rows(to(x), {to(norm.weight), to(norm.bias), norm.eps, false}, given(p[0]),
                                      given(p[1]), given(p[2]), keys, kept, position(2, device));
        return std::vector<Tensor>{q, keys, kept};
      };
      const auto got = run(on_device, d.x, Device::cuda), want = run(exact, Dtype::f64, Device::cpu);
      for (size_t i = 0; i < 3; ++i) expect_close(got[i], want[i], "part " + std::to_string(i));
      EXPECT_EQ(got[1].slice(1, 3, 4).contiguous().to_vector(), Values(size_t(rows * 15), 7));
    }
}

TEST_F(CudaDecode, AttentionSeesTheKeysUpToThePosition) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (const int64_t width : {5, 64, 72}) {
      const int64_t most = 70;
      const Tensor q = values({3, 2 * width}, 1, dtype), k = values({3, most, 2, width}, 2, dtype),
                   v = values({3, most, 2, width}, 3, dtype), bias = values({1, 2, 1, most}, 4, dtype);
      const Tensor mask = Tensor::ones({3, most}, Dtype::u8);
      mask.select(0, 1).slice(0, 1, 9).fill(0), mask.select(0, 2).slice(0, 0, 3).fill(0);
      for (const int64_t p : {0, 1, 2, 3, 33, 69, -1}) {
        const auto run = [&](Tensor (*to)(const Tensor&), Device device) {
          return attention_rows(to(q), to(k), to(v),
                                {.key_mask = device == Device::cpu ? mask : to(mask), .bias = to(bias)},
                                p < 0 ? Tensor() : position(p, device));
        };
        expect_close(run(on_device, Device::cuda), run(exact, Device::cpu), std::to_string(p));
      }
    }
}
TEST_F(CudaDecode, AttentionToMoreKeysThanFitAtOnce) {
  const Tensor q = affine(values({1, 4}, 1), 6, 0), k = values({1, 2100, 1, 4}, 2), v = values({1, 2100, 1, 4}, 3);
  for (const int64_t p : {1022, 1023, 1024, 2047, 2099}) {
    const auto run = [&](Tensor (*to)(const Tensor&), Device device) {
      return attention_rows(to(q), to(k), to(v), {.scale = 1}, position(p, device));
    };
    expect_close(run(on_device, Device::cuda), run(exact, Device::cpu), std::to_string(p));
  }
}

TEST_F(CudaDecode, EmbeddingsOfRows) {
  const Tensor first = values({3, 5}, 1), table = values({4, 5}, 2), places = values({6, 5}, 3);
  const Tensor ids = Tensor::from<int32_t>({3, 0, 2}, {3});
  for (const int64_t p : {0, 1, 5}) {
    const auto run = [&](Device device) {
      return embedding_rows(first.to(device), table.to(device), ids.to(device), places.to(device), position(p, device));
    };
    EXPECT_EQ(run(Device::cuda).to_vector(), run(Device::cpu).to_vector()) << p;
  }
}

// ---- steps

Gpt tiny_gpt() {
  GptConfig c;
  c.codes = 12, c.condition = 8, c.width = 16, c.heads = 2, c.layers = 2, c.feedforward = 32, c.context = 6;
  default_generator() = {6, 0};
  return Gpt(c);
}
std::vector<int32_t> ids_of(int64_t rows, int64_t position) {
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < rows; ++r) ids.push_back(int32_t((3 * r + 5 * position) % 11));
  return ids;
}
// The logits of `count` positions by a decoder, which has or makes a graph, or by the model alone.
std::vector<Values> steps(Decoder& decoder, const DecodeState& start, int64_t count) {
  std::vector<Values> logits;
  decoder.start(start);
  for (int64_t p = 0; p < count; ++p) logits.push_back(decoder.step(ids_of(decoder.rows(), p)).to_vector());
  return logits;
}
std::vector<Values> steps(const TokenWriter& model, const DecodeState& start, int64_t count) {
  NoGrad guard;
  std::vector<Values> logits;
  for (int64_t p = 0; p < count; ++p) {
    start.position.fill(double(p));
    const Tensor ids = Tensor::from(ids_of(start.rows(), p), {start.rows()}).to(Device::cuda);
    logits.push_back(model.step(ids, start).to_vector());
  }
  return logits;
}

TEST_F(CudaDecode, OneGraphServesAllPositionsOfAllRuns) {
  for (const bool half : {false, true}) {
    Gpt gpt = tiny_gpt();
    gpt.eval(), gpt.to(Device::cuda);
    if (half) gpt.round_weights_to_bf16();
    Decoder decoder(gpt);
    const Tensor condition = values({33, 8}, 1).to(Device::cuda);
    std::vector<Values> all;
    for (const int64_t rows : half ? std::vector<int64_t>{9, 1} : std::vector<int64_t>{33, 3, 1}) {
      const auto start = [&](uint64_t stream) {  // of other captions where it is not 1
        const Tensor c =
            stream == 1 ? condition.slice(0, 0, rows).contiguous() : values({rows, 8}, stream).to(Device::cuda);
        return gpt.start(c);
      };
      const std::vector<Values> want = steps(gpt, start(1), 5);
      EXPECT_EQ(steps(decoder, start(1), 5), want) << rows << " rows";  // captured at the second position
      steps(decoder, start(2), 3);
      EXPECT_EQ(steps(decoder, start(1), 5), want) << rows << " rows, after others and fewer positions";
      if (all.empty()) all = want;
      for (size_t p = 0; p < 5; ++p)
        EXPECT_EQ(want[p], Values(all[p].begin(), all[p].begin() + rows * 13)) << rows << " rows, position " << p;
    }
  }
}
TEST_F(CudaDecode, RoomForMoreOrFewerPositionsIsAnotherGraph) {
  Gpt gpt = tiny_gpt();
  gpt.eval(), gpt.to(Device::cuda), gpt.to(Dtype::bf16);
  Decoder decoder(gpt);
  const Tensor condition = values({2, 8}, 1, Dtype::bf16).to(Device::cuda);
  for (const int64_t most : {3, 5, 4})
    EXPECT_EQ(steps(decoder, gpt.start(condition, most), most), steps(gpt, gpt.start(condition, most), most)) << most;
}

TEST_F(CudaDecode, T5ByAGraphWithReorderedRows) {
  for (const bool gated : {false, true}) {
    T5Config c;
    c.vocabulary = 40, c.width = 16, c.feedforward = 24, c.heads = 2, c.head_width = 8;
    c.layers = c.decoder_layers = 2, c.gated = gated, c.tied = !gated;
    default_generator() = {13, 0};
    T5 model(c);
    model.eval(), model.to(Device::cuda);
    NoGrad guard;
    const Tensor mask = Tensor::ones({2, 5}, Dtype::u8);
    mask.select(0, 1).slice(0, 3, 5).fill(0);
    const DecodeState start = model.start(values({2, 5, 16}, 1).to(Device::cuda), mask.to(Device::cuda), 5).repeated(3);
    EXPECT_EQ(start.rows(), 6);
    Decoder decoder(model);
    std::vector<Values> runs[3];
    for (auto& run : runs) {  // as it is, captured and replayed; replayed
      decoder.start(start);
      for (int64_t p = 0; p < 5; ++p) {
        run.push_back(decoder.step(ids_of(6, p)).to_vector());
        if (p % 3 == 1) decoder.reorder({1, 1, 0, 5, 4, 3});
      }
    }
    EXPECT_EQ(runs[1], runs[0]);
    EXPECT_EQ(runs[2], runs[0]);
    const std::vector<Values> alone = steps(model, start, 2);
    EXPECT_EQ(std::vector<Values>(runs[0].begin(), runs[0].begin() + 2), alone);
  }
}

// Its logits are its position, which it reads on the host: no graph can do that.
class Waiting : public TokenWriter {
 public:
  Tensor step(const Tensor& ids, const DecodeState& state) const override {
    return Tensor::full({ids.size(0), 2}, state.position.item(), Dtype::f32, Device::cuda);
  }
  int32_t first_id() const override { return 0; }
  int32_t end_id() const override { return 1; }
};

TEST_F(CudaDecode, StepsThatCannotBeCapturedRunWithoutAGraph) {
  const Waiting model;
  Decoder decoder(model);
  DecodeState state;
  state.make_room(1, 2, 4, 1, 1, Tensor::zeros({1}, Dtype::f32, Device::cuda));
  testing::internal::CaptureStderr();
  const auto logits = steps(decoder, state, 4), again = steps(decoder, state, 4);
  const std::string said = testing::internal::GetCapturedStderr();
  for (size_t p = 0; p < 4; ++p) EXPECT_EQ(logits[p], Values(4, double(p)));
  EXPECT_EQ(again, logits);
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_NE(said.find("decoding: the steps run without a CUDA graph"), std::string::npos) << said;
}

}  // namespace
}  // namespace kg
