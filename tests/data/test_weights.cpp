// Weights whatever the file: each kind, shards and their index with everything wrong, and what people have instead.
#include "data/formats/weights.h"

#include <gtest/gtest.h>

#include "data/formats/file.h"
#include "data/formats/npz.h"
#include "data/formats/safetensors.h"
#include "data/formats/zip.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

// Two shards and their index in a folder.
class Shards : public testing::Test {
 protected:
  Shards() {
    write("a.safetensors", {{"x", Tensor::full({2}, 1)}, {"y", Tensor::full({3}, 2)}});
    write("b.safetensors", {{"z", Tensor::full({1}, 3)}});
    write_index(R"("x": "a.safetensors", "y": "a.safetensors", "z": "b.safetensors")");
  }
  void write(const std::string& name, std::vector<std::pair<std::string, Tensor>> tensors) {
    write_safetensors(folder_ / name, TensorFile{std::move(tensors), {{"format", "pt"}}});
  }
  void write_index(const std::string& map) {
    write_file_atomically(index(), R"({"metadata": {"total_size": 24}, "weight_map": {)" + map + "}}");
  }
  std::filesystem::path index() const { return folder_ / "model.safetensors.index.json"; }
  void expect_error(const std::string& part) {
    const std::string message = input_error([&] { read_weights(index()); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find(index().string()), 0u) << message;
  }
  TemporaryFolder folder_;
};

TEST_F(Shards, AreReadAsOneFile) {
  for (const auto& path : {index(), folder_.path()}) {
    const TensorFile file = read_weights(path);
    ASSERT_EQ(file.tensors.size(), 3u);
    EXPECT_EQ(file.find("y")->to_vector(), std::vector<double>(3, 2));
    EXPECT_EQ(file.find("z")->to_vector(), std::vector<double>(1, 3));
    EXPECT_EQ(file.metadata.at("format"), "pt");
  }
}

TEST_F(Shards, MustBeThereAndHoldWhatTheIndexSays) {
  std::filesystem::remove(folder_ / "b.safetensors");
  expect_error("shard b.safetensors with 1 tensors is missing (2 shards in all); download it");
  write("b.safetensors", {{"other", Tensor::zeros({1})}});
  expect_error("shard b.safetensors holds tensor other, which the index places elsewhere or nowhere");
  write("b.safetensors", {{"y", Tensor::zeros({1})}, {"z", Tensor::zeros({1})}});
  expect_error("shard b.safetensors holds tensor y");
  write("b.safetensors", {});
  expect_error("shard b.safetensors lacks 1 tensors, such as z");
  write_file_atomically(folder_ / "b.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_NE(
      input_error([&] { read_weights(index()); }).find("b.safetensors: not a file of weights: the file is a Git LFS"),
      std::string::npos);
}

TEST_F(Shards, LieInTheFolder) {
  for (const std::string name : {"../b.safetensors", "/tmp/b", "sub/b", "..", "", "a\\\\b", "b\\u0000c"}) {
    write_index(R"("z": ")" + name + "\"");
    expect_error("only files in the same folder are read");
  }
  write_index(R"("z": "model.safetensors.index.json")");
  expect_error("is an index itself");
}

TEST_F(Shards, IndexIsStrict) {
  write_index(R"("z": "b.safetensors", "z": "a.safetensors")");
  expect_error("tensor z is named twice");
  write_index(R"("z": 7)");
  expect_error("the file of tensor z is not a name");
  write_index("");
  expect_error("it has no \"weight_map\"");
  write_file_atomically(index(), R"({"weight_map": ["a"]})");
  expect_error("it has no \"weight_map\"");
  write_file_atomically(index(), R"({"weight_map": {"z")");
  expect_error("not valid JSON (is it cut off?)");
  const std::string json = R"({"metadata": {"total_size": 24}, "weight_map": {"x": "a", "y": "b"}})";
  const ParseFunction parse = [](const std::string& bytes) { parse_shard_index(bytes, "index"); };
  expect_prefixes_refused(parse, json, json.size());
  EXPECT_GT(survive_corruption(parse, json), 0);
  EXPECT_FALSE(accepted(parse, std::string(1 << 20, '[')));
  EXPECT_FALSE(accepted(parse, R"({"weight_map": )" + std::string(1 << 18, '{')));
}

TEST(Weights, AreKnownByTheirContent) {
  const TemporaryFolder folder;
  const auto copy = [&](const char* from, const char* to) {
    std::filesystem::copy_file(kGolden / from, folder / to);
    return folder / to;
  };
  EXPECT_EQ(weights_kind(copy("formats/mixed.safetensors", "a.pt")), WeightsKind::safetensors);
  EXPECT_EQ(weights_kind(copy("archives/zip.pt", "b.npz")), WeightsKind::torch);
  EXPECT_EQ(weights_kind(copy("archives/legacy.pt", "c.safetensors")), WeightsKind::torch);
  EXPECT_EQ(weights_kind(copy("formats/deflated.npz", "d.bin")), WeightsKind::npz);
  EXPECT_EQ(weights_kind(copy("formats/f4_v1.npy", "e.safetensors")), WeightsKind::unknown);
  EXPECT_EQ(read_weights(folder / "a.pt").tensors.size(), 9u);
  EXPECT_EQ(read_weights(folder / "b.npz").tensors.size(), 20u);
  EXPECT_EQ(read_weights(folder / "c.safetensors", "optimizer").tensors.size(), 3u);
  EXPECT_EQ(read_weights(folder / "d.bin").find("count")->to_vector(), (std::vector<double>{3, 1, 2}));
}

TEST(Weights, SectionsOfNamesArePrefixes) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", TensorFile{{{"text.w", Tensor::zeros({1})}, {"texture", Tensor::zeros({1})}}, {}});
  const TensorFile text = read_weights(folder / "a", "text");
  ASSERT_EQ(text.tensors.size(), 1u);
  EXPECT_EQ(text.tensors[0].first, "w");
  EXPECT_NE(input_error([&] { read_weights(folder / "a", "vision"); }).find("no tensor's name begins with vision."),
            std::string::npos);
}

TEST(Weights, NameWhatIsThereInstead) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& bytes) {
    write_file_atomically(folder / "model.safetensors", bytes);
    return input_error([&] { read_weights(folder / "model.safetensors"); });
  };
  const auto expect = [&](const std::string& bytes, const std::string& part) {
    EXPECT_NE(error(bytes).find(part), std::string::npos) << error(bytes);
  };
  expect("", "the file is empty");
  expect("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`");
  expect("<!DOCTYPE html><html>", "the download was answered with an error or a login page");
  expect(R"({"error": "not found"})", "it is none of safetensors, its index, PyTorch's");
  expect("\x1f\x8b", "compressed with gzip");
  expect(zip_bytes({{"readme.txt", "x"}}), "a zip archive");
  const std::string good = read_file(kGolden / "formats/mixed.safetensors", 1 << 20);
  expect(good.substr(0, good.size() - 1), "(is it cut off?)");
  const std::string archive = read_file(kGolden / "archives/zip.pt", 1 << 20);
  expect(archive.substr(0, archive.size() - 1), "cut off");
  EXPECT_NE(input_error([&] { read_weights(folder / "none"); }).find("there is no such file"), std::string::npos);
  std::filesystem::create_directory(folder / "empty");
  EXPECT_NE(input_error([&] { read_weights(folder / "empty"); }).find("holds no weights under a usual name"),
            std::string::npos);
}

}  // namespace
}  // namespace kg
