// `bench --from-model RUN`: which ops a model's training step and its making of one motion consist of, at which shapes,
// how long each takes and what share of the machine's peak it reaches. Times are those of a trace (tensor/trace.h) of
// the whole step, so that caches are as they are in it; on CUDA each kernel is waited for.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tensor/trace.h"
#include "tools/common/cli/cli.h"
#include "tools/common/files/systems.h"

namespace kg::tools {

struct Peaks {
  double flops = 0, bytes = 0;  // a second
};
// Of a product of two f32 matrices of side x side, and of a copy of so many values, read and written.
Peaks measure_peaks(Device device, int64_t side, int64_t values);

struct Traced {
  std::vector<OpRecord> records;
  double seconds = 0;  // of it all
};
Traced trace(const std::function<void()>& work, Device device);

// All calls of an op at the same shapes.
struct OpGroup {
  std::string op, shapes;
  int64_t calls = 0;
  double flops = 0, bytes = 0, seconds = 0;
};
std::vector<OpGroup> grouped(const std::vector<OpRecord>& records);  // longest first

// A row a group for the `most` longest ones (0: all), the others in one, then their sum and what is not in ops. The
// rate is that of the bound, arithmetic or memory, of which an op reaches more.
std::string op_table(const Traced& work, const Peaks& peaks, int64_t most);

struct FromModel {
  RunOptions run;
  int64_t batch = 0, frames = 0;                   // 0: as in the run's config.json
  int64_t top = 25;                                // rows of a table; 0: all
  int repetitions = 3;                             // of which the fastest counts
  int64_t side = 2048, values = int64_t(1) << 26;  // of what the peaks are measured with
};
// Prints the peaks and both tables. Errors (input) for a RUN that is none.
int bench_from_model(const FromModel& options, const ModelOption& chosen);

}  // namespace kg::tools
