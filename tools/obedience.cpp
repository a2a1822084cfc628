// Obedience: trains T2M-GPT on the built-in set and asks held-out sentences; geometry judges whether each motion does
// what its sentence says. Prints the share per action.
#include <iomanip>
#include <iostream>
#include <map>
#include <set>

#include "data/motion/features.h"
#include "data/sets/judge.h"
#include "data/sets/procedural_set.h"
#include "tools/common/t2m_training.h"

namespace {

using namespace kg;

struct Options {
  RunOptions run;
  std::string preset = "small";
  std::filesystem::path model;
  int clips = 3000, sentences = 200;
  int64_t tokenizer_iters = 0, gpt_iters = 0;
  double temperature = 1, top_p = 1;
  bool verbose = false;
};

int train(const Options& o, const nlohmann::ordered_json& config) {
  const std::filesystem::path set = o.run.out / "set";
  if (o.run.force || !std::filesystem::exists(set / "train.txt"))
    write_humanml3d(set, procedural_clips(o.run.seed, o.clips, true), {.seed = o.run.seed, .overwrite = o.run.force});
  return train_two_stages({o.run, set, o.preset, o.tokenizer_iters, o.gpt_iters}, config);
}

// Sentences that no training caption equals.
std::vector<Prompt> held_out(const std::filesystem::path& set, uint64_t seed, int count) {
  std::set<std::string> seen;
  for (const Item& item : load_humanml3d(set, "train").items)
    for (const Caption& c : item.captions) seen.insert(c.text);
  std::vector<Prompt> prompts;
  for (int i = 0; int(prompts.size()) < count; ++i) {
    CHECK(i < 1000 * count, "too few sentences are left that the training set does not have");
    Prompt p = make_prompt(seed + 1, i);
    if (seen.insert(p.sentence).second) prompts.push_back(std::move(p));
  }
  return prompts;
}

// Why the motion does not do it; empty when it does.
std::string judge_features(const MotionParameters& parameters, const Tensor& features) {
  if (features.size(0) < 10) return "shorter than 10 frames";
  const Verdict verdict = judge(parameters, features_to_joints(features));
  return verdict.obeyed ? "" : verdict.why.empty() ? "not obeyed" : verdict.why;
}

// Per action: sentences asked, obeyed by the model, obeyed by real clips after the tokenizer.
struct Table {
  struct Row {
    int asked = 0, obeyed[2] = {0, 0};
  };
  std::map<std::string, Row> rows;

  void add(const MotionParameters& parameters, int column, bool obeyed) {
    for (Row* row : {&rows[std::string(action_name(parameters.action))], &rows["~all"]}) {
      row->asked += column == 0;
      row->obeyed[column] += obeyed;
    }
  }
  void print() const {
    std::cout << "| action | asked | obeyed | real clips through the tokenizer |\n|---|---|---|---|\n"
              << std::fixed << std::setprecision(1);
    for (const auto& [action, row] : rows)
      std::cout << "| " << (action == "~all" ? "all" : action) << " | " << row.asked << " | " << row.obeyed[0] << " | "
                << row.obeyed[1] << " |\n";
    const Row& all = rows.at("~all");
    std::cout << 100.0 * all.obeyed[0] / all.asked << " % of the held-out sentences are obeyed\n";
  }
};

void ask(const Options& o, const std::filesystem::path& model_path) {
  const auto model = load_t2m_gpt(model_path);
  model->to(device_from(o.run.device));
  const std::vector<Prompt> prompts = held_out(o.run.out / "set", o.run.seed, o.sentences);
  Table table;
  SampleOptions sampling;
  sampling.seed = o.run.seed;
  sampling.temperature = o.temperature;
  sampling.top_p = o.top_p;
  std::vector<std::string> sentences;
  std::vector<uint64_t> streams;
  for (size_t i = 0; i < prompts.size(); ++i) sentences.push_back(prompts[i].sentence), streams.push_back(i);
  const std::vector<Tensor> motions = model->generate(sentences, streams, sampling);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string why = judge_features(prompts[i].parameters, motions[i]);
    table.add(prompts[i].parameters, 0, why.empty());
    if (o.verbose && !why.empty())
      std::cout << "no: " << prompts[i].sentence << " (" << describe(prompts[i].parameters) << "): " << why << '\n';
    // The ceiling: a clip that does it, through the tokenizer and back.
    const ProceduralClip clip = make_procedural_clip(o.run.seed + 2, int(i), prompts[i].parameters);
    const Tensor back = model->tokenizer.reconstruct(joints_to_features(clip.joints, {.continuous_yaw = true}));
    table.add(prompts[i].parameters, 1, judge_features(prompts[i].parameters, back).empty());
  }
  table.print();
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/obedience";
    Cli cli("obedience", "Trains on the built-in set, then counts which held-out sentences are obeyed.",
            "obedience --preset small --out out/obedience");
    cli.group("Run");
    add_training_options(cli, o.run);
    add_run_options(cli, o.run);
    cli.add("preset", &o.preset, "sizes and recipe").choices({"small", "tiny", "paper"});
    cli.add("clips", &o.clips, "clips of the built-in set, before mirroring").range(20, 1000000);
    cli.add("tokenizer-iters", &o.tokenizer_iters, "steps; 0: the preset's").at_least(0);
    cli.add("gpt-iters", &o.gpt_iters, "steps; 0: the preset's").at_least(0);
    cli.group("Question");
    cli.add("model", &o.model, "ask this trained model instead; --out is the run that trained it").value_name("RUN");
    cli.add("sentences", &o.sentences, "held-out sentences").range(1, 100000);
    cli.add("temperature", &o.temperature, "of sampling").above(0);
    cli.add("top-p", &o.top_p, "nucleus of sampling").range(0.01, 1);
    cli.add("verbose", &o.verbose, "list the sentences that are not obeyed, and why");
    if (!cli.parse(count, arguments)) return 0;
    start(o.run);
    if (o.model.empty())
      if (const int code = train(o, cli.config())) return code;
    ask(o, o.model.empty() ? o.run.out / "gpt" / "last.safetensors" : o.model);
    return 0;
  });
}
