// The rows of the op table. The pointwise rows come from the lists of tensor/ops.h, so a new op of a list has one at
// once; B, T, C, ... are as in tensor/ops.h. A row of an op that is not basic uses it twice: as it is and composed.
#include "tests/autograd/op_cases.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "tests/autograd/composed.h"

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

// An op and its composed form, as functions of whatever the op takes.
#define KG_BOTH(op) \
#op, [](const auto&... args) { return kg::op(args...); }, [](const auto&... args) { return composed::op(args...); }
// A row of both; `use` is use(op, inputs).
template <class Op, class Composed, class Use>
OpCase& add(Rows& rows, const char* name, Op op, Composed composed, const std::string& variant,
            const std::vector<OpInput>& inputs, Use use) {
  rows.push_back({name, variant, inputs, [=](const Vars& in) -> Var { return use(op, in); },
                  [=](const Vars& in) -> Var { return use(composed, in); }});
  return rows.back();
}

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
  add(rows, KG_BOTH(masked_fill), "", {x}, [](auto op, const Vars& in) {
    return op(in[0], random_mask({in[0].size(0), 1, in[0].size(2)}, in[0]), -3.0);
  });
}

// ---- views
void add_views(Rows& rows) {
  const OpInput x{{3, 4, 5}, {17, 30, 71}}, wide{{3, 1, 13}, {17, 1, 701}};
  const auto view = [&](const char* op, const char* variant, const OpInput& input, Var (*build)(const Var&)) {
    // Squared, so that the gradient that comes back is not the same everywhere.
    rows.push_back({op, variant, {input}, [build](const Vars& in) { return square(build(in[0])); }});
  };
  view("reshape", "", x, [](const Var& v) { return reshape(v, {v.size(0) * v.size(1), -1}); });
  view("reshape", "of_transposed", x, [](const Var& v) { return reshape(transpose(v, 0, 1), {-1, v.size(2)}); });
  view("transpose", "", x, [](const Var& v) { return transpose(v, 0, -1); });
  view("permute", "", x, [](const Var& v) { return permute(v, {2, 0, 1}); });
  view("expand", "", wide, [](const Var& v) { return expand(v, {2, v.size(0), 5, v.size(2)}); });
  view("slice", "", x, [](const Var& v) { return slice(v, 1, 1, v.size(1) - 1); });
  view("slice", "empty", x, [](const Var& v) { return concat({v, slice(v, 0, 1, 1)}, 0); });
  view("slice", "of_slice", x, [](const Var& v) { return slice(slice(v, 2, 1, 4), 0, 0, 2); });
  view("slice", "of_transposed", x, [](const Var& v) { return slice(transpose(v, 0, 2), 0, 1, 3); });
  view("slice", "of_expanded", wide, [](const Var& v) { return slice(expand(v, {v.size(0), 5, v.size(2)}), 1, 1, 4); });
  view("slice", "overlapping", x, [](const Var& v) { return slice(v, 0, 0, 2) * slice(v, 0, 1, 3); });
  view("select", "", x, [](const Var& v) { return select(v, 1, 2); });
  view("select", "last", x, [](const Var& v) { return select(v, -1, 0); });
  view("cast", "", x, [](const Var& v) { return cast(cast(v, Dtype::f64), v.dtype()); });
  view("in_dtype", "", x, [](const Var& v) { return in_dtype(in_dtype(v, Dtype::f64), v.dtype()); });
  view("contiguous", "", x, [](const Var& v) { return contiguous(transpose(v, 0, 2)); });
  add(rows, KG_BOTH(split), "", {x}, [](auto op, const Vars& in) {
    const Vars parts = op(in[0], 1, 3);  // the last is smaller
    Var y = sum(parts[0]);
    for (size_t i = 1; i < parts.size(); ++i) y = y + double(i + 1) * sum(square(parts[i]));
    return y;
  });
}

