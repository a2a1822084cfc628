// BVH files written from joints, read back by a small forward kinematics of the test's own.
#include "data/export/bvh_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numbers>
#include <sstream>

#include "data/formats/file.h"
#include "tensor/error.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

struct Node {
  std::string name;
  int parent;
  Vec3 offset;
  std::vector<std::string> channels;
};

struct PlainBvh {
  std::vector<Node> nodes;
  std::vector<std::vector<double>> frames;
  double frame_time = 0;
};

PlainBvh parse(const std::string& text) {
  std::istringstream in(text);
  PlainBvh bvh;
  std::vector<int> open;
  std::string word;
  bool end_site = false;
  while (in >> word && word != "MOTION") {
    if (word == "ROOT" || word == "JOINT") {
      in >> word;
      bvh.nodes.push_back({word, open.empty() ? -1 : open.back(), {}, {}});
      open.push_back(static_cast<int>(bvh.nodes.size()) - 1);
    } else if (word == "End") {
      end_site = true;
    } else if (word == "OFFSET") {
      Vec3 v;
      in >> v.x >> v.y >> v.z;
      if (!end_site) bvh.nodes.back().offset = v;
    } else if (word == "CHANNELS") {
      std::size_t n = 0;
      in >> n;
      bvh.nodes.back().channels.resize(n);
      for (auto& channel : bvh.nodes.back().channels) in >> channel;
    } else if (word == "}") {
      if (!end_site) open.pop_back();
      end_site = false;
    }
  }
  std::size_t frames = 0, width = 0;
  in >> word >> frames >> word >> word >> bvh.frame_time;
  for (const Node& node : bvh.nodes) width += node.channels.size();
  bvh.frames.assign(frames, std::vector<double>(width));
  for (auto& frame : bvh.frames)
    for (double& value : frame) EXPECT_TRUE(in >> value);
  EXPECT_FALSE(in >> word) << "left over: " << word;
  return bvh;
}

// Global positions in the skeleton's unit and order. A space in a name is _ in the file.
Pose forward(const PlainBvh& bvh, std::size_t frame, const Skeleton& skeleton) {
  std::vector<Quat> rotation(bvh.nodes.size());
  std::vector<Vec3> place(bvh.nodes.size());
  Pose pose(skeleton.parents.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < bvh.nodes.size(); ++i) {
    const Node& node = bvh.nodes[i];
    Vec3 local = node.offset;
    Quat turn;
    for (const std::string& channel : node.channels) {
      const double value = bvh.frames[frame][at++];
      if (channel == "Xposition") local.x = value;
      if (channel == "Yposition") local.y = value;
      if (channel == "Zposition") local.z = value;
      const double radians = value * std::numbers::pi / 180;
      if (channel == "Xrotation") turn = turn * axis_angle({1, 0, 0}, radians);
      if (channel == "Yrotation") turn = turn * axis_angle({0, 1, 0}, radians);
      if (channel == "Zrotation") turn = turn * axis_angle({0, 0, 1}, radians);
    }
    const bool root = node.parent < 0;
    const auto parent = static_cast<std::size_t>(root ? 0 : node.parent);
    rotation[i] = root ? turn : rotation[parent] * turn;
    place[i] = root ? local : place[parent] + rotate(rotation[parent], local);
    for (std::size_t j = 0; j < pose.size(); ++j) {
      std::string name = skeleton.joint_names[j];
      std::replace(name.begin(), name.end(), ' ', '_');
      if (name == node.name) pose[j] = place[i] / 100 / skeleton.metres_per_unit;
    }
  }
  return pose;
}

Joints wild_motion(int frames, unsigned seed) { return test::wild_motion(frames, seed, humanml3d()); }

double largest_error(const PlainBvh& bvh, const Joints& joints, const Skeleton& skeleton = humanml3d()) {
  double worst = 0;
  for (std::size_t t = 0; t < joints.size(); ++t) {
    const Pose pose = forward(bvh, t, skeleton);
    for (std::size_t j = 0; j < pose.size(); ++j) worst = std::max(worst, length(pose[j] - joints[t][j]));
  }
  return worst;
}

TEST(BvhWriter, ConstantBonesComeBackExactly) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const Joints joints = wild_motion(90, seed);
    const PlainBvh bvh = parse(encode_bvh(joints));
    ASSERT_EQ(bvh.nodes.size(), 22u);
    ASSERT_EQ(bvh.frames.size(), 90u);
    EXPECT_DOUBLE_EQ(bvh.frame_time, .05);
    EXPECT_LT(largest_error(bvh, joints), 1e-5);
  }
}

