// Speed of the operations and of the models, against what the machine can do: each line has its GFLOP/s or GB/s and its
// share of the peak, measured at the start (multiply-adds in registers, reading of a large array).
//   build/bin/bench --benchmark_filter=attention --benchmark_repetitions=5
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <array>
#include <chrono>
#include <functional>
#include <iostream>
#include <sstream>

#include "tensor/ops.h"
#include "tensor/parallel.h"
#include "tools/bench_models.h"
#include "tools/bench_text.h"

namespace {
using namespace kg;
using Clock = std::chrono::steady_clock;

double seconds(const std::function<void()>& run, int repetitions) {
  double best = 1e30;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

constexpr int kSteps = 1 << 18;
// Twelve independent chains, a vector wide: enough to fill the pipelines. Returns multiply-adds done.
__attribute__((target("avx512f"))) double chains_avx512(float* out) {
  __m512 a[12], x = _mm512_set1_ps(0.999f);
  for (auto& v : a) v = _mm512_set1_ps(1.0f);
  for (int i = 0; i < kSteps; ++i)
    for (auto& v : a) v = _mm512_fmadd_ps(v, x, x);
  for (auto& v : a) _mm512_storeu_ps(out, _mm512_add_ps(_mm512_loadu_ps(out), v));
  return 12.0 * 16 * kSteps;
}
__attribute__((target("avx2,fma"))) double chains_avx2(float* out) {
  __m256 a[12], x = _mm256_set1_ps(0.999f);
  for (auto& v : a) v = _mm256_set1_ps(1.0f);
  for (int i = 0; i < kSteps; ++i)
    for (auto& v : a) v = _mm256_fmadd_ps(v, x, x);
  for (auto& v : a) _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), v));
  return 12.0 * 8 * kSteps;
}

// Multiplications and additions in a second, all threads; the best of many tries, for other programs run too.
double flop_peak() {
  static const double peak = [] {
    const int n = threads();
    double work = 0;
    const double time = seconds(
        [&] {
          parallel_for(n, 1, [&](int64_t, int64_t) {
            alignas(64) float out[16] = {};
            const double done = __builtin_cpu_supports("avx512f") ? chains_avx512(out) : chains_avx2(out);
            benchmark::DoNotOptimize(out);
            work = done;  // the same in every thread
          });
        },
        200);
    return 2 * work * n / time;
  }();
  return peak;
}

// Bytes read in a second from an array that no cache holds, all threads.
double read_peak() {
  static const double peak = [] {
    const int64_t n = int64_t(1) << 26;
    const Tensor t = Tensor::zeros({n});
    const uint64_t* p = reinterpret_cast<const uint64_t*>(t.data<float>());
    const double time = seconds(
        [&] {
          parallel_for(n / 2, 1 << 16, [&](int64_t begin, int64_t end) {
            uint64_t sum = 0;
            for (int64_t i = begin; i < end; ++i) sum += p[i];
            benchmark::DoNotOptimize(sum);
          });
        },
        20);
    return double(n) * 4 / time;
  }();
  return peak;
}

// A benchmark bound by arithmetic (flops) or by memory (bytes).
void add(const std::string& name, double flops, double bytes, const std::function<std::function<void()>()>& prepare) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 const std::function<void()> run = prepare();
                                 run();
                                 for (auto _ : state) run();
                                 using benchmark::Counter;
                                 const auto rate = Counter::kIsIterationInvariantRate;
                                 if (flops > 0) {
                                   state.counters["GFLOP/s"] = Counter(flops * 1e-9, rate);
                                   state.counters["of_peak"] = Counter(flops / flop_peak(), rate);
                                 } else {
                                   state.counters["GB/s"] = Counter(bytes * 1e-9, rate);
                                   state.counters["of_peak"] = Counter(bytes / read_peak(), rate);
                                 }
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

Tensor random_tensor(const Shape& shape) {
  const Tensor t = Tensor::empty(shape);
  fill_normal(t, 0, 0.1, {uint64_t(shape.numel()), 1});
  return t;
}

std::string sizes(std::initializer_list<int64_t> values) {
  std::ostringstream out;
  for (const int64_t& v : values) out << (&v == values.begin() ? '/' : 'x') << v;
  return out.str();
}

void add_matmul() {
  // (rows, in, out): T2M-GPT paper, small, tiny; the 263 features; the head of 513.
  const int64_t shapes[][3] = {{6528, 1024, 1024}, {6528, 1024, 4096}, {6528, 1024, 513}, {3264, 256, 1024},
                               {1632, 128, 512},   {16384, 263, 512},  {51, 1024, 1024}};
  for (auto [n, i, o] : shapes) {
    const double flops = 2.0 * double(n) * double(i) * double(o);
    add("linear" + sizes({n, i, o}), flops, 0, [=] {
      return [x = random_tensor({n, i}), w = random_tensor({o, i}), b = random_tensor({o})] { linear(x, w, b); };
    });
    add("linear_gx" + sizes({n, i, o}), flops, 0, [=] {
      return [gy = random_tensor({n, o}), w = random_tensor({o, i})] { matmul(gy, w); };
    });
    add("linear_gw" + sizes({n, i, o}), flops, 0, [=] {
      return [gy = random_tensor({n, o}), x = random_tensor({n, i}), gw = Tensor::zeros({o, i})] {
        matmul_into(gw, gy.transpose(0, 1), x, 1);
      };
    });
  }
  for (int64_t rows : {1, 2, 8, 32})
    for (auto [i, o] : {std::pair<int64_t, int64_t>{1024, 1024}, {1024, 4096}, {4096, 1024}}) {
      // 64 MB of weights in turn, as the layers of a large model are.
      const int64_t layers = (int64_t(16) << 20) / (i * o);
      for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
        const double bytes = double(size_of(dtype) * layers * i * o);
        add("linear_rows_" + std::string(name_of(dtype)) + sizes({rows, i, o}), 0, bytes, [=] {
          return [x = random_tensor({rows, i}), w = random_tensor({layers, o, i}).to(dtype), layers] {
            for (int64_t l = 0; l < layers; ++l) linear_rows(x, w.select(0, l), {});
          };
        });
      }
    }
}

