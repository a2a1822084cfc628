// The rows of the op table. The pointwise rows come from the lists of tensor/ops.h, so a new op of a list has one at
// once; B, T, C, ... are as in tensor/ops.h.
#include "tests/autograd/op_cases.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace kg {
namespace {

using Vars = std::vector<Var>;
using Rows = std::vector<OpCase>;

// Random constants of a builder, on the device of `like`.
Tensor random_ids(const Shape& shape, int64_t below, const Var& like) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < shape.numel(); ++i) ids.push_back(int32_t(Philox{3, 17}.below(uint64_t(i), uint32_t(below))));
  return Tensor::from(ids, shape).to(like.value.device());
}
Tensor random_mask(const Shape& shape, const Var& like) { return random_ids(shape, 2, like).to(Dtype::u8); }

Shape with(Shape shape, int axis, int64_t extent) {
  shape[axis] = extent;
  return shape;
}

// ---- pointwise
OpInput pointwise_input(const std::string& op) {
  OpInput input{{3, 1, 51}, {17, 3, 701}};
  if (op == "log" || op == "sqrt" || op == "rsqrt" || op == "pow") input.domain = Domain::positive;
  if (op == "relu" || op == "abs" || op == "leaky_relu") input.kinks = {0};
  return input;
}

void add_unary(Rows& rows) {
#define KG_ROW(Op, op) rows.push_back({#op, "", {pointwise_input(#op)}, [](const Vars& in) { return op(in[0]); }});
  KG_UNARY_OPS(KG_ROW)
#undef KG_ROW
}

struct Constants {
  double a, b;
  std::vector<double> kinks;
};
const std::map<std::string, Constants> kConstants = {{"pow", {2.5, 0, {}}},
                                                     {"leaky_relu", {0.2, 0, {0}}},
                                                     {"clamp", {-0.75, 1.25, {-0.75, 1.25}}},
                                                     {"smooth_l1", {0.5, 0, {-0.5, 0.5}}},
                                                     {"affine", {1.75, -0.375, {}}}};

void add_unary_const(Rows& rows) {
  const auto row = [&](const std::string& name, Var (*op)(const Var&, double, double)) {
    CHECK(kConstants.contains(name), "[op table] kConstants has no constants for ", name);
    const Constants& c = kConstants.at(name);
    OpInput input = pointwise_input(name);
    input.kinks = c.kinks;
    rows.push_back({name, "", {input}, [op, c](const Vars& in) { return op(in[0], c.a, c.b); }});
  };
#define KG_ROW(Op, op) row(#op, kg::op);
  KG_UNARY_CONST_OPS(KG_ROW)
#undef KG_ROW
  rows.push_back({"pow", "cube_of_negatives", {{{51}, {20001}}}, [](const Vars& in) { return pow(in[0], 3); }});
}

void add_binary(Rows& rows) {
  const auto row = [&](const std::string& name, Var (*op)(const Var&, const Var&)) {
    const bool compares = name == "maximum" || name == "minimum";
    const Domain first = compares ? Domain::distinct : Domain::any;
    const Domain second = compares ? Domain::distinct : (name == "div" ? Domain::positive : Domain::any);
    const auto build = [op](const Vars& in) { return op(in[0], in[1]); };
    rows.push_back({name, "", {{{3, 51}, {51, 701}, first}, {{3, 51}, {51, 701}, second}}, build});
    rows.push_back({name, "broadcast", {{{3, 1, 13}, {17, 1, 701}, first}, {{5, 1}, {3, 1}, second}}, build});
    rows.push_back({name, "scalar", {{{}, {}, first}, {{51}, {20001}, second}}, build});
  };
#define KG_ROW(Op, op) row(#op, kg::op);
  KG_BINARY_OPS(KG_ROW)
#undef KG_ROW
  const OpInput x{{3, 51}, {51, 701}}, positive{{3, 51}, {51, 701}, Domain::positive};
  const auto both = [&](const char* variant, Var (*op)(const Var&, const Var&)) {
    rows.push_back({"operator", variant, {x, positive}, [op](const Vars& in) { return op(in[0], in[1]); }});
  };
  both("plus", [](const Var& a, const Var& b) { return a + b; });
  both("minus", [](const Var& a, const Var& b) { return a - b; });
  both("times", [](const Var& a, const Var& b) { return a * b; });
  both("over", [](const Var& a, const Var& b) { return a / b; });
  rows.push_back(
      {"operator", "numbers", {x}, [](const Vars& in) { return 3 * ((-in[0] + 0.25) * 1.5 - 0.125) * in[0]; }});
  // The same operand twice: its gradient is a sum.
  rows.push_back({"mul", "with_itself", {x}, [](const Vars& in) { return in[0] * in[0]; }});
}

