// Skeletons as values: the two of the public data sets, files of others, and everything that is no skeleton.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/formats/file.h"
#include "data/motion/skeleton.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

using Json = nlohmann::json;

TEST(Skeleton, TheTwoOfThePublicSets) {
  for (const Skeleton* s : {&humanml3d(), &kit_ml()}) {
    check_skeleton(*s, "built in");
    EXPECT_EQ(s->features(), 12 * s->joints() - 1);
    EXPECT_EQ(&skeleton_of_features(s->features(), "x"), s);
    EXPECT_EQ(layout_of_features(s->features()).joints, s->joints());
    // The blocks of the specification: 1 + 2 + 1 + 3 (J - 1) + 6 (J - 1) + 3 J + 4.
    EXPECT_EQ(s->layout().rotations(), 4 + 3 * (s->joints() - 1));
    EXPECT_EQ(s->layout().velocities(), s->joints() == 22 ? 193 : 184);
    EXPECT_EQ(s->layout().contacts(), s->joints() == 22 ? 259 : 247);
  }
  EXPECT_EQ(humanml3d().joint_names[kRightWrist], "right_wrist");
  EXPECT_EQ(humanml3d().joints(), kJoints);
  EXPECT_NEAR(kit_ml().metres_per_unit * 480, .75, 1e-15);
}

TEST(Skeleton, OtherWidths) {
  const std::string error = input_error([] { skeleton_of_features(262, "set/Mean.npy"); });
  EXPECT_EQ(error.find("set/Mean.npy: frames of 262 features are neither HumanML3D's (263) nor KIT-ML's (251)"), 0u)
      << error;
  for (const int width : {0, 11, 22, 24, 262, 12011})
    EXPECT_NE(input_error([&] { layout_of_features(width); }).find("12 J - 1"), std::string::npos) << width;
}

TEST(SkeletonFile, IsReadBack) {
  const TemporaryFolder folder;
  for (Skeleton s : {humanml3d(), kit_ml()}) {
    write_file_atomically(folder / "s.json", skeleton_text(s));
    EXPECT_EQ(read_skeleton(folder / "s.json"), s);
    s.bone_lengths.clear();
    EXPECT_EQ(parse_skeleton(skeleton_text(s), "x"), s);
  }
}

TEST(SkeletonFile, DirectionsNeedNoUnitLength) {
  Json json = Json::parse(skeleton_text(kit_ml()));
  json["joints"][3]["direction"] = {0, 40, 0};
  EXPECT_EQ(parse_skeleton(json.dump(), "x"), kit_ml());
}

// KIT-ML's skeleton with one thing changed.
std::string error_after(const std::function<void(Json&)>& change) {
  Json json = Json::parse(skeleton_text(kit_ml()));
  change(json);
  return input_error([&] { parse_skeleton(json.dump(), "s.json"); });
}

TEST(SkeletonFile, ErrorsSayWhatIsWrong) {
  const std::pair<std::function<void(Json&)>, const char*> cases[] = {
      {[](Json& j) { j.erase("fps"); }, "s.json: fps is missing"},
      {[](Json& j) { j["fps"] = "fast"; }, "s.json: fps must be a number"},
      {[](Json& j) { j["fps"] = 0; }, "fps must be above 0"},
      {[](Json& j) { j["speed"] = 1; }, "s.json: it has no speed"},
      {[](Json& j) { j["name"] = ""; }, "it needs a name"},
      {[](Json& j) { j["metres_per_unit"] = -1; }, "metres_per_unit must be above 0"},
      {[](Json& j) { j["min_frames"] = 2.5; }, "min_frames must be a whole number, is 2.5"},
      {[](Json& j) { j["min_frames"] = 500; }, "not 500 to 199"},
      {[](Json& j) { j["contact_threshold"] = 0; }, "contact_threshold must be above 0"},
      {[](Json& j) { j["joints"] = "many"; }, "joints must be a list"},
      {[](Json& j) { j["joints"][4].erase("parent"); }, "s.json, joint 4: parent is missing"},
      {[](Json& j) { j["joints"][4]["parent"] = "tail"; }, "parent of head: there is no joint tail"},
      {[](Json& j) { j["joints"][4]["parent"] = "left_toe"; }, "joint head: its parent must stand before it"},
      {[](Json& j) { j["joints"][4]["parent"] = "root"; }, "neck is not the parent of head"},
      {[](Json& j) { j["joints"].push_back(j["joints"][4]); }, "two joints are called head"},
      {[](Json& j) {
         j["joints"][4]["direction"] = {0, 0, 0};
       },
       "joint 4: direction must not be zero"},
      {[](Json& j) {
         j["joints"][4]["direction"] = {0, 1};
       },
       "joint 4: direction must be [x, y, z]"},
      {[](Json& j) { j["joints"][4]["length"] = -3; }, "joint head: its bone's length must be above 0, is -3"},
      {[](Json& j) { j["joints"][4].erase("length"); }, "19 of 20 joints have a length"},
      {[](Json& j) { j["joints"][4]["mirror"] = "neck"; },
       "joint head: its mirror must be a joint whose mirror is head"},
      {[](Json& j) { j["joints"][4]["weight"] = 1; }, "joint 4: it has no weight"},
      {[](Json& j) { j["chains"][2].erase(4); }, "joint head is in no chain"},
      {[](Json& j) {
         j["chains"].push_back({"neck", "head"});
       },
       "chain 6: head is in two chains"},
      {[](Json& j) { std::swap(j["chains"][2], j["chains"][3]); }, "chain 3 begins at neck, which is neither"},
      {[](Json& j) { j["chains"][0] = {"root"}; }, "chain 1 needs two joints"},
      {[](Json& j) { j["chains"][0][1] = 11; }, "chains must name joints"},
      {[](Json& j) {
         j["hips"] = {"left_hip", "left_knee"};
       },
       "hips: left_hip and left_knee are not each other's mirror"},
      {[](Json& j) { j["shoulders"] = {"left_shoulder"}; }, "shoulders must be 2 joints, are 1"},
      {[](Json& j) { j["contacts"][1] = "left_ankle"; }, "contacts (left ankle"},
      {[](Json& j) { j["contacts"].push_back("head"); }, "contacts must be 4 joints, are 5"},
      {[](Json& j) { j["scale_joints"][0] = "root"; }, "scale joints must be joints that end a bone"},
  };
  for (const auto& [change, text] : cases)
    EXPECT_NE(error_after(change).find(text), std::string::npos) << text << "\n" << error_after(change);
  EXPECT_NE(input_error([] { parse_skeleton("{", "s.json"); }).find("s.json: no JSON"), std::string::npos);
  EXPECT_NE(input_error([] { parse_skeleton("[]", "s.json"); }).find("s.json: an object"), std::string::npos);
  EXPECT_NE(input_error([] { read_skeleton("/no/skeleton.json"); }).find("/no/skeleton.json"), std::string::npos);
}

TEST(SkeletonFile, SurvivesCorruption) {
  const auto parse = [](const std::string& bytes) { parse_skeleton(bytes, "s.json"); };
  const std::string text = Json::parse(skeleton_text(kit_ml())).dump();
  expect_prefixes_refused(parse, text, text.size());
}

}  // namespace
}  // namespace kg