// ---- reductions
void add_reductions(Rows& rows) {
  const OpInput x{{3, 5, 7}, {17, 31, 71}}, distinct{{3, 5, 7}, {17, 31, 71}, Domain::distinct};
  const auto basic = [&](const char* op, const char* variant, const OpInput& input, Var (*build)(const Var&)) {
    rows.push_back({op, variant, {input}, [build](const Vars& in) { return square(build(in[0])); }});
  };
  basic("sum", "all", x, [](const Var& v) { return sum(v); });
  basic("sum", "last", x, [](const Var& v) { return sum(v, {-1}); });
  basic("sum", "first", x, [](const Var& v) { return sum(v, {0}, true); });
  basic("sum", "outer", x, [](const Var& v) { return sum(v, {0, 2}); });
  add(rows, KG_BOTH(mean), "all", {x}, [](auto op, const Vars& in) { return square(op(in[0], std::vector<int>{})); });
  add(rows, KG_BOTH(mean), "middle", {x},
      [](auto op, const Vars& in) { return square(op(in[0], std::vector<int>{1}, true)); });
  add(rows, KG_BOTH(mean), "first_two", {x}, [](auto op, const Vars& in) {
    return square(op(in[0], std::vector<int>{0, 1}));
  });
  basic("max", "", distinct, [](const Var& v) { return max(v, 1); });
  basic("max", "last_keepdim", distinct, [](const Var& v) { return max(v, -1, true); });
  basic("min", "", distinct, [](const Var& v) { return min(v, 0); });
  add(rows, KG_BOTH(cumsum), "", {x}, [](auto op, const Vars& in) { return square(op(in[0], 1)); });
  add(rows, KG_BOTH(cumsum), "last", {x}, [](auto op, const Vars& in) { return square(op(in[0], -1)); });
  basic("topk", "", distinct, [](const Var& v) { return topk(v, 3).first; });
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
  const auto layer = [](auto op, const Vars& in) { return op(in[0], in[1], in.size() > 2 ? in[2] : Var()); };
  add(rows, KG_BOTH(linear), "", {x, weight, bias}, layer);
  add(rows, KG_BOTH(linear), "no_bias", {x, weight}, layer);
  add(rows, KG_BOTH(linear), "one_row", {{{7}, {197}}, weight, bias}, layer);
  const auto side_by_side = [](auto op, const Vars& in) {
    return op(in[0], Vars{in[1], in[2], in[3]}, Vars(in.begin() + 4, in.end()));
  };
  add(rows, KG_BOTH(linear_side_by_side), "", {x, weight, weight, weight, bias, bias, bias}, side_by_side);
  add(rows, KG_BOTH(linear_side_by_side), "no_bias", {x, weight, weight, weight}, side_by_side);
  add(rows, KG_BOTH(linear_side_by_side), "one_twice", {x, weight, weight, bias}, [](auto op, const Vars& in) {
    return op(in[0], Vars{in[1], in[2], in[1]}, Vars{in[3], in[3], in[3]});
  });
}

