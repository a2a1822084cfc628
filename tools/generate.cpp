// Text to motion with a trained model of any system: joints, features, BVH, pictures and a page that plays them.
#include <iostream>
#include <sstream>

#include "data/export/html.h"
#include "data/formats/file.h"
#include "data/motion/features.h"
#include "tools/common/files/systems.h"
#include "tools/common/show/generation.h"
#include "tools/common/train/run_folder.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::filesystem::path file;
  std::vector<std::string> prompts;
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

int run(Options& o, const ModelOption& chosen) {
  const Device device = start(o.run);
  const OutputFormats formats = parse_formats(o.formats);
  const std::vector<std::string> prompts = read_prompts(o);
  const MotionLength length = parse_length(o.length);
  const auto model = chosen.open(device);
  CHECK_INPUT(model->abilities().generates, chosen.path.string(), ": a ", chosen.system().title,
              " alone makes no motion from a sentence; give --model a system that was trained on it");
  const Skeleton& skeleton = model->skeleton();
  o.generation.seed = o.run.seed;
  o.generation.frames = frames_of(length, *model);
  print_notes(*model, prompts);
  make_output_folder(o.run.out);

  HtmlSection section;
  for (const Generated& m : generate_motions(*model, prompts, o.generation)) {
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