void add_selection(Rows& rows) {
  const OpInput x{{3, 5, 7}, {17, 31, 71}};
  const auto choose = [](const Vars& in) { return where(random_mask(in[0].shape(), in[0]), in[0], in[1]); };
  rows.push_back({"where", "", {x, x}, choose});
  rows.push_back({"where", "broadcast", {x, {{7}, {71}}}, choose});
  rows.push_back({"where", "mask_of_rows", {x, x}, [](const Vars& in) {
                    return where(random_mask({in[0].size(1), 1}, in[0]), in[0], in[1]);
                  }});
  rows.push_back({"masked_fill", "", {x}, [](const Vars& in) {
                    return masked_fill(in[0], random_mask({in[0].size(0), 1, in[0].size(2)}, in[0]), -3);
                  }});
}

// ---- views
void add_views(Rows& rows) {
  const OpInput x{{3, 4, 5}, {17, 30, 71}}, wide{{3, 1, 13}, {17, 1, 701}};
  const auto add = [&](const char* op, const char* variant, const OpInput& input, Var (*build)(const Var&)) {
    // Squared, so that the gradient that comes back is not the same everywhere.
    rows.push_back({op, variant, {input}, [build](const Vars& in) { return square(build(in[0])); }});
  };
  add("reshape", "", x, [](const Var& v) { return reshape(v, {v.size(0) * v.size(1), -1}); });
  add("reshape", "of_transposed", x, [](const Var& v) { return reshape(transpose(v, 0, 1), {-1, v.size(2)}); });
  add("transpose", "", x, [](const Var& v) { return transpose(v, 0, -1); });
  add("permute", "", x, [](const Var& v) { return permute(v, {2, 0, 1}); });
  add("expand", "", wide, [](const Var& v) { return expand(v, {2, v.size(0), 5, v.size(2)}); });
  add("slice", "", x, [](const Var& v) { return slice(v, 1, 1, v.size(1) - 1); });
  add("slice", "empty", x, [](const Var& v) { return concat({v, slice(v, 0, 1, 1)}, 0); });
  add("slice", "of_slice", x, [](const Var& v) { return slice(slice(v, 2, 1, 4), 0, 0, 2); });
  add("slice", "of_transposed", x, [](const Var& v) { return slice(transpose(v, 0, 2), 0, 1, 3); });
  add("slice", "of_expanded", wide, [](const Var& v) { return slice(expand(v, {v.size(0), 5, v.size(2)}), 1, 1, 4); });
  add("slice", "overlapping", x, [](const Var& v) { return slice(v, 0, 0, 2) * slice(v, 0, 1, 3); });
  add("select", "", x, [](const Var& v) { return select(v, 1, 2); });
  add("select", "last", x, [](const Var& v) { return select(v, -1, 0); });
  add("cast", "", x, [](const Var& v) { return cast(cast(v, Dtype::f64), v.dtype()); });
  add("in_dtype", "", x, [](const Var& v) { return in_dtype(in_dtype(v, Dtype::f64), v.dtype()); });
  add("contiguous", "", x, [](const Var& v) { return contiguous(transpose(v, 0, 2)); });
  add("split", "", x, [](const Var& v) {
    const std::vector<Var> parts = split(v, 1, 3);  // the last is smaller
    Var y = sum(parts[0]);
    for (size_t i = 1; i < parts.size(); ++i) y = y + double(i + 1) * sum(square(parts[i]));
    return y;
  });
}

