// KIT-ML's skeleton against an independent NumPy computation (tests/golden/make_kit_golden.py), and against what must
// hold for any motion.
#include <gtest/gtest.h>

#include <cmath>

#include "data/formats/npy.h"
#include "data/formats/npz.h"
#include "data/motion/features.h"
#include "data/motion/statistics.h"
#include "data/sets/humanml3d.h"
#include "tests/data/bad_input.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

using test::largest_distance;

constexpr int kKitFeatures = 251;

// The same body as in make_kit_golden.py.
Joints synthetic_kit(int frames) {
  const Skeleton& kit = kit_ml();
  const int joints = kit.joints();
  Pose rest(21);
  for (int j = 1; j < joints; ++j) rest[j] = rest[kit.parents[j]] + kit.rest_directions[j] * kit.bone_lengths[j];
  for (Vec3& p : rest) p.x = -p.x;
  Joints motion(static_cast<size_t>(frames), Pose(21));
  for (int frame = 0; frame < frames; ++frame) {
    const int t = frame < 26 ? std::min(frame, 20) : frame - 6;
    const double angle = -.9 + .02 * t + .3 * std::sin(.07 * t), c = std::cos(angle), s = std::sin(angle);
    for (int j = 0; j < joints; ++j) {
      const Vec3 sway{std::sin(.31 * t + j), std::sin(.17 * t + 2 * j), std::cos(.23 * t + 3 * j)};
      const Vec3 p = 1.3 * rest[j] + 6 * sway;
      motion[size_t(frame)][j] = {c * p.x + s * p.z + 9 * t + 700, p.y + 20 * std::sin(.2 * t) + 150,
                                  -s * p.x + c * p.z + 15 * t - 300};
    }
  }
  return motion;
}

class Kit : public testing::Test {
 protected:
  const Tensor& want(const std::string& name) const { return golden_.at(name); }
  // Every seventh row of `got`, as the golden file has them; lengths are up to thousands of units.
  void expect_rows(const Tensor& got, const std::string& name, double tolerance) const {
    const Tensor& rows = want(name);
    const int64_t width = rows.numel() / rows.size(0);
    ASSERT_EQ(rows.size(0), (got.size(0) + 6) / 7);
    for (int64_t r = 0; r < rows.size(0); ++r)
      for (int64_t i = 0; i < width; ++i) {
        const float expected = rows.data<float>()[r * width + i];
        ASSERT_NEAR(got.data<float>()[7 * r * width + i], expected, tolerance * std::max(1.f, std::abs(expected)))
            << name << ", row " << 7 * r << ", column " << i;
      }
  }

  Tensor features_ = joints_to_features(synthetic_kit(92), {}, kit_ml());

 private:
  std::map<std::string, Tensor> golden_ = read_npz(KG_TEST_DIR "/golden/kit.npz");
};

TEST_F(Kit, FeaturesEqualAnIndependentComputation) {
  ASSERT_EQ(features_.shape(), (Shape{91, kKitFeatures}));
  expect_rows(features_, "features", 2e-6);
  const Joints mirrored = mirror_joints(synthetic_kit(92), kit_ml());
  expect_rows(joints_to_features(mirrored, {}, kit_ml()), "mirrored", 2e-6);
}

TEST_F(Kit, ContactsAreThoseOfStandingStill) {
  // Of 91 steps, the 6 from frame 20 to 26 stand.
  const Tensor contacts = features_.slice(1, 247, 251).contiguous();
  for (int64_t t = 0; t < 91; ++t)
    for (int i = 0; i < 4; ++i) EXPECT_EQ(contacts.data<float>()[4 * t + i], t >= 20 && t < 26 ? 1 : 0) << t;
}

TEST_F(Kit, JointsComeBackInBothWays) {
  const Joints by_position = features_to_joints(features_, kit_ml());
  expect_rows(to_tensor(by_position), "joints", 5e-5);
  expect_rows(to_tensor(features_to_joints_by_rotation(features_, kit_ml())), "joints_by_rotation", 5e-5);
  const Joints global = canonical(synthetic_kit(92), kit_ml());
  EXPECT_LT(largest_distance(by_position, Joints(global.begin(), global.end() - 1)), .01);  // of 1000 units
  EXPECT_LT(largest_distance(to_joints(to_tensor(by_position), kit_ml()), by_position), 1e-3);
}

