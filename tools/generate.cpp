// Text to motion with a trained T2M-GPT: joints, features, BVH, pictures and a page that plays them.
#include <iostream>
#include <sstream>

#include "data/export/html.h"
#include "data/formats/file.h"
#include "tools/common/cli.h"
#include "tools/common/generation.h"
#include "tools/common/model_files.h"
#include "tools/common/run_folder.h"

namespace {

using namespace kg;

struct Options {
  RunOptions run;
  std::filesystem::path model, file;
  std::vector<std::string> prompts;
  std::string length, formats = "npy,bvh,png,gif,html";
  std::string weights = "f32";
  GenerationOptions generation;
  TextEncoderChoice text;
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

int run(Options& o) {
  const Device device = start(o.run);
  OutputFormats formats{false, false, false, false};
  bool html = false;
  std::istringstream list(o.formats);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "npy")
      formats.npy = true;
    else if (name == "bvh")
      formats.bvh = true;
    else if (name == "png")
      formats.png = true;
    else if (name == "gif")
      formats.gif = true;
    else if (name == "html")
      html = true;
    else
      fail(ErrorCode::usage, "--format: '", name, "' is none of npy, bvh, png, gif, html");
  }
  if (!(formats.npy || formats.bvh || formats.png || formats.gif || html))
    fail(ErrorCode::usage, "--format: name at least one of npy, bvh, png, gif, html");
  const std::vector<std::string> prompts = read_prompts(o);
  if (!o.length.empty()) o.generation.sampling.min_tokens = o.generation.sampling.max_tokens = parse_length(o.length);
  const auto model = load_t2m_gpt(o.model, o.text);
  model->to(device);
  if (o.weights == "bf16") model->gpt.round_weights_to_bf16();
  if (!o.length.empty()) check_length(o.generation.sampling.max_tokens, model->gpt.config().context - 1);
  o.generation.sampling.seed = o.run.seed;
  warn_unread_words(*model->text, prompts);
  make_output_folder(o.run.out);

  const std::vector<Generated> motions = generate_motions(*model, prompts, o.generation);
  HtmlSection section;
  for (const Generated& m : motions) {
    write_motion(o.run.out, m, formats);
    section.motions.push_back({m.name, m.prompt, m.joints, kFps});
    if (!o.run.quiet)
      std::cout << (o.run.out / m.name).string() << "  " << m.joints.size() << " frames  " << m.prompt << std::endl;
  }
  if (html) {
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
    SampleOptions& s = o.generation.sampling;
    Cli cli("generate", "Text to motion with a trained T2M-GPT.",
            "generate --model runs/gpt -p \"a person walks forward\" --repeat 3 --out out/walks");
    cli.group("Input");
    cli.add("model,resume-trans", &o.model, "run folder or checkpoint of train_t2mgpt").required().value_name("RUN");
    cli.add("p,prompt,text-prompt,text", &o.prompts, "what the person does; may be repeated").value_name("TEXT");
    cli.add("f,file,input-text", &o.file, "a file with one prompt a line").value_name("FILE");
    cli.group("Output");
    cli.add("o,out,output-dir", &o.run.out, "folder for the results").value_name("DIR");
    cli.add("format", &o.formats, "any of npy,bvh,png,gif,html").value_name("LIST");
    cli.group("Sampling");
    cli.add("length,motion-length", &o.length, "force this length, 4s or 80f; else the model decides")
        .value_name("LENGTH");
    cli.add("repeat,repeat-times,num-repetitions", &o.generation.repeat, "motions for each prompt").range(1, 100000);
    cli.add("greedy", &s.greedy, "always the most probable code");
    cli.add("temperature", &s.temperature, "of the softmax").above(0);
    cli.add("top-k,topkr", &s.top_k, "sample among the k most probable codes; 0: all").at_least(0);
    cli.add("top-p", &s.top_p, "sample within this probability mass").range(0.001, 1);
    cli.add("batch-size", &o.generation.batch, "motions at once; no influence on the result").range(1, 4096);
    cli.group("Run");
    cli.add("weights", &o.weights, "bf16: rounded, half the memory, faster for large models").choices({"f32", "bf16"});
    add_run_options(cli, o.run);
    add_options(cli, o.text, "clip:FILE or bert:FILE: where the model's pretrained one is now");
    if (!cli.parse(count, arguments)) return 0;
    return run(o);
  });
}
