// Builds the database that motions and sentences are looked up in, or adds a data set to one.
#include "models/retrieval/build.h"
#include "tools/common/train/run_folder.h"
#include "tools/common/train/setup.h"

namespace {

using namespace kg;
using namespace kg::tools;

struct Options {
  RunOptions run;  // run.out is the file
  std::filesystem::path model, data, add, tokenizer;
  BuildOptions build;
  TextEncoderChoice text;
};

// Before anything is computed.
void check_target(const Options& o) {
  const std::filesystem::path& out = o.run.out;
  if (o.data.empty() == o.add.empty())
    fail(ErrorCode::usage, "give --data DIR for a new database, or --add DIR to let one grow");
  std::error_code error;
  const bool there = std::filesystem::exists(out, error);
  if (std::filesystem::is_directory(out, error))
    fail(ErrorCode::usage, "--out ", out.string(), " is a folder; name a file");
  if (there && o.add.empty() && !o.run.force)
    fail(ErrorCode::usage, "--out ", out.string(), " is there already; --add DIR lets it grow, --force replaces it");
  CHECK_INPUT(there || o.add.empty(), out.string(), ": there is no database to add to; build one with --data");
}

int run(Options& o) {
  check_target(o);
  const Device device = start(o.run);
  const auto model = open_retriever(o.model, o.text);
  model->to(device);
  Database database;
  if (!o.add.empty()) database = read_database(o.run.out, model->identity());
  std::unique_ptr<MotionTokenizer> tokenizer;
  if (!o.tokenizer.empty()) {
    tokenizer = open_tokenizer(o.tokenizer);
    tokenizer->to(device);
    o.build.tokenizer = tokenizer.get();
  }
  const Database made = database_of(*model, o.add.empty() ? o.data : o.add, o.build);
  if (o.add.empty())
    database = made;
  else
    append(database, made);
  if (o.run.out.has_parent_path()) make_output_folder(o.run.out.parent_path());
  write_database(o.run.out, database);
  say(o.run.quiet, o.run.out.string() + ": " + std::to_string(database.clips.size()) + " clips, " +
                       std::to_string(database.captions()) + " captions, of them new " +
                       std::to_string(made.clips.size()) + " and " + std::to_string(made.captions()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    o.run.out = "out/database.safetensors";
    Cli cli("build_database", "Builds or extends the database that a retriever searches.",
            "build_database --model runs/pltmr --data out/set --out runs/motions.safetensors");
    cli.group("Input");
    cli.add("model", &o.model, "run folder or checkpoint of a trained retriever").required().value_name("RETRIEVER");
    cli.add("data", &o.data, "data set folder in HumanML3D's layout, for a new database").value_name("DIR");
    cli.add("add", &o.add, "the same, to be added to the database --out").value_name("DIR");
    cli.add("split", &o.build.split, "which clips").choices({"train", "val", "test", "train_val", "all"});
    cli.add("tokenizer", &o.tokenizer, "tokenizer whose tokens are kept beside the features").value_name("RUN");
    cli.add_fields(o.text);
    cli.group("Output");
    cli.add("o,out", &o.run.out, "the database").value_name("FILE");
    cli.add("prefix", &o.build.prefix, "in front of the names of clips, to tell sets apart").value_name("TEXT");
    cli.add("force", &o.run.force, "replace a database that is there");
    cli.group("Run");
    add_run_options(cli, o.run);
    if (!cli.parse(count, arguments)) return 0;
    return run(o);
  });
}