// ---- reductions
void add_reductions(Rows& rows) {
  const OpInput x{{3, 5, 7}, {17, 31, 71}}, distinct{{3, 5, 7}, {17, 31, 71}, Domain::distinct};
  const auto add = [&](const char* op, const char* variant, const OpInput& input, Var (*build)(const Var&)) {
    rows.push_back({op, variant, {input}, [build](const Vars& in) { return square(build(in[0])); }});
  };
  add("sum", "all", x, [](const Var& v) { return sum(v); });
  add("sum", "last", x, [](const Var& v) { return sum(v, {-1}); });
  add("sum", "first", x, [](const Var& v) { return sum(v, {0}, true); });
  add("sum", "outer", x, [](const Var& v) { return sum(v, {0, 2}); });
  add("mean", "all", x, [](const Var& v) { return mean(v); });
  add("mean", "middle", x, [](const Var& v) { return mean(v, {1}, true); });
  add("mean", "first_two", x, [](const Var& v) { return mean(v, {0, 1}); });
  add("max", "", distinct, [](const Var& v) { return max(v, 1); });
  add("max", "last_keepdim", distinct, [](const Var& v) { return max(v, -1, true); });
  add("min", "", distinct, [](const Var& v) { return min(v, 0); });
  add("cumsum", "", x, [](const Var& v) { return cumsum(v, 1); });
  add("cumsum", "last", x, [](const Var& v) { return cumsum(v, -1); });
  add("topk", "", distinct, [](const Var& v) { return topk(v, 3).first; });
}

// ---- matmul, linear, convolution
void add_products(Rows& rows) {
  const auto product = [](const Vars& in) { return matmul(in[0], in[1]); };
  rows.push_back({"matmul", "", {{{3, 13}, {197, 263}}, {{13, 5}, {263, 65}}}, product});
  rows.push_back({"matmul", "one_right", {{{2, 3, 5}, {5, 51, 65}}, {{5, 7}, {65, 33}}}, product});
  rows.push_back({"matmul", "broadcast", {{{2, 1, 3, 5}, {5, 1, 51, 65}}, {{3, 5, 1}, {3, 65, 1}}}, product});
  rows.push_back({"matmul", "transposed", {{{2, 5, 3}, {5, 65, 51}}, {{2, 7, 5}, {5, 33, 65}}}, [](const Vars& in) {
                    return matmul(transpose(in[0], 1, 2), transpose(in[1], -1, -2));
                  }});
  const OpInput x{{2, 3, 7}, {9, 51, 197}}, weight{{5, 7}, {65, 197}}, bias{{5}, {65}};
  rows.push_back({"linear", "", {x, weight, bias}, [](const Vars& in) { return linear(in[0], in[1], in[2]); }});
  rows.push_back({"linear", "no_bias", {x, weight}, [](const Vars& in) { return linear(in[0], in[1], Var()); }});
  rows.push_back(
      {"linear", "one_row", {{{7}, {197}}, weight, bias}, [](const Vars& in) { return linear(in[0], in[1], in[2]); }});
}

void add_convolutions(Rows& rows) {
  const OpInput x{{2, 9, 3}, {5, 67, 51}}, bias{{5}, {33}};
  const auto add = [&](const char* variant, int64_t taps, Conv1dOptions o, bool with_bias) {
    const OpInput weight{{5, 3, taps}, {33, 51, taps}};
    const auto convolve = [o](const Vars& in) {
      // Permuted there and back, the weight lies in memory as conv1d wants it; its gradient must find the way, too.
      const Var stored = permute(contiguous(permute(in[1], {2, 1, 0})), {2, 1, 0});
      return conv1d(in[0], stored, in.size() > 2 ? in[2] : Var(), o);
    };
    std::vector<OpInput> inputs{x, weight};
    if (with_bias) inputs.push_back(bias);
    rows.push_back({"conv1d", variant, inputs, convolve});
  };
  add("", 3, {1, 1, 1}, true);
  add("no_bias", 3, {1, 0, 1}, false);
  add("down", 4, {2, 1, 1}, true);
  add("dilated", 3, {1, 3, 3}, true);
  add("point", 1, {1, 0, 1}, true);
  add("odd", 2, {3, 2, 2}, true);
  rows.push_back({"conv1d", "weight_used_twice", {x, {{5, 3, 3}, {33, 51, 3}}}, [](const Vars& in) {
                    const Var stored = permute(contiguous(permute(in[1], {2, 1, 0})), {2, 1, 0});
                    const Var y = conv1d(in[0], stored, Var(), {1, 1, 1});
                    return sum(square(y)) + sum(square(stored)) + sum(stored * 0.5);
                  }});
  const auto add_transpose = [&](const char* variant, int64_t taps, Conv1dOptions o, bool with_bias) {
    std::vector<OpInput> inputs{x, {{3, 5, taps}, {51, 33, taps}}};
    if (with_bias) inputs.push_back(bias);
    rows.push_back({"conv_transpose1d", variant, inputs, [o](const Vars& in) {
                      const Var stored = permute(contiguous(permute(in[1], {2, 1, 0})), {2, 1, 0});
                      return conv_transpose1d(in[0], stored, in.size() > 2 ? in[2] : Var(), o);
                    }});
  };
  add_transpose("up", 4, {2, 1, 1}, true);
  add_transpose("odd", 3, {3, 2, 2}, false);
  rows.push_back({"upsample_nearest", "", {x}, [](const Vars& in) { return square(upsample_nearest(in[0], 3)); }});
}

