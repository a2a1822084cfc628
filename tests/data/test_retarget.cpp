// Joint maps and retargeting: our own BVH files come back, resampling against closed forms, mistakes are named, and
// real captures face the right way.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "data/export/bvh_writer.h"
#include "data/motion/features.h"
#include "data/motion/retarget.h"
#include "tests/data/bad_input.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

using test::largest_distance;

std::string builtin_text(const std::string& name) {
  for (const BuiltinJointMap& map : kBuiltinJointMaps)
    if (map.name == name) return std::string(map.text);
  return "";
}

// A body on the target skeleton, about 1.7 m, that turns at `yaw` radians a frame and swings its arms.
Joints turning_motion(int frames, double yaw) {
  Joints joints(static_cast<size_t>(frames), Pose(kJoints));
  for (int t = 0; t < frames; ++t) {
    Rotations rotations(kJoints);
    rotations[kPelvis] = axis_angle({0, 1, 0}, yaw * t);
    rotations[kLeftElbow] = axis_angle({1, 0, 0}, 0.8 * std::sin(0.1 * t));
    rotations[kRightElbow] = axis_angle({1, 0, 0}, -0.8 * std::sin(0.1 * t));
    rotations[kLeftKnee] = axis_angle({1, 0, 0}, 0.3);
    joints[size_t(t)] = forward_kinematics(rotations, {0, 1, 0.03 * t});
  }
  return joints;
}

Joints through_bvh(const Joints& joints, double fps, const std::string& map = "humanml3d") {
  const Bvh bvh = parse_bvh(encode_bvh(joints, fps), "x.bvh");
  return retarget(bvh, parse_joint_map(builtin_text(map), map), "x.bvh");
}

std::string replaced_once(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Retarget, OurOwnFilesComeBack) {
  const Joints joints = turning_motion(50, 0.02);
  const Bvh bvh = parse_bvh(encode_bvh(joints), "x.bvh");
  const JointMap& map = find_joint_map(bvh, "x.bvh");
  EXPECT_EQ(map.name, "humanml3d");
  EXPECT_LT(largest_distance(retarget(bvh, map, "x.bvh"), joints), 1e-4);
}

TEST(Retarget, PicksEverySixthFrameOf120) {
  const Joints joints = turning_motion(100, 0.01);
  Joints expected;
  for (size_t t = 0; t < joints.size(); t += 6) expected.push_back(joints[t]);
  EXPECT_EQ(expected.size(), 17u);
  EXPECT_LT(largest_distance(through_bvh(joints, 120), expected), 1e-4);
}

TEST(Retarget, InterpolatesRotationsOf30) {
  // A body that only turns, 4 degrees a frame: between two frames it has turned half as far, and no bone is shorter.
  const double yaw = 4 * M_PI / 180;
  Joints joints(31, Pose(kJoints)), expected(21, Pose(kJoints));
  const Pose rest = turning_motion(1, 0)[0];
  const auto pose_at = [&](double frame) {
    Pose pose(kJoints);
    for (int j = 0; j < kJoints; ++j)
      pose[j] = rotate(axis_angle({0, 1, 0}, yaw * frame), rest[j]) + Vec3{0, 0, 0.01 * frame};
    return pose;
  };
  for (size_t t = 0; t < joints.size(); ++t) joints[t] = pose_at(double(t));
  for (size_t t = 0; t < expected.size(); ++t) expected[t] = pose_at(1.5 * double(t));
  EXPECT_LT(largest_distance(through_bvh(joints, 30), expected), 1e-4);
}

TEST(Retarget, OddRatesKeepTheDuration) {
  for (const double fps : {12.5, 24., 29.97, 60., 100.}) {
    const Joints out = through_bvh(turning_motion(121, 0.01), fps);
    EXPECT_NEAR(double(out.size() - 1) / kFps, 120 / fps, 1 / kFps) << fps;
  }
}

