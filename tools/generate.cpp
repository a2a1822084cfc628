// Text to motion with a trained model of any system, and completion of a given motion: joints, features, BVH, pictures
// and a page that plays them.
#include <iostream>
#include <sstream>

#include "data/export/html.h"
#include "data/formats/file.h"
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
  std::filesystem::path file, given, joint_map;
  std::vector<std::string> prompts;
  std::string task;
  double share = 0;
  std::string length, formats = "npy,bvh,png,gif,html";
  GenerationOptions generation;
};

std::vector<std::string> read_prompts(const Options& o) {
  std::vector<std::string> prompts = o.prompts;
  if (!o.file.empty()) {
    std::istringstream lines(read_file(o.file, 16 << 20));
    for (std::string line; std::getline(lines, line);) {
      line.erase(line.find_last_not_of(" \t\r") + 1);
      if (!line.empty()) prompts.push_back(line);
    }
    CHECK_INPUT(!prompts.empty(), o.file.string(), ": no prompt in it; write one a line");
  }
  if (prompts.empty() && !o.given.empty()) return {""};  // a completion needs none
  if (prompts.empty())
    fail(ErrorCode::usage, "no prompt: give -p \"a person walks\" or -f FILE with one prompt a line");
  check_prompts(prompts);
  return prompts;
}

// What a motion was made from stands beside it.
void add_motion(HtmlSection& section, const Generated& m, const Skeleton& skeleton) {
  section.motions.push_back({m.name, m.prompt, m.joints, skeleton.fps, skeleton});
  for (const Retrieved& r : m.retrieved)
    section.motions.push_back(
        {"retrieved: " + r.id, r.caption, features_to_joints(r.features, skeleton), skeleton.fps, skeleton});
}

void check_completion(const Options& o) {
  if (o.given.empty() != o.task.empty())
    fail(ErrorCode::usage, o.given.empty() ? "--task " + o.task + " needs --given CLIP, the motion to complete"
                                           : "--given needs --task predict or --task between");
  if (o.given.empty() && (o.share > 0 || !o.joint_map.empty()))
    fail(ErrorCode::usage, o.share > 0 ? "--given-share" : "--joint-map", " needs --given CLIP and --task");
}

void check_abilities(const Options& o, const TextToMotion& model, const ModelOption& chosen) {
  const TextToMotion::Abilities can = model.abilities();
  const std::string& title = chosen.system().title;
  CHECK_INPUT(can.generates, chosen.path.string(), ": a ", title,
              " alone makes no motion from a sentence; give --model a system that was trained on it");
  if (o.given.empty()) return;
  CHECK_INPUT(can.completes, chosen.path.string(), ": a ", title,
              " completes no motions; give --model a system that does, such as MotionGPT");
  if (!can.completes_by_caption && (!o.prompts.empty() || !o.file.empty()))
    fail(ErrorCode::usage, "a ", title, " reads no sentence where a motion is given; leave -p and -f out");
}

GivenMotion read_given(const Options& o, const TextToMotion& model) {
  GivenMotion clip;
  if (o.given.empty()) return clip;
  clip.file = o.given.string(), clip.share = o.share;
  clip.task = o.task == "between" ? CompletionTask::between : CompletionTask::prediction;
  clip.features = read_motion_features(o.given, model.skeleton(), o.joint_map);
  completion_request(clip, model, o.generation);  // its errors come before anything is written
  return clip;
}

int run(Options& o, const ModelOption& chosen) {
  const Device device = start(o.run);
  check_completion(o);
  const OutputFormats formats = parse_formats(o.formats);
  const std::vector<std::string> prompts = read_prompts(o);
  const MotionLength length = parse_length(o.length);
  const auto model = chosen.open(device);
  check_abilities(o, *model, chosen);
  const Skeleton& skeleton = model->skeleton();
  o.generation.seed = o.run.seed;
  if (o.given.empty() || !o.length.empty()) o.generation.frames = frames_of(length, *model);
  if (o.given.empty()) print_notes(*model, prompts);
  const GivenMotion clip = read_given(o, *model);
  make_output_folder(o.run.out);

  HtmlSection section;
  if (!o.given.empty())
    section.motions.push_back({"given: " + clip.file, "the whole clip, of which a part was given",
                               features_to_joints(clip.features, skeleton), skeleton.fps, skeleton});
  const std::vector<Generated> motions = o.given.empty() ? generate_motions(*model, prompts, o.generation)
                                                         : complete_motions(*model, clip, prompts, o.generation);
  for (const Generated& m : motions) {
    write_motion(o.run.out, m, formats, skeleton);
    add_motion(section, m, skeleton);
    if (!o.run.quiet)
      std::cout << (o.run.out / m.name).string() << "  " << m.joints.size() << " frames  " << m.prompt << std::endl;
  }
  if (formats.html) {
    write_html(o.run.out / "index.html", "Generated motions", "", {section});
    if (!o.run.quiet) std::cout << (o.run.out / "index.html").string() << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/generated";
    ModelOption model(count, arguments);
    Cli cli("generate", "Text to motion with a trained model.",
            "generate --model runs/gpt -p \"a person walks forward\" --repeat 3 --out out/walks");
    cli.group("Input");
    model.add_model(cli, "model,resume-trans", "run folder or checkpoint of a trained system", true);
    cli.add("p,prompt,text-prompt,text", &o.prompts, "what the person does; may be repeated").value_name("TEXT");
    cli.add("f,file,input-text", &o.file, "a file with one prompt a line").value_name("FILE");
    cli.group("Completion");
    cli.add("given", &o.given, "a motion to complete, .npy or BVH; it needs no prompt").value_name("CLIP");
    cli.add("task", &o.task, "what of it is not given: its end, or its middle").choices({"predict", "between"});
    cli.add("given-share", &o.share, "given of it at each end; 0: a fifth, between a quarter").range(0, .95);
    cli.add("joint-map", &o.joint_map, "names of the joints in a BVH of an unknown skeleton").value_name("FILE");
    cli.group("Output");
    cli.add("o,out,output-dir", &o.run.out, "folder for the results").value_name("DIR");
    cli.add("format", &o.formats, "any of npy,bvh,png,gif,html").value_name("LIST");
    cli.add("length,motion-length", &o.length, "force this length, 4s or 80f; else the model decides")
        .value_name("LENGTH");
    cli.add("repeat,repeat-times,num-repetitions", &o.generation.repeat, "motions for each prompt").range(1, 100000);
    cli.add("batch-size", &o.generation.batch, "motions at once; no influence on the result").range(1, 4096);
    cli.group("Run");
    add_run_options(cli, o.run);
    model.add_knobs(cli);
    if (!cli.parse(count, arguments)) return 0;
    return run(o, model);
  });
}