void add_convolutions(Rows& rows) {
  const OpInput x{{2, 9, 3}, {5, 67, 51}}, bias{{5}, {33}};
  // Permuted there and back, the weight lies in memory as conv1d wants it; its gradient must find the way, too.
  const auto stored = [](const Var& weight) { return permute(contiguous(permute(weight, {2, 1, 0})), {2, 1, 0}); };
  const auto convolve = [stored](const Conv1dOptions& o) {
    return [=](auto op, const Vars& in) { return op(in[0], stored(in[1]), in.size() > 2 ? in[2] : Var(), o); };
  };
  const auto conv = [&](const char* variant, int64_t taps, const Conv1dOptions& o, bool with_bias) {
    std::vector<OpInput> inputs{x, {{5, 3, taps}, {33, 51, taps}}};
    if (with_bias) inputs.push_back(bias);
    add(rows, KG_BOTH(conv1d), variant, inputs, convolve(o));
  };
  conv("", 3, {1, 1, 1}, true);
  conv("no_bias", 3, {1, 0, 1}, false);
  conv("down", 4, {2, 1, 1}, true);
  conv("dilated", 3, {1, 3, 3}, true);
  conv("point", 1, {1, 0, 1}, true);
  conv("odd", 2, {3, 2, 2}, true);
  add(rows, KG_BOTH(conv1d), "weight_used_twice", {x, {{5, 3, 3}, {33, 51, 3}}}, [stored](auto op, const Vars& in) {
    const Var weight = stored(in[1]), y = op(in[0], weight, Var(), Conv1dOptions{1, 1, 1});
    return sum(square(y)) + sum(square(weight)) + sum(weight * 0.5);
  });
  const OpInput up{{3, 5, 4}, {51, 33, 4}}, odd{{3, 5, 3}, {51, 33, 3}};
  add(rows, KG_BOTH(conv_transpose1d), "up", {x, up, bias}, convolve({2, 1, 1}));
  add(rows, KG_BOTH(conv_transpose1d), "odd", {x, odd}, convolve({3, 2, 2}));
  add(rows, KG_BOTH(upsample_nearest), "", {x}, [](auto op, const Vars& in) { return square(op(in[0], 3)); });
}

// ---- softmax, losses, norms
void add_row_ops(Rows& rows) {
  const OpInput x{{3, 1, 51}, {17, 3, 701}}, narrow{{51, 1}, {513, 1}}, scale{{51}, {701}}, shift{{51}, {701}};
  const auto plain = [](auto op, const Vars& in) { return op(in[0]); };
  // One column: the value is constant, so the input comes in beside it.
  const auto beside = [](auto op, const Vars& in) { return op(in[0]) + in[0]; };
  add(rows, KG_BOTH(softmax), "", {x}, plain);
  add(rows, KG_BOTH(softmax), "one_column", {narrow}, beside);
  add(rows, KG_BOTH(log_softmax), "", {x}, plain);
  add(rows, KG_BOTH(log_softmax), "one_column", {narrow}, beside);

  const OpInput logits{{5, 13}, {131, 513}};
  const auto loss = [](int ignored, double smoothing) {
    return [=](auto op, const Vars& in) {
      const Tensor target = random_ids({in[0].size(0)}, in[0].size(1), in[0]);
      target.slice(0, 1, 2).fill(ignored);
      return op(in[0], target, ignored, smoothing);
    };
  };
  add(rows, KG_BOTH(cross_entropy), "", {logits}, loss(-100, 0));
  add(rows, KG_BOTH(cross_entropy), "smoothed", {logits}, loss(-1, 0.1));

  const auto layer = [](auto op, const Vars& in) { return op(in[0], in[1], in[2], 1e-5); };
  add(rows, KG_BOTH(layer_norm), "", {x, scale, shift}, layer);
  add(rows, KG_BOTH(layer_norm), "many_rows", {{{67, 3}, {513, 67}}, {{3}, {67}}, {{3}, {67}}}, layer);
  add(rows, KG_BOTH(rms_norm), "", {x, scale}, [](auto op, const Vars& in) { return op(in[0], in[1], 1e-6); });
  const auto residual = [](double p, Var (*use)(const ResidualNormed&)) {
    return [=](auto op, const Vars& in) {
      default_generator() = {5, 13};
      return use(op(in[0], in[1], p, true, in[2], in[3], 1e-5));
    };
  };
  const auto norm = [](const ResidualNormed& r) { return r.norm; };
  const auto both = [](const ResidualNormed& r) { return square(r.sum) + r.norm; };
  add(rows, KG_BOTH(add_dropout_norm), "", {x, x, scale, shift}, residual(0.3, norm));
  add(rows, KG_BOTH(add_dropout_norm), "sum_used", {x, x, scale, shift}, residual(0.3, both));
  add(rows, KG_BOTH(add_dropout_norm), "no_dropout", {x, x, scale, shift}, residual(0, both));
}

