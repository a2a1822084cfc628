// Speed of the operations and of the models, against what the machine can do: each line has its GFLOP/s or GB/s and its
// share of the peak, measured at the start (multiply-adds in registers, reading of a large array).
//   build/bin/bench --benchmark_filter=attention --benchmark_repetitions=5
// --from-model RUN does so for the ops of a trained model's step, by a trace instead of Google Benchmark.
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "tensor/parallel.h"
#include "tools/common/bench/from_model.h"
#include "tools/common/bench/list.h"

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

void add(const tools::Benchmark& b) {
  benchmark::RegisterBenchmark(b.name.c_str(),
                               [b](benchmark::State& state) {
                                 const tools::Run run = b.prepare({Device::cpu, b.dtype});
                                 run();
                                 for (auto _ : state) run();
                                 using benchmark::Counter;
                                 const auto rate = Counter::kIsIterationInvariantRate;
                                 if (b.flops > 0) {
                                   state.counters["GFLOP/s"] = Counter(b.flops * 1e-9, rate);
                                   state.counters["of_peak"] = Counter(b.flops / flop_peak(), rate);
                                 } else {
                                   const double bytes = b.bytes(b.dtype);
                                   state.counters["GB/s"] = Counter(bytes * 1e-9, rate);
                                   state.counters["of_peak"] = Counter(bytes / read_peak(), rate);
                                 }
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

// The list, by Google Benchmark and its own options.
int run_list(std::vector<char*> options) {
  bool listed = false;  // only the names are wanted
  for (const char* option : options) listed |= std::string(option).starts_with("--benchmark_list_tests");
  int count = int(options.size());
  benchmark::Initialize(&count, options.data());
  if (benchmark::ReportUnrecognizedArguments(count, options.data())) return 2;
  if (!listed)
    std::cout << "threads " << threads() << ", peak " << flop_peak() * 1e-9 << " GFLOP/s, reading "
              << read_peak() * 1e-9 << " GB/s\n";
  for (const tools::Benchmark& b : tools::cpu_benchmarks()) add(b);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

int run(int argc, char** argv) {
  std::vector<char*> own{argv[0]}, passed_on{argv[0]};
  for (int i = 1; i < argc; ++i)
    (std::string(argv[i]).starts_with("--benchmark_") ? passed_on : own).push_back(argv[i]);
  tools::FromModel o;
  o.run.device = "cpu";
  tools::ModelOption model(int(own.size()), own.data());
  tools::Cli cli("bench", "Times operations and models. Takes --benchmark_filter=REGEX and its like as well.",
                 "bench --from-model runs/gpt");
  model.add_model(cli, "from-model", "instead: the ops of this model's training step and of a motion", false);
  cli.add("batch-size", &o.batch, "of that step; 0: as the run was trained").range(0, 65536);
  cli.add("frames", &o.frames, "of its items, where it takes windows; 0: as the run").range(0, 4096);
  cli.add("top", &o.top, "rows of a table, the slowest ones; 0: all").at_least(0);
  cli.add("repetitions", &o.repetitions, "of which the fastest counts").range(1, 1000);
  cli.group("Run");
  tools::add_run_options(cli, o.run);
  if (!cli.parse(int(own.size()), own.data())) return 0;
  if (model.given()) {
    if (passed_on.size() > 1) fail(ErrorCode::usage, passed_on[1], " is not for --from-model");
    return tools::bench_from_model(o, model);
  }
  for (const char* option : {"batch-size", "frames", "top", "repetitions"})
    if (cli.given(option)) fail(ErrorCode::usage, "--", option, " is for --from-model");
  if (o.run.device != "cpu") fail(ErrorCode::usage, "without --from-model bench is for the CPU; gpu_bench times a GPU");
  if (o.run.threads > 0) tools::start(o.run);  // else OMP_NUM_THREADS may say it
  return run_list(std::move(passed_on));
}

}  // namespace

int main(int argc, char** argv) { return kg::tools::run_main(argc, argv, run); }
