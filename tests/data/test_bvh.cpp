// BVH: parsing, forward kinematics against hand-computed places and a matrix oracle, and every kind of damage.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <numbers>

#include "data/formats/bvh.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

// Two joints and an End Site; the child has positions of its own.
const std::string kSmall =
    "HIERARCHY\n"
    "ROOT Hips\n"
    "{\n"
    "  OFFSET 1 2 3\n"
    "  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
    "  JOINT Upper Arm\n"
    "  {\n"
    "    OFFSET 0 10 0\n"
    "    CHANNELS 2 Xrotation Yposition\n"
    "    End Site\n"
    "    {\n"
    "      OFFSET 0 0 5\n"
    "    }\n"
    "  }\n"
    "}\n"
    "MOTION\n"
    "Frames: 2\n"
    "Frame Time: 0.05\n"
    "0 0 0 0 0 0 0 10\n"
    "100 200 300 90 0 0 90 20\n";

void expect_near(const Vec3& got, const Vec3& want, double tolerance = 1e-12) {
  EXPECT_NEAR(got.x, want.x, tolerance);
  EXPECT_NEAR(got.y, want.y, tolerance);
  EXPECT_NEAR(got.z, want.z, tolerance);
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string bvh_error(const std::string& text) {
  return input_error([&] { parse_bvh(text, "walk.bvh"); });
}

TEST(Bvh, ReadsTheTree) {
  const Bvh bvh = parse_bvh(kSmall, "small");
  ASSERT_EQ(bvh.joints.size(), 3u);
  EXPECT_EQ(bvh.joints[0].name, "Hips");
  EXPECT_EQ(bvh.joints[1].name, "Upper Arm");
  EXPECT_EQ(bvh.joints[2].name, "Upper Arm_end");
  EXPECT_EQ(bvh.joints[1].parent, 0);
  EXPECT_EQ(bvh.joints[2].parent, 1);
  EXPECT_TRUE(bvh.joints[2].is_end_site);
  EXPECT_EQ(bvh.joints[0].offset, (Vec3{1, 2, 3}));
  EXPECT_EQ(bvh.joints[1].channels, (std::vector{Channel::x_rotation, Channel::y_position}));
  EXPECT_EQ(bvh.joints[1].first_channel, 6);
  EXPECT_EQ(bvh.channels, 8);
  EXPECT_EQ(bvh.frames, 2);
  EXPECT_EQ(bvh.frame_time, 0.05);
  ASSERT_EQ(bvh.values.size(), 16u);
  EXPECT_EQ(bvh.values[9], 200);
}

TEST(Bvh, PlacesJointsAsComputedByHand) {
  const Bvh bvh = parse_bvh(kSmall, "small");
  expect_near(global_positions(bvh, 0)[1], {0, 10, 0});
  // Root turned a quarter about z: the child's (0, 20, 0) points to -x. The child turned a quarter about its own x:
  // its z axis becomes -y of the root's frame, which is +x of the world.
  const BvhPose pose = global_pose(bvh, 1);
  expect_near(pose.positions[0], {100, 200, 300});
  expect_near(pose.positions[1], {80, 200, 300});
  expect_near(pose.positions[2], {85, 200, 300});
  expect_near(rotate(pose.orientations[1], {1, 0, 0}), {0, 1, 0});
}

using Matrix = std::array<std::array<double, 3>, 3>;

Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) c[i][j] += a[i][k] * b[k][j];
  return c;
}

Matrix axis_matrix(char axis, double degrees) {
  const double c = std::cos(degrees * std::numbers::pi / 180), s = std::sin(degrees * std::numbers::pi / 180);
  if (axis == 'X') return {{{1, 0, 0}, {0, c, -s}, {0, s, c}}};
  if (axis == 'Y') return {{{c, 0, s}, {0, 1, 0}, {-s, 0, c}}};
  return {{{c, -s, 0}, {s, c, 0}, {0, 0, 1}}};
}

