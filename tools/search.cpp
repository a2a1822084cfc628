// Looks motions up by a sentence, by a motion, or by both, in a database or in a data set.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "data/export/html.h"
#include "data/formats/file.h"
#include "data/motion/features.h"
#include "data/motion/motion_file.h"
#include "models/retrieval/build.h"
#include "tensor/ops.h"
#include "tools/common/show/generation.h"
#include "tools/common/train/run_folder.h"
#include "tools/common/train/setup.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;
  std::filesystem::path model, database, against, motion, joint_map;
  std::vector<std::string> prompts;
  std::string keys = "motion", split = "all";
  int64_t k = 5;
  bool leave_out = false, page = true;
  TextEncoderChoice text;
};

struct Queries {
  std::vector<std::string> names;  // as they are shown
  Tensor features;                 // (Q, W), rows of length 1
};

// The sentences, the motion, or the motion with each sentence: then the direction between the two.
Queries make_queries(const Options& o, const Retriever& model) {
  Queries q{o.prompts, {}};
  if (!o.prompts.empty()) q.features = model.text_features(o.prompts);
  if (o.motion.empty()) return q;
  const Tensor motion = model.motion_features({read_motion_features(o.motion, model.skeleton(), o.joint_map)});
  const std::string name = o.motion.filename().string();
  if (o.prompts.empty()) return {{name}, motion};
  for (std::string& prompt : q.names) prompt += " + " + name;
  q.features = normalised_rows(add(q.features, motion), "[search] sentence and motion together");
  return q;
}

// A data set is embedded now; of a file, another retriever's is refused.
Database open_database(const Options& o, const Retriever& model, const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return database_of(model, path, {.split = o.split});
  return read_database(path, model.identity());
}

// A cell of a table.
std::string cell(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  return text;
}

// What is printed, written and shown, of one database after the other.
struct Results {
  std::string table = "query\tdatabase\trank\tscore\tclip\tframes\tcaption\n";
  std::vector<HtmlSection> sections;
};
void search(const Options& o, const Retriever& model, const std::filesystem::path& path, const Queries& queries,
            Device device, Results& results) {
  const DatabaseSearch in(open_database(o, model, path), device);
  FindOptions options{.k = o.k};
  if (o.leave_out) options.without.assign(queries.names.size(), o.motion.stem().string());
  const auto found = in.find(queries.features, o.keys == "text" ? Modality::text : Modality::motion, options);
  for (size_t q = 0; q < found.size(); ++q) {
    std::cout << queries.names[q] << "  (" << path.string() << ")\n";
    HtmlSection& section = results.sections.emplace_back(HtmlSection{queries.names[q], path.string(), {}});
    for (size_t i = 0; i < found[q].size(); ++i) {
      const Found& f = found[q][i];
      const DatabaseClip& clip = in.database().clips[size_t(f.clip)];
      const std::string& caption = clip.captions[size_t(f.caption)];
      char score[32];
      std::snprintf(score, sizeof score, "%.4f", f.score);
      const std::string rank = std::to_string(i + 1);
      results.table += cell(queries.names[q]) + "\t" + path.string() + "\t" + rank + "\t" + score + "\t" + clip.name +
                       "\t" + std::to_string(clip.frames) + "\t" + cell(caption) + "\n";
      std::cout << "  " << rank << "  " << score << "  " << clip.name << "  " << caption << "\n";
      if (o.page)
        section.motions.push_back({rank + ": " + clip.name + ", " + score, caption,
                                   features_to_joints(read_frames(in.database(), f.clip), model.skeleton()),
                                   model.skeleton().fps, model.skeleton()});
    }
  }
}

int run(const Options& o) {
  if (o.prompts.empty() && o.motion.empty())
    fail(ErrorCode::usage, "nothing to look for: give a sentence with -p, a clip with --motion, or both");
  if (o.database.empty() && o.against.empty())
    fail(ErrorCode::usage, "nowhere to look: give --database FILE, or --against a file or a data set");
  if (o.leave_out && o.motion.empty())
    fail(ErrorCode::usage, "--leave-out leaves out the clip of --motion, and there is none");
  check_prompts(o.prompts);
  const Device device = start(o.run);
  const auto model = open_retriever(o.model, o.text);
  model->to(device);
  for (const std::string& note : model->text->notes(o.prompts)) std::cerr << "note: " << note << "\n";
  const Queries queries = make_queries(o, *model);
  Results results;
  for (const std::filesystem::path& path : {o.database, o.against})
    if (!path.empty()) search(o, *model, path, queries, device, results);
  make_output_folder(o.run.out);
  write_file_atomically(o.run.out / "results.tsv", results.table);
  if (!o.page) return 0;
  write_html(o.run.out / "index.html", "Motions that were found", "", results.sections);
  say(o.run.quiet, (o.run.out / "index.html").string());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/search";
    Cli cli("search", "Finds motions by a sentence, a motion or both.",
            "search --model runs/pltmr --database runs/motions.safetensors -p 'a person waves'");
    cli.group("Input");
    cli.add("model", &o.model, "run folder or checkpoint of a trained retriever").required().value_name("RETRIEVER");
    cli.add("database", &o.database, "what build_database made").value_name("FILE");
    cli.add("against", &o.against, "another database, or a data set folder").value_name("PATH");
    cli.add("split", &o.split, "of that data set").choices({"train", "val", "test", "train_val", "all"});
    cli.add("p,prompt,text", &o.prompts, "a sentence; may be repeated").value_name("TEXT");
    cli.add("motion", &o.motion, "a motion, .npy or BVH").value_name("CLIP");
    cli.add("joint-map", &o.joint_map, "names of the joints in a BVH of an unknown skeleton").value_name("FILE");
    cli.group("Search");
    cli.add("k,top", &o.k, "motions for each query").range(1, 10000);
    cli.add("keys", &o.keys, "what the query is compared with").choices({"motion", "text"});
    cli.add("leave-out", &o.leave_out, "not the clip of --motion itself, its mirror twin and its parts");
    cli.add_fields(o.text);
    cli.group("Output");
    cli.add("o,out", &o.run.out, "folder for results.tsv and the page").value_name("DIR");
    cli.add("page", &o.page, "make the page, which reads the frames of what was found");
    cli.group("Run");
    add_run_options(cli, o.run);
    if (!cli.parse(count, arguments)) return 0;
    return run(o);
  });
}
