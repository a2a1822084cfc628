// Pickles: every protocol of Python's own (tests/golden/make_archive_golden.py), word lists, planted malice, damage.
#include "data/formats/pickle.h"

#include <gtest/gtest.h>

#include <sstream>

#include "data/formats/file.h"
#include "data/formats/pickle_text.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

using namespace std::string_literals;
using Kind = PickleValue::Kind;

// A value as Python would print it, roughly.
std::string text_of(const PickleValue& v, int depth = 0) {
  if (depth > 20) return "...";
  std::ostringstream text;
  const auto items = [&](const char* open, const char* close) {
    text << open;
    for (size_t i = 0; i < v.items.size(); ++i) {
      if (i > 0) text << (v.kind == Kind::dict && i % 2 == 1 ? ": " : ", ");
      text << text_of(*v.items[i], depth + 1);
    }
    text << close;
  };
  switch (v.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return v.integer ? "True" : "False";
    case Kind::integer:
      return std::to_string(v.integer);
    case Kind::big_integer:
      return "big";
    case Kind::real:
      text << v.real;
      break;
    case Kind::string:
      return "'" + v.text + "'";
    case Kind::bytes:
      text << "b'" << v.text << "'";
      break;
    case Kind::list:
      items("[", "]");
      break;
    case Kind::tuple:
      items("(", ")");
      break;
    case Kind::set:
      items("set(", ")");
      break;
    case Kind::dict:
      items("{", "}");
      break;
    case Kind::global:
      return v.text;
    case Kind::call:
      text << v.callee->text;
      items("(", ")");
      if (v.state) text << "." << text_of(*v.state, depth + 1);
      break;
    case Kind::persistent:
      items("<", ">");
      break;
  }
  return text.str();
}
std::string parsed(const std::string& bytes) { return text_of(*parse_pickle(bytes, "test").root); }

void expect_pickle_error(const std::string& bytes, const std::string& part) {
  expect_input_error([&] { parse_pickle(bytes, "a.pkl"); }, "a.pkl", part);
}

TEST(Pickle, ReadsEveryProtocol) {
  const std::string before =
      "[None, True, False, 0, 255, 65535, -1, 2147483648, -1099511627776, 4611686018427387904, 0.5, -1e+300, '', "
      "'caf\u00e9 \u6b69 \U0001f6b6 'x'\n\\', b'', ";
  const std::string after =
      ", (), (1), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [0, 1, 2], {}, {'a': 1, 2: 'b'}, set(3), set(4), ['again', 7], "
      "['again', 7], {'z': 1, 'y': 2}, {'a': 2}, numpy.core.multiarray.scalar(numpy.dtype(";
  for (int protocol = 0; protocol < 6; ++protocol) {
    const std::string name = "values_" + std::to_string(protocol) + ".pkl";
    const Pickle pickle = parse_pickle(golden_bytes("archives/" + std::string(name)), name);
    const std::string text = text_of(*pickle.root);
    EXPECT_EQ(text.find(before), 0u) << name << ' ' << text;
    const std::string bytes = "b'" +
                              std::string(
                                  "\x00\xff\x80"
                                  "ab",
                                  5) +
                              "'";
    EXPECT_EQ(text.find(bytes), before.size()) << name << ' ' << text;
    EXPECT_EQ(text.find(after), before.size() + bytes.size()) << name << ' ' << text;
    EXPECT_TRUE(text.ends_with(", big]")) << name << ' ' << text;
    EXPECT_EQ(pickle.end, golden_bytes("archives/" + std::string(name)).size());
    const auto& items = pickle.root->items;
    EXPECT_EQ(items[27], items[28]) << "a shared list is one value";
  }
}

TEST(Pickle, ReadsWhatPythonTwoWrote) {
  EXPECT_EQ(parsed("(dp0\nS'a'\np1\n(lp2\nI1\naI01\naL12345678901L\nas."), "{'a': [1, True, 12345678901]}");
  EXPECT_EQ(parsed("(lp0\nS'it\\'s\\n\\x41'\naF1.5\na."), "['it's\nA', 1.5]");
  EXPECT_EQ(parsed("(iargparse\nNamespace\np0\n(dp1\nS'lr'\nF0.5\nsb."), "argparse.Namespace().{'lr': 0.5}");
  EXPECT_EQ(parsed("ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR."),
            "argparse.Namespace()");
  EXPECT_EQ(parsed("(U\x03"
                   "abc\x8a\x00t."s),
            "('abc', 0)");
  EXPECT_EQ(parsed("cpytorch_lightning.utilities.parsing\nAttributeDict\n)\x81U\x01lK\x02s."), "{'l': 2}");
  EXPECT_EQ(parsed("c__builtin__\nlong\n."), "builtins.long");  // how protocol 2 spells int
  EXPECT_EQ(parsed("P12 cpu\n."), "<'12 cpu'>");
}