TEST(Bvh, RotatesInChannelOrder) {
  const std::array<double, 3> angles = {20, -70, 130};
  for (const std::string order : {"XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"}) {
    const std::string text =
        "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 " + order.substr(0, 1) + "rotation " + order.substr(1, 1) +
        "rotation " + order.substr(2, 1) +
        "rotation\nEnd Site\n{\nOFFSET 1 2 3\n}\n}\nMOTION\nFrames: 1\nFrame Time: 1\n20 -70 130\n";
    const Matrix m =
        axis_matrix(order[0], angles[0]) * axis_matrix(order[1], angles[1]) * axis_matrix(order[2], angles[2]);
    const Vec3 got = global_positions(parse_bvh(text, order), 0)[1];
    expect_near(got, {m[0][0] + 2 * m[0][1] + 3 * m[0][2], m[1][0] + 2 * m[1][1] + 3 * m[1][2],
                      m[2][0] + 2 * m[2][1] + 3 * m[2][2]});
  }
}

TEST(Bvh, AcceptsTheWaysThatPeopleWriteIt) {
  const Bvh plain = parse_bvh(kSmall, "plain");
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : kSmall) windows += c == '\n' ? "\r\n" : c == ' ' ? " \t " : std::string(1, c);
  windows = with(windows, "Upper \t Arm", "Upper Arm");
  const std::string same_line = with(kSmall, "ROOT Hips\n{", "ROOT Hips {");
  const std::string lower = with(with(kSmall, "End Site", "END SITE"), "Xposition", "XPOSITION");
  const std::string glued = with(with(kSmall, "Frames: 2", "Frames :2"), "100 200", "\n\n+1e2 2.00e+2");
  for (const std::string& text :
       {windows, same_line, lower, glued, kSmall + "\n \n", kSmall.substr(0, kSmall.size() - 1)}) {
    const Bvh other = parse_bvh(text, "variant");
    EXPECT_EQ(other.values, plain.values);
    EXPECT_EQ(other.joints[1].name, plain.joints[1].name);
    EXPECT_EQ(other.frame_time, plain.frame_time);
  }
}

TEST(Bvh, ChannelsMayFollowTheChildren) {
  const Bvh bvh = parse_bvh(
      "HIERARCHY ROOT a\n{ OFFSET 0 0 0 JOINT b\n{ OFFSET 1 0 0 CHANNELS 1 Xposition } CHANNELS 1 Yposition }\n"
      "ROOT c\n{ OFFSET 7 8 9 }\nMOTION Frames: 1 Frame Time: 1\n5 6\n",
      "order");
  const std::vector<Vec3> positions = global_positions(bvh, 0);
  expect_near(positions[0], {0, 6, 0});
  expect_near(positions[1], {5, 6, 0});
  expect_near(positions[2], {7, 8, 9});
}

TEST(Bvh, NamesTheLineOfAnError) {
  EXPECT_EQ(bvh_error(with(kSmall, "100 200", "100 2oo")),
            "walk.bvh, line 20: expected a number (a motion value), found '2oo'");
  EXPECT_EQ(bvh_error(with(kSmall, "90 20\n", "90\n")), "walk.bvh, line 20: frame 1 has 7 values, expected 8");
  EXPECT_EQ(bvh_error(with(kSmall, "90 20\n", "90 20 7\n")), "walk.bvh, line 20: frame 1 has more than 8 values");
  EXPECT_EQ(bvh_error(with(kSmall, "OFFSET 0 10 0", "OFFSET 0 nan 0")),
            "walk.bvh, line 8: OFFSET y must be finite and at most 1e9 in size, is 'nan'");
  EXPECT_EQ(bvh_error(with(kSmall, "2 Xrotation Yposition", "2 Xrotation Wposition")),
            "walk.bvh, line 9: expected channel 2 of 2 (Xposition ... Zrotation), found 'Wposition'");
  EXPECT_EQ(bvh_error(with(kSmall, "    }\n", "")),
            "walk.bvh, line 15: expected OFFSET, CHANNELS, JOINT, End Site or } in joint 'Hips', found 'MOTION'");
}

