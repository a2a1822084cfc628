// Bad input of every kind, given to the programs: the exit code, one `error:` line that names the place,
// and nothing half-written.
#include <cmath>
#include <limits>

#include "data/formats/checkpoint.h"
#include "data/formats/npy.h"
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

void expect_refused(const RunResult& result, int code, const std::string& mention) {
  EXPECT_EQ(result.code, code) << result.output;
  int errors = 0;
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) errors += line.rfind("error: ", 0) == 0;
  EXPECT_EQ(errors, 1) << result.output;
  EXPECT_NE(result.output.find(mention), std::string::npos) << "no '" << mention << "' in: " << result.output;
  for (const char* raw : {"what()", "terminate", "filesystem error", "basic_", "std::"})
    EXPECT_EQ(result.output.find(raw), std::string::npos) << result.output;
}

// No temporary file is left below `folder`.
void expect_no_leftovers(const fs::path& folder) {
  for (const auto& [name, bytes] : files_below(folder)) EXPECT_EQ(name.find(".tmp."), std::string::npos) << name;
}

class BadInput : public testing::Test {
 protected:
  RunResult run(const std::string& program, const std::string& arguments, const std::string& before = "") const {
    return run_in(folder_.path(), program, arguments, before);
  }
  RunResult train_tokenizer(const std::string& arguments, const std::string& before = "") const {
    return run("train_tokenizer", "--threads 1" + std::string(kTokenizerSizes) + "--max-iters 3 " + arguments, before);
  }
  RunResult train_gpt(const std::string& arguments, const std::string& before = "") const {
    return run("train_t2mgpt", "--threads 1" + std::string(kGptSizes) + "--max-iters 2 " + arguments, before);
  }
  // A fresh copy of the data set, with one thing to be broken by the test.
  fs::path copy_set() const {
    fs::remove_all(folder_ / "set");
    fs::copy(SmallModel::get().set(), folder_ / "set", fs::copy_options::recursive);
    return folder_ / "set";
  }
  std::string first_of(const std::string& split) const {
    const std::string names = slurp(SmallModel::get().set() / (split + ".txt"));
    return names.substr(0, names.find('\n'));
  }
  TemporaryFolder folder_;
};

std::string flipped(std::string bytes, size_t place) {
  bytes.at(place) = static_cast<char>(bytes.at(place) ^ 4);
  return bytes;
}

Tensor vector_of(int64_t n, float value, float last) {
  const Tensor t = Tensor::full({n}, value);
  t.data<float>()[n - 1] = last;
  return t;
}