TEST_F(Kit, StatisticsEqualAnIndependentComputation) {
  StatisticsBuilder builder(kit_ml());
  builder.add(features_.slice(0, 0, 30));
  builder.add(features_.slice(0, 30, 91));
  const Statistics s = builder.finish(), e = eval_statistics(s);
  ASSERT_EQ(s.features(), kKitFeatures);
  for (int i = 0; i < kKitFeatures; ++i) {
    const float mean = want("mean").data<float>()[i], std = want("std").data<float>()[i];
    EXPECT_NEAR(s.mean.data<float>()[i], mean, 1e-5 * std::max(1.f, std::abs(mean))) << i;
    EXPECT_NEAR(s.std.data<float>()[i] / std, 1, 2e-6) << i;
    EXPECT_NEAR(e.std.data<float>()[i] / std, i < 4 || i >= 247 ? .04 : 1, 2e-6) << i;
  }
  const Tensor back = denormalize_features(normalize_features(features_, e), e);
  for (int64_t i = 0; i < back.numel(); ++i)
    ASSERT_NEAR(back.data<float>()[i], features_.data<float>()[i],
                1e-5 * std::max(1.f, std::abs(back.data<float>()[i])));
}

TEST_F(Kit, IsNotHumanML3D) {
  EXPECT_NE(input_error([] {
              joints_to_features(synthetic_kit(10));
            }).find("frame 0 has 21 joints, skeleton humanml3d has 22"),
            std::string::npos);
  EXPECT_NE(input_error([] {
              to_joints(Tensor::zeros({4, 22, 3}), kit_ml());
            }).find("(frames, 21, 3)"),
            std::string::npos);
  EXPECT_THROW(features_to_joints(features_), Error);
  EXPECT_THROW(features_to_joints(Tensor::zeros({4, kFeatures}), kit_ml()), Error);
  EXPECT_THROW(StatisticsBuilder().add(features_), Error);
  const Statistics other{Tensor::zeros({kFeatures}), Tensor::ones({kFeatures})};
  EXPECT_THROW(normalize_features(features_, other), Error);
  EXPECT_NE(input_error([] { mirror_joints(synthetic_kit(2)); }).find("21 joints"), std::string::npos);
}

TEST(KitSet, IsKnownByItsWidthAndHasItsOwnLengths) {
  const TemporaryFolder folder;
  std::vector<Clip> clips;
  for (const int rows : {23, 24, 90}) {
    const Joints motion = synthetic_kit(92);
    clips.push_back({"clip" + std::to_string(rows),
                     std::to_string(rows),
                     "",
                     Joints(motion.end() - rows - 1, motion.end()),
                     {{"a person walks", {"walk/VERB"}}, {"a part", {"part/NOUN"}, .8, 4}},
                     {}});
  }
  write_humanml3d(folder / "set", clips, {.skeleton = kit_ml()});
  EXPECT_EQ(read_skeleton(folder / "set" / "skeleton.json"), kit_ml());
  for (int time = 0; time < 2; ++time) {
    const Dataset set = load_humanml3d(folder / "set", "all");
    EXPECT_EQ(set.skeleton, kit_ml());
    ASSERT_EQ(set.items.size(), 3u);  // of 24 rows, and the whole of 90 and a part
    EXPECT_EQ(set.items[0].features.shape(), (Shape{24, kKitFeatures}));
    EXPECT_EQ(set.items[1].name, "A_clip90");
    EXPECT_EQ(set.items[1].features.size(0), 40);               // int(4 * 12.5) - int(0.8 * 12.5)
    std::filesystem::remove(folder / "set" / "skeleton.json");  // as the published folder is
  }
}

TEST(KitStatistics, PublishedEvaluatorsMeanFitsTheSkeleton) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const std::vector<double> mean = read_npy(*folder / "golden" / "evaluator_kit_mean.npy").to_vector();
  ASSERT_EQ(mean.size(), size_t(kKitFeatures));
  const Skeleton& kit = kit_ml();
  const auto place = [&](int j) {
    return j == 0 ? Vec3{0, mean[kRootHeight], 0}
                  : Vec3{mean[size_t(3 * j + 1)], mean[size_t(3 * j + 2)], mean[size_t(3 * j + 3)]};
  };
  EXPECT_LT(place(kit.hips[1]).x, 0);  // the right is at -x
  // A mean of bones that turn is shorter than the bone, and never longer.
  for (int j = 1; j < kit.joints(); ++j) {
    const double size = length(place(j) - place(kit.parents[j])) / kit.bone_lengths[j];
    EXPECT_LT(size, 1.0001) << kit.joint_names[j];
    EXPECT_GT(size, .6) << kit.joint_names[j];
  }
  // The first bone of the spine is turned by the heading alone, which leaves its y: the second column's mean says it.
  const double up = mean[size_t(kit.layout().rotations() + 4)];
  EXPECT_NEAR((place(1).y - place(0).y) / up, kit.bone_lengths[1], .001);
}

}  // namespace
}  // namespace kg