TEST(Retarget, UnitsAndUpAxis) {
  const Joints joints = turning_motion(20, 0.02);
  const std::string text = encode_bvh(joints);
  const JointMap map = parse_joint_map(builtin_text("humanml3d"), "m");
  JointMap z_up = map;
  z_up.up = "z";
  // The same body lying in the file: y of ours is z of the file, z of ours is -y of the file.
  Bvh bvh = parse_bvh(text, "x.bvh");
  const Joints upright = retarget(bvh, map, "x.bvh");
  Bvh lying = bvh;
  lying.joints.insert(lying.joints.begin(), BvhJoint{"world", -1, {}, {Channel::x_rotation}, 0, false});
  for (size_t j = 1; j < lying.joints.size(); ++j) ++lying.joints[j].parent, ++lying.joints[j].first_channel;
  ++lying.channels;
  lying.values.clear();
  for (int t = 0; t < bvh.frames; ++t) {
    lying.values.push_back(90);
    lying.values.insert(lying.values.end(), bvh.values.begin() + t * bvh.channels,
                        bvh.values.begin() + (t + 1) * bvh.channels);
  }
  EXPECT_LT(largest_distance(retarget(lying, z_up, "x.bvh"), upright), 1e-9);

  Bvh inches = bvh;  // ten times as large: the legs set the scale
  for (BvhJoint& joint : inches.joints) joint.offset = joint.offset * 10;
  for (size_t i = 0; i < inches.values.size(); i += size_t(inches.channels))
    for (size_t c = 0; c < 3; ++c) inches.values[i + c] *= 10;
  EXPECT_LT(largest_distance(retarget(inches, map, "x.bvh"), upright), 1e-9);
}