// ---- softmax, losses, norms
void add_row_ops(Rows& rows) {
  const OpInput x{{3, 1, 51}, {17, 3, 701}}, narrow{{51, 1}, {513, 1}}, scale{{51}, {701}}, shift{{51}, {701}};
  const auto plain = [&](const char* op, Var (*function)(const Var&)) {
    const auto build = [function](const Vars& in) { return function(in[0]); };
    rows.push_back({op, "", {x}, build, OpClass::rows});
    // One column: the value is constant, so the input comes in beside it.
    rows.push_back(
        {op, "one_column", {narrow}, [function](const Vars& in) { return function(in[0]) + in[0]; }, OpClass::rows});
  };
  plain("softmax", softmax);
  plain("log_softmax", log_softmax);
  const auto target = [](const Var& logits) {
    const Tensor ids = random_ids({logits.size(0)}, logits.size(1), logits);
    ids.slice(0, 1, 2).fill(-100);
    return ids;
  };
  const OpInput logits{{5, 13}, {131, 513}};
  rows.push_back({"cross_entropy",
                  "",
                  {logits},
                  [target](const Vars& in) { return cross_entropy(in[0], target(in[0])); },
                  OpClass::rows});
  rows.push_back({"cross_entropy",
                  "smoothed",
                  {logits},
                  [target](const Vars& in) { return cross_entropy(in[0], target(in[0]), -100, 0.1); },
                  OpClass::rows});
  rows.push_back({"layer_norm",
                  "",
                  {x, scale, shift},
                  [](const Vars& in) { return layer_norm(in[0], in[1], in[2], 1e-5); },
                  OpClass::rows});
  rows.push_back({"layer_norm",
                  "many_rows",
                  {{{67, 3}, {513, 67}}, {{3}, {67}}, {{3}, {67}}},
                  [](const Vars& in) { return layer_norm(in[0], in[1], in[2], 1e-5); },
                  OpClass::rows});
  const auto residual = [&](const char* variant, double p, Var (*use)(const ResidualNormed&)) {
    const auto build = [p, use](const Vars& in) {
      default_generator() = {5, 13};
      return use(add_dropout_norm(in[0], in[1], p, true, in[2], in[3], 1e-5));
    };
    rows.push_back({"add_dropout_norm", variant, {x, x, scale, shift}, build, OpClass::rows});
  };
  residual("", 0.3, [](const ResidualNormed& r) { return r.norm; });
  residual("sum_used", 0.3, [](const ResidualNormed& r) { return square(r.sum) + r.norm; });
  residual("no_dropout", 0, [](const ResidualNormed& r) { return square(r.sum) + r.norm; });
  rows.push_back(
      {"rms_norm", "", {x, scale}, [](const Vars& in) { return rms_norm(in[0], in[1], 1e-6); }, OpClass::rows});
}

// ---- GRU
void add_gru(Rows& rows) {
  const auto add = [&](const char* variant, int64_t time, bool reverse, bool large_time) {
    const OpInput gates{{4, time, 9}, {9, large_time ? 11 : time, 195}}, weight{{9, 3}, {195, 65}}, h0{{4, 3}, {9, 65}};
    rows.push_back({"gru",
                    variant,
                    {gates, weight, {{9}, {195}}, h0},
                    [reverse](const Vars& in) {
                      // 1 to T, the longest neither first nor last; weights as large as those of a trained layer.
                      const Tensor below = random_ids({in[0].size(0)}, in[0].size(1), in[0]).to(Device::cpu);
                      std::vector<int32_t> lengths;
                      for (double n : below.to_vector()) lengths.push_back(int32_t(n) + 1);
                      lengths[2] = int32_t(in[0].size(1));
                      const double scale = 1 / std::sqrt(double(in[3].size(1)));
                      const GruStates s = gru(in[0], in[1] * scale, in[2], in[3],
                                              Tensor::from(lengths, {in[0].size(0)}).to(in[0].value.device()), reverse);
                      return concat({s.h, reshape(s.last, {s.last.size(0), 1, s.last.size(1)})}, 1);
                    },
                    OpClass::rows});
  };
  add("", 4, false, true);
  add("reverse", 4, true, true);
  add("one_step", 1, false, false);
}

