// Features against an independent NumPy computation (tests/golden/make_motion_golden.py), against the published clips
// of HumanML3D where they are at hand, and against what must hold for any motion.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/motion/statistics.h"
#include "tests/data/bad_input.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

using test::kLayout;
using test::largest_distance;

// The same body as in make_motion_golden.py.
Joints synthetic_humanml3d(int frames) {
  Pose rest(kJoints);
  for (int j = 1; j < kJoints; ++j)
    rest[j] = rest[humanml3d().parents[j]] + humanml3d().rest_directions[j] * humanml3d().bone_lengths[j];
  for (int j = kLeftCollar; j < kJoints; ++j) {
    if (j == kHead) continue;
    rest[j].x *= 1.6;
    if (j >= kLeftShoulder) rest[j].x += rest[j].x > 0 ? .08 : -.08;
  }
  Joints joints(frames, Pose(kJoints));
  for (int t = 0; t < frames; ++t) {
    const double angle = .7 + .015 * t + .4 * std::sin(.05 * t), c = std::cos(angle), s = std::sin(angle);
    for (int j = 0; j < kJoints; ++j) {
      const Vec3 sway{std::sin(.31 * t + j), std::sin(.17 * t + 2 * j), std::cos(.23 * t + 3 * j)};
      const Vec3 p = 1.1 * rest[j] + .02 * sway;
      joints[t][j] = {c * p.x + s * p.z + .012 * t + 5, p.y + .03 * std::sin(.2 * t) + .3,
                      -s * p.x + c * p.z + .025 * t + .3 * std::sin(.15 * t) - 2};
    }
  }
  return joints;
}

float at(const Tensor& features, int64_t row, int column) { return features.data<float>()[row * kFeatures + column]; }

Joints turned(const Joints& joints, double angle, const Vec3& shift, double scale) {
  Joints out = joints;
  for (Pose& pose : out)
    for (Vec3& p : pose) p = rotate(axis_angle({0, 1, 0}, angle), p) * scale + shift;
  return out;
}

// A column after left and right are exchanged, and the sign it gets.
struct Mirrored {
  int column;
  float sign;
};
Mirrored mirrored_column(int i) {
  const auto flips = [](int axis, bool negate) { return (axis == 0) == negate ? -1.f : 1.f; };
  if (i == kRootYaw || i == kRootVelocity) return {i, -1};
  if (i < kLocalPositions) return {i, 1};
  if (i < kLayout.rotations()) {
    const int j = (i - kLocalPositions) / 3 + 1, axis = (i - kLocalPositions) % 3;
    return {kLocalPositions + 3 * (humanml3d().mirror[j] - 1) + axis, flips(axis, true)};
  }
  if (i < kLayout.velocities()) {  // reflected: column x of the matrix becomes (x, -y, -z), column y (-x, y, z)
    const int j = (i - kLayout.rotations()) / 6 + 1, k = (i - kLayout.rotations()) % 6;
    return {kLayout.rotations() + 6 * (humanml3d().mirror[j] - 1) + k, flips(k % 3, k >= 3)};
  }
  if (i < kLayout.contacts()) {
    const int j = (i - kLayout.velocities()) / 3, axis = (i - kLayout.velocities()) % 3;
    return {kLayout.velocities() + 3 * humanml3d().mirror[j] + axis, flips(axis, true)};
  }
  return {kLayout.contacts() + (i - kLayout.contacts() + 2) % 4, 1};
}

TEST(Features, EqualAnIndependentComputation) {
  const Tensor features = joints_to_features(synthetic_humanml3d(150)),
               golden = read_npy(kGolden / "motion_features.npy");
  ASSERT_EQ(features.shape(), (Shape{149, kFeatures}));
  ASSERT_EQ(golden.shape(), (Shape{13, kFeatures}));
  for (int64_t row = 0; row < golden.size(0); ++row)
    for (int i = 0; i < kFeatures; ++i)
      ASSERT_NEAR(at(features, 12 * row, i), golden.data<float>()[row * kFeatures + i], 2e-6) << row << ' ' << i;
}

TEST(Features, StatisticsEqualAnIndependentComputation) {
  StatisticsBuilder builder;
  builder.add(joints_to_features(synthetic_humanml3d(150)));
  const Tensor std = eval_statistics(builder.finish()).std, golden = read_npy(kGolden / "motion_eval_std.npy");
  for (int i = 0; i < kFeatures; ++i) EXPECT_NEAR(std.data<float>()[i] / golden.data<float>()[i], 1, 2e-6) << i;
}

TEST(Features, DoNotDependOnPlaceHeadingOrSize) {
  const Joints joints = synthetic_humanml3d(60);
  const Tensor a = joints_to_features(joints), b = joints_to_features(turned(joints, 2.1, {3, -7, 11}, 100));
  for (int64_t i = 0; i < a.numel(); ++i) ASSERT_NEAR(a.data<float>()[i], b.data<float>()[i], 2e-6) << i;
}

