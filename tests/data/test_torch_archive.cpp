// PyTorch's files: what torch.save and TorchScript write in each format (tests/golden/make_archive_golden.py), two
// published archives, planted malice, and every kind of damage.
#include "data/formats/torch_archive.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/formats/file.h"
#include "data/formats/safetensors.h"
#include "data/formats/zip.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

using namespace std::string_literals;

const std::filesystem::path kArchives = kGolden / "archives";

void expect_same(const Tensor& got, const Tensor& want, const std::string& name) {
  ASSERT_EQ(got.shape(), want.shape()) << name;
  ASSERT_EQ(got.dtype(), want.dtype()) << name;
  EXPECT_EQ(got.to_vector(), want.to_vector()) << name;
}

// Every tensor of expected.safetensors under `prefix` is in the file, and no other.
void expect_golden(const TensorFile& file, const std::string& prefix, const std::string& source) {
  size_t count = 0;
  for (const auto& [name, want] : read_safetensors(kArchives / "expected.safetensors").tensors) {
    if (!name.starts_with(prefix)) continue;
    ++count;
    const Tensor* got = file.find(name.substr(prefix.size()));
    ASSERT_NE(got, nullptr) << source << ' ' << name;
    expect_same(*got, want, source + ' ' + name);
  }
  EXPECT_EQ(file.tensors.size(), count) << source;
  EXPECT_GT(count, 5u);
}

void expect_archive_error(const std::string& bytes, const std::string& part, const std::string& section = "") {
  expect_input_error([&] { read_all(section_of(open_torch_archive_bytes(bytes, "a.pt"), section)); }, "a.pt", part);
}

TEST(TorchArchive, ReadsEveryTypeAndViewInBothFormats) {
  for (const char* name : {"zip.pt", "legacy.pt", "deflated.pt"}) {
    const TorchArchive archive = open_torch_archive(kArchives / name);
    EXPECT_EQ(archive.sections, (std::vector<std::string>{"net", "optimizer"})) << name;
    expect_golden(read_all(section_of(archive, "")), "net.", name);
    expect_golden(read_all(section_of(archive, "net")), "net.", name);
    const StoredFile net = section_of(archive, "net");
    EXPECT_EQ(net.tensors[2].name, "a.f16");
    EXPECT_EQ(net.tensors[2].dtype, FileDtype::f16);
    EXPECT_EQ(net.tensors[6].dtype, FileDtype::i16);
    EXPECT_EQ(net.tensors[14].shape, (Shape{2, 2}));  // known before it is read
  }
}

TEST(TorchArchive, KeepsWhatStandsBesideTheWeights) {
  for (const char* name : {"zip.pt", "legacy.pt"}) {
    const TorchArchive archive = open_torch_archive(kArchives / name);
    const auto& metadata = archive.all.metadata;
    EXPECT_EQ(metadata.at("epoch"), "3") << name;
    EXPECT_EQ(metadata.at("best.loss"), "0.5");
    EXPECT_EQ(metadata.at("best.name"), "caf\u00e9");
    EXPECT_EQ(metadata.at("best.when"), "None");
    EXPECT_EQ(metadata.at("args.width"), "8");
    EXPECT_EQ(metadata.at("args.lr"), "0.125");
    EXPECT_EQ(metadata.at("sizes"), "[2, 3]");
    EXPECT_EQ(metadata.at("optimizer.param_groups.0.lr"), "0.25");
    EXPECT_EQ(metadata.at("optimizer.param_groups.0.betas"), "[0.9, 0.999]");
    const TensorFile optimizer = read_all(section_of(archive, "optimizer"));
    ASSERT_NE(optimizer.find("state.0.exp_avg"), nullptr);
    EXPECT_NEAR(optimizer.find("state.0.exp_avg")->to_vector()[1], 0.1, 1e-7);
    expect_same(*read_all(section_of(archive, "optimizer.state.0")).find("exp_avg"), *optimizer.find("state.0.exp_avg"),
                "");
    EXPECT_EQ(metadata.at("fid"), "2.5");  // a scalar of NumPy
  }
}

