#include "tools/common/bench/from_model.h"

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "data/formats/checkpoint.h"
#include "data/formats/file.h"
#include "nn/optim.h"
#include "tensor/ops.h"

namespace kg::tools {
namespace {

double seconds_of(const std::function<void()>& work, Device device) {
  synchronize(device);
  const auto begin = std::chrono::steady_clock::now();
  work();
  synchronize(device);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double fastest(const std::function<void()>& work, Device device, int repetitions) {
  double best = seconds_of(work, device);
  for (int i = 1; i < repetitions; ++i) best = std::min(best, seconds_of(work, device));
  return best;
}

std::string text(const char* format, ...) {
  char line[400];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  return line;
}

std::string percent(double share) { return text("%.1f %%", 100 * share); }

// "512 GFLOP/s" or "12.3 GB/s", and the share of the peak.
std::pair<std::string, std::string> rate_of(const OpGroup& g, const Peaks& peaks) {
  if (g.seconds <= 0) return {"-", "-"};
  const double arithmetic = g.flops / g.seconds / peaks.flops, memory = g.bytes / g.seconds / peaks.bytes;
  if (arithmetic >= memory) return {text("%.1f GFLOP/s", g.flops / g.seconds * 1e-9), percent(arithmetic)};
  return {text("%.2f GB/s", g.bytes / g.seconds * 1e-9), percent(memory)};
}

using Row = std::vector<std::string>;
// In columns: the first two from the left, the others from the right.
std::string in_columns(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size());
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::ostringstream out;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - row[i].size(), ' ');
      line += (i ? "  " : "") + (i < 2 ? row[i] + pad : pad + row[i]);
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
  }
  return out.str();
}

OpGroup sum_of(const std::vector<OpGroup>& groups, size_t first, const std::string& name) {
  OpGroup all{name, ""};
  for (size_t i = first; i < groups.size(); ++i) {
    all.calls += groups[i].calls, all.seconds += groups[i].seconds;
    all.flops += groups[i].flops, all.bytes += groups[i].bytes;
  }
  return all;
}

}  // namespace

Peaks measure_peaks(Device device, int64_t side, int64_t values) {
  const Tensor a = Tensor::ones({side, side}, Dtype::f32, device), b = Tensor::ones({side, side}, Dtype::f32, device);
  const Tensor from = Tensor::zeros({values}, Dtype::f32, device), to = Tensor::zeros({values}, Dtype::f32, device);
  constexpr int kRepetitions = 5;
  const double product = fastest([&] { matmul(a, b); }, device, kRepetitions);
  const double copy = fastest([&] { to.copy_from(from); }, device, kRepetitions);
  return {2 * double(side) * double(side) * double(side) / product, 2 * double(from.bytes()) / copy};
}

Traced trace(const std::function<void()>& work, Device device) {
  Traced result;
  const OpTrace trace;
  result.seconds = seconds_of(work, device);
  result.records = trace.records();
  return result;
}

std::vector<OpGroup> grouped(const std::vector<OpRecord>& records) {
  std::map<std::pair<std::string, std::string>, OpGroup> by_shapes;
  for (const OpRecord& r : records) {
    OpGroup& g = by_shapes[{r.name(), r.shapes()}];
    ++g.calls;
    g.flops += r.flops(), g.bytes += r.bytes(), g.seconds += r.seconds;
  }
  std::vector<OpGroup> groups;
  for (auto& [key, g] : by_shapes) {
    std::tie(g.op, g.shapes) = key;
    groups.push_back(std::move(g));
  }
  std::stable_sort(groups.begin(), groups.end(), [](auto& a, auto& b) { return a.seconds > b.seconds; });
  return groups;
}

std::string op_table(const Traced& work, const Peaks& peaks, int64_t most) {
  std::vector<OpGroup> groups = grouped(work.records);
  const OpGroup all = sum_of(groups, 0, "sum");
  if (most > 0 && size_t(most) < groups.size()) {
    const OpGroup others = sum_of(groups, size_t(most), text("%zu more", groups.size() - size_t(most)));
    groups.resize(size_t(most));
    groups.push_back(others);
  }
  groups.push_back(all);
  std::vector<Row> rows{{"op", "shapes", "calls", "ms", "rate", "of peak", "of step"}};
  for (const OpGroup& g : groups) {
    // What several ops reach together has no one bound.
    const auto [rate, share] = g.shapes.empty() ? std::pair<std::string, std::string>{} : rate_of(g, peaks);
    rows.push_back({g.op, g.shapes, std::to_string(g.calls), text("%.3f", g.seconds * 1e3), rate, share,
                    percent(g.seconds / work.seconds)});
  }
  const double other = work.seconds - all.seconds;
  rows.push_back({"other (not in ops)", "", "", text("%.3f", other * 1e3), "", "", percent(other / work.seconds)});
  return in_columns(rows);
}