TEST(Features, GiveTheJointsBack) {
  const Joints joints = canonical(synthetic_humanml3d(100));
  const Tensor features = joints_to_features(joints);
  const Joints cut(joints.begin(), joints.end() - 1);
  EXPECT_LT(largest_distance(features_to_joints(features), cut), 5e-6);
  EXPECT_LT(largest_distance(features_to_joints_by_rotation(features), cut), 5e-6);
}

TEST(Features, MirroredMotionMirrorsTheColumns) {
  const Joints joints = canonical(synthetic_humanml3d(40));
  // Encoded without uniform_skeleton(), whose left and right bones differ a little.
  const std::vector<Quat> headings = smooth_headings(joints);
  std::vector<Quat> reflected = headings;
  for (Quat& q : reflected) q.y = -q.y;
  const Tensor a = encode_features(joints, headings), b = encode_features(mirror_joints(joints), reflected);
  for (int64_t t = 0; t < a.size(0); ++t)
    for (int i = 0; i < kFeatures; ++i) {
      const Mirrored m = mirrored_column(i);
      ASSERT_NEAR(at(b, t, m.column), m.sign * at(a, t, i), 1e-6) << t << ' ' << i;
    }
  EXPECT_EQ(largest_distance(mirror_joints(mirror_joints(joints)), joints), 0);
}

TEST(Features, HandComputedRow) {
  // A rigid rest pose that slides 0.05 m a frame to its left: no yaw, no contact, velocity (0.05, 0, 0) everywhere.
  Joints joints(3, Pose(kJoints));
  for (size_t t = 0; t < joints.size(); ++t) {
    joints[t][0] = {.05 * double(t), .9, 0};
    for (int j = 1; j < kJoints; ++j)
      joints[t][j] = joints[t][humanml3d().parents[j]] + humanml3d().rest_directions[j] * humanml3d().bone_lengths[j];
  }
  const double lowest =
      joints[0][kLeftFoot].y < joints[0][kRightFoot].y ? joints[0][kLeftFoot].y : joints[0][kRightFoot].y;
  const Tensor f = joints_to_features(joints);
  ASSERT_EQ(f.size(0), 2);
  for (int t = 0; t < 2; ++t) {
    EXPECT_NEAR(at(f, t, kRootYaw), 0, 1e-7);
    EXPECT_NEAR(at(f, t, kRootVelocity), .05, 1e-7);
    EXPECT_NEAR(at(f, t, kRootVelocity + 1), 0, 1e-7);
    EXPECT_NEAR(at(f, t, kRootHeight), .9 - lowest, 1e-6);
    for (int j = 1; j < kJoints; ++j) {
      const float identity[] = {1, 0, 0, 0, 1, 0};
      for (int k = 0; k < 6; ++k) EXPECT_NEAR(at(f, t, kLayout.rotations() + 6 * (j - 1) + k), identity[k], 1e-6) << j;
    }
    for (int j = 0; j < kJoints; ++j) EXPECT_NEAR(at(f, t, kLayout.velocities() + 3 * j), .05, 1e-6);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(at(f, t, kLayout.contacts() + i), 0);  // 0.05^2 > 0.002
  }
}

TEST(Features, TurningThroughMinusZ) {
  // A rigid body that turns once around in 80 frames: rotation_between() changes sign on the way.
  Joints joints(120, Pose(kJoints));
  const Joints rest = canonical(synthetic_humanml3d(1));
  for (size_t t = 0; t < joints.size(); ++t) joints[t] = turned(rest, double(t) * 2 * M_PI / 80, {0, 0, 0}, 1)[0];
  const Tensor literal = joints_to_features(joints), repaired = joints_to_features(joints, {.continuous_yaw = true});
  int differing = 0;
  for (int64_t t = 0; t < literal.size(0); ++t) {
    if (at(literal, t, kRootYaw) == at(repaired, t, kRootYaw)) continue;
    ++differing;
    EXPECT_EQ(at(literal, t, kRootYaw), -at(repaired, t, kRootYaw));
    EXPECT_LT(at(repaired, t, kRootYaw), 0);  // as all others: the body turns towards +x, the world the other way
  }
  EXPECT_EQ(differing, 1);
  const Joints global = canonical(joints), cut(global.begin(), global.end() - 1);
  EXPECT_LT(largest_distance(features_to_joints(repaired), cut), 1e-4);
  EXPECT_GT(largest_distance(features_to_joints(literal), cut), 0.01);
}

TEST(Features, OppositeVectorsRotateByAHalfTurn) {
  for (const Vec3& v : {Vec3{1, 0, 0}, Vec3{0, -1, 0}, Vec3{0, 0, -1}, Vec3{.6, 0, .8}}) {
    const Vec3 turned = rotate(rotation_between(v, -v), v);
    EXPECT_NEAR(length(turned + v), 0, 1e-12);
  }
  EXPECT_EQ(std::abs(rotation_between({0, 0, -1}, {0, 0, 1}).y), 1);  // a heading stays a heading
}

