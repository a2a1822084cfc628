// The option layer: layers of defaults, names, help text, errors and their exit codes.
#include "tools/common/cli/cli.h"

#include <gtest/gtest.h>

#include <new>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tensor/parallel.h"
#include "tests/tools/run_program.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

using test::slurp;
using test::spill;
using test::TemporaryFolder;

// A training program's options in small.
struct Program {
  RunOptions run;
  std::filesystem::path data;
  std::string preset = "tiny";
  int batch_size = 0, layers = 0;
  float lr = 2e-4f;
  double dropout = 0.1;
  bool ema = true;
  std::vector<std::string> texts;
  Cli cli{"train_test", "Trains a test.", "train_test --data set --out run"};

  Program() {
    cli.group("Data");
    cli.add("data,dataname", &data, "folder in HumanML3D's layout").required().value_name("DIR");
    cli.add("p,text,text_prompt", &texts, "a sentence; may be repeated");
    cli.group("Training");
    cli.preset("preset", &preset, {"paper", "small", "tiny"}, "sizes", [this](const std::string& name) {
      layers = name == "paper" ? 18 : name == "small" ? 6 : 2;
      batch_size = name == "paper" ? 128 : 16;
    });
    cli.add("b,batch-size,bs", &batch_size, "motions a step").range(1, 4096);
    cli.add("layers", &layers, "blocks").at_least(1);
    cli.add("lr", &lr, "learning rate").above(0);
    cli.add("dropout", &dropout, "share dropped").range(0, 1);
    cli.add("ema", &ema, "codebook by moving average");
    cli.group("Run");
    add_training_options(cli, run);
    add_run_options(cli, run);
  }
  bool parse(std::vector<const char*> words) {
    words.insert(words.begin(), "train_test");
    return cli.parse(int(words.size()), words.data());
  }
};

// The error of fn, or a failure.
template <class Fn>
Error thrown_by(Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorCode::runtime, "");
}
Error parse_error(std::vector<const char*> words) {
  return thrown_by([&] { (void)Program().parse(words); });
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Cli, ReadsEveryKindOfValue) {
  Program p;
  ASSERT_TRUE(p.parse({"--data", "set", "--out=run", "-b", "32", "--lr", "1e-3", "--dropout", "0", "--no-ema", "-p",
                       "a person waves", "-p", "[turns]", "--seed", "18446744073709551615", "--quiet"}));
  EXPECT_EQ(p.data, "set");
  EXPECT_EQ(p.run.out, "run");
  EXPECT_EQ(p.batch_size, 32);
  EXPECT_EQ(p.lr, 1e-3f);
  EXPECT_EQ(p.dropout, 0);
  EXPECT_FALSE(p.ema);
  EXPECT_EQ(p.texts, (std::vector<std::string>{"a person waves", "[turns]"}));
  EXPECT_EQ(p.run.seed, 18446744073709551615u);
  EXPECT_TRUE(p.run.quiet);
  EXPECT_TRUE(p.cli.given("batch_size"));
  EXPECT_FALSE(p.cli.given("layers"));
}

TEST(Cli, AliasesAndUnderscores) {
  Program p;
  ASSERT_TRUE(p.parse({"--dataname", "set_a", "--out_dir=r_1", "--batch_size=8", "--text-prompt", "x", "--bs", "9",
                       "--num_threads=3"}));
  EXPECT_EQ(p.data, "set_a");  // values keep their underscores
  EXPECT_EQ(p.run.out, "r_1");
  EXPECT_EQ(p.batch_size, 9);  // the last one counts
  EXPECT_EQ(p.texts, std::vector<std::string>{"x"});
  EXPECT_EQ(p.run.threads, 3);
}

TEST(Cli, PresetGivesDefaultsThatOptionsOverride) {
  Program p;
  EXPECT_EQ(p.layers, 2);
  ASSERT_TRUE(p.parse({"--layers", "7", "--preset", "paper", "--data", "d", "--out", "o"}));
  EXPECT_EQ(p.layers, 7);
  EXPECT_EQ(p.batch_size, 128);
}

TEST(Cli, HelpFitsOnOneScreen) {
  const std::string help = Program().cli.help();
  std::istringstream lines(help);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 100u) << line;
  EXPECT_LE(count, 30);
  for (const char* part :
       {"Example: train_test --data set --out run", "--data DIR", "[required]", "paper|small|tiny", "[tiny]",
        "-b, --batch-size N", "[16; 1..4096]", "[0.0002; > 0]", "--no-ema", "--config FILE", "[2; >= 1]"})
    EXPECT_TRUE(contains(help, part)) << part << "\n" << help;
}

TEST(Cli, AliasesAreListedByHelpAll) {
  const Program program;
  EXPECT_FALSE(contains(program.cli.help(), "dataname"));
  EXPECT_TRUE(contains(program.cli.help(true), "Also taken, and _ for -: dataname text-prompt bs "));
}

