// Evaluates a text-to-motion model, a motion tokenizer, ready motions, or an evaluator on the ground truth alone.
#include <algorithm>
#include <iostream>
#include <optional>
#include <sstream>

#include "data/formats/checkpoint.h"
#include "data/formats/file.h"
#include "tools/common/cli/cli.h"
#include "tools/common/evaluate/embedder.h"
#include "tools/common/evaluate/evaluation.h"
#include "tools/common/files/systems.h"
#include "tools/common/show/evaluation_pictures.h"
#include "tools/common/train/run_folder.h"

namespace {

using namespace kg;
using namespace kg::tools;

constexpr int64_t kHumanMl3dTest = 4384;  // names in the test split of HumanML3D

struct Options {
  RunOptions run;
  std::filesystem::path motions, captions, evaluator, data;
  std::string split = "test", metrics = "all", language;
  EvaluationOptions evaluation;
  bool published = false;
  int64_t limit = 0, batch = 64;
};

std::string group_names(const char* separator) {
  std::string names;
  for (const MetricGroup& group : kMetricGroups) names += (names.empty() ? "" : separator) + std::string(group.name);
  return names;
}

void read_metrics(Options& o, const ModelOption& model) {
  if (o.metrics == "all") {
    if (!model.given() && o.motions.empty() && o.captions.empty()) o.evaluation.groups.insert("noise");
    if (!o.motions.empty())  // which were made from captions alone, unless they are asked about as completions
      for (const char* group : {"prediction", "between"}) o.evaluation.groups.erase(group);
    return;
  }
  o.evaluation.groups.clear();
  std::istringstream list(o.metrics);
  for (std::string name; std::getline(list, name, ',');) {
    const bool known = std::any_of(std::begin(kMetricGroups), std::end(kMetricGroups),
                                   [&](const MetricGroup& group) { return name == group.name; });
    if (!known) fail(ErrorCode::usage, "--metrics: '", name, "' is none of all, ", group_names(", "));
    o.evaluation.groups.insert(name);
  }
  if (o.evaluation.groups.empty()) fail(ErrorCode::usage, "--metrics: name at least one");
}

std::unique_ptr<PretrainedText> open_language(const std::string& source, Device device) {
  if (source.empty()) return nullptr;
  if (!source.starts_with("bert:")) fail(ErrorCode::usage, "--language-model '", source, "': use bert:FILE");
  auto language = open_text_encoder(source);
  language->to(device);
  return language;
}

void write_results(const Options& o, const ModelOption& chosen, const Evaluation& result, const EvaluationSet& set,
                   const nlohmann::ordered_json& config) {
  std::cout << result.report.text();
  write_report(o.run.out, result.report);
  write_file_atomically(o.run.out / "config.json", config.dump(2) + "\n");
  std::vector<std::filesystem::path> written;
  for (const char* name : {"report.md", "report.csv", "report.json"}) written.push_back(o.run.out / name);
  std::filesystem::path log;  // of the model's training
  if (chosen.given())
    log = (std::filesystem::is_directory(chosen.path) ? chosen.path : chosen.path.parent_path()) / "log.csv";
  for (const auto& path : write_pictures(o.run.out, result, set, log)) written.push_back(path);
  for (const auto& path : written)
    if (!o.run.quiet) std::cout << path.string() << '\n';
}

int run(Options& o, const ModelOption& chosen, const nlohmann::ordered_json& config) {
  const Device device = start(o.run);
  if (chosen.given() + !o.motions.empty() + !o.captions.empty() > 1)
    fail(ErrorCode::usage, "give one of --model, --motions and --captions");
  read_metrics(o, chosen);
  std::optional<Embedder> embedder;
  if (!o.evaluator.empty()) embedder = open_embedder(o.evaluator, device);
  std::unique_ptr<TextToMotion> model;  // stays alive for as long as the contender that refers to it
  Contender contender;
  if (chosen.given()) {
    model = chosen.open(device);
    contender = contender_of(*model, chosen.system(), o.run.seed, size_t(o.batch));
    contender.name = find_checkpoint(chosen.path).string();
  }
  const EvaluationSet set = load_evaluation_set(o.data, o.split, o.limit, o.run.seed, o.published);
  if (model) check_same_skeleton(set.data.skeleton, model->skeleton(), contender.name);
  if (!o.captions.empty()) {
    contender.name = o.captions.string();
    contender.captions = read_captions(o.captions, set);
  }
  if (!o.motions.empty()) {
    contender.name = o.motions.string();
    contender.ready = read_motions(o.motions, set);
  }
  const auto language = open_language(o.language, device);
  o.evaluation.language = language.get();
  o.evaluation.data = o.data;
  o.evaluation.published_items = o.split == "test" && o.limit == 0 && set.data.listed == kHumanMl3dTest;
  o.evaluation.quiet = o.run.quiet;
  make_output_folder(o.run.out);
  write_results(o, chosen, evaluate(set, contender, embedder ? &*embedder : nullptr, o.evaluation), set, config);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/evaluation";
    EvaluationOptions& e = o.evaluation;
    ModelOption model(count, arguments);
    Cli cli("evaluate", "Every metric of a model, with the ground truth and a random control beside it.",
            "evaluate --model runs/gpt --data out/set --evaluator runs/evaluator --out out/report");
    cli.group("What (no --model, --motions or --captions: the ground truth alone)");
    model.add_model(cli, "model", "run folder or checkpoint of a trained system or tokenizer", false);
    cli.add("motions", &o.motions, "another program's motions, NAME.npy (frames, 263) for each item").value_name("DIR");
    cli.add("captions", &o.captions, "another program's captions of the motions, name <tab> caption")
        .value_name("FILE");
    cli.add("data", &o.data, "data set in HumanML3D's layout").required().value_name("DIR");
    cli.add("split", &o.split, "which part of it").choices({"test", "val", "train", "train_val", "all"});
    cli.add("evaluator", &o.evaluator, "run folder of train_evaluator, or the published weights").value_name("RUN");
    cli.add("language-model", &o.language, "sentence encoder: BERTScore, retrieval where like captions count")
        .value_name("bert:FILE");
    cli.add("o,out", &o.run.out, "report.md, .csv, .json, pictures and cases.html").value_name("DIR");
    cli.group("Metrics");
    cli.add("metrics", &o.metrics, "all, or of " + group_names(", ") + " (joined by commas)").value_name("LIST");
    cli.add("repeats,repeat-times,replication-times", &e.repeats, "of the whole protocol").range(1, 1000);
    cli.add("generations-once", &e.generations_once, "all repeats judge one generation: quicker, narrower intervals");
    cli.add("published-protocol", &o.published,
            "read as the published code: no clip with a bad caption, batches of 32");
    cli.add("limit", &o.limit, "this many items, drawn at random; 0: all").at_least(0);
    cli.group("Run");
    cli.add("batch-size", &o.batch, "motions at once; no influence on the result").range(1, 4096);
    add_run_options(cli, o.run);
    cli.group("MModality", true);
    cli.add("multimodality-texts", &e.multimodality_texts, "texts of MModality").range(1, 100000);
    cli.add("multimodality-generations", &e.multimodality_generations, "motions for each of them").range(10, 1000);
    model.add_knobs(cli, true);
    if (!cli.parse(count, arguments)) return 0;
    return run(o, model, cli.config());
  });
}
