// Obedience: trains a system on the built-in set and asks held-out sentences; geometry judges whether each motion does
// what its sentence says. Prints the share per action.
#include <iomanip>
#include <iostream>
#include <map>
#include <set>

#include "data/formats/file.h"
#include "data/motion/features.h"
#include "data/sets/judge.h"
#include "data/sets/procedural_set.h"
#include "tools/common/files/systems.h"
#include "tools/common/train/programs.h"
#include "tools/common/train/run_folder.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::string system = "t2m_gpt", preset = "small";
  int clips = 3000, sentences = 200;
  std::vector<double> iters;
  bool verbose = false;
};

StagesRun stages_of(const Options& o) {
  return {system_named(o.system), o.run, o.run.out / "set", o.preset, {o.iters.begin(), o.iters.end()}};
}

int train(const Options& o, const nlohmann::ordered_json& config) {
  const std::filesystem::path set = o.run.out / "set";
  if (o.run.force || !std::filesystem::exists(set / "train.txt"))
    write_humanml3d(set, procedural_clips(o.run.seed, o.clips, true), {.seed = o.run.seed, .overwrite = o.run.force});
  write_file_atomically(o.run.out / "config.json", config.dump(2) + "\n");  // where --resume looks for it
  return train_stages(stages_of(o));
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

void ask(const Options& o, TextToMotion& model) {
  const std::vector<Prompt> prompts = held_out(o.run.out / "set", o.run.seed, o.sentences);
  Table table;
  std::vector<MotionRequest> requests;
  for (size_t i = 0; i < prompts.size(); ++i) requests.push_back({prompts[i].sentence, i});
  const bool reconstructs = model.abilities().reconstructs;
  if (!model.abilities().own_length)  // as long as the clip that does it
    for (size_t i = 0; i < prompts.size(); ++i)
      requests[i].frames =
          int64_t(make_procedural_clip(o.run.seed + 2, int(i), prompts[i].parameters).joints.size()) - 1;
  const std::vector<Tensor> motions = model.generate(requests, o.run.seed);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string why = judge_features(prompts[i].parameters, motions[i]);
    table.add(prompts[i].parameters, 0, why.empty());
    if (o.verbose && !why.empty())
      std::cout << "no: " << prompts[i].sentence << " (" << describe(prompts[i].parameters) << "): " << why << '\n';
    // The ceiling: a clip that does it, through the tokenizer and back where there is one.
    const ProceduralClip clip = make_procedural_clip(o.run.seed + 2, int(i), prompts[i].parameters);
    const Tensor real = joints_to_features(clip.joints, {.continuous_yaw = true});
    table.add(prompts[i].parameters, 1,
              judge_features(prompts[i].parameters, reconstructs ? model.reconstruct(real) : real).empty());
  }
  table.print();
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/obedience";
    ModelOption model(count, arguments);
    Cli cli("obedience", "Trains on the built-in set, then counts which held-out sentences are obeyed.",
            "obedience --preset small --out out/obedience");
    cli.group("Run");
    add_training_options(cli, o.run);
    add_run_options(cli, o.run);
    cli.add("system", &o.system, "which to train").choices(system_names());
    cli.add("preset", &o.preset, "sizes and recipe").choices({"small", "tiny", "paper"});
    cli.add("clips", &o.clips, "clips of the built-in set, before mirroring").range(20, 1000000);
    cli.add("iters", &o.iters, "steps of each stage, joined by commas; none, or 0: the preset's").at_least(0);
    cli.group("Question");
    model.add_model(cli, "model", "ask this trained model instead; --out is the run that trained it", false);
    cli.add("sentences", &o.sentences, "held-out sentences").range(1, 100000);
    cli.add("verbose", &o.verbose, "list the sentences that are not obeyed, and why");
    model.add_knobs(cli);
    if (!cli.parse(count, arguments)) return 0;
    const Device device = start(o.run);
    if (!model.given()) {
      if (const int code = train(o, cli.config())) return code;
      model.path = stage_folder(stages_of(o)) / "last.safetensors";
    }
    ask(o, *model.open(device));
    return 0;
  });
}
