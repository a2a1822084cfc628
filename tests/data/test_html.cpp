// The HTML player: what is embedded is the motion, text is only text, and nothing is fetched from elsewhere.
#include "data/export/html.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "data/export/figure.h"
#include "data/formats/file.h"
#include "tensor/error.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

namespace fs = std::filesystem;
using test::largest_distance;

Joints motion_across(int frames, double metres) {
  Joints joints(static_cast<std::size_t>(frames), Pose(kJoints));
  for (int t = 0; t < frames; ++t)
    for (int j = 0; j < kJoints; ++j)
      joints[static_cast<std::size_t>(t)][j] = {metres * t / frames + .01 * j, .1 + .07 * j, std::sin(.3 * t + j)};
  return joints;
}

nlohmann::json embedded(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"motions\">";
  const std::size_t begin = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    if ((held += 6) >= 8) bytes += static_cast<char>(bits >> (held -= 8) & 255);
  }
  return bytes;
}

Joints decode(const nlohmann::json& motion, std::size_t count = kJoints) {
  const std::string bytes = from_base64(motion["joints"]);
  Joints joints(motion["frames"].get<std::size_t>(), Pose(count));
  EXPECT_EQ(bytes.size(), joints.size() * count * 3 * 2);
  std::size_t at = 0;
  for (Pose& pose : joints)
    for (Vec3& p : pose) {
      double* const axes[] = {&p.x, &p.y, &p.z};
      for (std::size_t c = 0; c < 3; ++c, at += 2) {
        const auto low = static_cast<unsigned char>(bytes.at(at)), high = static_cast<unsigned char>(bytes.at(at + 1));
        const auto steps = static_cast<std::int16_t>(low | high << 8);
        *axes[c] = steps * motion["unit"].get<double>() + motion["middle"][c].get<double>();
      }
    }
  return joints;
}

TEST(Html, EmbedsTheFrames) {
  const Joints near = motion_across(40, 1), far = motion_across(41, 30), still = motion_across(1, 0);
  const std::string page =
      encode_html("t", "", {{"a", "", {{"x", "", near, 20}, {"y", "", far, 30}}}, {"b", "", {{"z", "", still, 20}}}});
  const nlohmann::json data = embedded(page);
  ASSERT_EQ(data["sections"].size(), 2u);
  ASSERT_EQ(data["sections"][0].size(), 2u);
  EXPECT_LT(largest_distance(decode(data["sections"][0][0]), near), 1e-4);  // 0.1 mm steps
  EXPECT_LT(largest_distance(decode(data["sections"][0][1]), far), 1e-3);   // 30 m in 65535 steps
  EXPECT_LT(largest_distance(decode(data["sections"][1][0]), still), 1e-4);
  EXPECT_EQ(data["sections"][0][1]["fps"], 30);
  ASSERT_EQ(data["bodies"].size(), 1u);
  EXPECT_EQ(data["bodies"][0]["joints"], 22);
  EXPECT_EQ(data["bodies"][0]["limbs"].size(), body_of(humanml3d(), near[0]).limbs.size());
  EXPECT_DOUBLE_EQ(data["sections"][0][0]["ground"], ground_height(near));
}

TEST(Html, EveryMotionNamesItsBody) {
  const Joints person = motion_across(4, 1), bird = test::wild_motion(5, 1, test::bird());
  const Joints kit = test::wild_motion(3, 1, kit_ml());
  const nlohmann::json data =
      embedded(encode_html("t", "",
                           {{"a", "", {{"b", "", bird, 25, test::bird()}, {"p", "", person}}},
                            {"b", "", {{"k", "", kit, 12.5, kit_ml()}, {"b", "", bird, 25, test::bird()}}}}));
  ASSERT_EQ(data["bodies"].size(), 3u);
  std::vector<int> bodies, joints;
  for (const auto& section : data["sections"])
    for (const auto& motion : section) bodies.push_back(motion["body"]);
  for (const auto& body : data["bodies"]) joints.push_back(body["joints"]);
  EXPECT_EQ(bodies, (std::vector<int>{0, 1, 2, 0}));
  EXPECT_EQ(joints, (std::vector<int>{8, 22, 21}));
  EXPECT_TRUE(data["bodies"][0]["head"].is_null());
  EXPECT_EQ(data["bodies"][2]["head"]["joint"], 4);
  Joints metres = bird;
  for (Pose& pose : metres)
    for (Vec3& p : pose) p = p * .01;
  EXPECT_LT(largest_distance(decode(data["sections"][0][0], 8), metres), 1e-4);
  for (const auto& body : data["bodies"]) {
    const int points = int(body["joints"]) + int(body["points"].size()) + (body["head"].is_null() ? 0 : 3);
    for (const auto& limb : body["limbs"]) EXPECT_LT(std::max(limb["a"].get<int>(), limb["b"].get<int>()), points);
  }
}

TEST(Html, TextIsNeverMarkup) {
  const std::string bad = "</script><img src=x onerror=\"alert(1)\"> & 'quoted'";
  const Joints joints = motion_across(3, 1);
  const std::string page = encode_html(bad, bad, {{bad, bad, {{bad, bad, joints, 20}}}});
  const std::string plain = encode_html("t", "t", {{"t", "t", {{"t", "t", joints, 20}}}});
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find("onerror=\""), std::string::npos);
  const auto count = [](const std::string& text, const std::string& what) {
    int n = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  };
  for (const char* mark : {"<script", "</script", "<", "\"", "`"})
    EXPECT_EQ(count(page, mark), count(plain, mark)) << mark;
  EXPECT_EQ(count(page, "&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; 'quoted'"),
            2 + 1 + 2 + 2 + 2);  // page title and heading, intro, section's title and text, label twice, caption twice
  // The label of a picture joins both of its captions.
  EXPECT_NE(
      encode_html("t", "", {{"", "", {{"left", "a caption", joints, 20}}}}).find("aria-label=\"left: a caption\""),
      std::string::npos);
}

TEST(Html, OneFileWithoutNetwork) {
  const std::string page = encode_html("t", "", {{"", "", {{"", "", motion_across(3, 1), 20}}}});
  for (const char* outside : {"http:", "https:", "src=", "@import", "url(", "<link", "fetch(", "import("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_EQ(page.find(".glsl"), std::string::npos);  // every shader stands where its name stood
}

TEST(Html, RefusesWhatCannotBeShown) {
  const Joints joints = motion_across(3, 1);
  EXPECT_THROW(encode_html("t", "", {}), Error);
  EXPECT_THROW(encode_html("t", "", {{"empty", "", {}}}), Error);
  EXPECT_THROW(encode_html("t", "", {{"", "", {{"", "", {}, 20}}}}), Error);
  EXPECT_THROW(encode_html("t", "", {{"", "", {{"", "", joints, 0}}}}), Error);
  EXPECT_THROW(encode_html("t", "", {{"", "", {{"", "", joints, 20, kit_ml()}}}}), Error);  // 22 joints, not 21
  Joints broken = joints;
  broken[1][kHead].z = INFINITY;
  const fs::path path = fs::temp_directory_path() / ("kg_html_" + std::to_string(::getpid()) + ".html");
  EXPECT_THROW(write_html(path, "t", "", {{"", "", {{"", "", broken, 20}}}}), Error);
  EXPECT_FALSE(fs::exists(path));
  write_html(path, "t", "", {{"", "", {{"", "", joints, 20}}}});
  EXPECT_EQ(read_file(path, 1 << 20).substr(0, 15), "<!doctype html>");
  fs::remove(path);
}

}  // namespace
}  // namespace kg
