// Templates: the embedded wording, templates taken apart, the released layout, bad files.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "models/motiongpt/templates.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

bool found(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The texts of templates as they stand in a file.
std::set<std::string> distinct(const nlohmann::json& list) { return {list.begin(), list.end()}; }

TEST(Templates, OurWording) {
  const Templates templates = instruction_templates();
  EXPECT_EQ(templates.notes, std::vector<std::string>());
  std::map<std::string, int> groups, kinds;
  const nlohmann::json file = nlohmann::json::parse(kInstructionTemplates);
  for (const SubTask& task : templates.tasks) {
    ++groups[task.group];
    ++kinds[task.kind];
    EXPECT_GE(task.inputs.size(), 40u) << task.name;
    // Distinct as they are written, before any alternative.
    const nlohmann::json& entry = file.at(task.group).at(task.name);
    EXPECT_EQ(distinct(entry.at("input")).size(), task.inputs.size()) << task.name;
    const bool sentence = task.kind == "m2l" || (task.kind == "t2t" && !task.outputs[0].has(Slot::caption));
    EXPECT_GE(distinct(entry.at("output")).size(), sentence ? 40u : 1u) << task.name;
  }
  EXPECT_EQ(groups, (std::map<std::string, int>{
                        {"Motion-to-Motion", 2}, {"Motion-to-Text", 5}, {"Text-to-Motion", 6}, {"Text-to-Text", 5}}));
  EXPECT_EQ(kinds, (std::map<std::string, int>{{"inbetween", 1},
                                               {"l2m", 2},
                                               {"m2l", 2},
                                               {"m2t", 3},
                                               {"n2m", 1},
                                               {"n2t", 1},
                                               {"predict", 1},
                                               {"t2m", 3},
                                               {"t2t", 4}}));
}

// What the names of the sub-tasks promise.
TEST(Templates, EveryTemplateSaysItsLength) {
  for (const SubTask& task : instruction_templates().tasks)
    for (const Wording& wording : task.inputs) {
      const bool frames = found(task.name, "framelen") && !found(task.name, "to-framelen"),
                 seconds = found(task.name, "seclen") && !found(task.name, "to-seclen");
      EXPECT_EQ(wording.has(Slot::frames), frames) << task.name << ": " << wording.words();
      EXPECT_EQ(wording.has(Slot::seconds), seconds) << task.name << ": " << wording.words();
    }
}

TEST(Templates, OfPretraining) {
  const Templates templates = pretraining_templates();
  ASSERT_EQ(templates.tasks.size(), 3u);
  for (const SubTask& task : templates.tasks) EXPECT_EQ(task.inputs.size() * task.outputs.size(), 1u);
  EXPECT_EQ(templates.tasks[0].inputs[0].words(), "Predict motion:  ");
}

std::string with_input(const std::string& list, const std::string& kind = "t2m",
                       const std::string& output = R"(["<Motion_Placeholder>"])") {
  return R"({"G": {"T": {"class": ")" + kind + R"(", "input": )" + list + R"(, "output": )" + output + "}}}";
}
Templates parse(const std::string& bytes) { return parse_templates({"f", bytes}); }

TEST(Templates, TakenApart) {
  const Templates templates = parse(with_input(R"(["{Go|Walk|} as <Caption_Placeholder> < 3 <Frame_Placeholder>."])"));
  ASSERT_EQ(templates.tasks.size(), 1u);
  const SubTask& task = templates.tasks[0];
  EXPECT_EQ(task.group + task.name + task.kind, "GTt2m");
  const Wording& wording = task.inputs.at(0);
  ASSERT_EQ(wording.parts.size(), 6u);
  EXPECT_EQ(wording.parts[0].choices, (std::vector<std::string>{"Go", "Walk", ""}));
  EXPECT_EQ(wording.parts[1].choices, std::vector<std::string>{" as "});
  EXPECT_EQ(wording.parts[2].slot, Slot::caption);
  EXPECT_EQ(wording.parts[3].choices, std::vector<std::string>{" < 3 "});
  EXPECT_EQ(wording.parts[4].slot, Slot::frames);
  EXPECT_EQ(wording.parts[5].choices, std::vector<std::string>{"."});
  EXPECT_TRUE(wording.has(Slot::frames));
  EXPECT_FALSE(wording.has(Slot::motion));
  EXPECT_EQ(wording.words(), "Go Walk  as   < 3  .");
}

TEST(Templates, ReleasedLayout) {
  const Templates l2m = parse(with_input(R"(["<Framelen_Placeholder> frames", "<Frame_Placeholder>"])", "l2m"));
  EXPECT_TRUE(l2m.tasks[0].inputs[0].has(Slot::frames));
  EXPECT_EQ(l2m.notes,
            std::vector<std::string>{"f: G, T: 1 templates with <Framelen_Placeholder>, read as <Frame_Placeholder>"});
  const Templates t2t =
      parse(with_input(R"(["A caption?", "For <Frame_Placeholder>"])", "t2t", R"(["<Caption_Placeholder>"])"));
  EXPECT_EQ(t2t.notes, std::vector<std::string>{"f: G, T: 1 input templates do not tell the length"});
  const Templates empty = parse(with_input(R"(["", "Move", "<Second_Placeholder> s"])", "l2m"));
  EXPECT_EQ(empty.tasks[0].inputs.size(), 2u);
  EXPECT_EQ(empty.notes, (std::vector<std::string>{"f: G, T: 1 templates without text, left out",
                                                   "f: G, T: 1 input templates do not tell the length"}));
  const TemporaryFolder folder;
  std::ofstream(folder / "t.json") << kInstructionTemplates;
  EXPECT_EQ(read_templates((folder / "t.json").string()).tasks.size(), 18u);
}

TEST(Templates, BadFiles) {
  const auto error = [](const std::string& bytes) { return input_error([&] { parse(bytes); }); };
  const auto of_input = [&](const std::string& list) { return error(with_input(list)); };
  EXPECT_TRUE(found(error("{"), "f:"));
  EXPECT_EQ(error("[]"), "f: must be an object of groups of sub-tasks");
  EXPECT_EQ(error("{}"), "f: must be an object of groups of sub-tasks");
  EXPECT_EQ(error(R"({"G": 3})"), "f: G: must be an object of sub-tasks");
  EXPECT_EQ(error(R"({"G": {"T": []}})"), "f: G, T: must be an object with class, input and output");
  EXPECT_EQ(error(R"({"G": {"T": {}}})"), "f: G, T: lacks \"class\"");
  EXPECT_EQ(error(R"({"G": {"T": {"class": "t2m", "outputs": []}}})"), "f: G, T: unknown entry \"outputs\"");
  EXPECT_TRUE(found(error(with_input(R"(["a"])", "x2m")), "f: G, T: unknown class \"x2m\"; there are t2m"));
  EXPECT_EQ(of_input("[]"), "f: G, T, input: must be a list of templates, and not empty");
  EXPECT_EQ(of_input("\"<Caption_Placeholder>\""), "f: G, T, input: must be a list of templates, and not empty");
  EXPECT_EQ(of_input(R"(["<Caption_Placeholder>", 4])"), "f: G, T, input template 2: must be a text, is a JSON number");
  EXPECT_EQ(of_input(R"([" "])"), "f: G, T, input: all templates are empty");
  EXPECT_EQ(of_input(R"(["Walk"])"), "f: G, T, input template 1: needs <Caption_Placeholder>");
  EXPECT_TRUE(
      found(of_input(R"(["<Capt_Placeholder>"])"), "template 1: unknown placeholder <Capt_Placeholder>; there are"));
  EXPECT_TRUE(found(of_input(R"(["<motion_id_3> <Caption_Placeholder>"])"), "unknown placeholder <motion_id_3>"));
  EXPECT_TRUE(found(of_input(R"(["Caption_Placeholder"])"), "a placeholder without its < >"));
  EXPECT_TRUE(found(of_input(R"(["{a|b"])"), "{ without its }"));
  EXPECT_TRUE(found(of_input(R"(["{a|{b|c}}"])"), "{ without its }"));
  EXPECT_TRUE(found(of_input(R"(["a}"])"), "} without its {"));
  EXPECT_TRUE(found(of_input(R"(["{a}"])"), "{a} must be alternatives of plain text"));
  EXPECT_TRUE(found(of_input(R"(["{a|<Caption_Placeholder>}"])"), "must be alternatives of plain text"));
  EXPECT_EQ(error(with_input(R"(["<Frame_Placeholder>"])", "l2m", R"(["<Caption_Placeholder>"])")),
            "f: G, T, output template 1: needs <Motion_Placeholder>");
  EXPECT_EQ(error(with_input(R"(["How long?"])", "t2t", R"(["<Second_Placeholder>"])")),
            "f: G, T, input template 1: needs <Caption_Placeholder>");
  EXPECT_EQ(error(with_input(R"(["<Motion_Placeholder>"])", "predict", R"(["<Motion_Placeholder_s2>"])")),
            "f: G, T, input template 1: needs <Motion_Placeholder_s1>");
}

TEST(Templates, SurviveDamage) {
  const std::string good = with_input(R"(["{Go|Walk|} <Caption_Placeholder> \"<\" <Frame_Placeholder>."])");
  const auto use = [](const std::string& bytes) { parse(bytes).tasks.at(0).inputs.at(0).words(); };
  expect_prefixes_refused(use, good, good.size());
  EXPECT_GT(survive_corruption(use, good), 0);
}

}  // namespace
}  // namespace kg
