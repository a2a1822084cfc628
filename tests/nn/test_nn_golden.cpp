// Layers, optimizers, losses and schedules against PyTorch: values, gradients and steps from
// tests/golden/nn.safetensors, in f64 to rounding and in f32 to 1e-5 of the largest value (gradients: 1e-4).
#include <gtest/gtest.h>

#include <cmath>

#include "data/formats/safetensors.h"
#include "nn/conv1d.h"
#include "nn/gru.h"
#include "nn/losses.h"
#include "nn/optim.h"
#include "nn/schedule.h"
#include "nn/transformer.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

const TensorFile& golden() {
  static const TensorFile file = read_safetensors(std::string(KG_TEST_DIR) + "/golden/nn.safetensors");
  return file;
}
Tensor find(const std::string& name) {
  const Tensor* found = golden().find(name);
  return found ? *found : Tensor();
}
Tensor get(const std::string& name) {
  CHECK_INPUT(find(name).defined(), "nn.safetensors has no ", name);
  return find(name);
}
// The entries whose name starts with `prefix`, without it.
NamedTensors with_prefix(const std::string& prefix) {
  NamedTensors found;
  for (const auto& [name, tensor] : golden().tensors)
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  return found;
}

void expect_close(const Tensor& got, const Tensor& expected, double relative, const std::string& what) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  const auto values = expected.to_vector();
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::fabs(value));
  expect_near(got, values, relative * std::max(largest, 1e-3), what);
}

struct Precision {
  Dtype dtype;
  double forward, gradient;
};
constexpr Precision kPrecisions[] = {{Dtype::f64, 1e-13, 1e-12}, {Dtype::f32, 1e-5, 1e-4}};

// call(x, memory) -> y of a module whose parameters have been loaded.
void check_layer(const std::string& name, Module& module, const std::function<Var(const Var&, const Var&)>& call) {
  for (const Precision& precision : kPrecisions) {
    SCOPED_TRACE(name + " in " + name_of(precision.dtype));
    module.to(precision.dtype);
    module.load_state_dict(with_prefix(name + ".p."), "nn.safetensors");
    Var x(get(name + ".x").to(precision.dtype), true), memory;
    if (find(name + ".memory").defined()) memory = Var(get(name + ".memory").to(precision.dtype), true);
    const Var y = call(x, memory);
    expect_close(y.value, get(name + ".y"), precision.forward, "y");
    backward(y, get(name + ".gy").to(precision.dtype));
    expect_close(x.grad(), get(name + ".gx"), precision.gradient, "gx");
    if (memory.defined()) expect_close(memory.grad(), get(name + ".gmemory"), precision.gradient, "gmemory");
    for (const auto& [key, parameter] : module.named_parameters())
      expect_close(parameter->grad(), get(name + ".g." + key), precision.gradient, key);
  }
}

TEST(Golden, MultiHeadAttention) {
  MultiHeadAttention self(8, 2), cross(8, 2), free(8, 2, 0, false);
  EXPECT_EQ(names_of(self.state_dict()),
            (std::vector<std::string>{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}));
  check_layer("self", self,
              [&](const Var& x, const Var&) { return self(x, {.causal = true, .key_mask = get("self.key_mask")}); });
  check_layer("cross", cross,
              [&](const Var& x, const Var& memory) { return cross(x, memory, {}, get("cross.bias").to(x.dtype())); });
  check_layer("no_bias", free, [&](const Var& x, const Var&) { return free(x); });
}

TEST(Golden, TransformerLayers) {
  for (const bool pre : {false, true}) {
    const TransformerOptions options{.width = 8,
                                     .heads = 2,
                                     .feedforward = 12,
                                     .dropout = 0,
                                     .activation = pre ? Activation::gelu : Activation::relu,
                                     .pre_norm = pre};
    const std::string style = pre ? "pre" : "post";
    TransformerEncoderLayer encoder(options);
    check_layer("encoder_" + style, encoder, [&](const Var& x, const Var&) {
      return encoder(x, {.key_mask = get("encoder_" + style + ".key_mask")});
    });
    TransformerDecoderLayer decoder(options);
    check_layer("decoder_" + style, decoder,
                [&](const Var& x, const Var& memory) { return decoder(x, memory, {.causal = true}); });
  }
}

TEST(Golden, RMSNorm) {
  RMSNorm norm(8, 1e-6);
  check_layer("rms_norm", norm, [&](const Var& x, const Var&) { return norm(x); });
}

