// Prompts in free words to a model that answers in text, in motion, or in both.
#include <iostream>

#include "data/export/html.h"
#include "data/motion/features.h"
#include "data/motion/motion_file.h"
#include "tools/common/files/systems.h"
#include "tools/common/show/generation.h"
#include "tools/common/train/run_folder.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::vector<std::string> prompts, motions;
  std::filesystem::path joint_map;
};

int run(Options& o, const ModelOption& chosen) {
  const Device device = start(o.run);
  if (!o.prompts.empty()) check_prompts(o.prompts);
  const auto model = chosen.open(device);
  CHECK_INPUT(model->abilities().answers, chosen.path.string(), ": a ", chosen.system().title,
              " answers no prompts; give --model a system that does, such as MotionGPT");
  const Skeleton& skeleton = model->skeleton();
  std::vector<Tensor> given;
  for (const std::string& file : o.motions) given.push_back(read_motion_features(file, skeleton, o.joint_map));
  make_output_folder(o.run.out);
  HtmlSection section;
  uint64_t asked = 0;
  const auto ask = [&](const std::string& prompt) {
    const Answer answer = model->answer({prompt, given, asked}, o.run.seed);
    if (!answer.text.empty()) std::cout << answer.text << std::endl;
    if (answer.motion.defined()) {
      const Generated motion{prompt, "answer_" + std::to_string(asked), answer.motion,
                             features_to_joints(answer.motion, skeleton)};
      write_motion(o.run.out, motion, {}, skeleton);
      section.motions.push_back({motion.name, prompt, motion.joints, skeleton.fps, skeleton});
      write_html(o.run.out / "index.html", "Answers", "", {section});
      std::cout << (o.run.out / (motion.name + ".npy")).string() << "  " << motion.joints.size() << " frames"
                << std::endl;
    }
    if (answer.text.empty() && !answer.motion.defined()) std::cout << "(an empty answer)" << std::endl;
    ++asked;
  };
  for (const std::string& prompt : o.prompts) ask(prompt);
  if (o.prompts.empty())
    for (std::string line; std::getline(std::cin, line);) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      check_prompts({line});
      ask(line);
    }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/answers";
    ModelOption model(count, arguments);
    Cli cli("ask", "Prompts in free words, answered in text, motion or both.",
            "ask --model runs/instruct -p \"What does this person do? <motion>\" --motion walk.npy");
    cli.group("Input");
    model.add_model(cli, "model", "run folder or checkpoint of a trained system", true);
    cli.add("p,prompt", &o.prompts, "may be repeated; without one, prompts are read line by line").value_name("TEXT");
    cli.add("motion", &o.motions, "a motion: put where <motion> stands in the prompt, else behind it")
        .value_name("FILE");
    cli.add("joint-map", &o.joint_map, "names of the joints in a BVH of an unknown skeleton").value_name("FILE");
    cli.group("Output");
    cli.add("o,out", &o.run.out, "folder for motions of the answers").value_name("DIR");
    cli.group("Run");
    add_run_options(cli, o.run);
    model.add_knobs(cli);
    if (!cli.parse(count, arguments)) return 0;
    return run(o, model);
  });
}