// Settings of OmegaConf beside the weights, as PyTorch Lightning stores them: each knows its parent, in circles.
TEST(TorchArchive, PassesOverSettings) {
  const TorchArchive archive = open_torch_archive(kArchives / "settings.ckpt");
  EXPECT_EQ(section_of(archive, "").tensors.size(), 1u);
  EXPECT_EQ(archive.sections, (std::vector<std::string>{"state_dict"}));
  EXPECT_EQ(archive.all.metadata.at("hyper_parameters.cfg._content.a._val"), "1");
}

TEST(TorchArchive, ReadsArraysOfNumPy) {
  const TorchArchive archive = open_torch_archive(kArchives / "numpy.pt");
  expect_same(*read_all(archive.all).find("mean"), Tensor::from<float>({0, 1, 2, 3, 4, 5}, {2, 3}), "mean");
}

TEST(TorchArchive, ReadsTorchScript) {
  const TorchArchive archive = open_torch_archive(kArchives / "jit.pt");
  EXPECT_TRUE(archive.on_top);
  expect_golden(read_all(section_of(archive, "")), "jit.", "jit.pt");
  EXPECT_EQ(archive.all.metadata.at("training"), "True");
}

TEST(TorchArchive, ChoosesTheSectionOnlyWhereThereIsOne) {
  EXPECT_EQ(section_of(open_torch_archive(kArchives / "plain.pt"), "").tensors.size(), 2u);
  const std::string sections = golden_bytes("archives/sections.pt");
  expect_archive_error(sections, "it has the sections net, ema, opt_net; say which is meant");
  expect_archive_error(sections, "there is no section trans; it has net, ema, opt_net", "trans");
  EXPECT_EQ(section_of(open_torch_archive_bytes(sections, "a.pt"), "ema").tensors[0].name, "w");
  // Beside an optimizer one section is left.
  EXPECT_EQ(section_of(open_torch_archive_bytes(golden_bytes("archives/zip.pt"), "a.pt"), "").tensors.size(), 20u);
}

TEST(TorchArchive, ReadsPublishedArchives) {
  const auto data = shared_data();
  if (!data) GTEST_SKIP() << "no shared data beside the repository";
  size_t compared = 0;
  std::map<std::string, TensorFile> files;
  for (const auto& [name, want] : read_safetensors(kArchives / "published_sums.safetensors").tensors) {
    const std::string file = name.substr(0, name.find(':'));
    if (!files.contains(file)) {
      const TorchArchive archive = open_torch_archive(*data / "weights" / file);
      EXPECT_EQ(archive.all.metadata.at("iteration"), "30000");
      EXPECT_EQ(section_of(archive, "").tensors.size(), 12u);
      files[file] = read_all(archive.all);
    }
    const Tensor* tensor = files[file].find(name.substr(file.size() + 1));
    ASSERT_NE(tensor, nullptr) << name;
    const std::vector<double> values = tensor->to_vector();
    std::vector<double> sums = {0, 0, values.front(), values.back()};
    for (const double x : values) sums[0] += x, sums[1] += x * x;
    for (int i = 0; i < 4; ++i)
      EXPECT_NEAR(sums[size_t(i)], want.to_vector()[size_t(i)], 1e-12 + 1e-10 * sums[1]) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 72u);
}

// A zip archive around `pickle`, with storage 0 of the given bytes.
std::string archive_of(const std::string& pickle, const std::string& storage = std::string(16, '\0')) {
  return zip_bytes({{"a/data.pkl", pickle}, {"a/byteorder", "little"}, {"a/data/0", storage}, {"a/version", "3"}});
}
// {"w": a tensor of storage 0 with four f32}, its numbers as opcodes.
std::string tensor_pickle(const std::string& offset, const std::string& size, const std::string& stride,
                          const std::string& elements = "K\x04", const std::string& type = "FloatStorage") {
  return "\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n" + type +
         "\nU\x01"
         "0U\x03"
         "cpu" +
         elements + "tQ" + offset + size + stride + "\x89}tRs.";
}

