// Bodies: every limb has its points, sides are where they are in the motion, and a body follows its skeleton's size.
#include "data/export/figure.h"

#include <gtest/gtest.h>

#include "tensor/error.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

void expect_drawable(const Body& body, const DrawnPose& pose) {
  ASSERT_FALSE(body.limbs.empty());
  for (const Limb& limb : body.limbs) {
    for (const int end : {limb.a, limb.b}) {
      ASSERT_GE(end, 0);
      ASSERT_LT(end, static_cast<int>(pose.size()));
    }
    EXPECT_GT(limb.radius_a, 0);
    EXPECT_GT(limb.radius_b, 0);
  }
}

// Of a body that faces +z, what is left lies at +x.
void expect_sides(const Body& body, const DrawnPose& pose) {
  int sided = 0;
  for (const Limb& limb : body.limbs) {
    if (limb.side != BodySide::left && limb.side != BodySide::right) continue;
    const double x = pose[limb.a].x + pose[limb.b].x;
    EXPECT_GT(limb.side == BodySide::left ? x : -x, 0) << limb.a << " to " << limb.b;
    ++sided;
  }
  EXPECT_GT(sided, 1);
}

TEST(Figure, HumanMl3dHasHandsAndAFace) {
  Pose rest(kJoints);
  for (int j = 1; j < kJoints; ++j)
    rest[j] = rest[humanml3d().parents[j]] + humanml3d().rest_directions[j] * humanml3d().bone_lengths[j];
  const Body body = body_of(humanml3d(), rest);
  const DrawnPose pose = body_pose(body, rest);
  ASSERT_EQ(pose.size(), 27u);
  expect_drawable(body, pose);
  expect_sides(body, pose);
  // The arms hang: a hand is 8.5 cm below the wrist.
  EXPECT_NEAR(pose[22].y, rest[kLeftWrist].y - .085, 1e-12);
  EXPECT_GT(pose[25].x, pose[26].x);     // the face's left end and its right one
  EXPECT_GT(pose[25].z, rest[kHead].z);  // ahead
}

TEST(Figure, KitMlHasLimbsOfItsOwn) {
  const Joints joints = checked_metres({test::kit_rest()}, 12.5, kit_ml(), "test");
  EXPECT_NEAR(joints[0][0].y, 540 * .0015625, 1e-12);
  const Body body = body_of(kit_ml(), joints[0]);
  const DrawnPose pose = body_pose(body, joints[0]);
  ASSERT_EQ(pose.size(), 21u + 4 + 3);
  expect_drawable(body, pose);
  expect_sides(body, pose);
  EXPECT_GT(facing(joints[0], kit_ml()).z, .999);
  EXPECT_NEAR(pose[21].y, joints[0][10].y - .077, 1e-12);  // the left hand below the wrist
  EXPECT_NEAR(pose[22].x, .085, 1e-12);                    // the left collar between neck and shoulder
  EXPECT_NEAR(pose[26].z, .084, 1e-12);                    // the face looks ahead
  // Both sides are drawn alike.
  int left = 0, right = 0;
  for (const Limb& limb : body.limbs) left += limb.side == BodySide::left, right += limb.side == BodySide::right;
  EXPECT_EQ(left, right);
  // Lengths of another body make no other drawing.
  Skeleton other = kit_ml();
  for (double& length : other.bone_lengths) length *= 1.1;
  EXPECT_EQ(body_of(other, joints[0]).points.size(), body.points.size());
}

TEST(Figure, AnySkeletonHasABodyFromItsTree) {
  const Skeleton bird = test::bird();
  EXPECT_NO_THROW(check_skeleton(bird, "bird"));
  Pose rest(8);
  for (std::size_t j = 1; j < 8; ++j)
    rest[j] = rest[static_cast<std::size_t>(bird.parents[j])] + bird.rest_directions[j] * (.01 * bird.bone_lengths[j]);
  const Body body = body_of(bird, rest);
  const DrawnPose pose = body_pose(body, rest);
  expect_drawable(body, pose);
  expect_sides(body, pose);
  EXPECT_EQ(body.limbs.size(), 7u + 2);                          // the bones, and two for the head
  EXPECT_NEAR(body.size, (8 + 14 + 8 + 14) * .01 / 1.7, 1e-12);  // the longest path goes from tip to tip
  EXPECT_NEAR(body.height, (10 + 6) * .6 * .01, 1e-12);          // from the tail to the head
  for (const Limb& limb : body.limbs) {
    const bool outer = limb.b == 6 || limb.b == 7;
    EXPECT_EQ(limb.side == BodySide::middle, !outer) << limb.b;  // the first bone of a wing belongs to the trunk
    if (limb.a == 0 && limb.b == 1) {
      EXPECT_GT(limb.radius_a, limb.radius_b * .999);  // more hangs on the body than on the breast
    }
  }
  // The radius of the wing's tip, on which nothing hangs, by the formula; bones are long enough not to limit it.
  for (const Limb& limb : body.limbs) {
    if (limb.b == 6) {
      EXPECT_NEAR(limb.radius_b, body.size * .025, 1e-12);
    }
  }
  // Without hips and shoulders the rest pose tells the sides; a whole body in one point is still drawable.
  Skeleton unknown = bird;
  unknown.hips = unknown.shoulders = {0, 0};
  expect_sides(body_of(unknown, rest), pose);
  EXPECT_EQ(facing(rest, unknown), (Vec3{0, 0, 1}));
  expect_drawable(body_of(bird, Pose(8)), pose);
}

TEST(Figure, MotionsThatCannotBeShown) {
  const auto message = [](const Joints& joints, double fps) {
    try {
      checked_metres(joints, fps, kit_ml(), "who");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  Joints joints(2, test::kit_rest());
  EXPECT_EQ(message(joints, 12.5), "no error");
  EXPECT_NE(message(joints, -1).find("frames a second"), std::string::npos);
  EXPECT_NE(message({}, 20).find("without frames"), std::string::npos);
  joints[1][10].y = NAN;
  EXPECT_NE(message(joints, 20).find("frame 1, joint left_wrist"), std::string::npos);
  joints[1].pop_back();
  EXPECT_NE(message(joints, 20).find("frame 1 has 20 joints, the skeleton kit_ml has 21"), std::string::npos);
}

}  // namespace
}  // namespace kg
