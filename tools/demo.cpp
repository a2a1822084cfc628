// The demo: makes the built-in set, trains a system on it and shows what it makes of a few sentences, on a page that is
// written about a minute after the start and again as training goes on. At the end the same sentences stand side by side
// at four ages of the training.
#include <chrono>
#include <iostream>
#include <limits>

#include "data/export/html.h"
#include "data/formats/checkpoint.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/sets/procedural_set.h"
#include "tools/common/files/systems.h"
#include "tools/common/show/generation.h"
#include "tools/common/train/programs.h"
#include "tools/common/train/progress.h"
#include "tools/common/train/run_folder.h"

namespace {

using namespace kg;
using namespace kg::tools;

constexpr const char* kPrompts[] = {"a person walks in a counterclockwise circle",
                                    "a person raises the right arm above the head", "someone jumps up three times"};
constexpr double kAges[] = {0.2, 0.5, 1};  // shares of the last stage's steps, after the first look

struct Options {
  RunOptions run;
  std::string system = "t2m_gpt", preset = "tiny";
  int clips = 2000;
  bool evaluate = false;
  std::vector<std::string> prompts;
  std::vector<double> iters;
};

// What the model makes of the sentences at one age of its training.
struct Age {
  std::string title;
  std::vector<Generated> motions;
};

// Mean distance of joints over the frames that both have, after laying the roots of frame 0 onto each other, in metres;
// the difference of the lengths counts as the same again for each missing frame.
double distance(const Joints& a, const Joints& b) {
  const size_t n = std::min(a.size(), b.size());
  double total = 0;
  for (size_t t = 0; t < n; ++t)
    for (size_t j = 0; j < a[t].size(); ++j) total += length(a[t][j] - b[t][j]) / double(a[t].size());
  return total / double(n) * double(std::max(a.size(), b.size())) / double(n);
}

HtmlMotion nearest_clip(const Dataset& set, const Joints& motion) {
  HtmlMotion best;
  double least = std::numeric_limits<double>::infinity();
  for (const Item& item : set.items) {
    Joints joints = features_to_joints(item.features, set.skeleton);
    if (const double d = distance(motion, joints); d < least)
      least = d,
      best = {"nearest training clip", item.captions[0].text, std::move(joints), set.skeleton.fps, set.skeleton};
  }
  return best;
}

class Demo {
 public:
  explicit Demo(const Options& o) : o_(o), system_(system_named(o.system)), begin_(std::chrono::steady_clock::now()) {}
  int run();

