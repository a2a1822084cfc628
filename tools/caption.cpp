// Motion to text: a sentence for each motion file, by a trained model that writes captions.
#include <iostream>

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
  std::vector<std::string> files;
  std::filesystem::path joint_map;
  int64_t batch = 32;
};

int run(Options& o, const ModelOption& chosen) {
  const Device device = start(o.run);
  const auto model = chosen.open(device);
  CHECK_INPUT(model->abilities().captions, chosen.path.string(), ": a ", chosen.system().title,
              " writes no captions; give --model a system that does, such as MotionGPT");
  const Skeleton& skeleton = model->skeleton();
  std::vector<Tensor> motions;
  for (const std::string& file : o.files) motions.push_back(read_motion_features(file, skeleton, o.joint_map));
  make_output_folder(o.run.out);
  std::string table;
  HtmlSection section;
  for (size_t first = 0; first < motions.size(); first += size_t(o.batch)) {
    const size_t last = std::min(motions.size(), first + size_t(o.batch));
    const auto captions = model->caption({motions.begin() + int64_t(first), motions.begin() + int64_t(last)});
    for (size_t i = first; i < last; ++i) {
      const std::string line = o.files[i] + "\t" + captions[i - first] + "\n";
      std::cout << line << std::flush;
      table += line;
      section.motions.push_back({std::filesystem::path(o.files[i]).stem().string(), captions[i - first],
                                 features_to_joints(motions[i], skeleton), skeleton.fps, skeleton});
    }
  }
  write_file_atomically(o.run.out / "captions.tsv", table);
  write_html(o.run.out / "index.html", "Captions", "", {section});
  if (!o.run.quiet) std::cerr << (o.run.out / "index.html").string() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/captions";
    ModelOption model(count, arguments);
    Cli cli("caption", "Motion to text with a trained model.", "caption --model runs/instruct walk.npy wave.bvh");
    cli.group("Input");
    cli.positional("files", &o.files, "joints .npy (frames, J, 3), features .npy (frames, 12 J - 1) or BVH files")
        .required()
        .value_name("FILE");
    model.add_model(cli, "model", "run folder or checkpoint of a trained system", true);
    cli.add("joint-map", &o.joint_map, "names of the joints in a BVH of an unknown skeleton").value_name("FILE");
    cli.group("Output");
    cli.add("o,out", &o.run.out, "folder for captions.tsv and the page").value_name("DIR");
    cli.add("batch-size", &o.batch, "motions at once; no influence on the result").range(1, 4096);
    cli.group("Run");
    add_run_options(cli, o.run);
    model.add_knobs(cli, true);
    if (!cli.parse(count, arguments)) return 0;
    return run(o, model);
  });
}
