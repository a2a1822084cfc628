// check as a user runs it: good files of every kind end with 0, anything wrong is named and ends with 3.
#include "data/formats/npy.h"
#include "data/formats/safetensors.h"
#include "tests/data/bad_input.h"
#include "tests/tools/programs.h"
#include "tools/common/files/file_check.h"

namespace kg {
using namespace tools;
}

namespace kg::test {
namespace {

class Check : public testing::Test {
 protected:
  void expect(const std::string& arguments, int code, const std::vector<std::string>& parts) const {
    const RunResult result = run_in(folder_.path(), "check", arguments);
    EXPECT_EQ(result.code, code) << result.output;
    for (const std::string& part : parts)
      EXPECT_NE(result.output.find(part), std::string::npos) << part << "\n" << result.output;
  }
  // Writes a file and checks it.
  void expect_file(const std::string& name, const std::string& bytes, int code,
                   const std::vector<std::string>& parts) const {
    spill(folder_ / name, bytes);
    expect(name, code, parts);
  }
  TemporaryFolder folder_;
};

TEST_F(Check, NamesWhatFilesHold) {
  expect(quoted(kGolden / "archives/zip.pt"), 0,
         {"zip.pt: PyTorch archive, 23 tensors, 133 elements", "sections: net, optimizer", "epoch = 3",
          "net.a.f16                     f16   (5)                          -2        65504  1 infinite"});
  expect(quoted(kGolden / "archives/jit.pt"), 0, {"PyTorch archive, 6 tensors", "proj.weight"});
  expect(quoted(kGolden / "formats/mixed.safetensors"), 0, {"safetensors, 9 tensors", "note = caf\u00e9"});
  expect(quoted(kGolden / "formats/stored.npz"), 0, {"npz, 3 tensors", "matrix"});
  expect(quoted(kGolden / "formats/f4_v1.npy"), 0, {"NumPy array, 1 tensor, 6 elements"});
  expect(quoted(kGolden / "archives/values_4.pkl"), 0, {"pickle", "a list with 33 items"});
  expect_file("a.txt", "a man walks.#a/DET man/NOUN walk/VERB#0.0#0.0\n", 0, {"captions of a motion", "1 captions"});
  expect_file(
      "walk.bvh",
      "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\nEnd Site\n{\nOFFSET 0 1 "
      "0\n}\n}\nMOTION\nFrames: 2\nFrame Time: 0.05\n0 0 0\n1 0 0\n",
      0, {"BVH motion", "2 joints (with end sites), 3 channels", "2 frames, 20 a second, 0.1 s"});
}

TEST_F(Check, ReadsCheckpoints) {
  const SmallModel& model = SmallModel::get();
  const fs::path last = model.gpt() / "last.safetensors";
  expect("--brief " + quoted(last), 0, {"checkpoint of a t2m_gpt", "its checksum is right"});
  std::string damaged = slurp(last);
  damaged[damaged.size() - 5] ^= 1;
  expect_file("damaged.safetensors", damaged, 3, {"wrong: checkpoint damaged.safetensors is damaged: checksum"});
}

TEST_F(Check, NamesWhatIsWrong) {
  expect_file("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\n", 3,
              {"not known", "run `git lfs pull`"});
  expect_file("page.pth", "<!DOCTYPE html>", 3, {"a web page"});
  expect_file("empty.npy", "", 3, {"the file is empty"});
  const std::string zip = slurp(kGolden / "archives/zip.pt");
  expect_file("cut.pt", zip.substr(0, zip.size() - 30), 3, {"cut.pt: not a zip archive, or cut off"});
  expect_file("evil.pkl", "cos\nsystem\n(S'touch run'\ntR.", 3, {"asks for os.system"});
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  expect_file("odd", std::string("\x01\x02\x03", 3), 3, {"not a file that is known here"});
  expect_file("bad.txt", "a man walks.#a/DET#0.0\x01#0.0\n", 3, {"wrong: ", "bad.txt"});
  expect("none.pt", 3, {"none.pt: there is no such file"});
  expect(".", 3, {"a folder: only files are checked so far"});
  expect("", 2, {"file is missing: weights"});
  write_npy(folder_ / "nan.npy", Tensor::from<float>({1, NAN, INFINITY, -2}, {4}));
  expect("nan.npy", 3, {"-2            1  1 NaN  1 infinite", "wrong: tensor array has 1 NaN"});
  // One bad file does not hide the others; control characters do not reach the terminal.
  write_safetensors(folder_ / "a.safetensors", TensorFile{{{"a\x1b[2J", Tensor::zeros({1})}}, {{"k\n", "v\x07"}}});
  expect("none.pt a.safetensors", 3,
         {"none.pt: not known", "a.safetensors: safetensors, 1 tensor", "a?[2J", "k  = v?"});
}

TEST_F(Check, ShowsTheFirstOfManyTensors) {
  TensorFile file;
  for (int i = 0; i < 50; ++i) file.tensors.emplace_back("layer" + std::to_string(i), Tensor::zeros({2}));
  file.tensors.emplace_back("last", Tensor::full({2}, NAN));
  write_safetensors(folder_ / "many.safetensors", file);
  expect("many.safetensors", 3, {"layer39", "... and 11 more (--all)", "wrong: tensor last has 2 NaN"});
  expect("--all many.safetensors", 3, {"layer49", "2 NaN"});
}

TEST(FileCheck, CountsElements) {
  const ElementStatistics s = statistics_of(Tensor::from<float>({NAN, 3, -INFINITY, -1}, {2, 2}).transpose(0, 1));
  EXPECT_EQ(s.nans, 1);
  EXPECT_EQ(s.infinities, 1);
  EXPECT_EQ(s.finite, 2);
  EXPECT_EQ(s.min, -1);
  EXPECT_EQ(s.max, 3);
  EXPECT_EQ(statistics_of(Tensor::full({3}, 2, Dtype::bf16)).max, 2);
  EXPECT_EQ(statistics_of(Tensor::full({3}, 200, Dtype::u8)).min, 200);
  EXPECT_EQ(statistics_of(Tensor::full({3}, 1e300, Dtype::f64)).max, 1e300);
  EXPECT_EQ(statistics_of(Tensor::zeros({0})).finite, 0);
}

}  // namespace
}  // namespace kg::test