TEST(TorchArchive, HoldsViewsAgainstTheirStorage) {
  const auto expect = [](const std::string& pickle, const std::string& part) {
    expect_archive_error(archive_of(pickle), part);
  };
  const std::string zero("K\0", 2), four = "K\x04\x85", one = "K\x01\x85";
  EXPECT_EQ(read_all(open_torch_archive_bytes(archive_of(tensor_pickle(zero, four, one)), "a").all).find("w")->shape(),
            (Shape{4}));
  expect(tensor_pickle("K\x01", four, one), "w: it reaches beyond its storage of 4 elements");
  expect(tensor_pickle(zero, four, "K\x02\x85"), "w: it reaches beyond");
  expect(tensor_pickle(zero, "K\x05\x85", one), "w: it reaches beyond");
  expect(tensor_pickle("J\xff\xff\xff\xff", four, one), "its offset must be a whole number, is int -1");
  expect(tensor_pickle(zero, "J\xff\xff\xff\xff\x85", one), "its shape must be a whole number");
  expect(tensor_pickle(zero, "G\x40\0\0\0\0\0\0\0\x85"s, one), "its shape must be a whole number, is float");
  expect(tensor_pickle(zero, four, "J\xff\xff\xff\xff\x85"), "its strides must be");
  expect(tensor_pickle(zero, four, ")"), "w has 1 axes and 0 strides");
  expect(tensor_pickle(zero, "N", one), "its shape must be a tuple");
  const std::string huge = "\x8a\x08\0\0\0\0\0\0\0\x40"s;  // 2^62
  expect(tensor_pickle(huge, four, one), "reaches beyond");
  expect(tensor_pickle(zero, four, huge + "\x85"), "reaches beyond");
  expect(tensor_pickle(zero, huge + "\x85", zero + "\x85"), "its shape is too large for the file");
  expect(tensor_pickle(zero, huge + huge + zero + "\x87", zero + zero + zero + "\x87"), "the shape is too large");
  expect(tensor_pickle(zero, "(" + std::string(14, 'K').replace(0, 14, "K\x01K\x01K\x01K\x01K\x01K\x01K\x01") + "t",
                       "(K\x01K\x01K\x01K\x01K\x01K\x01K\x01t"),
         "it has 7 axes");
  expect(tensor_pickle(zero, four, one, "K\x05"), "w needs 5 elements of f32 in a/data/0, which has 4");
  expect(tensor_pickle(zero, four, one, huge), "w needs 4611686018427387904 elements");
  expect(tensor_pickle(zero, four, one, "K\x04", "DoubleStorage"),
         "w needs 4 elements of f64 in a/data/0, which has 2");
  expect(tensor_pickle(zero, four, one, "K\x04", "ComplexFloatStorage"), "elements of this type are not read");
  // The same big view many times over.
  std::string many = "\x80\x02}", view = tensor_pickle(zero, "M\xff\xff\x85", zero + "\x85");
  view = view.substr(6, view.size() - 8);
  for (int i = 0; i < 2000; ++i) many += "U\x04" + std::to_string(1000 + i) + view + "s";
  expect(many + ".", "would fill");
}