namespace {

// A number of the configuration that a run has written; 0 where there is none.
int64_t stored_number(const std::filesystem::path& folder, const char* key) {
  const std::filesystem::path file = folder / "config.json";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return 0;
  const auto json = nlohmann::json::parse(read_file(file, 1 << 20), nullptr, false);
  CHECK_INPUT(json.is_object(), file.string(), " is not a JSON object; a run writes its configuration there");
  const auto found = json.find(key);
  if (found == json.end()) return 0;
  CHECK_INPUT(found->is_number_integer(), file.string(), ": ", key, " must be an integer");
  return found->get<int64_t>();
}

Traced fastest_of(std::vector<Traced> all) {
  return std::move(*std::min_element(all.begin(), all.end(), [](auto& a, auto& b) { return a.seconds < b.seconds; }));
}

void print(const std::string& title, const Traced& work, const Peaks& peaks, int64_t most) {
  std::cout << "\n" << title << text(": %.2f ms\n", work.seconds * 1e3) << op_table(work, peaks, most);
}

// The sizes that are not given, as the run had them.
FromModel completed(FromModel o, const std::filesystem::path& folder) {
  if (o.batch <= 0) o.batch = stored_number(folder, "batch_size");
  if (o.frames <= 0) o.frames = stored_number(folder, "window_size");
  if (o.batch <= 0)
    fail(ErrorCode::usage, folder.string(), " has no config.json that says the batch of the run: give --batch-size");
  return o;
}

void bench_step(const FromModel& o, TextToMotion& model, const Peaks& peaks, Device device) {
  const TrainingProbe probe = model.training_probe(o.batch, o.frames);
  if (!probe.loss) {
    std::cout << "\nno training step: this system makes none by itself (TextToMotion::training_probe)\n";
    return;
  }
  AdamW adam({{probe.parameters, 0, 1}}, AdamOptions{.lr = 1e-5});
  const auto step = [&] {
    adam.zero_grad();
    backward(probe.loss());
    adam.step(1e-5, adam.clip_grad_norm_on_device(1).scale);
  };
  step();
  const double alone = fastest(step, device, o.repetitions);
  std::vector<Traced> all;
  for (int i = 0; i < o.repetitions; ++i) all.push_back(trace(step, device));
  print("training step of " + std::to_string(o.batch) + text(", %.2f ms without the trace, with it", alone * 1e3),
        fastest_of(std::move(all)), peaks, o.top);
}

// A motion as long as can be from a sentence, or through a tokenizer and back where nothing else is. Each time by a
// fresh model: on CUDA a decoder captures what it does again.
void bench_motion(const FromModel& o, const ModelOption& chosen, const Peaks& peaks, Device device) {
  std::vector<Traced> all;
  std::string title;
  for (int i = 0; i <= o.repetitions; ++i) {
    const auto model = chosen.open(device);
    const int64_t longest = model->max_frames(), frames = longest > 0 ? longest : 196;
    const bool generates = model->abilities().generates;
    title = (generates ? "one motion, " : "one motion encoded and decoded, ") + std::to_string(frames) + " frames";
    const Tensor features = Tensor::zeros({frames, model->skeleton().features()});
    all.push_back(trace(
        [&] {
          const NoGrad guard;
          if (generates)
            model->generate({{.caption = "a person walks forward and turns left", .frames = frames}}, 0);
          else
            model->reconstruct(features);
        },
        device));
  }
  all.erase(all.begin());  // it warmed up
  print(title, fastest_of(std::move(all)), peaks, o.top);
}

}  // namespace

int bench_from_model(const FromModel& options, const ModelOption& chosen) {
  const std::filesystem::path file = find_checkpoint(chosen.path);
  const System& system = chosen.system();
  const FromModel o = completed(options, file.parent_path());
  const Device device = start(o.run);
  const auto model = chosen.open(device);
  default_generator() = {o.run.seed, 0};
  const Peaks peaks = measure_peaks(device, o.side, o.values);
  std::cout << file.string() << ": " << system.title << " on " << describe(device) << "\npeaks measured now: "
            << text("%.1f GFLOP/s in a product of f32 matrices of %d x %d, %.1f GB/s in a copy of %.0f MB\n",
                    peaks.flops * 1e-9, int(o.side), int(o.side), peaks.bytes * 1e-9, double(o.values) * 4e-6)
            << text(
                   "times from a trace of the whole, the fastest of %d; operands in the order of the kernels, results "
                   "first\n",
                   o.repetitions);
  bench_step(o, *model, peaks, device);
  bench_motion(o, chosen, peaks, device);
  return 0;
}

}  // namespace kg::tools
