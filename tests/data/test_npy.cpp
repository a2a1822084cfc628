// npy: files written by NumPy (tests/golden/make_formats.py), our bytes against NumPy's, and every kind of damage.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <csignal>
#include <cstring>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

std::string golden_npy(const std::string& name) { return golden_bytes("formats/" + name + ".npy"); }

// A version 1 file with this dictionary and `count` zero bytes of elements.
std::string npy_with_header(const std::string& dictionary, size_t count = 0) {
  std::string bytes("\x93NUMPY\x01\0", 8);
  bytes += static_cast<char>(dictionary.size());
  bytes += '\0';
  return bytes + dictionary + std::string(count, '\0');
}

std::string npy_error(const std::string& bytes) {
  return input_error([&] { read_npy_bytes(bytes, "clip.npy"); });
}

void expect_npy_error(const std::string& bytes, const std::string& part) {
  expect_input_error([&] { read_npy_bytes(bytes, "clip.npy"); }, "clip.npy", part);
}

const std::vector<double> kMatrix = {0.5, -1.25, 3.0, 1e-30, 1048576, -0.0};

TEST(Npy, ReadsEveryVersionOfNumPy) {
  const Tensor f8 = read_npy(kGolden / "formats/f8_v2.npy");
  EXPECT_EQ(f8.dtype(), Dtype::f64);
  EXPECT_EQ(f8.shape(), (Shape{2, 3}));
  EXPECT_EQ(f8.to_vector(), kMatrix);
  EXPECT_TRUE(std::signbit(f8.data<double>()[5]));
  for (const std::string name : {"f4_v1", "f4_v3"}) {
    const Tensor f4 = read_npy_bytes(golden_npy(name), name);
    EXPECT_EQ(f4.dtype(), Dtype::f32);
    EXPECT_EQ(f4.shape(), (Shape{2, 3}));
    for (int i = 0; i < 6; ++i) EXPECT_EQ(f4.data<float>()[i], static_cast<float>(kMatrix[i]));
  }
}