TEST(Retarget, MistakesAreNamed) {
  const std::string text = encode_bvh(turning_motion(20, 0.02));
  const Bvh bvh = parse_bvh(text, "x.bvh");
  const std::string names = builtin_text("humanml3d");
  const auto error = [&](const std::string& map_text, const Bvh& file) {
    return input_error([&] { retarget(file, parse_joint_map(map_text, "my.txt"), "x.bvh"); });
  };
  std::string swapped = names;
  for (const char* joint : {"hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist"}) {
    const std::string left = std::string("left_") + joint, right = std::string("right_") + joint;
    swapped = replaced_once(swapped, left + " = " + left, left + " = X");
    swapped = replaced_once(swapped, right + " = " + right, right + " = " + left);
    swapped = replaced_once(swapped, left + " = X", left + " = " + right);
  }
  EXPECT_NE(error(swapped, bvh).find("toes point backwards"), std::string::npos);
  EXPECT_NE(error("up = -z\n" + names, bvh).find("up ="), std::string::npos);
  const std::string missing = error(replaced_once(names, "neck = neck", "neck = Hals | Nacken"), bvh);
  EXPECT_NE(missing.find("Hals (neck)"), std::string::npos) << missing;
  EXPECT_NE(missing.find("The file has pelvis, "), std::string::npos) << missing;
  EXPECT_NE(error("skip_seconds = 60\n" + names, bvh).find("skips 60 s"), std::string::npos);
  EXPECT_NE(error(replaced_once(names, "neck = neck", "neck = spine3"), bvh).find("neck lies on its parent"),
            std::string::npos);

  const Bvh stranger = parse_bvh(
      "HIERARCHY\nROOT Wheel\n{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n}\nMOTION\nFrames: 1\nFrame Time: 0.1\n0\n", "w");
  const std::string unknown = input_error([&] { find_joint_map(stranger, "w.bvh"); });
  EXPECT_NE(unknown.find("no built-in joint map fits"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("The file has Wheel"), std::string::npos) << unknown;
}

TEST(JointMap, BuiltinsAreComplete) {
  ASSERT_EQ(kBuiltinJointMaps.size(), 5u);
  for (const BuiltinJointMap& map : kBuiltinJointMaps)
    EXPECT_NO_THROW(parse_joint_map(map.text, std::string(map.name))) << map.name;
}

TEST(JointMap, AlternativesMixesAndPrefixes) {
  std::string text = encode_bvh(turning_motion(5, 0.02));
  const Joints plain = retarget(parse_bvh(text, "x"), parse_joint_map(builtin_text("humanml3d"), "m"), "x");
  text = replaced_once(text, "JOINT head", "JOINT rig:head");
  std::string map = replaced_once(builtin_text("humanml3d"), "head = head", "head = Skull|mix(a,b,0.5)| head  # mine");
  EXPECT_LT(largest_distance(retarget(parse_bvh(text, "x"), parse_joint_map(map, "m"), "x"), plain), 1e-9);
  // Half-way from knee to ankle is on the same line, so the direction of the bone is the same.
  map = replaced_once(builtin_text("humanml3d"), "left_ankle = left_ankle",
                      "left_ankle = mix( left_knee , left_ankle, .5 )");
  const Joints mixed = retarget(parse_bvh(encode_bvh(turning_motion(5, 0.02)), "x"), parse_joint_map(map, "m"), "x");
  for (size_t t = 0; t < mixed.size(); ++t) EXPECT_NEAR(length(mixed[t][kLeftAnkle] - plain[t][kLeftAnkle]), 0, 1e-9);
}

TEST(JointMap, Errors) {
  const auto error = [](const std::string& text) { return input_error([&] { parse_joint_map(text, "my.txt"); }); };
  EXPECT_NE(error("pelvis Hips\n").find("my.txt, line 1: expected `joint = name`"), std::string::npos);
  EXPECT_NE(error("# c\n\ntail = Tail\n").find("line 3: 'tail' is no joint"), std::string::npos);
  EXPECT_NE(error("pelvis =\n").find("nothing after 'pelvis ='"), std::string::npos);
  EXPECT_NE(error("pelvis = a\npelvis = b\n").find("line 2: pelvis stands here a second time"), std::string::npos);
  EXPECT_NE(error("pelvis = a |\n").find("a name is missing"), std::string::npos);
  EXPECT_NE(error("pelvis = mix(a, b)\n").find("expected mix("), std::string::npos);
  EXPECT_NE(error("pelvis = mix(a, b, c)\n").find("found 'c'"), std::string::npos);
  EXPECT_NE(error("pelvis = mix(, b, 1)\n").find("two joint names"), std::string::npos);
  EXPECT_NE(error("up = x\n").find("y, z or -z"), std::string::npos);
  EXPECT_NE(error("skip_seconds = -1\n").find("from 0"), std::string::npos);
  EXPECT_NE(error("pelvis = Hips\n").find("what stands for left_hip, right_hip"), std::string::npos);
  EXPECT_NE(error("").find("pelvis"), std::string::npos);
  survive_corruption([](const std::string& bytes) { parse_joint_map(bytes, "m"); },
                     "pelvis = mix(a, b, .5) | c\nup = y\n");
}

// Real captures, unpacked from the shared archives (the wanted members are among the first).
class RealCapture : public testing::Test {
 protected:
  void SetUp() override {
    if (!shared_data()) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  }
  Joints read(const std::string& archive, const std::string& member) {
    const std::string command = "tar -xJf '" + (*shared_data() / archive).string() + "' -C '" +
                                folder_.path().string() + "' --occurrence=1 '" + member + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    const std::string file = (folder_.path() / member).string();
    const Bvh bvh = read_bvh(file);
    return canonical(retarget(bvh, find_joint_map(bvh, file), file));
  }
  TemporaryFolder folder_;
};

TEST_F(RealCapture, CmuWalkGoesForwardOnItsFeet) {
  const Joints walk = read("cmu.tar.xz", "cmu/bvh120/02_01.bvh");
  EXPECT_NEAR(double(walk.size()), 343 / 6. - 2, 2);  // 344 frames at 120, 0.1 s skipped
  EXPECT_GT(walk.back()[kPelvis].z, 2.5);             // of about 3 m in 2.8 s
  EXPECT_LT(std::abs(walk.back()[kPelvis].x), 0.8);
  for (const Pose& pose : walk) {
    EXPECT_NEAR(pose[kPelvis].y, 0.95, 0.12);
    EXPECT_GT(pose[kHead].y, 1.4);
    EXPECT_LT(std::min(pose[kLeftFoot].y, pose[kRightFoot].y), 0.1);
    EXPECT_GT(pose[kLeftHip].x, pose[kRightHip].x);  // faces +z: its left is +x
    EXPECT_LT(pose[kLeftWrist].y, 1.3);              // no T-pose is left
  }
}

TEST_F(RealCapture, Rates120And20Agree) {
  const Joints fast = read("cmu.tar.xz", "cmu/bvh120/02_01.bvh"), slow = read("cmu.tar.xz", "cmu/bvh20/02_01.bvh");
  ASSERT_NEAR(double(fast.size()), double(slow.size()), 1);
  // The slow file's frames lie 5/120 s off the fast one's: at 1.3 m/s, 6 cm.
  for (size_t t = 0; t < std::min(fast.size(), slow.size()); ++t)
    EXPECT_LT(length(fast[t][kPelvis] - slow[t][kPelvis]), 0.1) << t;
}

TEST_F(RealCapture, BandaiRaisesBothHands) {
  const Joints raise = read("bandai.tar.xz", "bandai/dataset-2_raise-up-both-hands_active_001.bvh");
  double left = 0, right = 0;
  for (const Pose& pose : raise) {
    left = std::max(left, pose[kLeftWrist].y - pose[kHead].y);
    right = std::max(right, pose[kRightWrist].y - pose[kHead].y);
  }
  EXPECT_GT(left, 0.05);
  EXPECT_GT(right, 0.05);
  EXPECT_GT(raise[0][kLeftWrist].x, raise[0][kRightWrist].x);
}

}  // namespace
}  // namespace kg
