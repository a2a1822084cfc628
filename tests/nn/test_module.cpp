// Module: names and order as PyTorch lists them, state dicts, modes and dtypes; initialisation.
#include <gtest/gtest.h>

#include <cmath>

#include "nn/conv1d.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/layout.h"
#include "nn/transformer.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

// A bit of everything: an own parameter, buffers, dotted names, a list, tied weights.
struct Sample : Module {
  Sample() {
    reg("stem.0", stem);
    reg("blocks", blocks);
    reg("scale", scale);
    reg_buffer("codebook", codebook);
    reg_buffer("count", count);
    reg("emb", embedding);
    reg("tied", tied);
    blocks.add(2, 2), blocks.add(2, 3, false);
  }
  struct Tied : Module {
    explicit Tied(Var& weight) { reg("weight", weight); }
  };
  Conv1d stem{3, 2, 4};
  ModuleList<Linear> blocks;
  Var scale{Tensor::ones({1})};
  Tensor codebook = Tensor::zeros({4, 2}), count = Tensor::from<int32_t>({1, 2, 3, 4}, {4});
  Embedding embedding{5, 2};
  Tied tied{embedding.weight};
};

TEST(Module, ListsParametersInPyTorchsOrder) {
  Sample m;
  EXPECT_EQ(names_of(m.named_parameters()),
            (std::vector<std::string>{"scale", "stem.0.weight", "stem.0.bias", "blocks.0.weight", "blocks.0.bias",
                                      "blocks.1.weight", "emb.weight"}));
  EXPECT_EQ(names_of(m.named_buffers()), (std::vector<std::string>{"codebook", "count"}));
  EXPECT_EQ(names_of(m.state_dict()),
            (std::vector<std::string>{"scale", "codebook", "count", "stem.0.weight", "stem.0.bias", "blocks.0.weight",
                                      "blocks.0.bias", "blocks.1.weight", "emb.weight", "tied.weight"}));
  EXPECT_EQ(m.parameter_count(), 1 + 24 + 2 + 4 + 2 + 6 + 10);
  for (const auto& [name, parameter] : m.named_parameters()) EXPECT_TRUE(parameter->requires_grad()) << name;
}

TEST(Module, TransformerNamesAreThoseOfPyTorch) {
  TransformerDecoder m(1, {.width = 4, .heads = 2, .feedforward = 6, .pre_norm = true});
  EXPECT_EQ(names_of(m.state_dict()), (std::vector<std::string>{"layers.0.self_attn.in_proj_weight",
                                                                "layers.0.self_attn.in_proj_bias",
                                                                "layers.0.self_attn.out_proj.weight",
                                                                "layers.0.self_attn.out_proj.bias",
                                                                "layers.0.multihead_attn.in_proj_weight",
                                                                "layers.0.multihead_attn.in_proj_bias",
                                                                "layers.0.multihead_attn.out_proj.weight",
                                                                "layers.0.multihead_attn.out_proj.bias",
                                                                "layers.0.linear1.weight",
                                                                "layers.0.linear1.bias",
                                                                "layers.0.linear2.weight",
                                                                "layers.0.linear2.bias",
                                                                "layers.0.norm1.weight",
                                                                "layers.0.norm1.bias",
                                                                "layers.0.norm2.weight",
                                                                "layers.0.norm2.bias",
                                                                "layers.0.norm3.weight",
                                                                "layers.0.norm3.bias",
                                                                "norm.weight",
                                                                "norm.bias"}));
  TransformerEncoder post(2, {.width = 4, .heads = 2, .feedforward = 6});
  const auto names = names_of(post.state_dict());
  EXPECT_EQ(names.size(), 24u);
  EXPECT_EQ(names.back(), "layers.1.norm2.bias");
}

Var twice(const Var& x) { return x * 2.0; }

TEST(Sequential, NumbersItsStepsAndRunsThemInOrder) {
  Sequential m;
  m.add<Linear>(2, 3).add(relu).add<Linear>(3, 1, false).add(twice);
  EXPECT_EQ(m.size(), 4);
  EXPECT_EQ(names_of(m.named_parameters()), (std::vector<std::string>{"0.weight", "0.bias", "2.weight"}));
  m.at<Linear>(0).weight.value.copy_from(Tensor::from<float>({1, 0, 0, 1, -1, -1}, {3, 2}));
  m.at<Linear>(0).bias.value.fill(1);
  m.at<Linear>(2).weight.value.copy_from(Tensor::from<float>({1, 10, 100}, {1, 3}));
  // (2, -3): 3, -2, 2, of which -2 is cut; 3 + 200, twice
  EXPECT_EQ(m(Tensor::from<float>({2, -3}, {1, 2})).item(), 406);
  EXPECT_EQ(Sequential()(Tensor::ones({1})).item(), 1);
}