TEST(Pickle, FindsKeys) {
  const Pickle pickle = parse_pickle(
      "}(U\x01"
      "aK\x01U\x01"
      "bK\x02u.",
      "test");
  ASSERT_NE(pickle.root->find("b"), nullptr);
  EXPECT_EQ(pickle.root->find("b")->integer, 2);
  EXPECT_EQ(pickle.root->find("c"), nullptr);
  EXPECT_EQ(pickle.root->find("b")->find("b"), nullptr);
  const Pickle second = parse_pickle("K\x01.K\x02.", "test", 3);
  EXPECT_EQ(second.root->integer, 2);
  EXPECT_EQ(second.end, 6u);
}

// A value that holds itself is a value; whoever walks it must stop.
TEST(Pickle, LetsAListHoldItself) { EXPECT_TRUE(parsed("]q\x00h\x00\x61."s).starts_with("[[[[")); }

TEST(Pickle, WordListsAreRead) {
  const auto data = shared_data();
  if (!data) GTEST_SKIP() << "no shared data beside the repository";
  const auto words = read_pickled_strings(*data / "vocab/our_vab_words.pkl");
  const auto index = read_pickled_index(*data / "vocab/our_vab_idx.pkl");
  ASSERT_EQ(words.size(), 4199u);
  ASSERT_EQ(index.size(), 4199u);
  for (size_t i = 0; i < words.size(); ++i) ASSERT_EQ(index.at(words[i]), int64_t(i)) << words[i];
  EXPECT_EQ(words[2], "unk");
  EXPECT_NE(input_error([&] { read_pickled_index(*data / "vocab/our_vab_words.pkl"); }).find("expected a dict"),
            std::string::npos);
  EXPECT_NE(input_error([&] { read_pickled_strings(*data / "vocab/our_vab_idx.pkl"); }).find("expected a list"),
            std::string::npos);
}

