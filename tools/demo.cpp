// The demo: the built-in set, a tokenizer and T2M-GPT (tiny), three prompts, and a page that plays what came out beside
// the nearest motion of the training set.
#include <chrono>
#include <iostream>
#include <limits>

#include "data/export/html.h"
#include "data/motion/features.h"
#include "data/sets/procedural_set.h"
#include "tools/common/generation.h"
#include "tools/common/progress.h"
#include "tools/common/t2m_training.h"

namespace {

using namespace kg;

constexpr const char* kPrompts[] = {"a person walks in a counterclockwise circle",
                                    "a person raises the right arm above the head", "someone jumps up three times"};

struct Options {
  RunOptions run;
  int clips = 2000;
  std::vector<std::string> prompts;
  int64_t tokenizer_iters = tokenizer_preset("tiny").training.max_iters,
          gpt_iters = gpt_preset("tiny").training.max_iters;
};

// Mean distance of joints over the frames that both have, after laying the roots of frame 0 onto each other, in metres;
// the difference of the lengths counts as the same again for each missing frame.
double distance(const Joints& a, const Joints& b) {
  const size_t n = std::min(a.size(), b.size());
  double total = 0;
  for (size_t t = 0; t < n; ++t)
    for (size_t j = 0; j < kJoints; ++j) total += length(a[t][j] - b[t][j]) / kJoints;
  return total / double(n) * double(std::max(a.size(), b.size())) / double(n);
}

struct Nearest {
  const Item* item = nullptr;
  Joints joints;
};
Nearest nearest_clip(const Dataset& set, const Joints& motion) {
  Nearest best;
  double least = std::numeric_limits<double>::infinity();
  for (const Item& item : set.items) {
    Joints joints = features_to_joints(item.features);
    if (const double d = distance(motion, joints); d < least) least = d, best = {&item, std::move(joints)};
  }
  return best;
}

int run(Options& o) {
  const auto begin = std::chrono::steady_clock::now();
  const auto minutes = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 60;
  };
  check_prompts(o.prompts);
  const Device device = start(o.run);
  const std::filesystem::path set_folder = o.run.out / "set";
  std::cerr << "1/3  the built-in set: " << o.clips << " clips and their mirror images\n";
  if (!(o.run.resume && std::filesystem::exists(set_folder / "train.txt")))
    write_humanml3d(set_folder, procedural_clips(o.run.seed, o.clips, true), {.seed = o.run.seed, .overwrite = true});

  std::cerr << "2/3  the motion tokenizer (motions to tokens and back), then the transformer (sentences to tokens)\n";
  TwoStages stages{o.run, set_folder, "tiny", o.tokenizer_iters, o.gpt_iters};
  stages.run.force = !o.run.resume;
  if (const int code = train_two_stages(stages, {{"program", "demo"}})) return code;

  std::cerr << "3/3  sentences to motions\n";
  const auto model = load_t2m_gpt(o.run.out / "gpt" / "last.safetensors");
  model->to(device);
  GenerationOptions generation;
  generation.sampling.seed = o.run.seed;
  warn_unread_words(*model->text, o.prompts);
  const Dataset set = load_humanml3d(set_folder, "train");
  std::vector<HtmlSection> sections;
  for (const Generated& m : generate_motions(*model, o.prompts, generation)) {
    write_motion(o.run.out, m, {});
    const Nearest near = nearest_clip(set, m.joints);
    sections.push_back({m.prompt,
                        "",
                        {{"generated", m.prompt, m.joints, kFps},
                         {"nearest training clip", near.item->captions[0].text, near.joints, kFps}}});
    std::cerr << "     " << m.prompt << ": " << m.joints.size() << " frames\n";
  }
  const std::filesystem::path page = o.run.out / "index.html";
  write_html(
      page, "kinegrad: text to motion",
      "T2M-GPT, preset tiny, trained on the built-in procedural set by this demo. Left: the model's motion for the "
      "sentence. Right: the motion of the training set that is nearest to it, with its own caption.",
      sections);
  std::cerr << "done in " << duration_text(60 * minutes()) << ". Open " << std::filesystem::absolute(page).string()
            << " in a browser.\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/demo";
    Cli cli("demo", "Trains T2M-GPT (tiny) on the built-in set and shows what it makes of three sentences.",
            "demo -p \"a person waves with the left hand\" --out out/demo");
    cli.group("Demo");
    cli.add("p,prompt,text-prompt", &o.prompts, "sentences to show; may be repeated").value_name("TEXT");
    cli.add("o,out", &o.run.out, "folder for everything").value_name("DIR");
    cli.add("clips", &o.clips, "clips of the built-in set, before mirroring").range(20, 1000000);
    cli.add("tokenizer-iters", &o.tokenizer_iters, "training steps of the tokenizer").at_least(1);
    cli.add("gpt-iters", &o.gpt_iters, "training steps of the transformer").at_least(1);
    cli.group("Run");
    cli.add("resume", &o.run.resume, "go on where the demo was interrupted");
    add_run_options(cli, o.run);
    if (!cli.parse(count, arguments)) return 0;
    if (o.prompts.empty()) o.prompts.assign(std::begin(kPrompts), std::end(kPrompts));
    return run(o);
  });
}
