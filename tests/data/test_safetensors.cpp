// safetensors: a file of the safetensors package (tests/golden/make_formats.py), round trips, and every kind of damage.
#include "data/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "data/formats/file.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

const std::filesystem::path kMixed = std::filesystem::path(KG_TEST_DIR) / "golden/formats/mixed.safetensors";

std::string safetensors_with_header(const std::string& json, size_t data_bytes) {
  const uint64_t length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + json + std::string(data_bytes, '\1');
}

void expect_safetensors_error(const std::string& bytes, const std::string& part) {
  expect_input_error([&] { read_safetensors_bytes(bytes, "model.safetensors"); }, "model.safetensors: ", part);
}

std::vector<double> values(const TensorFile& file, const std::string& name) {
  const Tensor* tensor = file.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  return tensor ? tensor->to_vector() : std::vector<double>();
}

TEST(Safetensors, ReadsTheFileOfThePackage) {
  const TensorFile file = read_safetensors(kMixed);
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"note", "caf\u00e9 \"quoted\""}}));
  ASSERT_EQ(file.tensors.size(), 9u);
  EXPECT_EQ(file.tensors[0].first, "d.i64");  // the package orders by type size
  EXPECT_EQ(file.find("a.f64")->dtype(), Dtype::f64);
  EXPECT_EQ(file.find("a.f64")->shape(), (Shape{2, 3}));
  EXPECT_EQ(values(file, "a.f64"), (std::vector<double>{0.5, -1.25, 3.0, 1e-30, 1048576, 0}));
  EXPECT_EQ(file.find("b.f32")->dtype(), Dtype::f32);
  EXPECT_EQ(values(file, "b.f32")[3], 1e-30f);
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(file.find("c.f16")->dtype(), Dtype::f32);
  EXPECT_EQ(values(file, "c.f16"), (std::vector<double>{1.5, -2, 65504, std::exp2(-24), inf, -0.0, std::exp2(-14)}));
  EXPECT_TRUE(std::signbit(values(file, "c.f16")[5]));
  EXPECT_EQ(file.find("d.i64")->dtype(), Dtype::i32);
  EXPECT_EQ(values(file, "d.i64"), (std::vector<double>{2147483647, -5}));
  EXPECT_EQ(file.find("e.i32")->shape(), (Shape{1, 1}));
  EXPECT_EQ(values(file, "f.u8"), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(values(file, "g.bool"), (std::vector<double>{1, 0}));
  EXPECT_EQ(file.find("h.empty")->shape(), (Shape{2, 0}));
  EXPECT_EQ(file.find("i.scalar")->rank(), 0);
  EXPECT_EQ(values(file, "i.scalar"), (std::vector<double>{0.25}));
  EXPECT_EQ(file.find("j"), nullptr);
}

TEST(Safetensors, WritesTheSpecifiedBytes) {
  const TemporaryFolder folder;
  TensorFile file;
  file.tensors.emplace_back("w", Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose(0, 1));
  file.tensors.emplace_back("n", Tensor::from<uint8_t>({7}, {}));
  file.metadata = {{"kind", "a\"b"}};
  write_safetensors(folder / "a.safetensors", file);
  std::string json =
      "{\"__metadata__\":{\"kind\":\"a\\\"b\"},"
      "\"w\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
      "\"n\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[24,25]}}";
  json.append((8 - json.size() % 8) % 8, ' ');
  std::string want = safetensors_with_header(json, 25);
  const float elements[] = {1, 4, 2, 5, 3, 6};
  std::memcpy(want.data() + want.size() - 25, elements, 24);
  want.back() = 7;
  const std::string got = read_file(folder / "a.safetensors", 1000);
  EXPECT_EQ(got, want);
  write_safetensors(folder / "b.safetensors", read_safetensors(folder / "a.safetensors"));
  EXPECT_EQ(read_file(folder / "b.safetensors", 1000), got);
}

TEST(Safetensors, RoundTripsEveryType) {
  const TemporaryFolder folder;
  TensorFile file;
  for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::i32, Dtype::u8}) {
    file.tensors.emplace_back(name_of(dtype), Tensor::full({3, 5}, 9, dtype));
  }
  write_safetensors(folder / "all.safetensors", file);
  const TensorFile back = read_safetensors(folder / "all.safetensors");
  ASSERT_EQ(back.tensors.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(back.tensors[i].first, file.tensors[i].first);
    EXPECT_EQ(back.tensors[i].second.dtype(), file.tensors[i].second.dtype());
    EXPECT_EQ(back.tensors[i].second.to_vector(), std::vector<double>(15, 9));
  }
  write_safetensors(folder / "none.safetensors", {});
  EXPECT_TRUE(read_safetensors(folder / "none.safetensors").tensors.empty());
}