TEST(Cli, HelpIsPrintedOnceAndStops) {
  Program p;
  testing::internal::CaptureStdout();
  EXPECT_FALSE(p.parse({"--help"}));  // although --data is missing
  EXPECT_EQ(testing::internal::GetCapturedStdout(), p.cli.help());
}

TEST(Cli, AdvancedOptionsAreListedByHelpAll) {
  Program p;
  int window = 64;
  p.cli.group("Model", true);
  p.cli.add("window", &window, "frames");
  EXPECT_FALSE(contains(p.cli.help(), "--window"));
  EXPECT_TRUE(contains(p.cli.help(), "--help-all"));
  EXPECT_TRUE(contains(p.cli.help(true), "--window"));
  ASSERT_TRUE(p.parse({"--data", "d", "--out", "o", "--window", "32"}));
  EXPECT_EQ(window, 32);
}

TEST(Cli, UnknownOptionSuggestsTheNearest) {
  const Error typo = parse_error({"--data", "d", "--out", "o", "--batch-sise", "4"});
  EXPECT_EQ(typo.code, ErrorCode::usage);
  EXPECT_TRUE(contains(typo.what(), "unknown option --batch-sise; did you mean --batch-size?")) << typo.what();
  EXPECT_TRUE(contains(parse_error({"--drop_uot=1"}).what(), "did you mean --dropout?"));
  EXPECT_FALSE(contains(parse_error({"--zzzzzzzzzz"}).what(), "did you mean"));
  EXPECT_TRUE(contains(parse_error({"stray", "--data", "d"}).what(), "unexpected argument 'stray'"));
}