// ---- indexing
void add_indexing(Rows& rows) {
  const OpInput table{{7, 5}, {513, 65}}, x{{3, 5, 7}, {17, 31, 71}};
  rows.push_back({"embedding", "", {table}, [](const Vars& in) {
                    return square(embedding(in[0], random_ids({3, 4 * in[0].size(0)}, in[0].size(0), in[0])));
                  }});
  for (int axis : {0, 1, -1}) {
    const std::string name = "axis_" + std::to_string(axis < 0 ? 2 : axis);
    rows.push_back({"index_select", name, {x}, [axis](const Vars& in) {
                      return square(index_select(in[0], axis, random_ids({9}, in[0].size(axis), in[0])));
                    }});
    const auto index = [axis](const Var& v, int64_t extent) {
      return random_ids(with(v.shape(), wrap_axis(axis, v.rank(), "row"), 4), extent, v);
    };
    rows.push_back({"gather", name, {x}, [axis, index](const Vars& in) {
                      return square(gather(in[0], axis, index(in[0], in[0].size(axis))));
                    }});
    rows.push_back({"scatter_add", name, {x}, [axis](const Vars& in) {
                      const int at = wrap_axis(axis, 3, "row");
                      return square(
                          scatter_add(with(in[0].shape(), at, 3), axis, random_ids(in[0].shape(), 3, in[0]), in[0]));
                    }});
  }
  const OpInput more{{3, 2, 7}, {17, 3, 71}}, one{{3, 1, 7}, {17, 1, 71}};
  rows.push_back({"concat", "", {x, more, one}, [](const Vars& in) { return square(concat(in, 1)); }});
  rows.push_back({"concat", "with_itself", {x}, [](const Vars& in) { return square(concat({in[0], in[0]}, -1)); }});
  rows.push_back({"stack", "first", {x, x}, [](const Vars& in) { return square(stack(in, 0)); }});
  rows.push_back({"stack", "middle", {x, x, x}, [](const Vars& in) { return square(stack(in, 2)); }});
}

// ---- dropout, attention, quantisation, checkpoints
void add_attention(Rows& rows) {
  const OpInput q{{2, 3, 2, 5}, {3, 51, 4, 33}}, k{{2, 4, 2, 5}, {3, 53, 4, 33}};
  const auto add = [&](const char* variant, const AttentionArgs& fixed, bool mask) {
    rows.push_back({"attention",
                    variant,
                    {q, k, k},
                    [fixed, mask](const Vars& in) {
                      AttentionArgs args = fixed;
                      if (mask) {
                        args.key_mask = random_mask({in[1].size(0), in[1].size(1)}, in[1]);
                        args.key_mask.slice(1, 0, 1).fill(1);
                      }
                      default_generator() = {5, 11};
                      return attention(in[0], in[1], in[2], args);
                    },
                    OpClass::rows});
  };
  AttentionArgs causal, scaled, dropping;
  causal.causal = true;
  scaled.scale = 0.75;
  dropping.dropout = 0.25;
  add("", {}, false);
  add("causal", causal, false);
  add("key_mask", scaled, true);
  add("dropout", dropping, false);
  for (bool shared : {true, false}) {
    const OpInput bias = shared ? OpInput{{1, 1, 3, 4}, {1, 1, 51, 53}} : OpInput{{2, 2, 3, 4}, {3, 4, 51, 53}};
    rows.push_back({"attention",
                    shared ? "shared_bias" : "bias",
                    {q, k, k, bias},
                    [](const Vars& in) {
                      AttentionArgs args;
                      args.causal = true;
                      args.bias = in[3];
                      return attention(in[0], in[1], in[2], args);
                    },
                    OpClass::rows});
  }
}

