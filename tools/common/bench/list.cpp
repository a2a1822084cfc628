#include "tools/common/bench/list.h"

#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "models/motiongpt/presets.h"
#include "models/retrieval/index.h"
#include "models/t2m_gpt/presets.h"
#include "models/tokenizer/presets.h"
#include "nn/optim.h"
#include "tensor/ops.h"

namespace kg::tools {

std::string sizes(std::initializer_list<int64_t> values) {
  std::ostringstream out;
  for (const int64_t& v : values) out << (&v == values.begin() ? '/' : 'x') << v;
  return out.str();
}

Tensor Target::normal(const Shape& shape, double deviation) const {
  const Tensor t = Tensor::empty(shape);
  fill_normal(t, 0, deviation, default_generator().next());
  return t.to(dtype).to(device);
}

Tensor cyclic_ids(const Shape& shape, int64_t k) {
  const Tensor ids = Tensor::empty(shape, Dtype::i32);
  for (int64_t i = 0; i < ids.numel(); ++i) ids.data<int32_t>()[i] = int32_t(i % k);
  return ids;
}

namespace {

using Tensors = std::vector<Tensor>;

// ---- kernels
Benchmark pointwise(const std::string& op, int64_t n) {
  if (op == "add")
    return {op + sizes({n}), 0, 3.0 * double(n), [=](const Target& t) -> Run {
              return [x = t.normal({n}), y = t.normal({n})] { return Tensors{add(x, y)}; };
            }};
  using Unary = Tensor (*)(const Tensor&);
  static const std::map<std::string, Unary> ops{{"relu", relu}, {"gelu", gelu}, {"silu", silu}, {"exp", exp}};
  return {op + sizes({n}), 0, 2.0 * double(n),
          [n, f = ops.at(op)](const Target& t) -> Run { return [f, x = t.normal({n})] { return Tensors{f(x)}; }; }};
}

Benchmark copy(int64_t n) {
  const auto prepare = [=](const Target& t) -> Run {
    return [from = Tensor::zeros({n}, t.dtype, t.device), to = Tensor::zeros({n}, t.dtype, t.device)] {
      return to.copy_from(from), Tensors{};
    };
  };
  return {"copy" + sizes({n}), 0, 2.0 * double(n), prepare, Dtype::f32, true};
}

Benchmark adamw(int64_t n) {
  const auto prepare = [=](const Target& t) -> Run {
    const Tensor p = t.normal({n}), g = t.normal({n}), m = zeros_like(p), v = zeros_like(p);
    return [=, t = std::make_shared<int64_t>(0)] { return adam_step(p, g, m, v, ++*t, {}, 1), Tensors{}; };
  };
  return {"adamw" + sizes({n}), 0, 7.0 * double(n), prepare, Dtype::f32, true};
}

Benchmark row_operation(const std::string& op, int64_t rows, int64_t width) {
  const double passes = op == "layer_norm_backward" ? 3 : op == "cross_entropy" ? 1 : 2;
  const auto prepare = [=](const Target& t) -> Run {
    const Tensor x = t.normal({rows, width}), w = t.normal({width});
    if (op == "layer_norm") return [=] { return Tensors{layer_norm(x, w, w, 1e-5).y}; };
    if (op == "layer_norm_backward")
      return [=, gy = t.normal({rows, width}), y = layer_norm(x, w, w, 1e-5)] {
        return Tensors{layer_norm_backward(gy, x, w, y.mean, y.rstd).x};
      };
    if (op == "softmax") return [=] { return Tensors{softmax(x)}; };
    return [x, target = cyclic_ids({rows}, width).to(t.device)] {
      return Tensors{cross_entropy(x, target, -100, 0).first};
    };
  };
  return {op + sizes({rows, width}), 0, passes * double(rows * width), prepare};
}

Benchmark linear_part(const std::string& op, int64_t n, int64_t i, int64_t o) {
  const auto prepare = [=](const Target& t) -> Run {
    const Tensor x = t.normal({n, i}), gy = t.normal({n, o});
    const Tensor w = t.normal({o, i}), b = t.normal({o});
    if (op == "linear") return [=] { return Tensors{linear(x, w, b)}; };
    if (op == "linear_gx") return [=] { return Tensors{matmul(gy, w)}; };
    return [=] { return matmul_into(w, gy.transpose(0, 1), x, 1), Tensors{}; };
  };
  return {op + sizes({n, i, o}), 2.0 * double(n) * double(i) * double(o), 0, prepare};
}

Benchmark linear_rows_of(Dtype weights, int64_t rows, int64_t in, int64_t out) {
  const int64_t layers = (int64_t(16) << 20) / (in * out);  // 64 MB in f32, in turn, as a large model's layers are
  const auto prepare = [=](const Target& t) -> Run {
    return [=, x = Target{t.device}.normal({rows, in}), w = t.normal({layers, out, in})] {
      Tensors rows;
      for (int64_t l = 0; l < layers; ++l) rows.push_back(linear_rows(x, w.select(0, l), {}));
      return rows;
    };
  };
  return {"linear_rows_" + std::string(name_of(weights)) + sizes({rows, in, out}), 0, double(layers * in * out),
          prepare, weights};
}

struct ConvSize {
  int64_t batch, time, in, out, taps;
  int stride, padding, dilation;
};
Benchmark conv_part(const std::string& op, const ConvSize& c) {
  Conv1dOptions options;
  options.stride = c.stride, options.padding = c.padding, options.dilation = c.dilation;
  const int64_t out_time = (c.time + 2 * c.padding - c.dilation * (c.taps - 1) - 1) / c.stride + 1;
  const double flops = 2.0 * double(c.batch * out_time) * double(c.taps * c.in * c.out);
  const Shape xs{c.batch, c.time, c.in}, ys{c.batch, out_time, c.out};
  const auto prepare = [=](const Target& t) -> Run {
    const Tensor w = conv1d_weight_layout(t.normal({c.out, c.in, c.taps}));
    const Tensor x = t.normal(xs), gy = t.normal(ys), b = t.normal({c.out});
    if (op == "conv1d") return [=] { return Tensors{conv1d(x, w, b, options)}; };
    if (op == "conv1d_gx") return [=] { return Tensors{conv1d_backward_input(gy, w, xs, options)}; };
    return [=] { return conv1d_backward_weight(w, gy, x, options, 0), Tensors{}; };
  };
  return {op + sizes({c.batch, c.time, c.in, c.out, c.taps, c.stride, c.dilation}), flops, 0, prepare};
}

struct AttentionSize {
  int64_t batch, time, heads, width;
  bool causal = false;
  double dropout = 0;
};
Benchmark attention_part(const std::string& op, const AttentionSize& c) {
  AttentionOptions o;
  o.causal = c.causal, o.dropout = c.dropout, o.random = {1, 2};
  const bool forward = op == "attention";
  // The products of the whole square, hidden half included.
  const double flops = (forward ? 4.0 : 8.0) * double(c.batch * c.heads * c.time * c.time * c.width);
  const auto prepare = [=](const Target& t) -> Run {
    const Tensor x = t.normal({c.batch, c.time, 3, c.heads, c.width});
    const Tensor q = x.select(2, 0), k = x.select(2, 1), v = x.select(2, 2);
    if (forward)
      return [=] {
        const AttentionResult r = attention(q, k, v, o);
        return Tensors{r.y, r.weights};
      };
    return [=, w = attention(q, k, v, o).weights, gy = t.normal(q.shape())] {
      const AttentionGradients g = attention_backward(gy, q, k, v, w, o);
      return Tensors{g.q, g.k, g.v};
    };
  };
  const std::string size = sizes({c.batch, c.time, c.heads, c.width});
  return {op + size + (c.causal ? "_causal" : "") + (c.dropout > 0 ? "_dropout" : ""), flops, 0, prepare};
}

Benchmark attention_decode(int64_t keys, int64_t heads, int64_t width) {
  const auto prepare = [=](const Target& t) -> Run {
    const Shape cache{1, keys, heads, width};
    return [q = t.normal({1, 1, heads, width}), k = t.normal(cache), v = t.normal(cache)] {
      return Tensors{attention(q, k, v, {}).y};
    };
  };
  return {"attention_decode" + sizes({1, keys, heads, width}), 0, 2.0 * double(keys * heads * width), prepare};
}

Benchmark nearest_code_of(int64_t n, int64_t k, int64_t c) {
  const auto prepare = [=](const Target& t) -> Run {
    return [x = t.normal({n, c}), codebook = t.normal({k, c})] { return Tensors{nearest_code(x, codebook)}; };
  };
  return {"nearest_code" + sizes({n, k, c}), 2.0 * double(n) * double(k) * double(c), 0, prepare, Dtype::f32, true};
}

// The k best of `rows` rows for each query: the checks of the queries and all of the sorting included. Few queries are
// bound by reading the rows.
Benchmark retrieval(Dtype dtype, int64_t queries, int64_t rows, int64_t width, int64_t k) {
  const bool half = dtype == Dtype::bf16, few = queries <= 8;
  const auto prepare = [=](const Target& t) -> Run {
    const auto unit = [&](int64_t n) { return normalised_rows(t.normal({n, width}), "[bench] rows"); };
    SearchOptions options;
    options.k = k;
    const auto index = std::make_shared<Index>(unit(rows), RowLabels{}, t.device, half);
    return [=, q = unit(queries)] { return index->search(q, options), Tensors{}; };
  };
  const double values = double(rows) * double(width);
  Benchmark b{(half ? "retrieval_bf16" : "retrieval") + sizes({queries, rows, width, k}), 0, 0, prepare, dtype};
  (few ? b.values : b.flops) = few ? values : 2.0 * double(queries) * values;
  b.f32_only = !half, b.kernel = false;
  return b;
}

// ---- the lists
void add_kernels(std::vector<Benchmark>& list) {
  // (rows, in, out): T2M-GPT paper, small, tiny; the 263 features; the head of 513.
  const int64_t linears[][3] = {{6528, 1024, 1024}, {6528, 1024, 4096}, {6528, 1024, 513}, {3264, 256, 1024},
                                {1632, 128, 512},   {16384, 263, 512},  {51, 1024, 1024}};
  for (auto [n, i, o] : linears)
    for (const char* op : {"linear", "linear_gx", "linear_gw"}) list.push_back(linear_part(op, n, i, o));
  for (int64_t rows : {1, 2, 8, 32})
    for (auto [i, o] : {std::pair<int64_t, int64_t>{1024, 1024}, {1024, 4096}, {4096, 1024}})
      for (Dtype dtype : {Dtype::f32, Dtype::bf16}) list.push_back(linear_rows_of(dtype, rows, i, o));
  // The motion tokenizer: input, residual block, dilated, 1-wide, down by two; and a small one.
  const ConvSize convs[] = {{256, 64, 263, 512, 3, 1, 1, 1}, {256, 16, 512, 512, 3, 1, 1, 1},
                            {256, 32, 512, 512, 3, 1, 9, 9}, {256, 32, 512, 512, 1, 1, 0, 1},
                            {256, 64, 512, 512, 4, 2, 1, 1}, {64, 64, 128, 128, 3, 1, 1, 1}};
  for (const ConvSize& c : convs)
    for (const char* op : {"conv1d", "conv1d_gx", "conv1d_gw"}) list.push_back(conv_part(op, c));
  const AttentionSize attentions[] = {{128, 51, 16, 64, true, 0},  {128, 51, 16, 64, true, 0.1},
                                      {64, 51, 8, 32, true, 0.1},  {32, 197, 4, 128, false, 0},
                                      {32, 256, 12, 64, false, 0}, {128, 51, 16, 64, false, 0}};
  for (const AttentionSize& c : attentions)
    for (const char* op : {"attention", "attention_backward"}) list.push_back(attention_part(op, c));
  list.push_back(attention_decode(51, 16, 64));
  for (auto [n, c] : {std::pair<int64_t, int64_t>{4096, 512}, {1024, 512}, {4096, 32}})
    list.push_back(nearest_code_of(n, 512, c));
  constexpr int64_t kSize = int64_t(1) << 22;
  for (const char* op : {"relu", "gelu", "silu", "exp", "add"}) list.push_back(pointwise(op, kSize));
  list.push_back(adamw(kSize));
  for (const char* op : {"layer_norm", "layer_norm_backward"}) list.push_back(row_operation(op, 6528, 1024));
  for (const char* op : {"softmax", "cross_entropy"}) list.push_back(row_operation(op, 6528, 513));
}

template <class AnyRecipe>
AnyRecipe with_batch(AnyRecipe recipe, int64_t batch) {
  recipe.training.batch = batch;
  return recipe;
}

}  // namespace

std::vector<Benchmark> cpu_benchmarks() {
  std::vector<Benchmark> list;
  add_kernels(list);
  using Sized = std::pair<std::string, int64_t>;  // preset, batch: at `paper` smaller than the recipe's
  for (const auto& [preset, batch] : {Sized{"tiny", 32}, {"small", 64}, {"paper", 32}})
    list.push_back(vqvae_step("/" + preset + sizes({batch}), with_batch(tokenizer_preset(preset), batch)));
  for (const auto& [preset, batch] : {Sized{"tiny", 64}, {"small", 64}, {"paper", 8}})
    list.push_back(gpt_step("/" + preset + sizes({batch}), with_batch(gpt_preset(preset), batch)));
  for (const std::string preset : {"tiny", "small", "paper"})
    for (Dtype dtype : {Dtype::f32, Dtype::bf16})
      list.push_back(generate("generate/" + preset + (dtype == Dtype::bf16 ? "/bf16" : ""), gpt_preset(preset).model,
                              tokenizer_preset(preset).model, 1, dtype));
  const auto language = [](const std::string& preset) { return motiongpt_preset(preset, MotionGptStage::instruct); };
  constexpr int64_t kSource = 32, kTarget = 24;  // about the mean of the instructions' lengths, as batches have them
  for (const auto& [preset, batch] : {Sized{"tiny", 32}, {"small", 32}, {"paper", 4}})
    list.push_back(t5_step("/" + preset + sizes({batch, kSource, kTarget}), with_batch(language(preset), batch),
                           kSource, kTarget));
  for (const std::string preset : {"tiny", "small", "paper"})
    list.push_back(t5_generate("t5_generate/" + preset, language(preset), tokenizer_preset(preset).model));
  for (Benchmark& b : text_benchmarks()) list.push_back(std::move(b));
  // A million rows, and all captions of HumanML3D.
  for (const auto& [queries, rows] :
       {std::pair<int64_t, int64_t>{1, 1000000}, {1000, 1000000}, {1, 70000}, {1000, 70000}})
    list.push_back(retrieval(Dtype::f32, queries, rows, 512, 20));
  list.push_back(retrieval(Dtype::bf16, 1, 1000000, 512, 20));
  return list;
}

std::vector<Benchmark> gpu_benchmarks(bool tiny) {
  const int64_t rows = tiny ? 16 : 6528, width = tiny ? 32 : 1024, classes = tiny ? 17 : 513;
  const AttentionSize heads = tiny ? AttentionSize{2, 5, 2, 8, true, 0.1} : AttentionSize{128, 51, 16, 64, true, 0.1};
  const std::string preset = tiny ? "tiny" : "paper";
  TokenizerRecipe tokenizer = with_batch(tokenizer_preset(preset), tiny ? 2 : 256);
  GptRecipe gpt = with_batch(gpt_preset(preset), tiny ? 2 : 128);
  if (tiny) {
    tokenizer.window = 16, tokenizer.model.width = 8, tokenizer.model.codes = 8;
    GptConfig& c = gpt.model;
    c.width = 16, c.heads = 2, c.layers = 2, c.feedforward = 32, c.codes = 8, c.context = 7, c.condition = 8;
  }
  std::vector<Benchmark> list{copy(tiny ? 4096 : int64_t(1) << 26), pointwise("gelu", rows * width),
                              pointwise("add", rows * width), adamw(rows * width)};
  for (const char* op : {"layer_norm", "layer_norm_backward"}) list.push_back(row_operation(op, rows, width));
  for (const char* op : {"softmax", "cross_entropy"}) list.push_back(row_operation(op, rows, classes));
  for (const char* op : {"attention", "attention_backward"}) list.push_back(attention_part(op, heads));
  list.push_back(linear_part("linear", rows, width, 4 * width));
  list.push_back(tiny ? nearest_code_of(16, 8, 8) : nearest_code_of(4096, 512, 512));
  for (const bool read : {false, true}) {
    list.push_back(vqvae_step("", tokenizer, read));
    list.push_back(gpt_step("", gpt, read));
  }
  for (int64_t batch : {1, tiny ? 3 : 64})
    list.push_back(generate("generate_" + std::to_string(batch), gpt.model, tokenizer.model, batch, Dtype::f32));
  for (Benchmark& b : list) b.name = b.name.substr(0, b.name.find('/'));
  return list;
}

}  // namespace kg::tools