// Opened, not read: what write_stored() copies keeps every type of the file, also those that tensors do not have.
TEST(Safetensors, CopiesEveryTypeOfFiles) {
  const TemporaryFolder folder;
  const StoredFile mixed = open_safetensors(kMixed);
  EXPECT_EQ(mixed.tensors[0].dtype, FileDtype::i64);
  EXPECT_EQ(mixed.tensors[0].shape, (Shape{2}));
  write_stored(folder / "copy.safetensors", mixed);
  const std::string was = read_file(kMixed, 10000), is = read_file(folder / "copy.safetensors", 10000);
  const StoredFile copy = open_safetensors(folder / "copy.safetensors");
  EXPECT_EQ(copy.metadata, mixed.metadata);
  ASSERT_EQ(copy.tensors.size(), mixed.tensors.size());
  int64_t data = 0;
  for (size_t i = 0; i < copy.tensors.size(); ++i) {
    EXPECT_EQ(copy.tensors[i].name, mixed.tensors[i].name);
    EXPECT_EQ(copy.tensors[i].dtype, mixed.tensors[i].dtype);
    data += copy.tensors[i].shape.numel() * size_of(copy.tensors[i].dtype);
  }
  EXPECT_EQ(is.substr(is.size() - size_t(data)), was.substr(was.size() - size_t(data)));  // the same elements
}

std::string written_as(FileDtype dtype, const Tensor& tensor) {
  std::string bytes;
  write_elements(
      tensor, dtype, [&](std::string_view part) { bytes += part; }, "tensor w: ");
  return bytes;
}

TEST(Safetensors, RoundsToHalf) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, uint16_t>> cases = {
      {0.0f, 0x0000},         {-0.0f, 0x8000},        {1.0f, 0x3c00},         {0.1f, 0x2e66},
      {-1.0f / 3, 0xb555},    {65504.0f, 0x7bff},     {65519.0f, 0x7bff},     {0x1p-14f, 0x0400},
      {0x1p-24f, 0x0001},     {0x1p-25f, 0x0000},     {0x3p-25f, 0x0002},     {0x1.ff8p-15f, 0x03ff},
      {0x1.ffcp-15f, 0x0400}, {1 + 0x1p-11f, 0x3c00}, {1 + 0x3p-11f, 0x3c02}, {1 + 0x1.2p-11f, 0x3c01},
      {0x1.ffep0f, 0x4000},   {inf, 0x7c00},          {-inf, 0xfc00},         {1e-30f, 0x0000}};
  for (const auto& [value, want] : cases) {
    const std::string bytes = written_as(FileDtype::f16, Tensor::from<float>({value}, {1}));
    uint16_t got = 0;
    ASSERT_EQ(bytes.size(), 2u);
    std::memcpy(&got, bytes.data(), 2);
    EXPECT_EQ(got, want) << value;
  }
  EXPECT_EQ(written_as(FileDtype::f16, Tensor::from<float>({NAN}, {1})), std::string("\x00\x7e", 2));
  const std::string message = input_error([] { written_as(FileDtype::f16, Tensor::from<float>({1, 65520}, {2})); });
  EXPECT_NE(message.find("tensor w: element 1 is 65520, f16 holds at most 65504"), std::string::npos) << message;
}

TEST(Safetensors, WritesWholeNumbersOfEachWidth) {
  const Tensor numbers = Tensor::from<int32_t>({-2, 127}, {2});
  EXPECT_EQ(written_as(FileDtype::i8, numbers), std::string("\xfe\x7f"));
  EXPECT_EQ(written_as(FileDtype::i16, numbers), std::string("\xfe\xff\x7f\x00", 4));
  EXPECT_EQ(written_as(FileDtype::i64, numbers).substr(8), std::string("\x7f\0\0\0\0\0\0\0", 8));
  EXPECT_NE(input_error([] { written_as(FileDtype::i8, Tensor::from<int32_t>({128}, {1})); }).find("too large"),
            std::string::npos);
  EXPECT_THROW(written_as(FileDtype::f32, numbers), Error);
}