void add_rest(Rows& rows) {
  const OpInput x{{3, 51}, {51, 701}};
  rows.push_back({"dropout", "", {x}, [](const Vars& in) {
                    default_generator() = {5, 9};
                    return square(dropout(in[0], 0.3, true));
                  }});
  rows.push_back({"dropout", "off", {x}, [](const Vars& in) { return square(dropout(in[0], 0.3, false)); }});
  rows.push_back({"quantize_straight_through",
                  "",
                  {{{3, 5, 4}, {17, 31, 16}}},
                  [](const Vars& in) {
                    const Tensor book = Tensor::empty({7, in[0].size(-1)});
                    fill_uniform(book, -2, 2, {8, 8});
                    return quantize_straight_through(in[0], book.to(in[0].dtype()).to(in[0].value.device())).y;
                  },
                  OpClass::straight_through});
  rows.push_back({"checkpoint", "", {{{3, 5}, {197, 263}}, {{5, 7}, {263, 65}}}, [](const Vars& in) {
                    default_generator() = {5, 9};
                    return checkpoint([](const Vars& v) { return tanh(dropout(matmul(v[0], v[1]) * 0.25, 0.3, true)); },
                                      in);
                  }});
}

Rows make_rows() {
  Rows rows;
  add_unary(rows);
  add_unary_const(rows);
  add_binary(rows);
  add_selection(rows);
  add_views(rows);
  add_reductions(rows);
  add_products(rows);
  add_convolutions(rows);
  add_row_ops(rows);
  add_gru(rows);
  add_indexing(rows);
  add_attention(rows);
  add_rest(rows);
  return rows;
}

// n different numbers of [-2, 2) in random order; input k of `inputs` takes every inputs-th of a common grid.
void fill_distinct(const Tensor& t, size_t k, size_t inputs, Philox random) {
  std::vector<int64_t> order(static_cast<size_t>(t.numel()));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i, uint32_t(i))]);
  const double step = 4.0 / double(order.size() * inputs);
  for (size_t i = 0; i < order.size(); ++i)
    t.data<float>()[i] = float(-2 + step * double(size_t(order[i]) * inputs + k));
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const Rows rows = make_rows();
  return rows;
}

std::vector<Tensor> op_inputs(const OpCase& op, bool large, Dtype dtype, Device device) {
  std::vector<Tensor> inputs;
  for (size_t k = 0; k < op.inputs.size(); ++k) {
    const OpInput& input = op.inputs[k];
    const Tensor t = Tensor::empty(large ? input.large : input.shape);
    const Philox random{41, k};
    if (input.domain == Domain::distinct)
      fill_distinct(t, k, op.inputs.size(), random);
    else
      fill_uniform(t, input.domain == Domain::positive ? 0.3 : -2, 2, random);
    for (int64_t i = 0; i < t.numel(); ++i)
      for (double kink : input.kinks)
        if (float& x = t.data<float>()[i]; std::fabs(x - kink) < kKinkMargin)
          x = float(kink + (x < kink ? -2 : 2) * kKinkMargin);
    inputs.push_back(t.to(dtype).to(device));
  }
  return inputs;
}

Tensor op_seed(const Tensor& output) {
  const Tensor seed = Tensor::empty(output.shape());
  fill_uniform(seed, 0.5, 1.5, {43, 1});
  return seed.to(output.dtype()).to(output.device());
}

Tensor in_layout(const Tensor& x, Layout layout) {
  Tensor view;
  if (layout == Layout::transposed) {
    if (x.rank() == 0) return x;
    // The last two axes change places; a vector becomes a column of a matrix.
    Shape shape = x.shape();
    if (x.rank() == 1)
      shape.push_back(3);
    else
      std::swap(shape[x.rank() - 1], shape[x.rank() - 2]);
    const Tensor whole = Tensor::full(shape, std::numeric_limits<double>::quiet_NaN(), x.dtype(), x.device());
    view = x.rank() == 1 ? whole.select(1, 1) : whole.transpose(-1, -2);
  } else {
    Shape shape = x.shape();
    for (int i = 0; i < x.rank(); ++i) shape[i] += 3;
    view = Tensor::full(shape, std::numeric_limits<double>::quiet_NaN(), x.dtype(), x.device());
    for (int i = 0; i < x.rank(); ++i) view = view.slice(i, 1, 1 + x.shape()[i]);
  }
  view.copy_from(x);
  return view;
}

}  // namespace kg
