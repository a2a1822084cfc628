// Pictures and players of motion files: a GIF, a film strip (PNG) and a BVH file of each, and one HTML page of all.
#include <algorithm>
#include <iostream>
#include <set>
#include <sstream>

#include "data/export/bvh_writer.h"
#include "data/export/html.h"
#include "data/export/picture.h"
#include "data/formats/file.h"
#include "data/motion/motion_file.h"
#include "tensor/error.h"
#include "tools/common/cli/cli.h"

namespace fs = std::filesystem;

namespace kg {
using namespace tools;
namespace {

struct Options {
  std::vector<std::string> files, texts;
  fs::path text_folder, joint_map, skeleton, out;
  std::string formats = "html,gif,png", title;
  double fps = 0;
  int size = 480, poses = 8;
  bool quiet = false;
};

struct Motion {
  std::string name, caption;
  MotionFile data;
};

std::set<std::string> split_formats(const std::string& text) {
  std::set<std::string> formats;
  std::istringstream list(text);
  for (std::string format; std::getline(list, format, ',');) {
    if (format != "html" && format != "gif" && format != "png" && format != "bvh")
      fail(ErrorCode::usage, "--format: '", format, "' is none of html, gif, png, bvh");
    formats.insert(format);
  }
  if (formats.empty()) fail(ErrorCode::usage, "--format: name at least one of html, gif, png, bvh");
  return formats;
}

// The first caption of a text file in HumanML3D's layout: what stands before the first '#'.
std::string caption_from(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / (name + ".txt");
  const std::string text = read_file(path, 1 << 20);
  const std::string caption = text.substr(0, text.find_first_of("#\r\n"));
  CHECK_INPUT(!caption.empty(), path.string(), ": line 1 has no caption");
  return caption;
}

// Names are the files' stems, made different by a number where two are the same.
std::vector<Motion> read_motions(const Options& options) {
  if (options.texts.size() > 1 && options.texts.size() != options.files.size())
    fail(ErrorCode::usage, "--text was given ", options.texts.size(), " times for ", options.files.size(),
         " files; give it once for all, or once for each");
  if (!options.skeleton.empty() && !options.joint_map.empty())
    fail(ErrorCode::usage, "--skeleton names the files' own joints and --joint-map HumanML3D's: give one of them");
  MotionReading reading{options.fps, options.joint_map, {}};
  if (!options.skeleton.empty()) reading.skeleton = read_skeleton(options.skeleton);
  std::vector<Motion> motions;
  std::set<std::string> names;
  for (std::size_t i = 0; i < options.files.size(); ++i) {
    const fs::path path = options.files[i];
    Motion motion{path.stem().string(), "", read_motion(path, reading)};
    if (!options.texts.empty()) motion.caption = options.texts[options.texts.size() == 1 ? 0 : i];
    if (options.texts.empty() && !options.text_folder.empty())
      motion.caption = caption_from(options.text_folder, motion.name);
    const std::string stem = motion.name;
    for (int n = 2; !names.insert(motion.name).second; ++n) motion.name = stem + "-" + std::to_string(n);
    motions.push_back(std::move(motion));
  }
  return motions;
}

void render(const Options& options) {
  const std::set<std::string> formats = split_formats(options.formats);
  // --out names a file when it ends like the one format asked for, else a folder.
  const std::string extension = options.out.extension().string();
  const bool one_file = formats.size() == 1 && extension == "." + *formats.begin();
  if (one_file && extension != ".html" && options.files.size() > 1)
    fail(ErrorCode::usage, "--out ", options.out.string(), " is one file, but there are ", options.files.size(),
         " motions; name a folder");
  const std::vector<Motion> motions = read_motions(options);

  const fs::path folder = one_file ? options.out.parent_path() : options.out;
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  CHECK(!error, "cannot create the folder ", folder.string(), ": ", error.message());
  const auto target = [&](const std::string& name, const std::string& format) {
    const fs::path path = one_file ? options.out : folder / (name + "." + format);
    for (const std::string& input : options.files)
      if (fs::equivalent(input, path, error))
        fail(ErrorCode::usage, path.string(), " would be written over an input file; name another folder with --out");
    return path;
  };
  const auto written = [&](const fs::path& path) {
    if (!options.quiet) std::cout << path.string() << " (" << (fs::file_size(path) + 999) / 1000 << " kB)" << std::endl;
  };

  if (formats.contains("html")) {
    HtmlSection section;
    for (const Motion& m : motions)
      section.motions.push_back({m.name, m.caption, m.data.joints, m.data.fps, m.data.skeleton});
    const fs::path path = target(motions.size() == 1 ? motions[0].name : "motions", "html");
    const std::string title = !options.title.empty() ? options.title
                              : motions.size() == 1  ? motions[0].name
                                                     : "Motions";
    write_html(path, title, "", {section});
    written(path);
  }
  for (const Motion& m : motions) {
    const std::string caption = m.caption.empty() ? m.name : m.caption;
    const auto write = [&](const std::string& format, const auto& writer) {
      if (!formats.contains(format)) return;
      const fs::path path = target(m.name, format);
      writer(path);
      written(path);
    };
    write("png", [&](auto& path) {
      StripOptions strip;
      strip.poses = options.poses;
      write_film_strip(path, m.data.joints, m.data.fps, caption, strip, m.data.skeleton);
    });
    write("gif", [&](auto& path) {
      GifOptions gif;
      gif.width = gif.height = options.size;
      write_gif(path, m.data.joints, m.data.fps, caption, gif, m.data.skeleton);
    });
    write("bvh", [&](auto& path) { write_bvh(path, m.data.joints, m.data.fps, m.data.skeleton); });
  }
}

int main_program(int argc, char** argv) {
  Options options;
  options.out = ".";
  Cli cli("render", "Pictures and a 3-D player of motion files.",
          "render walk.npy wave.bvh --text \"a person walks\" --text \"a person waves\" --out out/pictures");
  cli.group("Motions");
  cli.positional("files", &options.files, "joints .npy (frames, J, 3), features .npy (frames, 12 J - 1) or BVH files")
      .required()
      .value_name("FILE");
  cli.add("t,text,text-prompt,caption", &options.texts, "caption: once for all files, or repeated, one for each");
  cli.add("texts", &options.text_folder, "folder of NAME.txt whose first caption is taken").value_name("DIR");
  cli.add("fps", &options.fps, "frames a second of .npy files; 0: the skeleton's").range(0, 1000);
  cli.add("joint-map", &options.joint_map, "names of the joints in a BVH of an unknown skeleton").value_name("FILE");
  cli.add("skeleton", &options.skeleton, "whose joints all files hold; else HumanML3D's or KIT-ML's")
      .value_name("JSON");
  cli.group("Output");
  cli.add("o,out,output-dir", &options.out, "folder, or a file when there is one to write").value_name("PATH");
  cli.add("f,format,formats", &options.formats, "which of html (all motions on one page), gif, png, bvh");
  cli.add("title", &options.title, "heading of the HTML page (default: the file's name)");
  cli.add("size", &options.size, "width and height of the GIF, pixels").range(160, 2000);
  cli.add("poses", &options.poses, "poses on the film strip").range(1, 64);
  cli.add("quiet", &options.quiet, "do not list the files written");
  if (!cli.parse(argc, argv)) return 0;
  render(options);
  return 0;
}

}  // namespace
}  // namespace kg

int main(int argc, char** argv) { return kg::run_main(argc, argv, kg::main_program); }