TEST(Safetensors, RefusesAWrongHeader) {
  const std::string w = "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";
  EXPECT_EQ(read_safetensors_bytes(safetensors_with_header("{" + w + "}", 8), "good").tensors.size(), 1u);
  expect_safetensors_error(safetensors_with_header("{" + w + "," + w + "}", 8), "names w twice");
  expect_safetensors_error(safetensors_with_header("{" + w + "}", 7),
                           "ends at byte 8 of the data, the file has only 7 (is it cut off?)");
  expect_safetensors_error(safetensors_with_header("{" + w + "}", 9), "the tensors fill 8 bytes, the file has 9");
  expect_safetensors_error(safetensors_with_header("{" + w + "} x", 8), "not valid JSON at its byte");
  expect_safetensors_error(safetensors_with_header("{" + w, 8), "not valid JSON");
  const auto tensor = [](const std::string& body) { return safetensors_with_header("{\"w\":{" + body + "}}", 8); };
  const std::string dtype = "\"dtype\":\"F32\"", shape = "\"shape\":[2]", offsets = "\"data_offsets\":[0,8]";
  expect_safetensors_error(tensor(dtype + "," + shape), "tensor w: dtype, shape and data_offsets are all needed");
  expect_safetensors_error(tensor("\"dtype\":\"C64\"," + shape + "," + offsets), "dtype C64 is not supported");
  expect_safetensors_error(tensor(dtype + ",\"shape\":[3]," + offsets),
                           "shape (3) needs 12 bytes of data, the file has 8");
  expect_safetensors_error(tensor(dtype + ",\"shape\":[-2]," + offsets), "a negative number");
  expect_safetensors_error(tensor(dtype + ",\"shape\":[2.0]," + offsets), "a fraction");
  expect_safetensors_error(tensor(dtype + ",\"shape\":[[2]]," + offsets),
                           "an array where it does not belong, at key shape of w");
  expect_safetensors_error(tensor(dtype + ",\"shape\":2," + offsets), "a number");
  expect_safetensors_error(tensor(dtype + "," + shape + "," + shape + "," + offsets), "shape is given twice");
  expect_safetensors_error(tensor(dtype + "," + shape + ",\"data_offsets\":[8,0]"),
                           "data_offsets must be [begin, end]");
  expect_safetensors_error(tensor(dtype + "," + shape + ",\"data_offsets\":[0]"), "data_offsets must be [begin, end]");
  expect_safetensors_error(tensor(dtype + "," + shape + "," + offsets + ",\"extra\":\"x\""), "a string");
  expect_safetensors_error(safetensors_with_header("{\"__metadata__\":{\"a\":1}}", 0), "a number");
  expect_safetensors_error(safetensors_with_header("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0), "names a twice");
  expect_safetensors_error(safetensors_with_header("{\"w\":null}", 0), "null");
  expect_safetensors_error(safetensors_with_header(std::string(100000, '{'), 0), "not valid JSON");
}

TEST(Safetensors, RefusesOverlapsAndGaps) {
  const auto two = [](const std::string& a, const std::string& b) {
    return safetensors_with_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + a +
                                       "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + b + "}}",
                                   8);
  };
  const TensorFile swapped = read_safetensors_bytes(two("[4,8]", "[0,4]"), "swapped");
  EXPECT_EQ(swapped.tensors[0].first, "b");
  expect_safetensors_error(two("[0,4]", "[3,7]"),
                           "tensor b begins at byte 3 of the data, expected 4 (it overlaps another)");
  expect_safetensors_error(two("[0,4]", "[0,4]"), "overlaps");
  expect_safetensors_error(two("[0,4]", "[5,9]"), "(a gap)");
  expect_safetensors_error(two("[1,5]", "[5,9]"), "(a gap)");
}

TEST(Safetensors, BoundsMemory) {
  expect_safetensors_error(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10),
                           "its header would be 18446744073709551615 bytes");
  expect_safetensors_error(std::string("\x00\xe0\xf5\x05\x00\x00\x00\x00{}", 10), "the header is 99999744 bytes long");
  const auto huge = [](const std::string& shape, const std::string& end) {
    return safetensors_with_header(
        "{\"w\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[0," + end + "]}}", 16);
  };
  expect_safetensors_error(huge("[1152921504606846976]", "4611686018427387904"), "the file has only 16");
  expect_safetensors_error(huge("[1152921504606846976]", "16"), "needs 4611686018427387904 bytes");
  expect_safetensors_error(huge("[4294967296,4294967296,4294967296]", "16"), "the shape is too large");
  expect_safetensors_error(huge("[99999999999999999999]", "16"), "a fraction");  // beyond 64 bits JSON makes it a float
}

TEST(Safetensors, NamesWhatTheFileIsInstead) {
  expect_safetensors_error("", "the file is empty");
  expect_safetensors_error("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`");
  expect_safetensors_error("<html><body>404</body></html>", "a web page");
  expect_safetensors_error(std::string("PK\3\4\x14\0\0\0\0\0\0\0", 12), "a zip archive");
}

TEST(Safetensors, SurvivesEveryCutAndEveryByte) {
  const ParseFunction parse = [](const std::string& bytes) { read_safetensors_bytes(bytes, "damaged"); };
  const std::string mixed = read_file(kMixed, 10000);
  expect_prefixes_refused(parse, mixed, mixed.size());
  EXPECT_GT(survive_corruption(parse, mixed), 0);  // changed elements are still elements
}

TEST(Safetensors, BadPathsAreErrors) {
  const TemporaryFolder folder;
  EXPECT_NE(input_error([&] { read_safetensors(folder / "none"); }).find("no such file"), std::string::npos);
  EXPECT_NE(input_error([&] { read_safetensors(folder.path()); }).find("is not a file"), std::string::npos);
  EXPECT_THROW(write_safetensors(folder / "missing/a", {}), Error);
  EXPECT_THROW(write_safetensors("/dev/full", {}), Error);
  TensorFile twice;
  twice.tensors.emplace_back("a", Tensor::zeros({1}));
  twice.tensors.emplace_back("a", Tensor::zeros({1}));
  EXPECT_THROW(write_safetensors(folder / "twice", twice), Error);
  TensorFile not_text;
  not_text.metadata["a"] = "\xff";
  EXPECT_THROW(write_safetensors(folder / "not_text", not_text), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace kg