TEST(Cli, RangeAndTypeErrorsNameOptionValueAndRange) {
  const std::vector<const char*> rest = {"--data", "d", "--out", "o"};
  const auto text = [&](const char* option, const char* value) {
    std::vector<const char*> words = rest;
    words.insert(words.end(), {option, value});
    const Error error = parse_error(words);
    EXPECT_EQ(error.code, ErrorCode::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(text("-b", "0"), "--batch-size must be an integer in 1..4096; got '0'");
  EXPECT_EQ(text("--bs", "4097"), "--batch-size must be an integer in 1..4096; got '4097'");
  EXPECT_EQ(text("--layers", "-3"), "--layers must be an integer >= 1; got '-3'");
  EXPECT_EQ(text("--layers", "2.5"), "--layers must be an integer >= 1; got '2.5'");
  EXPECT_EQ(text("--layers", "99999999999"), "--layers must be an integer >= 1; got '99999999999'");
  EXPECT_EQ(text("--lr", "0"), "--lr must be a number > 0; got '0'");
  EXPECT_EQ(text("--lr", "nan"), "--lr must be a number > 0; got 'nan'");
  EXPECT_EQ(text("--dropout", "inf"), "--dropout must be a number in 0..1; got 'inf'");
  EXPECT_EQ(text("--seed", "-1"), "--seed must be an integer; got '-1'");
  EXPECT_EQ(text("--preset", "tinny"), "--preset must be one of paper, small, tiny; got 'tinny'; did you mean tiny?");
  EXPECT_TRUE(contains(parse_error({"--data", "d", "--out", "o", "--lr"}).what(), "--lr"));
}

TEST(Cli, MissingRequiredOption) {
  const Error error = parse_error({"--data", "d"});
  EXPECT_EQ(error.code, ErrorCode::usage);
  EXPECT_TRUE(contains(error.what(), "--out is missing")) << error.what();
}

TEST(Cli, ConfigRoundTrip) {
  TemporaryFolder folder;
  Program first;
  ASSERT_TRUE(first.parse({"--data", "set", "--out", "run", "--preset", "small", "--lr", "0.1", "-p", "a \"b\" \\ é",
                           "--no-ema", "--seed", "18446744073709551615", "--dropout", "0.30000000000000004"}));
  const std::string text = first.cli.config().dump(2);
  spill(folder / "config.json", text);

  Program second;
  const std::string file = (folder / "config.json").string();
  ASSERT_TRUE(second.parse({"--config", file.c_str()}));  // required options come from the file too
  EXPECT_EQ(second.cli.config().dump(2), text);
  EXPECT_EQ(second.lr, 0.1f);
  EXPECT_TRUE(contains(text, "\"lr\": 0.1,")) << text;
  EXPECT_FALSE(contains(text, "quiet"));

  Program third;  // the command line wins, its preset too
  ASSERT_TRUE(third.parse({"--config", file.c_str(), "--preset", "paper", "--layers", "3"}));
  EXPECT_EQ(third.layers, 3);
  EXPECT_EQ(third.batch_size, 128);
  EXPECT_EQ(third.lr, 0.1f);
  EXPECT_EQ(third.texts, first.texts);
}

TEST(Cli, ConfigErrorsAreInputErrors) {
  TemporaryFolder folder;
  const std::string file = (folder / "c.json").string();
  const auto error = [&](const std::string& bytes) {
    spill(file, bytes);
    const Error e = parse_error({"--config", file.c_str(), "--data", "d", "--out", "o"});
    EXPECT_EQ(e.code, ErrorCode::input);
    return std::string(e.what());
  };
  EXPECT_EQ(error(R"({"batch_sise": 4})"), "[config] " + file + ": unknown key 'batch_sise'; did you mean batch_size?");
  EXPECT_EQ(error(R"({"batch_size": 0})"), "[config] " + file + ": batch_size must be an integer in 1..4096; got '0'");
  EXPECT_EQ(error(R"({"batch_size": "4"})"),
            "[config] " + file + ": batch_size must be an integer in 1..4096; got '\"4\"'");
  EXPECT_TRUE(contains(error(R"({"ema": 1})"), "ema must be true or false; got '1'"));
  EXPECT_TRUE(contains(error(R"({"text": "a"})"), "text must be a list of texts"));
  EXPECT_TRUE(contains(error(R"({"quiet": true})"), "unknown key 'quiet'"));
  EXPECT_TRUE(contains(error(R"({"program": "render"})"), "was written by \"render\", this is train_test"));
  EXPECT_TRUE(contains(error("[1]"), "is not a JSON object"));
  EXPECT_TRUE(contains(error("{\"lr\": 1"), "is not a JSON object"));
  EXPECT_EQ(parse_error({"--config", "/nonexistent/c.json"}).code, ErrorCode::input);
}

TEST(Cli, ResumeTakesTheConfigurationOfTheRun) {
  TemporaryFolder folder;
  Program first;
  const std::string out = folder.path().string();
  ASSERT_TRUE(first.parse({"--data", "set", "--out", out.c_str(), "--layers", "5"}));
  EXPECT_EQ(parse_error({"--out", out.c_str(), "--resume"}).code, ErrorCode::input);
  spill(folder / "config.json", first.cli.config().dump());
  Program second;
  ASSERT_TRUE(second.parse({"--out", out.c_str(), "--resume"}));
  EXPECT_EQ(second.layers, 5);
  EXPECT_EQ(second.data, "set");
}

TEST(Cli, PositionalArguments) {
  std::vector<std::string> files;
  int fps = 20;
  Cli cli("render", "Draws motions.", "render a.npy");
  cli.positional("files", &files, "motions").required().value_name("FILE");
  cli.add("fps", &fps, "frames a second").range(1, 240);
  const char* words[] = {"render", "a.npy", "--fps", "30", "b_c.bvh"};
  ASSERT_TRUE(cli.parse(5, words));
  EXPECT_EQ(files, (std::vector<std::string>{"a.npy", "b_c.bvh"}));
  EXPECT_EQ(fps, 30);
  EXPECT_TRUE(contains(cli.help(), "  FILE ...     motions [required]")) << cli.help();
  Cli empty("render", "Draws motions.", "render a.npy");
  empty.positional("files", &files, "motions").required();
  const Error error = thrown_by([&] { (void)empty.parse(1, words); });
  EXPECT_EQ(error.code, ErrorCode::usage);
  EXPECT_TRUE(contains(error.what(), "files is missing")) << error.what();
}

TEST(Cli, NearestName) {
  EXPECT_EQ(nearest_name("lr-schduler", {"lr", "lr-scheduler", "seed"}), "lr-scheduler");
  EXPECT_EQ(nearest_name("bacth", {"batch", "match"}), "batch");  // a swap is one edit
  EXPECT_EQ(nearest_name("x", {"seed", "out"}), "");
  EXPECT_EQ(nearest_name("", {"seed"}), "");
}

TEST(RunMain, ExitCodesAndMessages) {
  const auto run = [](const std::function<int(int, char**)>& body) {
    testing::internal::CaptureStderr();
    const int code = run_main(0, nullptr, body);
    return std::pair(code, testing::internal::GetCapturedStderr());
  };
  using Result = std::pair<int, std::string>;
  EXPECT_EQ(run([](int, char**) { return 0; }), Result(0, ""));
  EXPECT_EQ(run([](int, char**) { return 6; }), Result(6, ""));
  EXPECT_EQ(run([](int, char**) -> int { fail(ErrorCode::input, "bad ", 7); }), Result(3, "error: bad 7\n"));
  EXPECT_EQ(run([](int, char**) -> int { fail(ErrorCode::diverged, "x"); }).first, 5);
  EXPECT_EQ(run([](int, char**) -> int { throw std::bad_alloc(); }).first, 4);
  EXPECT_EQ(run([](int, char**) -> int { throw std::runtime_error("y"); }), Result(1, "error: y\n"));
}

TEST(RunOptions, DeviceAndThreads) {
  RunOptions options;
  options.threads = 2;
  testing::internal::CaptureStderr();
  EXPECT_EQ(start(options), Device::cpu);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "device: CPU, 2 threads\n");
  EXPECT_EQ(threads(), 2);
  options.device = "cuda";
  EXPECT_EQ(thrown_by([&] { start(options); }).code, ErrorCode::runtime);
  set_threads(0);
}

}  // namespace
}  // namespace kg