// ---- GRU
void add_gru(Rows& rows) {
  const auto one = [&](const char* variant, int64_t time, int64_t large_time, bool reverse) {
    const OpInput gates{{4, time, 9}, {9, large_time, 195}}, weight{{9, 3}, {195, 65}}, h0{{4, 3}, {9, 65}};
    add(rows, KG_BOTH(gru), variant, {gates, weight, {{9}, {195}}, h0}, [reverse](auto op, const Vars& in) {
      // 1 to T, the longest neither first nor last; weights as large as those of a trained layer.
      const Tensor below = random_ids({in[0].size(0)}, in[0].size(1), in[0]).to(Device::cpu);
      std::vector<int32_t> lengths;
      for (double n : below.to_vector()) lengths.push_back(int32_t(n) + 1);
      lengths[2] = int32_t(in[0].size(1));
      const double scale = 1 / std::sqrt(double(in[3].size(1)));
      const GruStates s = op(in[0], in[1] * scale, in[2], in[3],
                             Tensor::from(lengths, {in[0].size(0)}).to(in[0].value.device()), reverse);
      return concat({s.h, reshape(s.last, {s.last.size(0), 1, s.last.size(1)})}, 1);
    });
  };
  one("", 4, 11, false);
  one("reverse", 4, 11, true);
  one("one_step", 1, 1, false);
}

