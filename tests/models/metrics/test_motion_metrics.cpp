// Reconstruction, prediction and plausibility of motions: by hand, against NumPy, under transformations, and bad input.
#include <limits>

#include "data/motion/features.h"
#include "models/metrics/plausibility.h"
#include "models/metrics/prediction.h"
#include "models/metrics/reconstruction.h"
#include "tensor/parallel.h"
#include "tests/data/motions.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"

namespace kg {
namespace {

using test::walk;

Joints still(int frames) { return Joints(size_t(frames), walk(1)[0]); }

Skeleton at_rate(double fps) {
  Skeleton skeleton = humanml3d();
  skeleton.fps = fps;
  return skeleton;
}

template <class Move>
Joints moved(Joints joints, Move&& move) {
  for (size_t t = 0; t < joints.size(); ++t)
    for (size_t j = 0; j < kJoints; ++j) joints[t][j] = move(joints[t][j], int(t), int(j));
  return joints;
}

struct Pair {
  Joints real, made;
  double value(const std::string& name) const { return Golden("metrics.safetensors").get("motion." + name).item(); }
};
Pair golden_motions() {
  const Golden golden("metrics.safetensors");
  return {to_joints(golden.get("motion.real")), to_joints(golden.get("motion.made"))};
}

TEST(Reconstruction, ByHand) {
  const Joints real = walk(10);
  // One joint of 22 is 11 cm off in every frame.
  const Joints made = moved(real, [](Vec3 p, int, int j) { return j == kHead ? p + Vec3{0, .11, 0} : p; });
  EXPECT_NEAR(mpjpe(real, made), 5, 1e-9);
  EXPECT_NEAR(acceleration_error(real, made), 0, 1e-9);
  // x = t^2 cm: an acceleration of 2 cm a frame^2, which the pelvis shares.
  const Joints faster = moved(real, [](Vec3 p, int t, int) { return p + Vec3{.01 * t * t, 0, 0}; });
  EXPECT_NEAR(acceleration_error(real, faster), 20, 1e-9);
  EXPECT_NEAR(mpjpe(real, faster), 0, 1e-9);
}

// Twenty joints at x = +-1 m that were made at (+-1, +-0.5), two at the centre: the best scale is 1 / (1 + 0.25) = 0.8,
// and (0.2, 0.4) remains.
TEST(Reconstruction, ProcrustesByHand) {
  Joints real(1, Pose(kJoints)), made(1, Pose(kJoints));
  for (size_t j = 0; j < 20; ++j) {
    real[0][j] = {j % 2 ? 1. : -1., 0, 0};
    made[0][j] = {j % 2 ? 1. : -1., j % 4 < 2 ? .5 : -.5, 0};
  }
  EXPECT_NEAR(pa_mpjpe(real, made), 20 / 22. * 1000 * std::sqrt(.2), 1e-9);
}

TEST(Reconstruction, Golden) {
  const Pair pair = golden_motions();
  EXPECT_NEAR(mpjpe(pair.real, pair.made), pair.value("mpjpe"), 1e-10 * pair.value("mpjpe"));
  EXPECT_NEAR(pa_mpjpe(pair.real, pair.made), pair.value("pa_mpjpe"), 1e-10 * pair.value("pa_mpjpe"));
  EXPECT_NEAR(acceleration_error(pair.real, pair.made), pair.value("acceleration"), 1e-10 * pair.value("acceleration"));
}

TEST(Reconstruction, Invariances) {
  const Pair pair = golden_motions();
  const Quat turn = axis_angle({1, 2, 3}, 2.5);
  const auto shift = [](Vec3 p, int t, int) { return p + Vec3{1, 2. * t, 3}; };
  const auto both = [&](Vec3 p, int, int) { return rotate(turn, p) + Vec3{1, 2, 3}; };
  const auto similar = [&](Vec3 p, int, int) { return 3 * rotate(turn, p) + Vec3{1, 2, 3}; };
  const double plain = mpjpe(pair.real, pair.made), aligned = pa_mpjpe(pair.real, pair.made);
  EXPECT_LT(aligned, plain);
  EXPECT_NEAR(mpjpe(pair.real, moved(pair.made, shift)), plain, 1e-9);
  EXPECT_NEAR(mpjpe(moved(pair.real, both), moved(pair.made, both)), plain, 1e-9);
  EXPECT_NEAR(pa_mpjpe(pair.real, moved(pair.made, similar)), aligned, 1e-9);
  EXPECT_NEAR(pa_mpjpe(pair.real, moved(pair.real, similar)), 0, 1e-9);
  EXPECT_NEAR(acceleration_error(pair.real, moved(pair.made, shift)), acceleration_error(pair.real, pair.made), 1e-9);
  EXPECT_EQ(mpjpe(pair.real, pair.real), 0);
}

TEST(Reconstruction, AnUnmovedPointHasAnAlignment) {
  const Joints point = moved(walk(2), [](Vec3, int, int) { return Vec3{1, 2, 3}; });
  double want = 0;  // the mean distance of the real joints from their centre
  const Joints real = walk(2);
  Vec3 centre;
  for (const Vec3& p : real[0]) centre += p / kJoints;
  for (const Vec3& p : real[0]) want += 1000 * length(p - centre) / kJoints;
  EXPECT_NEAR(pa_mpjpe({real[0]}, {point[0]}), want, 1e-9);
}

TEST(Reconstruction, FramesWeighAlike) {
  const auto lifted = [](const Joints& joints, double height) {
    return moved(joints, [=](Vec3 p, int, int j) { return j == kHead ? p + Vec3{0, height, 0} : p; });
  };
  const std::vector<Joints> real = {walk(2), walk(6)}, made = {lifted(walk(2), .22), lifted(walk(6), .11)};
  const ReconstructionScores scores = score_reconstruction(real, made);
  EXPECT_NEAR(scores.mpjpe, (2 * 10 + 6 * 5) / 8., 1e-9);
  EXPECT_EQ(scores.clips, 2);
  EXPECT_EQ(scores.frames, 8);
  EXPECT_NEAR(scores.acceleration_error, 0, 1e-9);
  EXPECT_NEAR(scores.pa_mpjpe, (2 * pa_mpjpe(real[0], made[0]) + 6 * pa_mpjpe(real[1], made[1])) / 8, 1e-9);
  EXPECT_TRUE(std::isnan(score_reconstruction({walk(2)}, {walk(2)}).acceleration_error));
  const int before = threads();
  set_threads(1);
  EXPECT_EQ(score_reconstruction(real, made).pa_mpjpe, scores.pa_mpjpe);
  set_threads(before);
}

TEST(Prediction, ByHand) {
  const Joints real = walk(20);
  // All joints are off by t cm.
  const Joints made = moved(real, [](Vec3 p, int t, int) { return p + Vec3{.01 * t, 0, 0}; });
  EXPECT_EQ(predicted_frames(20).begin, 4);
  EXPECT_EQ(predicted_frames(20).end, 20);
  EXPECT_EQ(between_frames(22).begin, 5);
  EXPECT_EQ(between_frames(22).end, 17);
  const Displacement error = displacement(real, made, predicted_frames(20));
  EXPECT_NEAR(error.joint_ade, .115, 1e-12);
  EXPECT_NEAR(error.joint_fde, .19, 1e-12);
  EXPECT_NEAR(error.ade, std::sqrt(22) * .115, 1e-12);
  EXPECT_NEAR(error.fde, std::sqrt(22) * .19, 1e-12);
  const Displacement mean = mean_displacement({real, real}, {made, real}, between_frames);
  EXPECT_NEAR(mean.joint_ade, (.05 + .14) / 4, 1e-12);
  EXPECT_NEAR(mean.joint_fde, .07, 1e-12);
}

// As MotionGPT's prompts are made: of 49 tokens 9 are given, or 12 and the 13 from number 36 on.
TEST(Prediction, MissingFramesAreWholeTokens) {
  const auto range = [](CompletionTask task, int64_t frames) {
    const auto missing = missing_frames(task, frames, given_share(task));
    return missing ? std::pair(missing->begin, missing->end) : std::pair<int64_t, int64_t>(-1, -1);
  };
  using Range = std::pair<int64_t, int64_t>;
  EXPECT_EQ(range(CompletionTask::prediction, 196), Range(36, 196));
  EXPECT_EQ(range(CompletionTask::prediction, 199), Range(36, 196));
  EXPECT_EQ(range(CompletionTask::between, 196), Range(48, 144));
  EXPECT_EQ(range(CompletionTask::prediction, 20), Range(4, 20));
  EXPECT_EQ(range(CompletionTask::prediction, 19), Range(-1, -1));
  EXPECT_EQ(range(CompletionTask::between, 16), Range(4, 12));
  EXPECT_EQ(range(CompletionTask::between, 15), Range(-1, -1));
  EXPECT_EQ(fewest_frames(CompletionTask::prediction, .2), 20);
  EXPECT_EQ(fewest_frames(CompletionTask::between, .25), 16);
  EXPECT_EQ(fewest_frames(CompletionTask::prediction, .5), 8);
  for (const double share : {0., -1., 1., std::nan("")})
    EXPECT_NE(error_of(ErrorCode::input, [&] { missing_frames(CompletionTask::prediction, 40, share); }).find("share"),
              std::string::npos);
  EXPECT_NE(error_of(ErrorCode::input, [] { missing_frames(CompletionTask::between, 40, .5); }).find("0.5"),
            std::string::npos);
}

TEST(Prediction, ControlsOnAStraightWalk) {
  constexpr double kStep = .05;  // metres a frame, of every joint
  const Joints straight = moved(still(40), [](Vec3 p, int t, int) { return p + Vec3{0, 0, kStep * t}; });
  const FrameRange rest{8, 40}, gap{8, 30};
  EXPECT_NEAR(displacement(straight, constant_velocity(straight, rest), rest).joint_fde, 0, 1e-12);
  EXPECT_NEAR(displacement(straight, straight_between(straight, gap), gap).joint_ade, 0, 1e-12);
  // Held: off by a step after a frame, by n steps after n.
  const Displacement held = displacement(straight, hold_last_pose(straight, rest), rest);
  EXPECT_NEAR(held.joint_fde, kStep * 32, 1e-12);
  EXPECT_NEAR(held.joint_ade, kStep * 33 / 2, 1e-12);
  EXPECT_NEAR(held.ade, std::sqrt(22) * kStep * 33 / 2, 1e-12);
  // Only the missing frames are touched.
  for (const auto& control : {hold_last_pose, constant_velocity, straight_between}) {
    const Joints made = control(straight, gap);
    for (const size_t t : {0u, 7u, 30u, 39u}) EXPECT_EQ(made[t], straight[t]);
  }
  // z = t^2 / 2 cm: the mean velocity of the last 4 steps before frame 8 is 5 cm a frame.
  const Joints faster = moved(still(12), [](Vec3 p, int t, int) { return p + Vec3{0, 0, .005 * t * t}; });
  EXPECT_NEAR(constant_velocity(faster, {8, 12})[9][kHead].z, faster[7][kHead].z + 2 * .05, 1e-12);
  EXPECT_NE(error_of(ErrorCode::input, [&] { straight_between(straight, rest); }).find("behind"), std::string::npos);
  EXPECT_NE(error_of(ErrorCode::input, [&] { hold_last_pose(straight, {0, 4}); }).find("before"), std::string::npos);
}

TEST(Prediction, GoldenAndInvariant) {
  const Pair pair = golden_motions();
  const std::vector<double> want = Golden("metrics.safetensors").get("motion.displacement").to_vector();
  const Quat turn = axis_angle({1, 2, 3}, 2.5);
  const auto both = [&](Vec3 p, int, int) { return rotate(turn, p) + Vec3{1, 2, 3}; };
  for (const Pair& each : {pair, Pair{moved(pair.real, both), moved(pair.made, both)}}) {
    const Displacement got = displacement(each.real, each.made, predicted_frames(9));
    EXPECT_NEAR(got.ade, want[0], 1e-12);
    EXPECT_NEAR(got.fde, want[1], 1e-12);
    EXPECT_NEAR(got.joint_ade, want[2], 1e-12);
    EXPECT_NEAR(got.joint_fde, want[3], 1e-12);
  }
}

TEST(FootSkate, ByHand) {
  const auto toe = [](double speed, double height) {  // both feet move along x
    return moved(still(21), [=](Vec3 p, int t, int j) {
      return j == kLeftFoot || j == kRightFoot ? Vec3{speed / kFps * t, height, p.z} : p;
    });
  };
  EXPECT_EQ(foot_skate_ratio(still(20)), 0);
  EXPECT_EQ(foot_skate_ratio(toe(.4, .02)), 0);
  // 0.6 m/s; in the first and last two steps the window sees at most 4 of 5 steps: 0.48 m/s.
  EXPECT_NEAR(foot_skate_ratio(toe(.6, .02)), 16 / 20., 1e-15);
  EXPECT_EQ(foot_skate_ratio(toe(2, .02)), 1);
  EXPECT_EQ(foot_skate_ratio(toe(2, .06)), 0);  // in the air
  EXPECT_EQ(foot_skate_ratio(toe(2, .02), at_rate(kFps / 10)), 0);
}

TEST(FloorPenetration, ByHand) {
  const auto lowered = [](double to) {
    return moved(still(4), [=](Vec3 p, int t, int j) { return j == kLeftFoot ? Vec3{p.x, t == 0 ? to : 0, p.z} : p; });
  };
  EXPECT_EQ(floor_penetration(lowered(.3)), 0);
  EXPECT_EQ(floor_penetration(lowered(-.004)), 0);
  EXPECT_NEAR(floor_penetration(lowered(-.02)), 5, 1e-12);
  EXPECT_NEAR(floor_penetration(lowered(-.004), humanml3d(), 0), 1, 1e-12);
}

TEST(Jitter, ByHand) {
  // x = t^3 / 6 mm: a jerk of 1 mm a frame^3 at 20 fps is 8 m/s^3.
  const Joints joints = moved(still(9), [](Vec3 p, int t, int) { return p + Vec3{.001 * t * t * t / 6, 0, 0}; });
  EXPECT_NEAR(jitter(joints), 8, 1e-9);
  EXPECT_NEAR(jitter(joints, at_rate(10)), 1, 1e-9);
  EXPECT_NEAR(jitter(moved(still(9), [](Vec3 p, int t, int) { return p + Vec3{.1 * t * t, .3 * t, 1}; })), 0, 1e-9);
}

TEST(Plausibility, GoldenAndInvariant) {
  const Golden golden("metrics.safetensors");
  const Tensor points = golden.get("walk", Dtype::f64);  // pelvis and toes of 200 frames
  Joints joints(200, Pose(kJoints));
  for (size_t t = 0; t < 200; ++t)
    for (size_t j = 0; j < kJoints; ++j) {
      const double* p = points.data<double>() + (3 * t + (j == 10 ? 1 : j == 11 ? 2 : 0)) * 3;
      joints[t][j] = {p[0], p[1], p[2]};
    }
  const double skate = golden.get("walk.skate").item(), depth = golden.get("walk.penetration").item();
  EXPECT_GT(skate, .05);
  EXPECT_LT(skate, .95);
  EXPECT_GT(depth, 1);
  const Quat about_y = axis_angle({0, 1, 0}, 1);
  for (const Joints& each : {joints, moved(joints, [&](Vec3 p, int, int) {
                               return rotate(about_y, p) + Vec3{3, 0, -5};
                             })}) {
    EXPECT_NEAR(foot_skate_ratio(each), skate, 1e-12);
    EXPECT_NEAR(floor_penetration(each), depth, 1e-9);
  }
  const Joints made = golden_motions().made;
  const double shake = golden.get("motion.jitter").item();
  EXPECT_NEAR(jitter(made), shake, 1e-10 * shake);
  EXPECT_NEAR(jitter(moved(made, [&](Vec3 p, int, int) { return rotate(about_y, p); })), shake, 1e-10 * shake);
}

// One unit of KIT-ML is 1.5625 mm, a frame 0.08 s.
TEST(MotionMetrics, OnAnotherSkeletonAndUnit) {
  const Skeleton& kit = kit_ml();
  Pose pose;
  for (int j = 0; j < kit.joints(); ++j) pose.push_back({10. * j, 7. * j * j, 3. * (j % 4)});
  const auto moving = [&](const std::function<Vec3(int t, int j)>& shift) {
    Joints joints(12, pose);
    for (int t = 0; t < 12; ++t)
      for (int j = 0; j < kit.joints(); ++j) joints[size_t(t)][j] += shift(t, j);
    return joints;
  };
  const Joints still(12, pose);
  const Joints one_off = moving([](int, int j) { return Vec3{0, 0, j == 3 ? 64. : 0}; });  // 0.1 m
  EXPECT_NEAR(mpjpe(still, one_off, kit), 100 / 21., 1e-9);
  EXPECT_NEAR(pa_mpjpe(still, moving([](int, int) { return Vec3{5, 6, 7}; }), kit), 0, 1e-6);
  EXPECT_NEAR(acceleration_error(still, moving([](int t, int) { return Vec3{.5 * t * t, 0, 0}; }), kit), 1.5625, 1e-9);
  EXPECT_NEAR(score_reconstruction({still}, {one_off}, kit).mpjpe, 100 / 21., 1e-9);
  const Displacement d = displacement(still, moving([](int, int) { return Vec3{64, 0, 0}; }), {2, 12}, kit);
  EXPECT_NEAR(d.ade, .1 * std::sqrt(21.), 1e-9);
  EXPECT_NEAR(d.joint_fde, .1, 1e-9);
  EXPECT_NEAR(mean_displacement({still}, {one_off}, predicted_frames, kit).joint_ade, .1 / 21, 1e-9);

  // Toes 15 and 20 at 2 units above the floor; 0.5 m/s is 25.6 units a frame.
  const auto toes = [&](double speed) {
    return moving([&](int t, int j) {
      return j == 15 || j == 20 ? Vec3{speed * t, 2 - pose[size_t(j)].y, 0} : Vec3{0, 2, 0};
    });
  };
  EXPECT_EQ(foot_skate_ratio(toes(25), kit), 0);
  EXPECT_NEAR(foot_skate_ratio(toes(26), kit), 7 / 11., 1e-15);  // two steps at each end see a part of the window
  EXPECT_EQ(foot_skate_ratio(toes(80), kit), 1);
  EXPECT_NEAR(floor_penetration(moving([](int, int) { return Vec3{0, -16, 0}; }), kit), 25, 1e-9);
  EXPECT_EQ(floor_penetration(moving([](int, int) { return Vec3{0, -3, 0}; }), kit), 0);  // 4.7 mm
  EXPECT_NEAR(jitter(moving([](int t, int) {
                       return Vec3{t * t * t / 6., 0, 0};
                     }),
                     kit),
              .0015625 * 12.5 * 12.5 * 12.5, 1e-9);
  EXPECT_NE(error_of(ErrorCode::input, [&] { mpjpe(still, still); }).find("21 joints, skeleton humanml3d has 22"),
            std::string::npos);
}

TEST(MotionMetrics, BadInputIsNamed) {
  const auto says = [](const std::string& part, const std::function<void()>& call) {
    EXPECT_NE(error_of(ErrorCode::input, call).find(part), std::string::npos) << part;
  };
  Joints bad = walk(5);
  bad[3][kHead].y = std::numeric_limits<double>::quiet_NaN();
  says("[mpjpe] reconstruction: joint head is not finite in frame 3", [&] { mpjpe(walk(5), bad); });
  says("[pa_mpjpe] original", [&] { pa_mpjpe(bad, walk(5)); });
  says("5 and 4 frames", [&] { mpjpe(walk(5), walk(4)); });
  says("without frames", [&] { mpjpe({}, {}); });
  says("at least 3", [&] { acceleration_error(walk(2), walk(2)); });
  says("clip 1 ", [&] { score_reconstruction({walk(5), walk(5)}, {walk(5), bad}); });
  says("1 originals and 0", [&] { score_reconstruction({walk(5)}, {}); });
  says("0 originals", [&] { score_reconstruction({}, {}); });
  says("frames 3 to 9 of a motion of 5", [&] { displacement(walk(5), walk(5), {3, 9}); });
  says("0 originals", [&] { mean_displacement({}, {}, predicted_frames); });
  says("head", [&] { foot_skate_ratio(bad); });
  says("at least 2", [&] { foot_skate_ratio(walk(1)); });
  says("head", [&] { floor_penetration(bad); });
  says("without frames", [&] { floor_penetration({}); });
  says("at least 4", [&] { jitter(walk(3)); });
}

}  // namespace
}  // namespace kg