TEST_F(BadInput, DamagedDataSet) {
  const std::string train = first_of("train"), val = first_of("val");
  const std::string clip = "new_joint_vecs/" + train + ".npy", held_out = "new_joint_vecs/" + val + ".npy";
  const std::string bytes = slurp(SmallModel::get().set() / clip);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  struct Case {
    std::string mention;
    std::function<void(const fs::path&)> damage;
  };
  const std::vector<Case> cases = {
      {clip, [&](const fs::path& set) { spill(set / clip, bytes.substr(0, 1000)); }},
      {clip, [&](const fs::path& set) { spill(set / clip, ""); }},
      {clip, [&](const fs::path& set) { spill(set / clip, flipped(bytes, 1)); }},
      {clip,
       [&](const fs::path& set) {
         write_npy(set / clip, Tensor::zeros({50, 22, 3}));
       }},
      {clip, [&](const fs::path& set) { fs::remove(set / clip), fs::create_directory(set / clip); }},
      {held_out, [&](const fs::path& set) { spill(set / held_out, bytes.substr(0, 1000)); }},
      {"Mean.npy", [&](const fs::path& set) { write_npy(set / "Mean.npy", Tensor::zeros({262})); }},
      {"Mean.npy", [&](const fs::path& set) { fs::remove(set / "Mean.npy"); }},
      {"Mean", [&](const fs::path& set) { write_npy(set / "Mean.npy", vector_of(263, 0, nan)); }},
      {"Std.npy", [&](const fs::path& set) { spill(set / "Std.npy", slurp(set / "Std.npy").substr(0, 200)); }},
      {"feature 262", [&](const fs::path& set) { write_npy(set / "Std.npy", vector_of(263, 1, 0)); }},
      {"feature 262", [&](const fs::path& set) { write_npy(set / "Std.npy", vector_of(263, 1, nan)); }},
      {"train.txt", [&](const fs::path& set) { fs::remove(set / "train.txt"); }},
      {"train.txt", [&](const fs::path& set) { spill(set / "train.txt", "\n"); }},
      {"train.txt", [&](const fs::path& set) { spill(set / "train.txt", "../../secret\n"); }},
      {"nothing can be used", [&](const fs::path& set) { spill(set / "train.txt", "ghost\n"); }},
      {"new_joint_vecs", [&](const fs::path& set) { fs::remove_all(set / "new_joint_vecs"); }},
  };
  for (const Case& c : cases) {
    c.damage(copy_set());
    SCOPED_TRACE(c.mention + ", case " + std::to_string(&c - cases.data()));
    expect_refused(train_tokenizer("--data set --out run"), 3, c.mention);
    EXPECT_FALSE(fs::exists(folder_ / "run"));
  }
  expect_refused(train_tokenizer("--data nowhere --out run"), 3, "nowhere");
  spill(folder_ / "file", "x");
  expect_refused(train_tokenizer("--data file --out run"), 3, "file");
  const std::string gpt = "--data set --tokenizer " + quoted(SmallModel::get().tokenizer()) + " --out run";
  fs::remove_all(copy_set() / "texts");
  expect_refused(train_gpt(gpt), 3, "texts");
  copy_set();
  for (const auto& entry : fs::directory_iterator(folder_ / "set/texts")) spill(entry.path(), "");
  expect_refused(train_gpt(gpt), 3, "set");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

// What single clips lack is counted and left out.
TEST_F(BadInput, ClipsLeftOut) {
  const fs::path set = copy_set();
  std::istringstream names(slurp(set / "train.txt"));
  std::string name[5];
  for (std::string& n : name) std::getline(names, n);
  Tensor clip = read_npy(set / ("new_joint_vecs/" + name[0] + ".npy"));
  clip.data<float>()[777] = std::numeric_limits<float>::quiet_NaN();
  write_npy(set / ("new_joint_vecs/" + name[0] + ".npy"), clip);
  fs::remove(set / ("new_joint_vecs/" + name[1] + ".npy"));
  spill(set / ("texts/" + name[2] + ".txt"), "");
  spill(set / ("texts/" + name[3] + ".txt"), " #a/DET#0.0#0.0\n");
  spill(set / ("texts/" + name[4] + ".txt"), "?!#x/X#0.0#0.0\na person w\xe4lks#x/X#0.0#0.0\n");
  const RunResult tokenizer = train_tokenizer("--data set --out tokenizer");
  EXPECT_EQ(tokenizer.code, 0);
  EXPECT_NE(tokenizer.output.find("1 without file, 1 with NaN"), std::string::npos) << tokenizer.output;
  const RunResult gpt = train_gpt("--data set --tokenizer tokenizer --out gpt");
  EXPECT_EQ(gpt.code, 0) << gpt.output;
  EXPECT_NE(gpt.output.find("1 without file, 1 with NaN, 3 without caption, 3 bad caption lines"), std::string::npos)
      << gpt.output;
  for (const std::string& n : {name[3], name[4]})  // the user can find the lines
    EXPECT_NE(gpt.output.find("texts/" + n + ".txt, line 1"), std::string::npos) << gpt.output;
}

TEST_F(BadInput, DamagedCheckpoints) {
  const SmallModel& model = SmallModel::get();
  const std::string data = "--data " + quoted(model.set()) + " --out run ";
  const std::string tokenizer = slurp(model.tokenizer() / "last.safetensors");
  const std::string gpt = slurp(model.gpt() / "last.safetensors");
  const fs::path file = folder_ / "bad.safetensors";
  for (const bool generating : {false, true}) {
    const std::string& good = generating ? gpt : tokenizer;
    for (const std::string& bytes :
         {std::string(), good.substr(0, 5), good.substr(0, 500), good.substr(0, good.size() - 1), good + "x",
          flipped(good, 4), flipped(good, 100), flipped(good, good.size() / 2), flipped(good, good.size() - 3),
          std::string(1000, '\xff')}) {
      spill(file, bytes);
      expect_refused(generating ? run("generate", "--model bad.safetensors -p walk --out run")
                                : train_gpt(data + "--tokenizer bad.safetensors"),
                     3, "bad.safetensors");
    }
  }
  expect_refused(train_gpt(data + "--tokenizer " + quoted(model.gpt())), 3, "holds a t2m_gpt");
  expect_refused(run("generate", "-p walk --out run --model " + quoted(model.tokenizer())), 3,
                 "makes no motion from a sentence");
  expect_refused(train_gpt(data + "--tokenizer nowhere"), 3, "nowhere");
  expect_refused(run("generate", "-p walk --out run --model nowhere"), 3, "nowhere");
  expect_refused(run("generate", "-p walk --out run --model " + quoted(model.set())), 3, "set");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

// Files with a right checksum whose contents do not fit together.
TEST_F(BadInput, ContradictoryCheckpoints) {
  const TensorFile good = read_checkpoint(SmallModel::get().gpt() / "last.safetensors", "t2m_gpt");
  const auto refused = [&](const std::string& mention, const std::function<void(TensorFile&)>& change) {
    TensorFile file = good;
    change(file);
    write_checkpoint(folder_ / "odd.safetensors", "t2m_gpt", file);
    SCOPED_TRACE(mention);
    expect_refused(run("generate", "--model odd.safetensors -p walk --out run"), 3, "odd.safetensors");
    expect_refused(run("generate", "--model odd.safetensors -p walk --out run"), 3, mention);
    EXPECT_FALSE(fs::exists(folder_ / "run"));
  };
  const auto replace = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const auto edit = [&](const std::string& from, const std::string& to) {
    return [&replace, from, to](TensorFile& f) { f.metadata["model"] = replace(f.metadata["model"], from, to); };
  };
  const auto tensor = [](const std::string& name, const Tensor& value) {
    return [name, value](TensorFile& f) {
      for (auto& [n, t] : f.tensors)
        if (n == name) t = value;
    };
  };
  refused("configuration", [](TensorFile& f) { f.metadata.erase("model"); });
  refused("JSON", [](TensorFile& f) { f.metadata["model"] = "{"; });
  refused("vqvae", edit("\"vqvae\"", "\"other\""));
  refused("codes", edit("\"codes\":16", "\"codes\":-16"));
  refused("codes", edit("\"codes\":16", "\"codes\":17"));
  refused("codes", edit("\"codes\":16", "\"codes\":\"many\""));
  refused("features", edit("\"features\":263", "\"features\":3"));
  refused("quantizer", edit("\"ema_reset\"", "\"magic\""));
  refused("heads", edit("\"heads\":2", "\"heads\":3"));
  refused("dropout", edit("\"dropout\":0.1", "\"dropout\":1.5"));
  refused("vocabulary", [](TensorFile& f) { f.metadata.erase("vocabulary"); });
  refused("vocabulary", [](TensorFile& f) { f.metadata["vocabulary"] = "a\na\n"; });
  refused("words", [](TensorFile& f) { f.metadata["vocabulary"] = "a\n"; });
  refused("statistics", tensor("statistics.std", Tensor::zeros({263})));
  refused("statistics", tensor("statistics.mean", Tensor::zeros({3})));
  refused("statistics", tensor("statistics.std", Tensor::full({263}, 1, Dtype::i32)));
}

TEST_F(BadInput, ResumeOfAnotherRun) {
  const std::string set = quoted(SmallModel::get().set());
  ASSERT_EQ(train_tokenizer("--data " + set + " --out run").code, 0);
  const auto before = files_below(folder_ / "run");
  const auto refused = [&](const std::string& arguments, int code, const std::string& mention) {
    expect_refused(run("train_tokenizer", "--out run " + arguments), code, mention);
    EXPECT_TRUE(files_below(folder_ / "run") == before) << arguments;
  };
  refused("--resume --width 16", 3, "another model or preset");
  refused("--resume --codes 32", 3, "another model or preset");
  refused("--resume --preset small", 3, "another model or preset");
  refused("--resume --root-weight 3", 3, "statistics");
  refused("--resume --force", 2, "--force");
  refused("--data " + set, 2, "--resume");
  expect_refused(run("train_tokenizer", "--out new --resume --data " + set), 3, "nothing to resume");
  EXPECT_FALSE(fs::exists(folder_ / "new"));

  spill(folder_ / "run/last.safetensors", before.at("last.safetensors").substr(0, 5000));
  expect_refused(run("train_tokenizer", "--out run --resume"), 3, "last.safetensors");
  spill(folder_ / "run/last.safetensors", before.at("last.safetensors"));
  spill(folder_ / "run/log.csv", "iteration,something\n1,2\n");
  expect_refused(run("train_tokenizer", "--out run --resume"), 3, "log.csv");
  fs::remove(folder_ / "run/log.csv");
  expect_refused(run("train_tokenizer", "--out run --resume"), 3, "log.csv");
  spill(folder_ / "run/config.json", "{\"widht\": 8}");
  expect_refused(run("train_tokenizer", "--out run --resume"), 3, "did you mean width");
  EXPECT_TRUE(slurp(folder_ / "run/last.safetensors") == before.at("last.safetensors"));
}

// The vocabulary is made from the captions: when they have changed, so has the meaning of the embeddings.
TEST_F(BadInput, ResumeOnOtherCaptions) {
  const fs::path set = copy_set();
  ASSERT_EQ(train_gpt("--data set --tokenizer " + quoted(SmallModel::get().tokenizer()) + " --out run").code, 0);
  const auto before = files_below(folder_ / "run");
  const fs::path text = set / ("texts/" + first_of("train") + ".txt");
  std::string caption = slurp(text);
  spill(text, "zebra" + caption.substr(caption.find(' ')));
  expect_refused(run("train_t2mgpt", "--out run --resume"), 3, "run/last.safetensors");
  EXPECT_TRUE(files_below(folder_ / "run") == before);
}

TEST_F(BadInput, FullDisk) {
  const std::string data = "--data " + quoted(SmallModel::get().set());
  // A bound on the size of files is met like a full disk: in the middle of writing. 64 blocks are 32 or 64 KiB.
  const std::string limit = "ulimit -f 64;";
  expect_refused(train_tokenizer(data + " --out run", limit), 1, "safetensors");
  EXPECT_EQ(names_of(files_below(folder_ / "run")), (std::vector<std::string>{"config.json", "log.csv"}));

  ASSERT_EQ(train_tokenizer(data + " --out good").code, 0);
  const std::string before = slurp(folder_ / "good/last.safetensors");
  expect_refused(run("train_tokenizer", "--out good --resume --max-iters 5", limit), 1, "safetensors");
  EXPECT_TRUE(slurp(folder_ / "good/last.safetensors") == before);
  expect_no_leftovers(folder_.path());

  expect_refused(run("prepare_data", "--procedural 3 --out set", limit), 1, "set");
  EXPECT_FALSE(fs::exists(folder_ / "set"));
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();

  expect_refused(run("generate", "-p walk --length 4s --out motions --model " + quoted(SmallModel::get().gpt()), limit),
                 1, "000_walk");
  expect_no_leftovers(folder_.path());
  expect_refused(run_in(folder_.path(), "generate",
                        "-p walk --length 1s --format npy --out motions --model " + quoted(SmallModel::get().gpt()) +
                            " > /dev/full"),
                 1, "standard output");
}

TEST_F(BadInput, PlacesThatCannotBeWritten) {
  const std::string data = "--data " + quoted(SmallModel::get().set());
  const std::string model = "--model " + quoted(SmallModel::get().gpt()) + " -p walk ";
  spill(folder_ / "file", "mine");
  for (const char* out : {"file", "file/run", "/proc/kinegrad"}) {
    expect_refused(train_tokenizer(data + " --out " + out), 1, out);
    expect_refused(run("generate", model + "--out " + out), 1, out);
    expect_refused(run("prepare_data", std::string("--procedural 3 --out ") + out), 1, out);
  }
  EXPECT_EQ(slurp(folder_ / "file"), "mine");
  fs::create_directory(folder_ / "used");
  spill(folder_ / "used/thesis.txt", "mine");
  expect_refused(train_tokenizer(data + " --out used"), 2, "used is not empty");
  expect_refused(run("prepare_data", "--procedural 3 --out used"), 2, "used is not empty");
  expect_refused(run("prepare_data", "--procedural 3 --out used --force"), 2, "no motion data set");
  EXPECT_EQ(names_of(files_below(folder_ / "used")), std::vector<std::string>{"thesis.txt"});
}

TEST_F(BadInput, LossThatIsNotFiniteEndsTheRun) {
  const std::string data = "--data " + quoted(SmallModel::get().set());
  expect_refused(train_tokenizer(data + " --out run --max-iters 30 --save-every 1 --lr 1e30"), 5, "lower --lr");
  expect_refused(run("train_tokenizer", "--out run --resume"), 5, "lower --lr");  // the last checkpoint reads well
}

TEST_F(BadInput, OutOfMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the address sanitizer needs more address space than the bound of this test";
#endif
  const std::string data = "--data " + quoted(SmallModel::get().set());
  expect_refused(train_tokenizer(data + " --out run --width 8192", "ulimit -v 1500000;"), 4, "out of memory");
}

// What a user who is not root meets; root reads everything, so the programs run as another one.
TEST_F(BadInput, FilesWithoutPermission) {
  const std::string before = ::getuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups" : "";
  fs::permissions(folder_.path(), fs::perms::all);
  if (run("generate", "--help", before).code != 0) GTEST_SKIP() << "cannot run a program as another user here";
  const fs::path set = copy_set();
  const auto locked = [&](const fs::path& path, const std::string& mention) {
    fs::permissions(path, fs::perms::none);
    SCOPED_TRACE(path.string());
    expect_refused(train_tokenizer("--data set --out run", before), 3, mention);
    fs::permissions(path, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    EXPECT_FALSE(fs::exists(folder_ / "run"));
  };
  const std::string clip = "new_joint_vecs/" + first_of("train") + ".npy";
  locked(set, "set");
  locked(set / "new_joint_vecs", "new_joint_vecs");
  locked(set / clip, clip);
  locked(set / "train.txt", "train.txt");
  locked(set / "val.txt", "val.txt");
  fs::create_directories(folder_ / "locked/run");
  fs::permissions(folder_ / "locked", fs::perms::none);
  expect_refused(run("generate", "-p walk --model locked/run --out run", before), 3, "locked/run");
  expect_refused(run("prepare_data", "--bvh locked/run --captions locked/x.tsv --out run", before), 3, "locked/");
  expect_refused(run("prepare_data", "--procedural 3 --out locked/run", before), 1, "locked/run");
  expect_refused(train_tokenizer("--data set --out locked/run", before), 1, "locked/run");
  expect_refused(run("render", "locked/walk.npy", before), 3, "locked/walk.npy");
  fs::permissions(folder_ / "locked", fs::perms::owner_all);
}

TEST_F(BadInput, WrongUse) {
  const std::string data = "--data " + quoted(SmallModel::get().set()) + " --out run ";
  const std::string gpt = data + "--tokenizer " + quoted(SmallModel::get().tokenizer());
  const auto wrong = [](const RunResult& result, const std::string& mention) { expect_refused(result, 2, mention); };
  wrong(run("train_tokenizer", ""), "--data");
  wrong(run("train_tokenizer", "--data set"), "--out");
  wrong(train_tokenizer(data + "--window-size 6"), "--window-size");
  wrong(train_tokenizer(data + "--max-iters 0"), "--max-iters");
  wrong(train_tokenizer(data + "--max-iters 1e9x"), "--max-iters");
  wrong(train_tokenizer(data + "--lr -1"), "--lr");
  wrong(train_tokenizer(data + "--lr nan"), "--lr");
  wrong(train_tokenizer(data + "--preset huge"), "tiny");
  wrong(train_gpt(gpt + " --heads 3"), "--heads");
  wrong(train_gpt(gpt + " --pkeep 2"), "--pkeep");
  wrong(train_gpt(data), "--tokenizer");
  wrong(run("generate", "-p walk"), "--model");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

}  // namespace
}  // namespace kg::test