TEST(BvhWriter, AnySkeletonComesBackExactly) {
  for (const Skeleton& skeleton : {kit_ml(), test::bird()}) {
    const Joints joints = test::wild_motion(60, 5, skeleton);
    const PlainBvh bvh = parse(encode_bvh(joints, skeleton.fps, skeleton));
    ASSERT_EQ(bvh.nodes.size(), skeleton.parents.size());
    EXPECT_NEAR(bvh.frame_time, 1 / skeleton.fps, 1e-8);
    EXPECT_LT(largest_error(bvh, joints, skeleton) * skeleton.metres_per_unit, 1e-5) << skeleton.name;
  }
  Joints short_of_one = test::wild_motion(2, 1, kit_ml());
  EXPECT_THROW(encode_bvh(short_of_one), Error);  // 21 joints are not HumanML3D's
  short_of_one[1].pop_back();
  EXPECT_THROW(encode_bvh(short_of_one, 20, kit_ml()), Error);
}

TEST(BvhWriter, TheRestPoseOfAnySkeletonIsRight) {
  // KIT-ML's rest directions have the right side at +x. In the file, as in the motions, it stands at -x, so that an
  // upright body has no rotation at all. Centimetres: 52 units are 8.125 cm.
  const PlainBvh bvh = parse(encode_bvh({test::kit_rest()}, 12.5, kit_ml()));
  std::size_t at = 0;
  for (const Node& node : bvh.nodes) {
    if (node.name == "left_hip") {
      EXPECT_NEAR(node.offset.x, 8.125, 1e-5);
    }
    if (node.name == "right_toe") {
      EXPECT_NEAR(node.offset.z, 56.2893 * .15625, 1e-5);
    }
    for (const std::string& channel : node.channels) {
      if (channel.find("rotation") != std::string::npos) {
        EXPECT_NEAR(bvh.frames[0][at], 0, 1e-4) << node.name;
      }
      ++at;
    }
  }
}

TEST(BvhWriter, AnglesDoNotFlip) {
  // One turn a second about the vertical: each frame adds 18 degrees to the pelvis' y angle, without a jump at 180.
  Joints joints(50, Pose(kJoints));
  Pose rest(kJoints);
  for (int j = 1; j < kJoints; ++j)
    rest[j] = rest[humanml3d().parents[j]] + humanml3d().rest_directions[j] * humanml3d().bone_lengths[j];
  for (std::size_t t = 0; t < joints.size(); ++t)
    for (int j = 0; j < kJoints; ++j)
      joints[t][j] = rotate(axis_angle({0, 1, 0}, static_cast<double>(t) * std::numbers::pi / 10), rest[j]);
  const PlainBvh bvh = parse(encode_bvh(joints));
  ASSERT_EQ(bvh.nodes[0].channels[5], "Yrotation");
  // Other joints keep their angles: nothing moves relative to the pelvis.
  for (std::size_t t = 1; t < joints.size(); ++t)
    for (std::size_t c = 6; c < bvh.frames[t].size(); ++c)
      ASSERT_NEAR(bvh.frames[t][c], bvh.frames[0][c], 1e-3) << "frame " << t << " channel " << c;
  EXPECT_LT(largest_error(bvh, joints), 1e-5);
  for (std::size_t t = 0; t < joints.size(); ++t) {
    EXPECT_NEAR(bvh.frames[t][3], 0, 1e-3);
    EXPECT_NEAR(bvh.frames[t][4], 0, 1e-3);
    EXPECT_NEAR(bvh.frames[t][5], 18. * static_cast<double>(t), 1e-3);
  }
}

TEST(BvhWriter, TPoseOffsets) {
  const Joints joints = wild_motion(20, 1);
  const PlainBvh bvh = parse(encode_bvh(joints));
  for (const Node& node : bvh.nodes) {
    if (node.name == "left_elbow") {
      EXPECT_NEAR(node.offset.x, 100 * humanml3d().bone_lengths[kLeftElbow], 1e-5);  // along +x, centimetres
      EXPECT_NEAR(node.offset.y, 0, 1e-4);
    }
    if (node.name == "right_knee") {
      EXPECT_NEAR(node.offset.y, -100 * humanml3d().bone_lengths[kRightKnee], 1e-5);
    }
  }
}

TEST(BvhWriter, DegeneratePosesStayFinite) {
  Joints joints(3, Pose(kJoints));  // all joints in one point, then a pose, then bones folded straight back
  joints[1] = wild_motion(1, 1)[0];
  for (int j = 1; j < kJoints; ++j)
    joints[2][j] = joints[2][humanml3d().parents[j]] + Vec3{0, j % 2 ? 1. : -1., 0} * humanml3d().bone_lengths[j];
  const std::string text = encode_bvh(joints);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
  EXPECT_EQ(parse(text).frames.size(), 3u);
}

TEST(BvhWriter, RefusesBadMotions) {
  EXPECT_THROW(encode_bvh({}), Error);
  EXPECT_THROW(encode_bvh(Joints(2), 0), Error);
  Joints joints(2, Pose(kJoints));
  joints[1][kLeftKnee].x = std::nan("");
  try {
    encode_bvh(joints);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("frame 1, joint left_knee"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace kg
