// The operations against PyTorch: values and gradients of tests/golden/ops.safetensors (f64), in f32 and in f64.
// The options of a case are those of tests/golden/make_op_golden.py.

#include <functional>
#include <map>
#include <set>

#include "autograd/functions.h"
#include "tests/golden/golden.h"

namespace kg {
namespace {

const Golden& ops() {
  static const Golden golden("ops.safetensors");
  return golden;
}

// The inputs of one case: leaves by name, made on first use; constants as they are.
class Inputs {
 public:
  Inputs(std::string name, Dtype dtype) : name_(std::move(name)), dtype_(dtype) {}
  const Var& operator()(const std::string& input) {
    auto [it, is_new] = leaves_.try_emplace(input);
    if (is_new) it->second = Var(ops().get(name_ + "." + input, dtype_), true);
    return it->second;
  }
  const Var& conv_weight() {  // (O, I, k), stored as conv1d wants it
    const Tensor weight = conv1d_weight_layout(ops().get(name_ + ".weight", dtype_));
    return leaves_["weight"] = Var(weight, true);
  }
  Tensor constant(const std::string& input) const { return ops().get(name_ + "." + input); }
  const std::map<std::string, Var>& leaves() const { return leaves_; }

 private:
  std::string name_;
  Dtype dtype_;
  std::map<std::string, Var> leaves_;
};

struct Case {
  std::string name;
  std::function<Var(Inputs&)> run;
  friend void PrintTo(const Case& op, std::ostream* out) { *out << op.name; }
};

Case unary(const char* name, Var (*op)(const Var&)) {
  return {name, [op](Inputs& in) { return op(in("x")); }};
}
Case unary(const char* name, Var (*op)(const Var&, double, double), double a, double b = 0) {
  return {name, [op, a, b](Inputs& in) { return op(in("x"), a, b); }};
}
Case conv(const char* name, int stride, int padding, int dilation) {
  return {name, [=](Inputs& in) { return conv1d(in("x"), in.conv_weight(), in("bias"), {stride, padding, dilation}); }};
}
Case conv_transpose(const char* name, int stride, int padding) {
  return {name, [=](Inputs& in) {
            return conv_transpose1d(in("x"), in.conv_weight(), in("bias"), {.stride = stride, .padding = padding});
          }};
}
Case attend(const char* name, bool causal, bool mask, bool bias) {
  return {name, [=](Inputs& in) {
            AttentionOptions options{.causal = causal};
            if (mask) options.key_mask = in.constant("key_mask");
            return attention(in("q"), in("k"), in("v"), options, bias ? in("bias") : Var());
          }};
}
Case target_loss(const char* name, double smoothing) {
  return {name, [=](Inputs& in) { return cross_entropy(in("x"), in.constant("target"), -1, smoothing); }};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> table = {
      unary("gelu", gelu),
      unary("gelu_tanh", gelu_tanh),
      unary("quick_gelu", quick_gelu),
      unary("silu", silu),
      unary("tanh", tanh),
      unary("sigmoid", sigmoid),
      unary("leaky_relu", leaky_relu, 0.2),
      unary("pow", pow, 2.5),
      unary("clamp", clamp, -1.5, 2.25),
      unary("smooth_l1", smooth_l1, 1.0),
      unary("smooth_l1_half", smooth_l1, 0.5),
      {"broadcast_div", [](Inputs& in) { return in("x") / in("z"); }},
      unary("softmax", softmax),
      unary("log_softmax", log_softmax),
      {"layer_norm", [](Inputs& in) { return layer_norm(in("x"), in("weight"), in("bias"), 1e-5); }},
      {"rms_norm", [](Inputs& in) { return rms_norm(in("x"), in("weight"), 1e-6); }},
      target_loss("cross_entropy", 0),
      target_loss("cross_entropy_smooth", 0.1),
      {"cumsum", [](Inputs& in) { return cumsum(in("x"), 1); }},
      {"topk", [](Inputs& in) { return topk(in("x"), 3).first; }},
      {"embedding", [](Inputs& in) { return embedding(in("weight"), in.constant("ids")); }},
      {"matmul", [](Inputs& in) { return matmul(in("x"), in("z")); }},
      {"linear", [](Inputs& in) { return linear(in("x"), in("weight"), in("bias")); }},
      conv("conv1d", 1, 1, 1),
      conv("conv1d_down", 2, 1, 1),
      conv("conv1d_dilated", 1, 9, 9),
      conv("conv1d_point", 1, 0, 1),
      conv("conv1d_odd", 2, 2, 2),
      conv_transpose("conv_transpose1d", 2, 1),
      conv_transpose("conv_transpose1d_wide", 3, 0),
      {"upsample", [](Inputs& in) { return upsample_nearest(in("x"), 2); }},
      attend("attention", false, false, false),
      attend("attention_causal", true, false, false),
      attend("attention_full", true, true, true),
      attend("attention_suffix", true, false, true),
  };
  return table;
}

class GoldenOps : public testing::TestWithParam<std::tuple<Case, Dtype>> {};

TEST_P(GoldenOps, ValueAndGradients) {
  const auto& [op, dtype] = GetParam();
  const double forward = dtype == Dtype::f64 ? 1e-12 : 1e-5, gradient = dtype == Dtype::f64 ? 1e-12 : 1e-4;
  Inputs in(op.name, dtype);
  const Var y = op.run(in);
  EXPECT_LT(relative_error(y.value, ops().get(op.name + ".y")), forward);
  backward(y, ops().get(op.name + ".gy", dtype));
  for (const auto& [name, leaf] : in.leaves()) {
    EXPECT_LT(relative_error(leaf.grad(), ops().get(op.name + ".g." + name)), gradient) << "gradient of " << name;
  }
}

INSTANTIATE_TEST_SUITE_P(PyTorch, GoldenOps,
                         testing::Combine(testing::ValuesIn(cases()), testing::Values(Dtype::f64, Dtype::f32)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" + name_of(std::get<1>(info.param));
                         });

TEST(GoldenOpsFile, EveryGradientIsTested) {
  std::set<std::string> in_file, tested;
  for (const auto& [name, tensor] : ops().file().tensors) {
    if (name.find(".g.") != std::string::npos) in_file.insert(name);
  }
  for (const Case& op : cases()) {
    Inputs in(op.name, Dtype::f64);
    op.run(in);
    for (const auto& [name, leaf] : in.leaves()) tested.insert(op.name + ".g." + name);
  }
  EXPECT_EQ(in_file, tested);
}

TEST(GoldenOpsFile, IndicesOfTopkAndNearestCode) {
  for (Dtype dtype : {Dtype::f64, Dtype::f32}) {
    expect_same_ids(topk(ops().get("topk.x", dtype), 3).second, ops().get("topk.ids"), "topk");
    const Tensor ids = nearest_code(ops().get("nearest_code.x", dtype), ops().get("nearest_code.codebook", dtype));
    expect_same_ids(ids, ops().get("nearest_code.ids"), "nearest_code");
  }
}

void check_adam(const std::string& name, bool decoupled, double decay, Dtype dtype) {
  const double tolerance = dtype == Dtype::f64 ? 1e-12 : 1e-6;
  AdamOptions options;
  options.lr = 1e-3, options.beta1 = 0.9, options.beta2 = 0.99;
  options.weight_decay = decay, options.decoupled = decoupled;
  const Tensor p = ops().get(name + ".p", dtype).clone(), gradients = ops().get(name + ".gradients", dtype);
  const Tensor m = zeros_like(p), v = zeros_like(p);
  for (int step = 1; step <= 3; ++step) {
    const Tensor g = gradients.select(0, step - 1).clone();
    scale_(g, 4);  // undone by grad_scale
    adam_step(p, g, m, v, step, options, 0.25);
    EXPECT_LT(relative_error(p, ops().get(name + ".p." + std::to_string(step))), tolerance) << "step " << step;
  }
  EXPECT_LT(relative_error(m, ops().get(name + ".m")), tolerance);
  EXPECT_LT(relative_error(v, ops().get(name + ".v")), tolerance);
}

TEST(GoldenOpsFile, ThreeStepsOfAdamWAndAdam) {
  for (Dtype dtype : {Dtype::f64, Dtype::f32}) {
    check_adam("adamw", true, 0.01, dtype);
    check_adam("adam", false, 0.1, dtype);
  }
}

TEST(GoldenOpsFile, GlobalNormAndClipping) {
  const Tensor a = ops().get("clip.gradient.0", Dtype::f64).clone();
  const Tensor b = ops().get("clip.gradient.1", Dtype::f64).clone();
  const double norm = std::sqrt(squared_norm(a) + squared_norm(b));
  EXPECT_NEAR(norm, ops().get("clip.norm").item(), 1e-12 * norm);
  ASSERT_GT(norm, 1.0);
  scale_(a, 1 / (norm + 1e-6));
  scale_(b, 1 / (norm + 1e-6));
  EXPECT_LT(relative_error(a, ops().get("clip.clipped.0")), 1e-12);
  EXPECT_LT(relative_error(b, ops().get("clip.clipped.1")), 1e-12);
}

}  // namespace
}  // namespace kg