TEST(Sequential, HandsOutALayerOfItsTypeOnly) {
  Sequential m;
  m.add<Linear>(2, 3).add(relu).add<Dropout>(0.5);
  EXPECT_EQ(m.at<Dropout>(2).p, 0.5);
  for (const int64_t wrong : {-1, 1, 2, 3})
    EXPECT_NE(
        error_of(ErrorCode::runtime, [&] { m.at<Linear>(wrong); }).find("step " + std::to_string(wrong) + " of 3"),
        std::string::npos);
}

TEST(Sequential, ListsAndModesReachTheLayersWithin) {
  struct Stage : Sequential {
    Stage() { add<Dropout>(0.5).add<Linear>(2, 2); }
  };
  Sequential m;
  m.add(relu).add<Stage>().add<Stage>();
  EXPECT_EQ(names_of(m.state_dict()), (std::vector<std::string>{"1.1.weight", "1.1.bias", "2.1.weight", "2.1.bias"}));
  m.eval();
  EXPECT_FALSE(m.at<Stage>(2).at<Dropout>(0).training());
}

TEST(Module, StateDictRoundTrip) {
  default_generator() = {1, 0};
  Sample a;
  a.scale.value.fill(7), a.codebook.fill(3), a.count.fill(9);
  default_generator() = {2, 0};
  Sample b;
  EXPECT_NE(a.stem.weight.value.to_vector(), b.stem.weight.value.to_vector());
  const Shape strides = b.stem.weight.value.strides();
  b.load_state_dict(a.state_dict(), "a");
  const auto from = a.state_dict(), to = b.state_dict();
  for (size_t i = 0; i < from.size(); ++i)
    EXPECT_EQ(from[i].second.to_vector(), to[i].second.to_vector()) << to[i].first;
  EXPECT_EQ(b.stem.weight.value.strides(), strides);
  EXPECT_EQ(b.count.dtype(), Dtype::i32);
  // A file holds a convolution's weight row-major.
  NamedTensors rows = a.state_dict();
  for (auto& entry : rows) entry.second = entry.second.contiguous();
  b.stem.weight.value.fill(0);
  b.load_state_dict(rows, "rows");
  EXPECT_EQ(b.stem.weight.value.to_vector(), a.stem.weight.value.to_vector());
  EXPECT_EQ(b.stem.weight.value.strides(), strides);
}

TEST(Module, StrictLoadNamesWhatDoesNotFitAndChangesNothing) {
  Sample m;
  const std::vector<double> before = m.stem.weight.value.to_vector();
  NamedTensors entries;
  for (const auto& [name, tensor] : m.state_dict()) {
    if (name == "scale") continue;
    if (name == "emb.weight")
      entries.emplace_back(name, Tensor::zeros({5, 3}));
    else if (name == "count")
      entries.emplace_back(name, Tensor::zeros({4}));
    else
      entries.emplace_back(name, Tensor::full(tensor.shape(), 5, tensor.dtype()));
  }
  entries.emplace_back("scales", Tensor::zeros({1}));
  entries.emplace_back("codebook", Tensor::zeros({4, 2}));
  const std::string message = error_of(ErrorCode::input, [&] { m.load_state_dict(entries, "run/net.safetensors"); });
  EXPECT_EQ(message,
            "[load] run/net.safetensors does not fit:\n"
            "  missing     scale       expected (1) f32\n"
            "  unexpected  scales      it has (1) f32\n"
            "  repeated    codebook    given more than once\n"
            "  mis-shaped  count       it has (4) f32, expected (4) i32\n"
            "  mis-shaped  emb.weight  it has (5, 3) f32, expected (5, 2) f32\n"
            "Use a file that was saved from the same model with the same sizes.");
  EXPECT_EQ(m.stem.weight.value.to_vector(), before);
}

TEST(Module, LongTablesAreCounted) {
  struct Empty : Module {
  } m;
  NamedTensors entries;
  for (int i = 0; i < 23; ++i) entries.emplace_back(std::string("w").append(std::to_string(i)), Tensor::zeros({1}));
  const std::string message = error_of(ErrorCode::input, [&] { m.load_state_dict(entries, "x"); });
  EXPECT_NE(message.find("w19"), std::string::npos);
  EXPECT_EQ(message.find("w20"), std::string::npos);
  EXPECT_NE(message.find("unexpected  and 3 more"), std::string::npos) << message;
}

TEST(Module, TrainAndEvalReachEveryChild) {
  TransformerEncoder m(2, {.width = 4, .heads = 2, .feedforward = 6});
  EXPECT_TRUE(m.layers[1].dropout.training());
  m.eval();
  EXPECT_FALSE(m.training() || m.layers[1].dropout.training() || m.layers[0].self_attn.training());
  m.train();
  EXPECT_TRUE(m.layers[1].dropout.training() && m.layers[0].self_attn.training());
}

