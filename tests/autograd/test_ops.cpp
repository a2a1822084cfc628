// Every row of the op table: gradients against central differences in f64, f32 against f64, other memory layouts,
// other numbers of threads. And the table itself: an operation without a row fails.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "autograd/gradcheck.h"
#include "tensor/parallel.h"
#include "tests/autograd/op_run.h"

namespace kg {

namespace {

class Ops : public testing::TestWithParam<OpCase> {};

TEST_P(Ops, GradientsAreThoseOfCentralDifferences) {
  const GradcheckResult result = check_gradients(GetParam());
  EXPECT_TRUE(result) << result.message;
}

TEST_P(Ops, ValueAndGradientsAreThoseOfTheComposedForm) {
  if (is_basic(GetParam().op)) return;
  ASSERT_TRUE(GetParam().composed) << GetParam().op << " has no composed form in tests/autograd/composed.cpp";
  EXPECT_LE(error_beside_composed(GetParam()), kComposedTolerance);
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

// The functions that `header` declares or defines, take a Var and return what holds one: a Var, a container of it, or a
// struct of the header with one.
std::set<std::string> functions_of_vars(std::string header) {
  header = std::regex_replace(header, std::regex("(//|#)[^\n]*"), "");
  const std::regex var(R"(\bVar\b)");
  std::set<std::string> holders, found;
  const std::regex structure(R"(struct (\w+) \{([^}]*)\})");
  for (std::sregex_iterator it(header.begin(), header.end(), structure), end; it != end; ++it)
    if (std::regex_search((*it)[2].str(), var)) holders.insert((*it)[1]);
  const std::regex function(R"(([\w:]+(?:<[^;(){}]*>)?)\s+(operator|\w+)[^\w;(){}]*\(([^;{}]*)\)\s*[;{])");
  for (std::sregex_iterator it(header.begin(), header.end(), function), end; it != end; ++it) {
    const std::string result = (*it)[1], name = (*it)[2], parameters = (*it)[3];
    if ((std::regex_search(result, var) || holders.contains(result)) && std::regex_search(parameters, var))
      found.insert(name);
  }
  return found;
}

TEST(OpTable, FunctionsOfVarsAreRecognised) {
  const std::set<std::string> found = functions_of_vars(R"(
struct Pair {
  Var first, second;  // Pair not_this(const Var& x);
};
struct Plain {
  Tensor t;
};
Pair both(const Var& x);
#define KG_DECLARE(Op, name) Var name(const Var& x);
inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
std::pair<Var, Tensor> one_of(const std::vector<Var>& parts, int axis = 0);
Var scatter(const Shape& shape, const Tensor& index,
            const Var& values);
Var again(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Var>& inputs);
Var make(const Tensor& t);
Plain none(const Var& x);
void backward(const Var& output);
)");
  EXPECT_EQ(found, (std::set<std::string>{"both", "operator", "one_of", "scatter", "again"}));
}

TEST(OpTable, EveryFunctionHasARow) {
  std::ifstream file(KG_TEST_DIR "/../autograd/functions.h");
  ASSERT_TRUE(file) << "autograd/functions.h is not there";
  const std::string header(std::istreambuf_iterator<char>(file), {});
  const std::set<std::string> rows = names_of_rows(), functions = functions_of_vars(header);
  for (const std::string& name : functions)
    EXPECT_TRUE(rows.contains(name)) << name << " has no row in tests/autograd/op_cases.cpp";
  EXPECT_TRUE(functions.contains("gru") && functions.contains("checkpoint")) << "declarations are not recognised";
}

TEST(OpTable, TolerancesAreTight) {
  std::map<std::string, double> found;
  for (const OpCase& op : op_cases()) found[op.op] = std::max(found[op.op], check_gradients(op).error);
  for (const OpCase& op : op_cases())
    EXPECT_TRUE(is_tight(op.tolerance, found[op.op]))
        << op.tolerance << " for " << op.op << ", right to " << found[op.op];
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
      for (size_t i = 1; i < values.size(); ++i) ASSERT_GT(values[i] - values[i - 1], 0.01) << op.name();
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
  for (int64_t n : {51, 513}) {  // element by element, along directions
    const Tensor x = Tensor::empty({n}, Dtype::f64);
    fill_uniform(x, -2, 2, {1, 1});
    EXPECT_TRUE(gradcheck(tanh_with(0), {x})) << n;
    const GradcheckResult wrong = gradcheck(tanh_with(1e-3), {x});
    EXPECT_FALSE(gradcheck(tanh_with(1e-8), {x})) << n;
    EXPECT_FALSE(wrong) << n;
    EXPECT_GT(wrong.error, 1e-4);
    EXPECT_LT(wrong.error, 2e-3);
    EXPECT_NE(wrong.message.find("analytic"), std::string::npos);
  }
}

TEST(Gradcheck, FindsAMissingGradient) {
  const auto forgets = [](const std::vector<Var>& in) { return in[0] * detach(in[1]); };
  const Tensor x = Tensor::full({3}, 0.5, Dtype::f64);
  const GradcheckResult result = gradcheck(forgets, {x, x});
  EXPECT_FALSE(result);
  EXPECT_NE(result.message.find("leaf 1, element "), std::string::npos) << result.message;
}

}  // namespace
}  // namespace kg