TEST(TorchArchive, RefusesMaliceByName) {
  const TemporaryFolder folder;
  const std::string command = "S'touch " + (folder / "run").string() + "'\n";
  expect_archive_error(archive_of("cos\nsystem\n(" + command + "tR."),
                       "a.pt: a/data.pkl, byte 0: the pickle asks for os.system");
  expect_archive_error(archive_of("}U\x01"
                                  "acargparse\nNamespace\n)R}U\x01"
                                  "bcbuiltins\neval\n(" +
                                  command + "tRsbs."),
                       "asks for builtins.eval");
  const std::string legacy = golden_bytes("archives/legacy.pt");
  const size_t at = legacy.find("ctorch._utils\n_rebuild_tensor_v2\n");
  ASSERT_NE(at, std::string::npos);
  std::string planted = legacy;
  planted.replace(at, 33, "cos\nsystem\n(" + command + "tR0ctorch._utils\n_rebuild_tensor_v2\n");
  expect_archive_error(planted, "a.pt, byte " + std::to_string(at) + ": the pickle asks for os.system");
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(TorchArchive, NamesWhatIsWrong) {
  expect_archive_error("", "the file is empty");
  expect_archive_error("<!DOCTYPE html><p>", "a web page");
  expect_archive_error("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  expect_archive_error(golden_bytes("archives/values_2.pkl"), "not a file of PyTorch (.pt .pth .bin .ckpt)");
  expect_archive_error(std::string(257, 'a') + "ustar" + std::string(300, '\0'), "it is a tar archive");
  expect_archive_error(zip_bytes({{"a.npy", "x"}}), "it has no data.pkl (it begins with a.npy)");
  expect_archive_error(zip_bytes({{"a/data.pkl", "}."}, {"a/byteorder", "big"}}), "big-endian");
  expect_archive_error(archive_of("}U\x01"
                                  "aK\x01s."),
                       "there are no tensors in it");
  const std::string zero("K\0", 2);
  const std::string good = tensor_pickle(zero, "K\x04\x85", "K\x01\x85");
  expect_archive_error(zip_bytes({{"a/data.pkl", good}}), "w lies in a/data/0, which the archive lacks");
  const std::string pair = good.substr(3, good.size() - 5);
  expect_archive_error(archive_of("}" + pair + "s" + pair + "s."), "two tensors are named w");
  expect_archive_error(archive_of("}U\x01w]ctorch._utils\n_rebuild_tensor_v2\n(tRas."),
                       "w.0: torch._utils._rebuild_tensor_v2 has only 0 arguments");
  expect_archive_error(archive_of("}U\x01wctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x01)"
                                  ")tRs."),
                       "w: its storage is a int");
  expect_archive_error(archive_of("}U\x02w\xffK\x01s."), "a name is not UTF-8: w?");
  // A long text is cut between characters; bytes that are no text are made readable.
  const auto text = [](const std::string& bytes) {
    const std::string length(1, static_cast<char>(bytes.size()));
    return open_torch_archive_bytes(archive_of("}U\x01tU" + length + bytes + "s."), "a").all.metadata.at("t");
  };
  std::string steps = "a";
  for (int i = 0; i < 110; ++i) steps += "\u00e9";
  EXPECT_EQ(text(steps), steps.substr(0, 199));
  EXPECT_EQ(text("a\xffz"), "a?z");
  std::string deep = "K\x01";
  for (int i = 0; i < 100; ++i) deep = "]" + deep + "a";
  expect_archive_error(archive_of(deep + "."), "nests more than 64 levels");
  // Each list holds the one before twice: 2^40 values of 200 bytes.
  std::string doubling = "]]aq\x01";
  for (int i = 0; i < 40; ++i)
    doubling +=
        "0](h\x01h\x01"
        "eq\x01";
  expect_archive_error(archive_of(doubling + "."), "repeats its own parts too often");
}

TEST(TorchArchive, SurvivesEveryCutAndDamage) {
  const ParseFunction parse = [](const std::string& bytes) {
    read_all(open_torch_archive_bytes(bytes, "damaged").all);
  };
  for (const char* name : {"legacy.pt", "zip.pt", "jit.pt", "deflated.pt"}) {
    const std::string bytes = golden_bytes("archives/" + std::string(name));
    for (size_t n = 0; n < bytes.size(); n += 97) EXPECT_FALSE(accepted(parse, bytes.substr(0, n))) << name << ' ' << n;
    EXPECT_FALSE(accepted(parse, bytes.substr(0, bytes.size() - 1))) << name;
    EXPECT_TRUE(accepted(parse, bytes)) << name;
  }
  for (const char* name : {"legacy.pt", "zip.pt", "jit.pt"}) {
    std::string bytes = golden_bytes("archives/" + std::string(name));
    int good = 0;
    for (size_t bit = 0; bit < 8 * bytes.size(); bit += 5) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      good += accepted(parse, bytes);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
    EXPECT_GT(good, 0) << name;  // changed elements are elements; padding and dates are not read
  }
}

}  // namespace
}  // namespace kg