// Each would run a command when Python loads it. Here the name is refused, wherever it hides.
TEST(Pickle, RefusesMaliceByName) {
  const TemporaryFolder folder;
  const std::string command = "touch " + (folder / "run").string();
  const std::string text = "S'" + command + "'\n";
  expect_pickle_error("cos\nsystem\n(" + text + "tR.",
                      "a.pkl, byte 0: the pickle asks for os.system, which is not among");
  expect_pickle_error("(" + text + "ios\nsystem\n.", "asks for os.system");
  expect_pickle_error("(cposix\nsystem\n" + text + "o.", "asks for posix.system");
  expect_pickle_error(
      "\x80\x04\x8c\x08"
      "builtins\x8c\x04"
      "eval\x93" +
          text + "\x85R.",
      "byte 18: the pickle asks for builtins.eval");
  expect_pickle_error("c__builtin__\nexec\n(" + text + "tR.", "asks for builtins.exec");
  expect_pickle_error("cbuiltins\ngetattr\n(N" + text + "tR.", "asks for builtins.getattr");
  expect_pickle_error("csubprocess\nPopen\n(" + text + "tR.", "asks for subprocess.Popen");
  expect_pickle_error("cnumpy\nload\n(" + text + "tR.", "asks for numpy.load");
  expect_pickle_error("ctorch\nload\n(" + text + "tR.", "asks for torch.load");
  expect_pickle_error("ctorch.hub\nload_Storage\n.", "asks for torch.hub.load_Storage");
  expect_pickle_error("ccollections\nOrderedDict.__init__\n)R.", "asks for collections.OrderedDict.__init__");
  // Inside the state that an innocent object is given, deep in containers, after the memo has been filled.
  expect_pickle_error(
      "cargparse\nNamespace\n)R}(U\x01"
      "a]cos\nsystem\n(" +
          text + "tRaub.",
      "asks for os.system");
  expect_pickle_error("(lp0\n(dp1\nS'k'\n(lp2\ng0\nacos\nsystem\n(" + text + "tRa.", "asks for os.system");
  expect_pickle_error("cos\x01\n\xffsystem\n.", "asks for os?.?system");
  // A name that is made at run time, and a call of what is not a name.
  expect_pickle_error("U\x02os\xffU\x06system\x93.", "opcode 255");
  expect_pickle_error(
      "U\x02os"
      "U\x06system\x93"
      "U\x01"
      "a\x85R.",
      "byte 12: the pickle asks for os.system");
  expect_pickle_error("](" + text + "tR.", "the pickle calls a list");
  expect_pickle_error("\x82\x01.", "opcode 130");  // the extension registry
  expect_pickle_error(
      "K\x01"
      "Q)R.",
      "calls a stored object");
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(Pickle, NamesWhatIsWrong) {
  expect_pickle_error("", "a pickle is missing at byte 0");
  expect_pickle_error("\x80\x09N.", "protocol 9");
  expect_pickle_error(".", "ends with 0 values");
  expect_pickle_error("NN.", "ends with 2 values");
  expect_pickle_error("(N.", "ends with 1 values, expected one");
  expect_pickle_error("0.", "a value is missing");
  expect_pickle_error("t.", "a mark is missing");
  expect_pickle_error("h\x05.", "nothing is stored under 5");
  expect_pickle_error("I12x\n.", "'12x' is not a number");
  expect_pickle_error("Fx\n.", "'x' is not a number");
  expect_pickle_error("F1.5", "a line does not end");
  expect_pickle_error("Sabc\n.", "no quotes or a bad escape");
  expect_pickle_error("V\\ud\n.", "a bad escape");
  expect_pickle_error("S'\\q'\n.", "a bad escape");
  expect_pickle_error(
      "}K\x01"
      "a.",
      "adds items to a dict");
  expect_pickle_error("]K\x01K\x02s.", "sets keys of a list");
  expect_pickle_error("}(K\x01u.", "a key has no value");
  expect_pickle_error("]Nb.", "gives attributes to a list");
  expect_pickle_error("cbuiltins\nset\nNR.", "the arguments of builtins.set are a None");
  expect_pickle_error("cbuiltins\nset\nN\x85R.", "a set is made from a None");
  expect_pickle_error(
      "ccollections\nOrderedDict\n]N\x85"
      "a\x85R.",
      "made from what are not pairs");
  expect_pickle_error("c_codecs\nencode\n(V\\u0100\nU\x06latin1tR.", "characters beyond 255");
  expect_pickle_error("\x96\x01\x00\x00\x00\x00\x00\x00\x80x."s, "are needed, 2 are left");
  expect_pickle_error("c" + std::string(600, 'a') + "\nb\n.", "a name of 601 bytes");
  const TemporaryFolder folder;
  const auto read = [&](const std::string& bytes) {
    write_file_atomically(folder / "a.pkl", bytes);
    return input_error([&] { read_pickle(folder / "a.pkl"); });
  };
  EXPECT_NE(read("K\x01.more").find("4 bytes follow"), std::string::npos);
  EXPECT_NE(read("<html>").find("a web page"), std::string::npos);
  EXPECT_NE(read("version https://git-lfs.github.com/spec/v1\n").find("git lfs pull"), std::string::npos);
}

// Claims of size are held against the file before anything is allocated; copies by calls are bounded by its length.
TEST(Pickle, BoundsMemory) {
  expect_pickle_error(
      "X\xff\xff\xff\x7f"
      "abc.",
      "2147483647 bytes are needed, 4 are left");
  expect_pickle_error("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "18446744073709551615 bytes are needed");
  std::string copies = "cbuiltins\nset\nq\x02(" + std::string(2000, 'N') + "lq\x01";
  for (int i = 0; i < 2000; ++i) copies += "h\x02h\x01\x85R0";
  expect_pickle_error(copies + ".", "repeats its own parts too often");
  expect_pickle_error(std::string((1 << 23) + 1, ']'), "more than 8388608 values");
  EXPECT_EQ(parsed(std::string(1 << 20, '(') + std::string(1 << 20, '0') + "N."), "None");  // deep, not recursive
  const std::string nested = std::string(1 << 20, ']') + std::string((1 << 20) - 1, 'a') + ".";
  EXPECT_EQ(parse_pickle(nested, "nested").root->items.size(), 1u);
}

TEST(Pickle, SurvivesEveryCutAndEveryByte) {
  const ParseFunction parse = [](const std::string& bytes) { parse_pickle(bytes, "damaged"); };
  for (const char* name : {"values_0.pkl", "values_2.pkl", "values_5.pkl"}) {
    expect_prefixes_refused(parse, golden_bytes("archives/" + std::string(name)),
                            golden_bytes("archives/" + std::string(name)).size());
    EXPECT_GT(survive_corruption(parse, golden_bytes("archives/" + std::string(name))), 0);
  }
}

TEST(PickleText, DecodesOldStrings) {
  EXPECT_EQ(python_string("'a\\x00\\\\'"), std::string("a\0\\", 3));
  EXPECT_EQ(python_string("\"it's\""), "it's");
  EXPECT_EQ(python_string("'"), std::nullopt);
  EXPECT_EQ(python_string("'a\""), std::nullopt);
  EXPECT_EQ(python_string("'\\x4'"), std::nullopt);
  EXPECT_EQ(python_unicode("\xe9\\u6b69\\U0001f6b6\\"), "\u00e9\u6b69\U0001f6b6\\");
  EXPECT_EQ(python_unicode("\\U00110000"), std::nullopt);
  EXPECT_EQ(python_unicode("\\u12g4"), std::nullopt);
  EXPECT_EQ(latin1("a\u00e9\u00ff"), "a\xe9\xff");
  EXPECT_EQ(latin1("\u0100"), std::nullopt);
  EXPECT_EQ(latin1("\xc3"), std::nullopt);
  EXPECT_EQ(latin1("\xc3x"), std::nullopt);
}

}  // namespace
}  // namespace kg
