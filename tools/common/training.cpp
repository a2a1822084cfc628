#include "tools/common/training.h"

#include <cmath>
#include <optional>

#include "nn/distributed.h"
#include "tools/common/csv.h"
#include "tools/common/interrupt.h"
#include "tools/common/progress.h"

namespace kg {

RunFolder open_run_folder(const RunOptions& run) {
  if (!leads()) return RunFolder(run.out, run.resume);
  return RunFolder(run.out, run.resume, run.force);
}

int run_training(const TrainingLoop& loop, const RunFolder& folder, AdamW& optimizer, TrainingState state, bool quiet) {
  std::vector<std::string> columns = loop.step_columns;
  columns.insert(columns.end(), loop.eval_columns.begin(), loop.eval_columns.end());
  std::optional<CsvLog> log;
  if (leads()) log.emplace(folder.log(), columns, folder.resuming() ? state.iteration : -1);
  Progress progress(loop.title, state.iteration, loop.max_iters, quiet || !leads());
  check_alike({double(state.iteration), double(state.random.position), sum(optimizer.parameters().values()).item()});
  default_generator() = state.random;
  // Each rank its own dropout; rank 0 draws what one process would, and its place is what is saved.
  if (!leads()) default_generator().seed = mix(state.random.seed, uint64_t(world().rank()));

  auto save = [&](const std::filesystem::path& path) {
    if (!leads()) return;
    state.random = default_generator();
    optimizer.parameters().use_values(true);  // of parameters that are computed with in bf16, the f32 is what is kept
    TensorFile file = loop.model_file();
    append_training(file, optimizer, state);
    optimizer.parameters().use_values(false);
    write_checkpoint(path, loop.kind, std::move(file));
  };
  auto evaluate = [&] {
    const Generator before = default_generator();
    NoGrad guard;
    const std::vector<double> values = loop.evaluate();
    default_generator() = before;
    return values;
  };

  const InterruptGuard interrupts(!leads());
  while (state.iteration < loop.max_iters) {
    const std::vector<double> figures = loop.step(state.iteration);
    ++state.iteration;
    for (size_t i = 0; i < figures.size(); ++i)
      if (!std::isfinite(figures[i]))
        fail(ErrorCode::diverged, loop.title, ": ", loop.step_columns[i], " is ", figures[i], " at iteration ",
             state.iteration, "; lower --lr. The last checkpoint is ", folder.last().string());

    const bool last = state.iteration == loop.max_iters;
    std::vector<double> row = figures;
    if (loop.evaluate && leads() && (last || state.iteration % loop.eval_every == 0)) {
      const std::vector<double> values = evaluate();
      std::string text = "iteration " + std::to_string(state.iteration) + ", validation:";
      for (size_t i = 0; i < values.size(); ++i)
        text +=
            "  " + loop.eval_columns[i] + " " + figure_text(values[i]) + (i < loop.units.size() ? loop.units[i] : "");
      progress.note(text);
      row.insert(row.end(), values.begin(), values.end());
      if (!values.empty() && std::isfinite(values[0]) && (!state.has_best || values[0] < state.best)) {
        state.best = values[0];
        state.has_best = true;
        save(folder.best());
      }
    }
    row.resize(columns.size(), std::nan(""));
    if (log) log->row(state.iteration, row);

    std::vector<ProgressFigure> shown;
    for (size_t i = 0; i < figures.size(); ++i) shown.push_back({loop.step_columns[i], figures[i]});
    progress.update(state.iteration, shown, loop.samples);
    if (any_rank(interrupted())) {
      save(folder.last());
      progress.finish();
      if (leads())
        std::fprintf(stderr, "interrupted; saved %s at iteration %lld. Go on with --resume.\n", folder.last().c_str(),
                     static_cast<long long>(state.iteration));
      return int(ErrorCode::interrupted);
    }
    if (last || state.iteration % loop.save_every == 0) save(folder.last());
  }
  progress.finish();
  return 0;
}

}  // namespace kg