 private:
  std::string passed() const {
    return duration_text(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
  }
  void say(const std::string& text) const { std::cerr << text << std::endl; }
  StagesRun stages(const std::filesystem::path& out, std::vector<int64_t> iters) const;
  int first_look();
  int train_on();
  int judge();
  void look(const StagesRun& stages, const std::string& title);
  void write_page(const Skeleton& skeleton) const;

  const Options& o_;
  const System& system_;
  std::chrono::steady_clock::time_point begin_;
  std::filesystem::path set_;
  std::vector<Age> ages_;
};

StagesRun Demo::stages(const std::filesystem::path& out, std::vector<int64_t> iters) const {
  StagesRun stages{system_, o_.run, set_, o_.preset, std::move(iters)};
  stages.run.out = out;
  stages.run.force = !o_.run.resume;
  return stages;
}

// Every stage a little, in a folder of its own: what a minute of training gives.
int Demo::first_look() {
  std::vector<int64_t> iters;
  std::string steps;
  for (size_t i = 0; i < system_.stages.size(); ++i) {
    int64_t count = system_.stages[i].early_iters;
    if (i < o_.iters.size() && o_.iters[i] > 0) count = std::min(count, int64_t(o_.iters[i]));
    iters.push_back(count);
    steps += (steps.empty() ? "" : ", ") + system_.stages[i].folder + " " + std::to_string(count) + " steps";
  }
  const StagesRun early = stages(o_.run.out / "early", std::move(iters));
  say("2/3  a first look: each stage a little (" + steps + ")");
  if (const int code = train_stages(early)) return code;
  look(early, "first look: " + steps);
  return 0;
}

// The whole training, with a look at the last stage on its way.
int Demo::train_on() {
  const StagesRun whole = stages(o_.run.out, {o_.iters.begin(), o_.iters.end()});
  const int last = int(system_.stages.size()) - 1;
  say("3/3  the whole training; the page is written again as it goes on");
  for (int stage = 0; stage < last; ++stage)
    if (const int code = train_stage(whole, stage)) return code;
  const int64_t wished = size_t(last) < o_.iters.size() ? int64_t(o_.iters[size_t(last)]) : 0;
  const int64_t steps = wished > 0 ? wished : system_.stages.back().preset_iters(o_.preset);
  for (const double age : kAges) {
    const auto until = std::max<int64_t>(1, int64_t(age * double(steps)));
    if (const int code = train_stage(whole, last, until, !ages_.empty() && ages_.size() > 1)) return code;
    look(whole, "step " + std::to_string(until) + " of " + std::to_string(steps));
  }
  return 0;
}

// An evaluator for the set, and the trained system before it.
int Demo::judge() {
  const std::string set = set_.string(), seed = std::to_string(o_.run.seed), threads = std::to_string(o_.run.threads),
                    evaluator = (o_.run.out / "evaluator").string();
  std::vector<std::string> shared{"--seed", seed, "--threads", threads, "--device", o_.run.device, "--data", set};
  if (o_.run.quiet) shared.push_back("--quiet");
  std::vector<std::string> training{"--preset", o_.preset, "--out", evaluator},
      judging{"--model",
              stage_folder(stages(o_.run.out, {})).string(),
              "--evaluator",
              evaluator,
              "--out",
              (o_.run.out / "report").string(),
              "--generations-once"};
  const bool begun = std::filesystem::exists(o_.run.out / "evaluator" / "last.safetensors");
  training.push_back(o_.run.resume && begun ? "--resume" : "--force");
  training.insert(training.end(), shared.begin(), shared.end());
  judging.insert(judging.end(), shared.begin(), shared.end());
  if (const int code = run_program("train_evaluator", training)) return code;
  return run_program("evaluate", judging);
}

// Motions of an age that a resumed demo has seen already stay as they were. Their page is there at once, their GIF, BVH
// and other files at the end.
void Demo::look(const StagesRun& stages, const std::string& title) {
  const std::filesystem::path file = stage_folder(stages) / "last.safetensors";
  const std::filesystem::path kept = o_.run.out / "ages" / std::to_string(ages_.size());
  const System& system = system_of_file(file);
  const auto model = system.open(read_checkpoint(file, system.kind), {}, file.string(), nullptr);
  model->to(device_from(o_.run.device));
  GenerationOptions options;
  options.seed = o_.run.seed;
  if (!model->abilities().own_length) options.frames = model->max_frames();
  if (ages_.empty()) print_notes(*model, o_.prompts);
  Age age{title, generate_motions(*model, o_.prompts, options)};
  make_output_folder(kept);
  for (Generated& m : age.motions) {
    const std::filesystem::path features = kept / (m.name + ".npy");
    if (o_.run.resume && std::filesystem::exists(features)) {
      m.features = read_npy(features);
      m.joints = features_to_joints(m.features, model->skeleton());
    }
    write_npy(features, m.features);
    if (ages_.size() == std::size(kAges)) write_motion(o_.run.out, m, {}, model->skeleton());  // the last age
  }
  ages_.push_back(std::move(age));
  write_page(model->skeleton());
  say("     " + title + ", after " + passed() + ": look at " +
      std::filesystem::absolute(o_.run.out / "index.html").string());
}

void Demo::write_page(const Skeleton& skeleton) const {
  const bool done = ages_.size() == 1 + std::size(kAges);
  const Dataset set = load_humanml3d(set_, "train");
  std::vector<HtmlSection> sections;
  for (size_t p = 0; p < o_.prompts.size(); ++p) {
    HtmlSection section{o_.prompts[p], "", {}};
    for (const Age& age : ages_)
      section.motions.push_back({age.title, o_.prompts[p], age.motions[p].joints, skeleton.fps, skeleton});
    section.motions.push_back(nearest_clip(set, ages_.back().motions[p].joints));
    sections.push_back(std::move(section));
  }
  write_html(
      o_.run.out / "index.html", "kinegrad: text to motion",
      system_.title + ", preset " + o_.preset + ", trained on the built-in procedural set by this demo. " +
          (done ? "Each row is one sentence at four ages of the training, and the motion of the training set that "
                  "is nearest to the last, with its own caption."
                : "The training still goes on: these are its motions so far, and this page is written again. "
                  "Reload it."),
      sections);
}

int Demo::run() {
  set_ = o_.run.out / "set";
  make_output_folder(o_.run.out);
  say("1/3  the built-in set: " + std::to_string(o_.clips) + " clips and their mirror images");
  if (!(o_.run.resume && std::filesystem::exists(set_ / "train.txt")))
    write_humanml3d(set_, procedural_clips(o_.run.seed, o_.clips, true), {.seed = o_.run.seed, .overwrite = true});
  if (const int code = first_look()) return code;
  if (const int code = train_on()) return code;
  if (o_.evaluate)
    if (const int code = judge()) return code;
  say("done in " + passed() + ". Open " + std::filesystem::absolute(o_.run.out / "index.html").string() +
      " in a browser.");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/demo";
    Cli cli("demo", "Trains a system on the built-in set and shows what it makes of three sentences, as it learns.",
            "demo -p \"a person waves with the left hand\" --out out/demo");
    cli.group("Demo");
    cli.add("p,prompt,text-prompt", &o.prompts, "sentences to show; may be repeated").value_name("TEXT");
    cli.add("o,out", &o.run.out, "folder for everything").value_name("DIR");
    cli.add("system", &o.system, "which to train").choices(system_names());
    cli.add("preset", &o.preset, "sizes and recipe").choices({"paper", "small", "tiny"});
    cli.add("clips", &o.clips, "clips of the built-in set, before mirroring").range(20, 1000000);
    cli.add("evaluate", &o.evaluate, "train an evaluator too, and judge the system: OUT/report");
    cli.add("iters", &o.iters, "steps of each stage, joined by commas; none, or 0: the preset's").at_least(0);
    cli.group("Run");
    cli.add("resume", &o.run.resume, "go on where the demo was interrupted");
    add_run_options(cli, o.run);
    if (!cli.parse(count, arguments)) return 0;
    if (o.prompts.empty()) o.prompts.assign(std::begin(kPrompts), std::end(kPrompts));
    check_prompts(o.prompts);
    start(o.run);
    return Demo(o).run();
  });
}