// ---- indexing
void add_indexing(Rows& rows) {
  const OpInput table{{7, 5}, {513, 65}}, x{{3, 5, 7}, {17, 31, 71}};
  add(rows, KG_BOTH(embedding), "", {table}, [](auto op, const Vars& in) {
    return square(op(in[0], random_ids({3, 4 * in[0].size(0)}, in[0].size(0), in[0])));
  });
  for (int axis : {0, 1, -1}) {
    const int at = axis < 0 ? 2 : axis;
    const std::string name = "axis_" + std::to_string(at);
    add(rows, KG_BOTH(index_select), name, {x},
        [axis](auto op, const Vars& in) { return square(op(in[0], axis, random_ids({9}, in[0].size(axis), in[0]))); });
    add(rows, KG_BOTH(gather), name, {x}, [axis, at](auto op, const Vars& in) {
      return square(op(in[0], axis, random_ids(with(in[0].shape(), at, 4), in[0].size(axis), in[0])));
    });
    add(rows, KG_BOTH(scatter_add), name, {x}, [axis, at](auto op, const Vars& in) {
      return square(op(with(in[0].shape(), at, 3), axis, random_ids(in[0].shape(), 3, in[0]), in[0]));
    });
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
  const auto attend = [](const AttentionOptions& fixed, bool masked = false) {
    return [=](auto op, const Vars& in) {
      AttentionOptions options = fixed;
      if (masked) {
        options.key_mask = random_mask({in[1].size(0), in[1].size(1)}, in[1]);
        options.key_mask.slice(1, 0, 1).fill(1);
      }
      default_generator() = {5, 11};
      return op(in[0], in[1], in[2], options, in.size() > 3 ? in[3] : Var());
    };
  };
  add(rows, KG_BOTH(attention), "", {q, k, k}, attend({}));
  add(rows, KG_BOTH(attention), "causal", {q, k, k}, attend({.causal = true}));
  add(rows, KG_BOTH(attention), "blind_queries", {k, q, q}, attend({.causal = true}));  // the first sees no key
  add(rows, KG_BOTH(attention), "key_mask", {q, k, k}, attend({.scale = 0.75}, true));
  add(rows, KG_BOTH(attention), "dropout", {q, k, k}, attend({.dropout = 0.25}));
  const OpInput shared{{1, 1, 3, 4}, {1, 1, 51, 53}}, bias{{2, 2, 3, 4}, {3, 4, 51, 53}};
  add(rows, KG_BOTH(attention), "shared_bias", {q, k, k, shared}, attend({.causal = true}));
  add(rows, KG_BOTH(attention), "bias", {q, k, k, bias}, attend({.causal = true}));
  add(rows, KG_BOTH(attention), "all_options", {q, k, k, bias}, attend({.causal = true, .dropout = 0.25}, true));
}

void add_self_attention(Rows& rows) {
  const OpInput qkv{{2, 4, 3, 2, 5}, {3, 51, 3, 4, 33}}, bias{{1, 2, 4, 4}, {1, 4, 51, 51}};
  const auto attend = [](const AttentionOptions& options, bool key_first = false) {
    return [=](auto op, const Vars& in) {
      default_generator() = {5, 12};
      return op(in[0], options, in.size() > 1 ? in[1] : Var(), key_first);
    };
  };
  add(rows, KG_BOTH(self_attention), "", {qkv}, attend({}));
  add(rows, KG_BOTH(self_attention), "causal_dropout", {qkv}, attend({.causal = true, .dropout = 0.25}));
  add(rows, KG_BOTH(self_attention), "key_first", {qkv}, attend({.causal = true}, true));
  add(rows, KG_BOTH(self_attention), "bias", {qkv, bias}, attend({.scale = 0.75}));
}

void add_rest(Rows& rows) {
  const OpInput x{{3, 51}, {51, 701}};
  const auto drop = [](bool training) {
    return [=](auto op, const Vars& in) {
      default_generator() = {5, 9};
      return square(op(in[0], 0.3, training));
    };
  };
  add(rows, KG_BOTH(dropout), "", {x}, drop(true));
  add(rows, KG_BOTH(dropout), "off", {x}, drop(false));
  const auto quantize = [](auto op, const Vars& in) {
    const Tensor book = Tensor::empty({7, in[0].size(-1)});
    fill_uniform(book, -2, 2, {8, 8});
    return op(in[0], book.to(in[0].dtype()).to(in[0].value.device())).y;
  };
  add(rows, KG_BOTH(quantize_straight_through), "", {{{3, 5, 4}, {17, 31, 16}}}, quantize).straight_through = true;
  add(rows, KG_BOTH(checkpoint), "", {{{3, 5}, {197, 263}}, {{5, 7}, {263, 65}}}, [](auto op, const Vars& in) {
    default_generator() = {5, 9};
    return op([](const Vars& v) { return tanh(dropout(matmul(v[0], v[1]) * 0.25, 0.3, true)); }, in);
  });
}
#undef KG_BOTH

// Differences of products of f32 numbers are exact in f64. What rounds has some tens of times its error here.
double tolerance_of(const std::string& op) {
  static const std::set<std::string> ten = {"add",      "sub",       "mul",           "div",        "minimum",
                                            "operator", "where",     "stack",         "mean",       "sigmoid",
                                            "gru",      "attention", "cross_entropy", "checkpoint", "self_attention"};
  static const std::set<std::string> nine = {"maximum",    "conv1d",   "softmax",         "log_softmax",
                                             "layer_norm", "rms_norm", "add_dropout_norm"};
  return nine.contains(op) ? 1e-9 : (ten.contains(op) ? 1e-10 : 1e-11);
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
  add_self_attention(rows);
  add_rest(rows);
  for (OpCase& op : rows) op.tolerance = tolerance_of(op.op);
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

bool is_basic(const std::string& op) {
  static const std::set<std::string> basic = {"operator", "where",  "reshape",    "transpose", "permute", "expand",
                                              "slice",    "select", "contiguous", "cast",      "sum",     "max",
                                              "min",      "topk",   "matmul",     "concat",    "stack",   "in_dtype"};
#define KG_IS_IT(Op, name) || op == #name
  return basic.contains(op) KG_UNARY_OPS(KG_IS_IT) KG_UNARY_CONST_OPS(KG_IS_IT) KG_BINARY_OPS(KG_IS_IT);
#undef KG_IS_IT
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
