// gradcheck: whether every gradient is right. One row an operation (the op table of tests/autograd) and one a whole
// model (tests/models/model_cases.cpp): the error of its gradients beside central differences in f64, relative to the
// largest of them, what is tolerated, and for fused operations the error beside their composed form. Fails when an
// error is beyond its tolerance, and when a tolerance is more than a hundred times the error: it would hide mistakes.
#include <chrono>
#include <cstdio>
#include <map>

#include "tests/autograd/op_checks.h"
#include "tests/models/model_cases.h"
#include "tools/common/cli/cli.h"

namespace kg {
namespace {

struct Options {
  std::string only, plant = "none";
};

struct Row {
  int cases = 0;
  double error = 0, tolerance = 0, seconds = 0;
  double composed = -1;  // error beside the composed form, if there is one
  std::string wrong;     // what to say below the row
};

void add_case(Row& row, const std::string& name, const GradcheckResult& result, double tolerance) {
  ++row.cases;
  if (!(result.error <= row.error)) row.error = result.error;
  row.tolerance = std::max(row.tolerance, tolerance);
  if (!result) row.wrong = name + ": " + result.message;
}
void add_case(Row& row, const OpCase& op) {
  add_case(row, op.name(), check_gradients(op), op.tolerance);
  if (!op.composed) return;
  const double error = error_beside_composed(op);
  if (!(error <= row.composed)) row.composed = error;
  if (!(error <= kComposedTolerance)) row.wrong = op.name() + " is not its composed form";
}

class Report {
 public:
  explicit Report(const std::string& only) : only_(only) {}

  // Stands above the next row, if there is one.
  void heading(const char* what) { heading_ = what; }
  // check(row) fills the row.
  void row(const std::string& name, const std::function<void(Row&)>& check) {
    if (name.find(only_) == std::string::npos) return;
    const auto start = std::chrono::steady_clock::now();
    Row row;
    check(row);
    row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (row.wrong.empty() && !is_tight(row.tolerance, row.error))
      row.wrong = "the tolerance is more than a hundred times the error: make it tighter";
    if (heading_)
      std::printf("%s%-42s %5s  %9s  %9s  %9s  %7s\n", rows_ ? "\n" : "", heading_, "cases", "error", "tolerance",
                  "composed", "time");
    heading_ = nullptr;
    std::printf("%-42s %5d  %9.1e  %9.1e  %9s  %5.2f s\n", name.c_str(), row.cases, row.error, row.tolerance,
                composed(row).c_str(), row.seconds);
    if (!row.wrong.empty()) std::printf("  WRONG: %s\n", row.wrong.c_str());
    std::fflush(stdout);
    ++rows_, failed_ += row.wrong.empty() ? 0 : 1, seconds_ += row.seconds;
  }
  int finish() const {
    if (rows_ == 0) fail(ErrorCode::usage, "no row has ", only_, " in its name");
    std::printf("\n%d of %d rows are right, in %.1f s\n", rows_ - failed_, rows_, seconds_);
    return failed_ ? 1 : 0;
  }

 private:
  static std::string composed(const Row& row) {
    if (row.composed < 0) return "-";
    char text[32];
    std::snprintf(text, sizeof(text), "%.1e", row.composed);
    return text;
  }

  std::string only_;
  const char* heading_ = nullptr;
  int rows_ = 0, failed_ = 0;
  double seconds_ = 0;
};

// tanh, whose gradient has an error of `error`.
OpCase planted(double error, double tolerance) {
  const auto build = [error](const std::vector<Var>& in) {
    const Tensor y = tanh(in[0].value);
    return record("planted", y, {in[0]},
                  [y, error](const Tensor& gy, Grads& gx) { gx.add(0, affine(tanh_backward(gy, y), 1 + error, 0)); });
  };
  return {.op = "planted", .variant = "", .inputs = {{{3, 17}, {}}}, .build = build, .tolerance = tolerance};
}

int check_all(const Options& options) {
  Report report(options.only);
  report.heading("operation");
  std::vector<OpCase> table = op_cases();
  if (options.plant == "gradient") table.push_back(planted(1e-6, 1e-10));
  if (options.plant == "tolerance") table.push_back(planted(0, 1e-4));
  std::vector<std::string> order;
  std::map<std::string, std::vector<OpCase>> cases;
  for (const OpCase& op : table) {
    if (cases[op.op].empty()) order.push_back(op.op);
    cases[op.op].push_back(op);
  }
  for (const std::string& name : order)
    report.row(name, [&](Row& row) {
      for (const OpCase& op : cases[name]) add_case(row, op);
    });
  report.heading("whole model");
  for (const ModelCase& model : model_cases())
    report.row(model.name(), [&](Row& row) { add_case(row, model.part, check(model), model.tolerance); });
  return report.finish();
}

}  // namespace
}  // namespace kg

int main(int argc, char** argv) {
  return kg::tools::run_main(argc, argv, [](int count, char** arguments) {
    kg::Options o;
    kg::tools::Cli cli("gradcheck", "Whether every gradient is right: of each operation and of whole models.",
                       "gradcheck --only attention");
    cli.group("Rows");
    cli.add("only", &o.only, "rows whose name contains this").value_name("TEXT");
    cli.add("plant", &o.plant, "one more row, with a wrong gradient or a loose tolerance: it must fail")
        .choices({"none", "gradient", "tolerance"});
    if (!cli.parse(count, arguments)) return 0;
    return kg::check_all(o);
  });
}