TEST(Bvh, RefusesWhatIsNoMotion) {
  const std::array<std::pair<std::string, std::string>, 17> changes = {{
      {"HIERARCHY", "HIERARHCY"},
      {"ROOT", "JOINT"},
      {"ROOT Hips", "ROOT"},
      {"OFFSET 1 2 3", ""},
      {"OFFSET 1 2 3", "OFFSET 1 2 3 OFFSET 1 2 3"},
      {"OFFSET 1 2 3", "OFFSET 1 2"},
      {"CHANNELS 2", "CHANNELS 7"},
      {"CHANNELS 2", "CHANNELS -1"},
      {"2 Xrotation Yposition", "2 Xrotation Xrotation"},
      {"OFFSET 0 0 5", "OFFSET 0 0 5 CHANNELS 1 Xposition"},
      {"OFFSET 0 0 5", "OFFSET 0 0 5 JOINT x { OFFSET 0 0 0 }"},
      {"Frames: 2", "Frames: 0"},
      {"Frames: 2", "Frames: 3"},
      {"Frames: 2", "Frames: 1"},
      {"Frame Time: 0.05", "Frame Time: 0"},
      {"0 0 0 0 0 0 0 10", "0 0 0 inf 0 0 0 10"},
      {"0 0 0 0 0 0 0 10", "0 0 0 1e400 0 0 0 10"},
  }};
  for (const auto& [from, to] : changes) EXPECT_NE(bvh_error(with(kSmall, from, to)), "") << to;
  EXPECT_EQ(bvh_error(""), "walk.bvh: not a BVH file: the file is empty");
  EXPECT_NE(bvh_error("version https://git-lfs.github.com/spec/v1").find("git lfs pull"), std::string::npos);
}

TEST(Bvh, BoundsMemoryByTheText) {
  EXPECT_NE(bvh_error(with(kSmall, "Frames: 2", "Frames: 1000000000")).find("room for at most"), std::string::npos);
  EXPECT_NE(bvh_error(with(kSmall, "Frames: 2", "Frames: 99999999999999999999")), "");
  std::string deep = "HIERARCHY ROOT a\n{ OFFSET 0 0 0 ";
  for (int i = 0; i < 20000; ++i) deep += "JOINT b\n{ OFFSET 0 0 0 ";
  EXPECT_NE(bvh_error(deep).find("more than 10000 joints"), std::string::npos);
}

TEST(Bvh, SurvivesEveryCutAndEveryByte) {
  const ParseFunction parse = [](const std::string& bytes) {
    const Bvh bvh = parse_bvh(bytes, "damaged");
    for (int frame = 0; frame < bvh.frames; ++frame) global_positions(bvh, frame);
  };
  expect_prefixes_refused(parse, kSmall,
                          kSmall.size() - 2);  // "... 9" and "... 90 2" differ from the file, not in form
  EXPECT_GT(survive_corruption(parse, kSmall), 0);
}

TEST(Bvh, RealCapturesHaveRigidBones) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no shared data";
  if (!std::filesystem::exists(*folder / "cmu.tar.xz")) GTEST_SKIP() << "no CMU captures in " << *folder;
  const TemporaryFolder temporary;
  const std::string command =
      "tar -xJf '" + (*folder / "cmu.tar.xz").string() + "' -C '" + temporary.path().string() + "' cmu/bvh20/02_01.bvh";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const Bvh bvh = read_bvh(temporary / "cmu/bvh20/02_01.bvh");
  ASSERT_GT(bvh.frames, 10);
  for (const int frame : {0, bvh.frames / 2, bvh.frames - 1}) {
    const std::vector<Vec3> positions = global_positions(bvh, frame);
    for (size_t j = 1; j < bvh.joints.size(); ++j) {
      EXPECT_NEAR(length(positions[j] - positions[bvh.joints[j].parent]), length(bvh.joints[j].offset), 1e-9);
    }
  }
}

}  // namespace
}  // namespace kg
