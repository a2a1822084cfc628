// Evaluates a text-to-motion model, a motion tokenizer, ready motions, or an evaluator on the ground truth alone.
#include <algorithm>
#include <iostream>
#include <optional>
#include <sstream>

#include "data/formats/checkpoint.h"
#include "data/formats/file.h"
#include "tools/common/cli.h"
#include "tools/common/evaluation_embedder.h"
#include "tools/common/evaluation_pictures.h"
#include "tools/common/model_files.h"
#include "tools/common/run_folder.h"

namespace {

using namespace kg;

constexpr int64_t kHumanMl3dTest = 4384;  // names in the test split of HumanML3D

struct Options {
  RunOptions run;
  std::filesystem::path model, motions, captions, evaluator, data;
  std::string split = "test", metrics = "all", weights = "f32", language;
  EvaluationOptions evaluation;
  TextEncoderChoice text;
  SampleOptions sampling;
  int64_t limit = 0, batch = 64;
};

std::string group_names(const char* separator) {
  std::string names;
  for (const MetricGroup& group : kMetricGroups) names += (names.empty() ? "" : separator) + std::string(group.name);
  return names;
}

void read_metrics(Options& o) {
  if (o.metrics == "all") {
    if (o.model.empty() && o.motions.empty() && o.captions.empty()) o.evaluation.groups.insert("noise");
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

// The models stay alive for as long as the contender that refers to them.
struct Loaded {
  std::unique_ptr<T2mGpt> model;
  std::unique_ptr<MotionTokenizer> tokenizer;
  Contender contender;
};

void load_model(const Options& o, Device device, Loaded& loaded) {
  const std::filesystem::path path = find_checkpoint(o.model);
  Contender& contender = loaded.contender;
  contender.name = path.string();
  if (read_checkpoint(path, "").metadata.at(kCheckpointKind) == kTokenizerKind) {
    loaded.tokenizer = load_tokenizer(path);
    loaded.tokenizer->model.to(device);
    contender.reconstruct = [&](const Tensor& features) { return loaded.tokenizer->reconstruct(features); };
    return;
  }
  loaded.model = load_t2m_gpt(path, o.text);
  loaded.model->to(device);
  if (o.weights == "bf16") loaded.model->gpt.round_weights_to_bf16();
  contender.t2m_gpt = true;
  contender.reconstruct = [&](const Tensor& features) { return loaded.model->tokenizer.reconstruct(features); };
  contender.generate = [&, sampling = o.sampling, batch = size_t(o.batch)](const std::vector<std::string>& captions,
                                                                           const std::vector<uint64_t>& streams) {
    std::vector<Tensor> motions;
    for (size_t first = 0; first < captions.size(); first += batch) {
      const size_t last = std::min(captions.size(), first + batch);
      const auto part =
          loaded.model->generate({captions.begin() + int64_t(first), captions.begin() + int64_t(last)},
                                 {streams.begin() + int64_t(first), streams.begin() + int64_t(last)}, sampling);
      motions.insert(motions.end(), part.begin(), part.end());
    }
    return motions;
  };
}

int run(Options& o, const nlohmann::ordered_json& config) {
  const Device device = start(o.run);
  if (!o.model.empty() + !o.motions.empty() + !o.captions.empty() > 1)
    fail(ErrorCode::usage, "give one of --model, --motions and --captions");
  read_metrics(o);
  o.sampling.seed = o.run.seed;
  std::optional<Embedder> embedder;
  if (!o.evaluator.empty()) embedder = open_embedder(o.evaluator, device);
  Loaded loaded;
  if (!o.model.empty()) load_model(o, device, loaded);
  const EvaluationSet set = load_evaluation_set(o.data, o.split, o.limit, o.run.seed);
  if (!o.captions.empty()) {
    loaded.contender.name = o.captions.string();
    loaded.contender.captions = read_captions(o.captions, set);
  }
  if (!o.motions.empty()) {
    loaded.contender.name = o.motions.string();
    loaded.contender.ready = read_motions(o.motions, set);
  }
  std::unique_ptr<PretrainedText> language;
  if (!o.language.empty()) {
    if (!o.language.starts_with("bert:")) fail(ErrorCode::usage, "--language-model '", o.language, "': use bert:FILE");
    language = open_text_encoder(o.language);
    language->to(device);
    o.evaluation.language = language.get();
  }
  o.evaluation.data = o.data;
  o.evaluation.published_protocol = o.split == "test" && o.limit == 0 && set.data.listed == kHumanMl3dTest;
  o.evaluation.quiet = o.run.quiet;
  make_output_folder(o.run.out);
  const Evaluation result = evaluate(set, loaded.contender, embedder ? &*embedder : nullptr, o.evaluation);
  std::cout << result.report.text();
  write_report(o.run.out, result.report);
  write_file_atomically(o.run.out / "config.json", config.dump(2) + "\n");
  for (const char* name : {"report.md", "report.csv", "report.json"})
    if (!o.run.quiet) std::cout << (o.run.out / name).string() << '\n';
  const std::filesystem::path log =
      (std::filesystem::is_directory(o.model) ? o.model : o.model.parent_path()) / "log.csv";
  for (const auto& path : write_pictures(o.run.out, result, set, o.model.empty() ? "" : log))
    if (!o.run.quiet) std::cout << path.string() << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/evaluation";
    EvaluationOptions& e = o.evaluation;
    Cli cli("evaluate", "Every metric of a model, with the ground truth and a random control beside it.",
            "evaluate --model runs/gpt --data out/set --evaluator runs/evaluator --out out/report");
    cli.group("What (no --model, --motions or --captions: the ground truth alone)");
    cli.add("model", &o.model, "run folder or checkpoint of train_t2mgpt or train_tokenizer").value_name("RUN");
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
    cli.add("limit", &o.limit, "this many items, drawn at random; 0: all").at_least(0);
    cli.group("Run");
    cli.add("batch-size", &o.batch, "motions at once; no influence on the result").range(1, 4096);
    cli.add("weights", &o.weights, "bf16: rounded, half the memory, faster for large models").choices({"f32", "bf16"});
    add_run_options(cli, o.run);
    add_options(cli, o.text, "clip:FILE or bert:FILE: where the model's pretrained one is now");
    cli.group("Sampling and MModality", true);
    cli.add("greedy", &o.sampling.greedy, "always the most probable code");
    cli.add("temperature", &o.sampling.temperature, "of the softmax").above(0);
    cli.add("top-k", &o.sampling.top_k, "among the k most probable codes; 0: all").at_least(0);
    cli.add("top-p", &o.sampling.top_p, "within this probability mass").range(0.001, 1);
    cli.add("multimodality-texts", &e.multimodality_texts, "texts of MModality").range(1, 100000);
    cli.add("multimodality-generations", &e.multimodality_generations, "motions for each of them").range(10, 1000);
    if (!cli.parse(count, arguments)) return 0;
    return run(o, cli.config());
  });
}