void add_conv() {
  struct Case {
    int64_t batch, time, in, out, taps;
    Conv1dOptions options;
  };
  // The motion tokenizer: input, residual block, dilated, 1-wide, down by two; and a small one.
  const Case cases[] = {{256, 64, 263, 512, 3, {1, 1, 1}}, {256, 16, 512, 512, 3, {1, 1, 1}},
                        {256, 32, 512, 512, 3, {1, 9, 9}}, {256, 32, 512, 512, 1, {1, 0, 1}},
                        {256, 64, 512, 512, 4, {2, 1, 1}}, {64, 64, 128, 128, 3, {1, 1, 1}}};
  for (const Case& c : cases) {
    const int64_t out_time =
        (c.time + 2 * c.options.padding - c.options.dilation * (c.taps - 1) - 1) / c.options.stride + 1;
    const double flops = 2.0 * double(c.batch * out_time) * double(c.taps * c.in * c.out);
    const std::string size = sizes({c.batch, c.time, c.in, c.out, c.taps, c.options.stride, c.options.dilation});
    auto weight = [=] { return conv1d_weight_layout(random_tensor({c.out, c.in, c.taps})); };
    const Shape xs{c.batch, c.time, c.in}, ys{c.batch, out_time, c.out};
    add("conv1d" + size, flops, 0, [=] {
      return [=, x = random_tensor(xs), w = weight(), b = random_tensor({c.out})] { conv1d(x, w, b, c.options); };
    });
    add("conv1d_gx" + size, flops, 0,
        [=] { return [=, gy = random_tensor(ys), w = weight()] { conv1d_backward_input(gy, w, xs, c.options); }; });
    add("conv1d_gw" + size, flops, 0, [=] {
      return [=, x = random_tensor(xs), gy = random_tensor(ys), gw = weight()] {
        conv1d_backward_weight(gw, gy, x, c.options, 0);
      };
    });
  }
}

void add_attention() {
  struct Case {
    int64_t batch, time, heads, width;
    bool causal;
    double dropout;
  };
  const Case cases[] = {{128, 51, 16, 64, true, 0},  {128, 51, 16, 64, true, 0.1}, {64, 51, 8, 32, true, 0.1},
                        {32, 197, 4, 128, false, 0}, {32, 256, 12, 64, false, 0},  {128, 51, 16, 64, false, 0}};
  for (const Case& c : cases) {
    AttentionOptions o;
    o.causal = c.causal, o.dropout = c.dropout, o.random = {1, 2};
    // The products of the whole square, hidden half included.
    const double flops = 4.0 * double(c.batch * c.heads * c.time * c.time * c.width);
    const std::string size =
        sizes({c.batch, c.time, c.heads, c.width}) + (c.causal ? "_causal" : "") + (c.dropout > 0 ? "_dropout" : "");
    const Shape fused{c.batch, c.time, 3, c.heads, c.width};
    add("attention" + size, flops, 0, [=] {
      return [=, x = random_tensor(fused)] { attention(x.select(2, 0), x.select(2, 1), x.select(2, 2), o); };
    });
    add("attention_backward" + size, 2 * flops, 0, [=] {
      const Tensor x = random_tensor(fused), q = x.select(2, 0), k = x.select(2, 1), v = x.select(2, 2);
      return [=, w = attention(q, k, v, o).weights, gy = random_tensor(q.shape())] {
        attention_backward(gy, q, k, v, w, o);
      };
    });
  }
  // One step of decoding with a cache of 51: keys and values are read once.
  add("attention_decode/1x51x16x64", 0, 2.0 * 51 * 16 * 64 * 4, [] {
    return [q = random_tensor({1, 1, 16, 64}), k = random_tensor({1, 51, 16, 64}), v = random_tensor({1, 51, 16, 64})] {
      attention(q, k, v, {});
    };
  });
}

void add_quantize() {
  for (auto [n, k, c] : {std::array<int64_t, 3>{4096, 512, 512}, {1024, 512, 512}, {4096, 512, 32}})
    add("nearest_code" + sizes({n, k, c}), 2.0 * double(n) * double(k) * double(c), 0, [=] {
      return [x = random_tensor({n, c}), codebook = random_tensor({k, c})] { nearest_code(x, codebook); };
    });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  std::cout << "threads " << threads() << ", peak " << flop_peak() * 1e-9 << " GFLOP/s, reading " << read_peak() * 1e-9
            << " GB/s\n";
  add_matmul();
  add_conv();
  add_attention();
  add_quantize();
  const bench::Add add_one = [](const auto&... arguments) { add(arguments...); };
  bench::add_pointwise(add_one);
  bench::add_rows(add_one);
  bench::add_models(add_one);
  bench::add_text(add_one);
  benchmark::RunSpecifiedBenchmarks();
}
