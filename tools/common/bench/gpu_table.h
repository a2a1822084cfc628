// Timing on a GPU and the table of it. An op is captured, many calls over several sets of inputs in one CUDA graph, so
// that neither the host's part of a launch nor what a cache still holds is measured, and timed by events in the stream.
// Steps and generation are called as programs call them and timed by the clock, the host's part included.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tools/common/bench/list.h"

namespace kg::tools {

// What products are computed in, as RunOptions::precision: in tf32 all else is f32.
enum class Arithmetic { f32, tf32, bf16 };
const char* name_of(Arithmetic arithmetic);

struct GpuTableOptions {
  Device device = Device::cuda;
  double seconds = 0.5;                               // for a row
  bool once = false;                                  // a test: a call each, no median
  nlohmann::json pytorch = nlohmann::json::object();  // {"eager": {"gelu/f32": seconds, ...}, "compiled": {...}}
};

class GpuTable {
 public:
  explicit GpuTable(GpuTableOptions options) : options_(std::move(options)) {}

  // A row NAME/ARITHMETIC (`copy` alone has none); where it cannot be timed the row says why, and the table goes on. The row `copy`, if it is
  // the first, gives the bandwidth that the others are compared with.
  void add(const Benchmark& benchmark, Arithmetic arithmetic);
  std::string text() const;  // Markdown
  int rows() const { return rows_; }
  int failed() const { return failed_; }

 private:
  double time(const Benchmark& benchmark, const Target& target) const;
  double time_op(const Benchmark& benchmark, const Target& target) const;
  double time_calls(const Run& run) const;
  std::string row(const std::string& name, const Benchmark& benchmark, Dtype dtype, double seconds);

  GpuTableOptions options_;
  double copy_rate_ = 0;
  int rows_ = 0, failed_ = 0;
  std::ostringstream text_;
};

}  // namespace kg::tools
