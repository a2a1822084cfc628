// Checkpoints: the checksum against a value computed in Python from its definition, every damage found, wrong kinds.
#include "data/formats/checkpoint.h"

#include <gtest/gtest.h>

#include "data/formats/file.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

TensorFile small() {
  TensorFile file;
  file.tensors.emplace_back("w", Tensor::from<float>({0, .5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5}, {2, 5}));
  return file;
}

TEST(Checkpoint, RoundTripsWithTheSpecifiedChecksum) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "a", "vqvae", small());
  const TensorFile file = read_checkpoint(folder / "a", "vqvae");
  EXPECT_EQ(file.metadata.at("kinegrad.checksum"), "76632b9e25e01bca");
  EXPECT_EQ(file.metadata.at("kinegrad.kind"), "vqvae");
  EXPECT_EQ(file.find("w")->to_vector(), small().tensors[0].second.to_vector());
  EXPECT_EQ(read_checkpoint(folder / "a", "").tensors.size(), 1u);
  write_checkpoint(folder / "b", "vqvae", file);
  EXPECT_EQ(read_file(folder / "a", 1 << 20), read_file(folder / "b", 1 << 20));
}

TEST(Checkpoint, ChecksumSeesEverything) {
  const uint64_t base = content_checksum(small());
  const auto changed = [&](const std::function<void(TensorFile&)>& change) {
    TensorFile file = small();
    change(file);
    return content_checksum(file) != base;
  };
  EXPECT_TRUE(changed([](TensorFile& f) { f.tensors[0].first = "v"; }));
  EXPECT_TRUE(changed([](TensorFile& f) { f.tensors[0].second = f.tensors[0].second.reshape({5, 2}); }));
  EXPECT_TRUE(changed([](TensorFile& f) { f.tensors.emplace_back("e", Tensor::zeros({0})); }));
  EXPECT_TRUE(changed([](TensorFile& f) { f.metadata["a"] = ""; }));
  EXPECT_TRUE(changed([](TensorFile& f) {  // the signs of two elements of the same lane
    float* w = f.tensors[0].second.data<float>();
    w[1] = -w[1];
    w[9] = -w[9];
  }));
  EXPECT_FALSE(changed([](TensorFile& f) { f.metadata[kCheckpointChecksum] = "x"; }));
}

TEST(Checkpoint, FindsEveryChangedByte) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "a", "vqvae", small());
  const std::string bytes = read_file(folder / "a", 1 << 20);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    write_file_atomically(folder / "b", changed, false);
    input_error([&] { read_checkpoint(folder / "b", "vqvae"); });  // a test failure when nothing is thrown
  }
  std::string changed = bytes;
  changed.back() ^= 1;
  write_file_atomically(folder / "b", changed, false);
  const std::string message = input_error([&] { read_checkpoint(folder / "b", "vqvae"); });
  EXPECT_NE(message.find("/b is damaged: checksum "), std::string::npos) << message;
}

TEST(Checkpoint, NamesAnotherKindOrProgram) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "gpt", "t2m_gpt", small());
  EXPECT_EQ(input_error([&] { read_checkpoint(folder / "gpt", "vqvae"); }),
            (folder / "gpt").string() + " holds a t2m_gpt, expected a vqvae");
  write_safetensors(folder / "plain", small());
  EXPECT_NE(input_error([&] { read_checkpoint(folder / "plain", ""); }).find("not a checkpoint"), std::string::npos);
  TensorFile newer = small();
  newer.metadata[kCheckpointFormat] = "2";
  write_safetensors(folder / "newer", newer);
  EXPECT_NE(input_error([&] { read_checkpoint(folder / "newer", ""); }).find("format 2"), std::string::npos);
}

}  // namespace
}  // namespace kg