TEST(Module, ToKeepsLayoutAndIntegers) {
  Sample m;
  const auto before = m.stem.weight.value.to_vector();
  m.to(Dtype::f64);
  EXPECT_EQ(m.stem.weight.dtype(), Dtype::f64);
  EXPECT_EQ(m.stem.weight.value.strides(), (Shape{1, 2, 6}));
  EXPECT_EQ(m.stem.weight.value.to_vector(), before);
  EXPECT_EQ(m.codebook.dtype(), Dtype::f64);
  EXPECT_EQ(m.count.dtype(), Dtype::i32);
  EXPECT_THROW(m.to(Dtype::i32), Error);
}

TEST(Module, RejectsWrongRegistrations) {
  struct Bad : Module {
    explicit Bad(int which) {
      if (which == 0) reg("w", w), reg("w", v);
      if (which == 1) reg("w", undefined);
      if (which == 2) reg("w", gaps);
      if (which == 3) reg("", w);
      if (which == 4) reg("w", w), reg_buffer("w", v.value);
    }
    Var w{Tensor::zeros({2})}, v{Tensor::zeros({2})}, undefined, gaps{Tensor::zeros({4, 2}).slice(1, 0, 1)};
  };
  for (int which = 0; which < 5; ++which) EXPECT_THROW(Bad{which}, Error) << which;
}

TEST(Layout, DenseIsWithoutGapsOrOverlap) {
  const Tensor t = Tensor::zeros({2, 3, 4});
  EXPECT_TRUE(is_dense(t) && is_dense(t.permute({2, 0, 1})) && is_dense(t.unsqueeze(1)) && is_dense(t.slice(0, 1, 2)));
  EXPECT_FALSE(is_dense(t.slice(2, 0, 2)) || is_dense(Tensor::zeros({1, 3}).expand({2, 3})));
}

TEST(Init, StaysInItsBoundsAndReachesThem) {
  default_generator() = {3, 0};
  const Linear linear(25, 400);
  const auto weight = linear.weight.value.to_vector(), bias = linear.bias.value.to_vector();
  const auto [low, high] = std::minmax_element(weight.begin(), weight.end());
  const double bound = 0.2 * (1 + 1e-6);  // f32
  EXPECT_TRUE(-bound <= *low && *low < -0.199) << *low;
  EXPECT_TRUE(0.199 < *high && *high <= bound) << *high;
  EXPECT_LE(max_of(linear.bias.value), bound);
  EXPECT_NE(bias[0], weight[0]);

  const Conv1d conv(4, 64, 4);  // fan_in 16
  EXPECT_NEAR(max_of(conv.weight.value), 0.25, 5e-3);
  const MultiHeadAttention attention(24, 2);
  EXPECT_NEAR(max_of(attention.in_proj_weight.value), 0.25, 1e-3);  // sqrt(6 / (24 + 72))
  EXPECT_EQ(max_of(attention.in_proj_bias.value), 0);
  EXPECT_EQ(max_of(attention.out_proj.bias.value), 0);

  const Tensor t = Tensor::empty({10000});
  init::normal(t, 1, 0.02);
  EXPECT_NEAR(mean(t).item(), 1, 1e-3);
  EXPECT_NEAR(std::sqrt(squared_norm(affine(t, 1, -1)) / 10000), 0.02, 5e-4);
  init::xavier_normal(t, 300, 20);
  EXPECT_NEAR(std::sqrt(squared_norm(t) / 10000), std::sqrt(2.0 / 320), 2e-3);
}

TEST(Init, IsAFunctionOfTheSeedNotOfTheLayout) {
  const Tensor a = Tensor::empty({2, 3}), b = Tensor::empty({3, 2}).transpose(0, 1);
  default_generator() = {4, 9};
  init::uniform(a, 1);
  EXPECT_EQ(default_generator().position, 10u);
  default_generator() = {4, 9};
  init::uniform(b, 1);
  EXPECT_EQ(a.to_vector(), b.to_vector());
  init::uniform(b, 1);
  EXPECT_NE(a.to_vector(), b.to_vector());
}

}  // namespace
TEST(Init, SkippedValuesUseUpTheirStreams) {
  const Tensor x = Tensor::full({8}, 7), y = Tensor::empty({8}), expected = Tensor::empty({8});
  default_generator() = Generator();
  init::normal(y, 0, 1);
  init::normal(expected, 0, 1);
  default_generator() = Generator();
  {
    const init::SkipRandom skip;
    init::normal(x, 0, 1);
    init::ones(y);
  }
  EXPECT_EQ(max_abs_difference(x, Tensor::full({8}, 7)), 0);
  EXPECT_EQ(max_abs_difference(y, Tensor::full({8}, 1)), 0);
  init::normal(y, 0, 1);
  EXPECT_EQ(max_abs_difference(y, expected), 0);
}

}  // namespace kg