TEST(Golden, BidirectionalGru) {
  GRU g(8, 6, true);
  EXPECT_EQ(
      names_of(g.state_dict()),
      (std::vector<std::string>{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l0_reverse",
                                "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse"}));
  check_layer("gru", g, [&](const Var& x, const Var& memory) {
    const Var h0 = slice(slice(transpose(memory, 0, 1), 0, 0, 2), 2, 0, 6);
    const GRU::Output out = g(x, h0, Tensor::from<int32_t>({3, 5}, {2}));
    return concat({out.h, reshape(out.last, {2, 1, 12})}, 1);
  });
}

struct TwoLayers : Module {
  TwoLayers() { reg("conv", conv), reg("linear", linear); }
  Conv1d conv{3, 2, 3};
  Linear linear{2, 4};
};

void check_optimizer(const std::string& name, const std::function<std::vector<ParameterGroup>(TwoLayers&)>& groups,
                     const AdamOptions& options, double clip = 0) {
  for (const Precision& precision : kPrecisions) {
    SCOPED_TRACE(name + " in " + name_of(precision.dtype));
    TwoLayers m;
    m.to(precision.dtype);
    m.load_state_dict(with_prefix(name + ".p."), "nn.safetensors");
    AdamW adam(groups(m), options);
    for (int step = 0; step < 4; ++step) {
      const std::string at = std::to_string(step) + ".";
      adam.zero_grad();
      for (const auto& [key, parameter] : m.named_parameters())
        parameter->grad().copy_from(get(name + ".g." + at + key));
      if (clip > 0) {
        EXPECT_NEAR(adam.clip_grad_norm(clip), get(name + ".norm." + std::to_string(step)).item(), 1e-5);
      }
      adam.step(1e-2);
      for (const auto& [key, parameter] : m.named_parameters())
        expect_close(parameter->value, get(name + "." + at + key), precision.forward, at + key);
    }
  }
}

TEST(Golden, Optimizers) {
  const auto one_group = [](double weight_decay) {
    return [weight_decay](TwoLayers& m) {
      return std::vector<ParameterGroup>{{.parameters = m.named_parameters(), .weight_decay = weight_decay}};
    };
  };
  check_optimizer("adamw", one_group(0.1), {.beta1 = 0.9, .beta2 = 0.99});
  check_optimizer("adam", one_group(0.1), {.beta1 = 0.5, .beta2 = 0.9, .decoupled = false});
  check_optimizer("clipped", one_group(0), {}, 1.0);
  const auto two_groups = [](TwoLayers& m) {
    const NamedParameters weights = {{"conv.weight", &m.conv.weight}, {"linear.weight", &m.linear.weight}};
    const NamedParameters biases = {{"conv.bias", &m.conv.bias}, {"linear.bias", &m.linear.bias}};
    return std::vector<ParameterGroup>{{.parameters = weights, .weight_decay = 0.2},
                                       {.parameters = biases, .lr_scale = 0.5}};
  };
  check_optimizer("groups", two_groups, {});
}

TEST(Golden, Losses) {
  const auto check = [](const std::string& name, const std::function<Var(const Var&)>& loss) {
    for (const Precision& precision : kPrecisions) {
      SCOPED_TRACE(name + " in " + name_of(precision.dtype));
      const Var x(get(name + ".x").to(precision.dtype), true);
      const Var y = loss(x);
      expect_close(y.value, get(name + ".y"), precision.forward, "loss");
      backward(y);
      expect_close(x.grad(), get(name + ".gx"), precision.gradient, "gx");
    }
  };
  const auto target = [](const std::string& name, const Var& x) { return Var(get(name + ".target").to(x.dtype())); };
  check("mse", [&](const Var& x) { return mse_loss(x, target("mse", x)); });
  check("l1", [&](const Var& x) { return l1_loss(x, target("l1", x)); });
  check("smooth_l1", [&](const Var& x) { return smooth_l1_loss(x, target("smooth_l1", x), 0.7); });
  check("cross_entropy", [&](const Var& x) { return cross_entropy_loss(x, get("cross_entropy.target"), -100, 0.1); });
  check("sample_mean", [&](const Var& x) {
    return sample_mean_cross_entropy(x, get("sample_mean.target"), {4, 1, 2});
  });
}

TEST(Golden, Schedules) {
  const auto steps = get("multi_step.lr").to_vector(), cosine = get("cosine.lr").to_vector();
  const Schedule falling{.decay = Decay::step, .lr = 2e-4, .milestones = {0.3, 0.6}, .gamma = 0.05};
  const Schedule curve{.decay = Decay::cosine, .lr = 2e-4, .lowest = 1e-5};
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_NEAR(falling.at(int64_t(i), 10), steps[i], 1e-18) << i;
    EXPECT_NEAR(curve.at(int64_t(i), 10), cosine[i], 1e-16) << i;
  }
}

}  // namespace
}  // namespace kg
