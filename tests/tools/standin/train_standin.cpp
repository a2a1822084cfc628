// Trains the stand-in.
#include "data/sets/sampling.h"
#include "tests/tools/standin/standin.h"
#include "tools/common/train/processes.h"
#include "tools/common/train/setup.h"
#include "tools/common/train/stage.h"

using namespace kg;
using namespace kg::tools;

int main(int argc, char** argv) {
  return run_parallel_main(argc, argv, [](int count, char** arguments) {
    RunOptions run;
    std::filesystem::path data;
    std::string preset = "tiny";
    Recipe recipe;
    recipe.batch = 4, recipe.max_iters = 10;
    Cli cli("train_standin", "Trains the stand-in.", "train_standin --data out/set --out runs/standin");
    add_data_option(cli, data);
    add_training_options(cli, run);
    add_run_options(cli, run);
    add_preset(cli, &preset, [](const std::string&) {});
    cli.add_fields(recipe);
    if (!cli.parse(count, arguments)) return 0;
    start(run);
    const Part part = part_of_batch(recipe);
    const Dataset set = load_humanml3d(data, "train");
    const RunFolder folder = open_run_folder(run);
    seed_everything(run);
    StandIn model(set.skeleton);
    model.statistics = set.statistics;
    model.to(device_from(run.device));
    ShuffledOrder order(int64_t(set.items.size()), recipe.batch, run.seed);
    Stage stage;
    stage.name = "standin", stage.kind = StandIn::kKind, stage.recipe = recipe;
    stage.optimizers = {{"", {{model.net.named_parameters(), recipe.weight_decay}}}};
    stage.batches_per_epoch = order.batches_per_epoch();
    stage.training = [](bool) {};
    stage.batch = [&](int64_t i) -> Prefetch::Rest {
      std::vector<Tensor> x, y;  // 16 frames of each item
      for (const int64_t k : order.batch(i)) {
        const Item& item = set.items[size_t(k)];
        x.push_back(StandIn::inputs(item.captions[0].text, 16));
        y.push_back(normalize_features(item.features.slice(0, 0, 16), model.statistics));
      }
      const auto own = [&](const std::vector<Tensor>& all) {
        return concat(std::vector<Tensor>(all.begin() + part.begin, all.begin() + part.end), 0);
      };
      return [in = std::vector<Tensor>{own(x), own(y)}]() -> StepBatch { return {in}; };
    };
    stage.loss = [&](const std::vector<Tensor>& in) -> Terms {
      const Var off = model.net(Var(in[0])) - Var(in[1]);
      return {{"loss", mean(off * off)}};
    };
    stage.save = [&] { return model.save(); };
    stage.load = [&](const TensorFile& file, const std::string& source) { model.load(file, source); };
    return train(stage, run, folder, cli.config());
  });
}
