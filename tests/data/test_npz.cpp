// npz: archives of NumPy (tests/golden/make_formats.py), zip64, damage, and archives that unpack to too much.
#include "data/formats/npz.h"

#include <gtest/gtest.h>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/formats/zip.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

void expect_npz_error(const std::string& bytes, const std::string& part) {
  expect_input_error([&] { read_npz_bytes(bytes, "set.npz"); }, "set.npz: ", part);
}

// `bytes` with the little-endian number of `width` bytes at `at` replaced.
std::string patched(std::string bytes, size_t at, int width, uint64_t value) {
  for (int i = 0; i < width; ++i) bytes.at(at + i) = static_cast<char>(value >> 8 * i & 255);
  return bytes;
}

TEST(Npz, ReadsStoredAndCompressedArchives) {
  for (const std::string name : {"stored.npz", "deflated.npz"}) {
    const auto arrays = read_npz_bytes(golden_bytes("formats/" + std::string(name)), name);
    ASSERT_EQ(arrays.size(), 3u);
    EXPECT_EQ(arrays.at("matrix").shape(), (Shape{2, 3}));
    EXPECT_EQ(arrays.at("matrix").to_vector()[1], -1.25);
    EXPECT_EQ(arrays.at("count").to_vector(), (std::vector<double>{3, 1, 2}));
    EXPECT_EQ(arrays.at("long").dtype(), Dtype::f64);
    EXPECT_EQ(arrays.at("long").to_vector(), std::vector<double>(60, 0));
  }
  EXPECT_EQ(read_npz_bytes(golden_bytes("formats/zip64.npz"), "zip64").at("matrix").to_vector()[4], 1048576);
}

TEST(Npz, RoundTrips) {
  const TemporaryFolder folder;
  const std::map<std::string, Tensor> arrays = {{"b", Tensor::from<float>({1, 2, 3}, {3})},
                                                {"a", Tensor::from<int32_t>({-1}, {1, 1})},
                                                {"empty", Tensor::zeros({0})}};
  write_npz(folder / "a.npz", arrays);
  const auto back = read_npz(folder / "a.npz");
  ASSERT_EQ(back.size(), 3u);
  for (const auto& [key, tensor] : arrays) {
    EXPECT_EQ(back.at(key).dtype(), tensor.dtype());
    EXPECT_EQ(back.at(key).shape(), tensor.shape());
    EXPECT_EQ(back.at(key).to_vector(), tensor.to_vector());
  }
  EXPECT_TRUE(read_npz_bytes(zip_bytes({}), "nothing").empty());
}

// The CRC of "123456789" is the published check value; the layout is that of an archive of Python's zipfile.
TEST(Zip, WritesTheFormat) {
  const std::string bytes = zip_bytes({{"a.txt", "123456789"}});
  const std::string local("PK\3\4\x14\0\0\x08\0\0\0\0\x21\0\x26\x39\xf4\xcb\x09\0\0\0\x09\0\0\0\x05\0\0\0a.txt", 35);
  EXPECT_EQ(bytes.substr(0, 44), local + "123456789");
  EXPECT_EQ(bytes.size(), 35u + 9 + 46 + 5 + 22);
  const ZipArchive archive(bytes, "a.zip");
  ASSERT_EQ(archive.members().size(), 1u);
  EXPECT_EQ(archive.members()[0].name, "a.txt");
  EXPECT_EQ(archive.read(archive.members()[0]), "123456789");
}

TEST(Npz, NamesWhatIsWrong) {
  const std::string npy = npy_bytes(Tensor::zeros({2}));
  const std::string good = zip_bytes({{"a.npy", npy}});
  const size_t entry = 35 + npy.size(), end = good.size() - 22;
  EXPECT_EQ(read_npz_bytes(good, "good").size(), 1u);
  EXPECT_EQ(read_npz_bytes(patched(good, end + 20, 2, 3) + "bye", "comment").size(), 1u);
  expect_npz_error(patched(good, 35 + 130, 1, 7), "member a.npy is damaged: its CRC is");
  expect_npz_error(patched(good, entry + 10, 2, 12), "compression method 12");
  expect_npz_error(patched(good, entry + 8, 2, 1), "member a.npy is encrypted");
  expect_npz_error(patched(good, entry + 20, 4, 1 << 20), "ends beyond the end of the archive");
  expect_npz_error(patched(good, entry + 24, 4, 10), "is stored, but its two sizes differ");
  expect_npz_error(patched(good, entry + 42, 4, 5), "has no local header at byte 5");
  expect_npz_error(patched(good, end + 10, 2, 2), "cannot hold 2 members");
  expect_npz_error(patched(good, end + 10, 2, 0), "holds more than its 0 members");
  expect_npz_error(patched(good, end + 16, 4, 1 << 30), "directory lies beyond the end");
  expect_npz_error(good.substr(0, good.size() - 1), "no end record");
  expect_npz_error(zip_bytes({{"a.txt", "x"}}), "member a.txt is not an array");
  expect_npz_error(zip_bytes({{"a.npy", npy}, {"a.npy", npy}}), "array a appears twice");
  expect_npz_error(zip_bytes({{"a.npy", "x"}}), "a.npy, byte 0: not a NumPy array");
  expect_npz_error("<html>", "a web page");
  expect_npz_error(golden_bytes("formats/f4_v1.npy"), "a NumPy array (.npy)");
}

TEST(Npz, RefusesDecompressionBombs) {
  const std::string deflated = golden_bytes("formats/deflated.npz");
  const size_t entry = deflated.find("PK\1\2");
  ASSERT_NE(entry, std::string::npos);
  expect_npz_error(patched(deflated, entry + 24, 4, 1u << 31), "impossible for");
  expect_npz_error(patched(deflated, entry + 24, 4, 200), "does not unpack to its 200 bytes");
  expect_npz_error(patched(deflated, entry + 24, 4, 100), "does not unpack to its 100 bytes");
  // Two entries of the directory for the same bytes.
  const std::string npy = npy_bytes(Tensor::zeros({2}));
  const std::string two = zip_bytes({{"a.npy", npy}, {"b.npy", npy}});
  const size_t second = two.rfind("PK\1\2");
  expect_npz_error(patched(two, second + 42, 4, 0), "two parts of the archive overlap");
  // 2 MB of "packed" bytes may claim at most 2^30 + 64 * 2 MB.
  std::string large = zip_bytes({{"a.npy", std::string(2 << 20, '\0')}});
  const size_t large_entry = large.rfind("PK\1\2");
  large = patched(patched(large, large_entry + 10, 2, 8), large_entry + 24, 4, 2'000'000'000);
  expect_npz_error(large, "would unpack to 2000000000");
}

TEST(Npz, SurvivesEveryCutAndEveryByte) {
  const ParseFunction parse = [](const std::string& bytes) { read_npz_bytes(bytes, "damaged"); };
  for (const std::string name : {"deflated.npz", "zip64.npz"}) {
    expect_prefixes_refused(parse, golden_bytes("formats/" + std::string(name)),
                            golden_bytes("formats/" + std::string(name)).size());
    EXPECT_GT(survive_corruption(parse, golden_bytes("formats/" + std::string(name))),
              0);  // dates and attributes are not read
  }
}

}  // namespace
}  // namespace kg