TEST(Npy, ReadsEveryElementType) {
  const Tensor i4 = read_npy_bytes(golden_npy("i4"), "i4");
  EXPECT_EQ(i4.dtype(), Dtype::i32);
  EXPECT_EQ(i4.to_vector(), (std::vector<double>{1, -2, 2147483647, -2147483648.0}));
  const Tensor i8 = read_npy_bytes(golden_npy("i8"), "i8");
  EXPECT_EQ(i8.dtype(), Dtype::i32);
  EXPECT_EQ(i8.shape(), (Shape{2, 2}));
  EXPECT_EQ(i8.to_vector(), (std::vector<double>{1, -2, 2147483647, -2147483648.0}));
  const Tensor u1 = read_npy_bytes(golden_npy("u1"), "u1");
  EXPECT_EQ(u1.dtype(), Dtype::u8);
  EXPECT_EQ(u1.shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(u1.to_vector(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read_npy_bytes(golden_npy("b1"), "b1").to_vector(), (std::vector<double>{1, 0, 1}));
  const Tensor scalar = read_npy_bytes(golden_npy("scalar"), "scalar");
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.item(), 2.5);
  EXPECT_EQ(read_npy_bytes(golden_npy("empty"), "empty").shape(), (Shape{0, 3}));
}

TEST(Npy, WritesTheBytesOfNumPy) {
  for (const std::string name : {"f4_v1", "i4", "u1", "scalar", "empty"}) {
    EXPECT_EQ(npy_bytes(read_npy_bytes(golden_npy(name), name)), golden_npy(name)) << name;
  }
  const Tensor transposed = read_npy_bytes(golden_npy("f4_v1"), "f4").transpose(0, 1);
  const Tensor back = read_npy_bytes(npy_bytes(transposed), "transposed");
  EXPECT_EQ(back.shape(), (Shape{3, 2}));
  EXPECT_EQ(back.to_vector(), transposed.to_vector());
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", transposed);
  EXPECT_EQ(read_file(folder / "a.npy", 1000), npy_bytes(transposed));
  EXPECT_THROW(npy_bytes(Tensor::zeros({2}, Dtype::bf16)), Error);
}

TEST(Npy, NamesWhatIsNotSupported) {
  expect_npy_error(golden_npy("fortran"), "Fortran order");
  expect_npy_error(golden_npy("object"), "object array");
  expect_npy_error(golden_npy("big_endian"), "big-endian");
  expect_npy_error(golden_npy("structured"), "structured array");
  expect_npy_error(golden_npy("complex"), "'<c8' is not supported");
  expect_npy_error(golden_npy("half"), "'<f2' is not supported");
  expect_npy_error(golden_npy("i8_wide"), "element 1 is 2147483648");
  expect_npy_error("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  expect_npy_error("\n<!DOCTYPE html><html>", "a web page");
  expect_npy_error("", "the file is empty");
}

TEST(Npy, NamesTheByteOfAnError) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  EXPECT_EQ(read_npy_bytes(npy_with_header(good, 8), "good").shape(), (Shape{2}));
  std::string version = npy_with_header(good, 8);
  version[6] = 4;
  EXPECT_EQ(npy_error(version), "clip.npy, byte 6: format version 4 is not known, expected 1, 2 or 3");
  EXPECT_EQ(npy_error(npy_with_header("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", 8)),
            "clip.npy, byte 44: expected True or False for fortran_order");
  EXPECT_EQ(npy_error(npy_with_header("{'descr': '<f4', 'shape': (2,)}", 8)),
            "clip.npy, byte 41: the header must have descr, fortran_order and shape");
  EXPECT_EQ(npy_error(npy_with_header("{'descr': '<f4', 'descr': '<f4'}", 8)),
            "clip.npy, byte 35: key 'descr' appears twice");
  EXPECT_EQ(npy_error(npy_with_header("{'shape': (-2,)}", 8)),
            "clip.npy, byte 21: the header is damaged: expected a whole number in shape");
  EXPECT_EQ(npy_error(npy_with_header(good, 7)),
            "clip.npy: shape (2) needs 8 bytes of data, the file has 7 (is it cut off?)");
  EXPECT_EQ(npy_error(npy_with_header(good, 9)), "clip.npy: shape (2) needs 8 bytes of data, the file has 9");
}

TEST(Npy, RefusesShapesThatCannotBe) {
  const auto shape = [](const std::string& s) {
    return "{'descr': '<f8', 'fortran_order': False, 'shape': " + s + "}";
  };
  expect_npy_error(npy_with_header(shape("(1152921504606846976,)"), 64), "the shape is too large");  // 2^60 elements
  expect_npy_error(npy_with_header(shape("(4294967296, 4294967296, 4294967296)"), 64), "the shape is too large");
  expect_npy_error(npy_with_header(shape("(0, 4611686018427387904, 4611686018427387904)")), "the shape is too large");
  expect_npy_error(npy_with_header(shape("(99999999999999999999999,)"), 64), "too large");
  expect_npy_error(npy_with_header(shape("(268435456,)"), 64), "needs 2147483648 bytes of data, the file has 64");
  expect_npy_error(npy_with_header(shape("(1, 1, 1, 1, 1, 1, 1)"), 8), "7 axes");
}

TEST(Npy, SurvivesEveryCutAndEveryByte) {
  const ParseFunction parse = [](const std::string& bytes) { read_npy_bytes(bytes, "damaged"); };
  for (const std::string name : {"f4_v1", "f8_v2", "i8", "b1", "scalar", "empty"}) {
    expect_prefixes_refused(parse, golden_npy(name), golden_npy(name).size());
    survive_corruption(parse, golden_npy(name));
  }
}

TEST(Npy, AFullDiskIsAnErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // so that write() fails with EFBIG, as it would with ENOSPC
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  ErrorCode code{};
  std::string message;
  try {
    write_npy(folder / "big.npy", Tensor::zeros({1000}));
  } catch (const Error& error) {
    code = error.code;
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(code, ErrorCode::runtime) << message;
  EXPECT_NE(message.find("big.npy"), std::string::npos) << message;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Npy, MissingFilesAndFoldersAreInputErrors) {
  const TemporaryFolder folder;
  EXPECT_NE(input_error([&] { read_npy(folder / "none.npy"); }).find("none.npy"), std::string::npos);
  EXPECT_NE(input_error([&] { read_npy(folder.path()); }).find("folder"), std::string::npos);
  EXPECT_THROW(write_npy(folder / "missing/a.npy", Tensor::zeros({1})), Error);
}

TEST(Npy, ReadsRealClips) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no shared data";
  const Tensor joints = read_npy(*folder / "golden/new_joints/012314.npy");
  EXPECT_EQ(joints.shape(), (Shape{joints.size(0), 22, 3}));
  const Tensor features = read_npy(*folder / "golden/new_joint_vecs/012314.npy");
  EXPECT_EQ(features.size(1), 263);
  EXPECT_EQ(read_npy(*folder / "golden/Mean.npy").shape(), (Shape{263}));
}

}  // namespace
}  // namespace kg