// The sizes and numbers of the public code of ReMoMask.
TEST(Features, OfThePartsOfTheBody) {
  const auto sizes = [](const Skeleton& skeleton) {
    std::vector<size_t> all;
    for (const auto& part : part_features(skeleton)) all.push_back(part.size());
    return all;
  };
  EXPECT_EQ(sizes(humanml3d()), (std::vector<size_t>{7, 50, 50, 60, 60, 60}));
  EXPECT_EQ(sizes(kit_ml()), (std::vector<size_t>{7, 62, 62, 48, 48, 48}));
  const auto parts = part_features();
  EXPECT_EQ(parts[0], (std::vector<int>{0, 1, 2, 3, 193, 194, 195}));
  const std::vector<int> joint9 = {28, 29, 30, 115, 116, 117, 118, 119, 120, 220, 221, 222};
  for (const int arm : {4, 5}) EXPECT_TRUE(std::equal(joint9.begin(), joint9.end(), parts[size_t(arm)].begin())) << arm;
  EXPECT_EQ(std::vector<int>(parts[1].end() - 2, parts[1].end()), (std::vector<int>{261, 262}));
  EXPECT_EQ(std::vector<int>(parts[2].end() - 2, parts[2].end()), (std::vector<int>{259, 260}));
  const auto kit = part_features(kit_ml());
  EXPECT_EQ(std::vector<int>(kit[1].end() - 2, kit[1].end()), (std::vector<int>{249, 250}));
  EXPECT_EQ(kit[3][0], 4);  // joint 1: 4, 64, 187
  EXPECT_EQ(kit[3][3], 64);
  EXPECT_EQ(kit[3][9], 187);
}

TEST(Features, BadInput) {
  Joints joints = synthetic_humanml3d(10);
  joints[4][kLeftKnee].y = std::nan("");
  EXPECT_EQ(input_error([&] { joints_to_features(joints); }), "joint left_knee is not finite in frame 4");
  EXPECT_NE(input_error([&] { joints_to_features(synthetic_humanml3d(1)); }).find("at least 2 frames"),
            std::string::npos);
  joints = synthetic_humanml3d(10);
  joints[3][kNeck] = joints[3][kSpine3];
  EXPECT_NE(input_error([&] { joints_to_features(joints); }).find("neck lies on its parent spine3 in frame 3"),
            std::string::npos);
  EXPECT_NE(input_error([] { to_joints(Tensor::zeros({4, 21, 3})); }).find("(4, 21, 3)"), std::string::npos);
  EXPECT_THROW(features_to_joints(Tensor::zeros({4, 251})), Error);
}

TEST(Features, TensorsAndBack) {
  const Joints joints = synthetic_humanml3d(5);
  const Tensor tensor = to_tensor(joints);
  EXPECT_EQ(tensor.shape(), (Shape{5, kJoints, 3}));
  EXPECT_LT(largest_distance(to_joints(tensor), joints), 1e-6);
}

// Published clips. Their joints have as many frames as their features have rows, one less than the source had; so the
// smoothed heading, and all that is turned by it, differs towards the end, where one end of the filter's window falls.
class PublishedClip : public testing::TestWithParam<const char*> {};

TEST_P(PublishedClip, IsReproduced) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const std::string file = std::string(GetParam()) + ".npy";
  const Tensor published = read_npy(*folder / "golden" / "new_joint_vecs" / file).to(Dtype::f32);
  const Joints joints = to_joints(read_npy(*folder / "golden" / "new_joints" / file));
  EXPECT_LT(largest_distance(features_to_joints(published), joints), 1e-6);
  EXPECT_LT(largest_distance(features_to_joints_by_rotation(published), joints), 5e-6);

  const int64_t rows = int64_t(joints.size()) - 1, exact = rows - 80;
  const Tensor features = joints_to_features(joints);
  ASSERT_EQ(features.size(0), rows);
  for (int64_t t = 0; t < exact; ++t)
    for (int i = 0; i < kFeatures; ++i) ASSERT_NEAR(at(features, t, i), at(published, t, i), 1e-5) << t << ' ' << i;

  // The rest with the published headings: everything but the heading itself is reproduced to the last row.
  std::vector<Quat> headings(joints.size());
  double half_yaw = 0;
  for (size_t t = 1; t < joints.size(); ++t) {
    half_yaw += at(published, int64_t(t) - 1, kRootYaw);
    headings[t] = {std::cos(half_yaw), 0, std::sin(half_yaw), 0};
  }
  const Tensor encoded = encode_features(canonical(joints), headings);
  for (int64_t t = 0; t < rows; ++t)
    for (int i = 0; i < kFeatures; ++i) ASSERT_NEAR(at(encoded, t, i), at(published, t, i), 1e-5) << t << ' ' << i;
}
INSTANTIATE_TEST_SUITE_P(HumanML3D, PublishedClip, testing::Values("000000", "007005", "012314", "M010655"));

}  // namespace
}  // namespace kg
