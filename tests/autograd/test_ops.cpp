// Every row of the op table: gradients against central differences in f64, f32 against f64, other memory layouts,
// other numbers of threads. And the table itself: an operation without a row fails.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>

#include "autograd/gradcheck.h"
#include "tensor/parallel.h"
#include "tests/autograd/op_run.h"

namespace kg {

namespace {

class Ops : public testing::TestWithParam<OpCase> {};

TEST_P(Ops, GradientsAreThoseOfCentralDifferences) {
  const OpCase& op = GetParam();
  const std::vector<Tensor> inputs = op_inputs(op, false, Dtype::f64);
  if (op.kind == OpClass::straight_through) {
    const std::vector<Tensor> results = run(op, inputs);
    EXPECT_EQ(results[1].to_vector(), op_seed(results[0]).to_vector());
    return;
  }
  GradcheckOptions options;
  options.relative = op.tolerance();
  const GradcheckResult result = gradcheck(op.build, inputs, options);
  EXPECT_TRUE(result) << result.message;
}

TEST_P(Ops, SingleIsWithinRoundingOfDouble) {
  for (bool large : {false, true}) {
    SCOPED_TRACE(large ? "large" : "small");
    const std::vector<Tensor> single = run(GetParam(), op_inputs(GetParam(), large, Dtype::f32));
    EXPECT_EQ(single[0].dtype(), Dtype::f32);
    expect_alike(single, run(GetParam(), op_inputs(GetParam(), large, Dtype::f64)), 1e-5);
  }
}

TEST_P(Ops, LayoutOfInputsAndOfTheSeedDoesNotMatter) {
  const std::vector<Tensor> inputs = op_inputs(GetParam(), false, Dtype::f64), want = run(GetParam(), inputs);
  for (Layout layout : {Layout::transposed, Layout::window}) {
    SCOPED_TRACE(layout == Layout::transposed ? "transposed" : "window");
    std::vector<Tensor> views;
    for (const Tensor& x : inputs) views.push_back(in_layout(x, layout));
    expect_alike(run(GetParam(), views), want, 1e-12);
    expect_alike(run(GetParam(), inputs, [&](const Tensor& seed) { return in_layout(seed, layout); }), want, 1e-12);
  }
}

TEST_P(Ops, BytesAreTheSameForAnyNumberOfThreads) {
  const std::vector<Tensor> inputs = op_inputs(GetParam(), true, Dtype::f32);
  std::vector<std::vector<std::vector<double>>> results;
  for (int count : {1, 2, 3}) {
    set_threads(count);
    std::vector<std::vector<double>> values;
    for (const Tensor& t : run(GetParam(), inputs)) values.push_back(t.to_vector());
    results.push_back(std::move(values));
  }
  set_threads(0);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

INSTANTIATE_TEST_SUITE_P(Table, Ops, testing::ValuesIn(op_cases()), [](const auto& info) { return info.param.name(); });

std::set<std::string> names_of_rows() {
  std::set<std::string> names;
  for (const OpCase& op : op_cases()) names.insert(op.op);
  return names;
}

TEST(OpTable, EveryFunctionHasARow) {
  std::ifstream file(KG_TEST_DIR "/../autograd/functions.h");
  ASSERT_TRUE(file) << "autograd/functions.h is not there";
  // A declaration that gives a Var, several, or a struct that holds one.
  const std::regex declaration(
      R"(^(?:inline )?(?:Var|std::pair<Var, Tensor>|std::vector<Var>|Quantized|ResidualNormed|GruStates) (\w+)\()");
  const std::set<std::string> rows = names_of_rows();
  int found = 0;
  std::smatch match;
  for (std::string line; std::getline(file, line);)
    if (std::regex_search(line, match, declaration)) {
      ++found;
      EXPECT_TRUE(rows.contains(match[1])) << match[1] << " has no row in tests/autograd/op_cases.cpp";
    }
  EXPECT_GE(found, 35) << "declarations are no longer recognised";
}

TEST(OpTable, EveryPointwiseOpHasARow) {
  const std::set<std::string> rows = names_of_rows();
#define KG_EXPECT_ROW(Op, op) EXPECT_TRUE(rows.contains(#op)) << #op " has no row in tests/autograd/op_cases.cpp";
  KG_UNARY_OPS(KG_EXPECT_ROW)
  KG_UNARY_CONST_OPS(KG_EXPECT_ROW)
  KG_BINARY_OPS(KG_EXPECT_ROW)
#undef KG_EXPECT_ROW
}

TEST(OpTable, InputsKeepTheirDistance) {
  for (const OpCase& op : op_cases())
    for (size_t k = 0; k < op.inputs.size(); ++k) {
      std::vector<double> values = op_inputs(op, false, Dtype::f64)[k].to_vector();
      for (double x : values)
        for (double kink : op.inputs[k].kinks) ASSERT_GE(std::fabs(x - kink), kKinkMargin * 0.999) << op.name();
      if (op.inputs[k].domain != Domain::distinct) continue;
      std::sort(values.begin(), values.end());
      for (size_t i = 1; i < values.size(); ++i) ASSERT_GT(values[i] - values[i - 1], 1e-4) << op.name();
    }
}

// The fused residual norm is, byte for byte, the ops that it stands for, also where a part of it has no other user.
TEST(AddDropoutNorm, IsItsComposedDefinition) {
  const OpCase& op = *std::find_if(op_cases().begin(), op_cases().end(),
                                   [](const OpCase& c) { return c.name() == "add_dropout_norm"; });
  using Use = Var (*)(const Var& sum, const Var& norm);
  const Use uses[] = {[](const Var&, const Var& norm) { return square(norm); },
                      [](const Var& sum, const Var&) { return square(sum); },
                      [](const Var& sum, const Var& norm) { return square(sum) * norm + sum; }};
  for (double p : {0.0, 0.3})
    for (const Use use : uses) {
      const auto results = [&](bool fused) {
        default_generator() = {7, 1};
        std::vector<Var> in;
        for (const Tensor& t : op_inputs(op, true, Dtype::f32)) in.emplace_back(t, true);
        if (fused) {
          const ResidualNormed r = add_dropout_norm(in[0], in[1], p, true, in[2], in[3], 1e-5);
          backward(sum(use(r.sum, r.norm)));
        } else {
          const Var x = in[0] + dropout(in[1], p, true);
          backward(sum(use(x, layer_norm(x, in[2], in[3], 1e-5))));
        }
        std::vector<std::vector<double>> gradients;
        for (const Var& v : in) gradients.push_back(v.grad().defined() ? v.grad().to_vector() : std::vector<double>{});
        return gradients;
      };
      EXPECT_EQ(results(true), results(false)) << p;
      EXPECT_EQ(default_generator().position, p > 0 ? 2u : 1u);
    }
  const Var x(Tensor::ones({2, 3})), w(Tensor::ones({3}));
  EXPECT_THROW(add_dropout_norm(x, Var(Tensor::ones({2, 4})), 0, true, w, w, 1e-5), Error);
  EXPECT_THROW(add_dropout_norm(x, x, 1, true, w, w, 1e-5), Error);
  EXPECT_THROW(add_dropout_norm(x, x, 0, true, Var(Tensor::ones({2})), w, 1e-5), Error);
}

// A wrong gradient that is planted in an operation is found, element by element and along directions.
TEST(Gradcheck, FindsAPlantedError) {
  const auto tanh_with = [](double error) {
    return [error](const std::vector<Var>& in) {
      const Tensor y = tanh(in[0].value);
      return record("planted", y, {in[0]},
                    [y, error](const Tensor& gy, Grads& gx) { gx.add(0, affine(tanh_backward(gy, y), 1 + error)); });
    };
  };
  for (int64_t n : {51, 513}) {
    const Tensor x = Tensor::empty({n}, Dtype::f64);
    fill_uniform(x, -2, 2, {1, 1});
    EXPECT_TRUE(gradcheck(tanh_with(0), {x})) << n;
    const GradcheckResult wrong = gradcheck(tanh_with(1e-3), {x});
    EXPECT_FALSE(wrong) << n;
    EXPECT_GT(wrong.worst, 1);
    EXPECT_NE(wrong.message.find("analytic"), std::string::npos);
  }
}

TEST(Gradcheck, FindsAMissingGradient) {
  const auto forgets = [](const std::vector<Var>& in) { return in[0] * detach(in[1]); };
  const Tensor x = Tensor::full({3}, 0.5, Dtype::f64);
  const GradcheckResult result = gradcheck(forgets, {x, x});
  EXPECT_FALSE(result);
  EXPECT_NE(result.message.find("leaf 1, element 0"), std::string::npos) << result.message;
}

}  // namespace
}  // namespace kg
