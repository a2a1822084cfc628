// The page around the player. Motions are embedded as base64 of little-endian int16, (frames, joints, 3), in units of at
// least 0.1 mm about the middle of the motion's box; each names its body, of which a page has one a skeleton.
#include "data/export/html.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/export/figure.h"
#include "data/export/player.h"
#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg {
namespace {

using nlohmann::json;

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned three = 0;
    for (std::size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (int k = 3; k >= 0; --k) out += kDigits[three >> 6 * k & 63];
  }
  for (std::size_t i = 0; i < (3 - bytes.size() % 3) % 3; ++i) out[out.size() - 1 - i] = '=';
  return out;
}

json encode_motion(const Joints& joints, const HtmlMotion& motion, std::size_t body, double size) {
  Vec3 low = joints[0][0], high = low, ahead;
  for (const Pose& pose : joints) {
    ahead += facing(pose, motion.skeleton);
    for (const Vec3& p : pose) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y), std::min(low.z, p.z)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y), std::max(high.z, p.z)};
    }
  }
  const Vec3 middle = (low + high) / 2, reach = (high - low) / 2;
  const double unit = std::max(1e-4, std::max({reach.x, reach.y, reach.z}) / 32767);
  std::string bytes;
  for (const Pose& pose : joints)
    for (const Vec3& p : pose)
      for (const double value : {p.x - middle.x, p.y - middle.y, p.z - middle.z}) {
        const auto steps = static_cast<std::uint16_t>(std::lround(value / unit));
        bytes += static_cast<char>(steps & 255);
        bytes += static_cast<char>(steps >> 8);
      }
  return {{"body", body},
          {"frames", joints.size()},
          {"fps", motion.fps},
          {"unit", unit},
          {"middle", {middle.x, middle.y, middle.z}},
          {"ground", ground_height(joints, size)},
          {"azimuth", std::atan2(ahead.x, ahead.z)},
          {"joints", base64(bytes)}};
}

json encode_body(const Body& body, int joints) {
  json limbs = json::array(), points = json::array(), head;
  for (const Limb& limb : body.limbs) {
    const Color color = side_color(limb.side);
    limbs.push_back({{"a", limb.a},
                     {"b", limb.b},
                     {"ra", limb.radius_a},
                     {"rb", limb.radius_b},
                     {"color", {color.r, color.g, color.b}}});
  }
  for (const BodyPoint& p : body.points) points.push_back({{"from", p.from}, {"joint", p.joint}, {"beyond", p.beyond}});
  if (body.head) {
    const Head& h = *body.head;
    head = {{"joint", h.joint}, {"chest", h.chest},     {"left", h.left},  {"right", h.right},
            {"above", h.above}, {"forward", h.forward}, {"aside", h.aside}};
  }
  return {{"joints", joints}, {"limbs", limbs},    {"points", points},
          {"head", head},     {"size", body.size}, {"height", body.height}};
}

// The bodies of a page and its motions, as the player reads them.
class PageData {
 public:
  json add(const HtmlMotion& motion) {
    const Joints joints = checked_metres(motion.joints, motion.fps, motion.skeleton, "html");
    std::size_t body = 0;
    while (body < skeletons_.size() && skeletons_[body] != motion.skeleton) ++body;
    if (body == skeletons_.size()) {
      skeletons_.push_back(motion.skeleton);
      bodies_.push_back(encode_body(body_of(motion.skeleton, joints[0]), motion.skeleton.joints()));
    }
    return encode_motion(joints, motion, body, bodies_[body]["size"]);
  }
  const json& bodies() const { return bodies_; }

 private:
  std::vector<Skeleton> skeletons_;
  json bodies_ = json::array();
};

// JSON that may stand in a <script>: no "<" in it can end the element.
std::string script_json(const json& value) {
  std::string out;
  for (const char c : value.dump(-1, ' ', false, json::error_handler_t::replace)) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

std::string section_html(const HtmlSection& section) {
  std::string out = "<section>\n";
  if (!section.title.empty()) out += "<h2>" + escape(section.title) + "</h2>\n";
  if (!section.text.empty()) out += "<p>" + escape(section.text) + "</p>\n";
  out += "<div class=\"cards\">\n";
  for (const HtmlMotion& motion : section.motions) {
    const std::string label = escape(motion.title + (motion.subtitle.empty() ? "" : ": ") + motion.subtitle);
    out += "<figure><canvas tabindex=\"0\" role=\"img\" aria-label=\"" + label +
           "\"></canvas><span class=\"count\"></span>";
    out += "<figcaption><b>" + escape(motion.title) + "</b> <span>" + escape(motion.subtitle) +
           "</span></figcaption></figure>\n";
  }
  return out +
         "</div>\n<div class=\"timeline\"><input type=\"range\" min=\"0\" value=\"0\" step=\"1\" aria-label=\"Frame\">"
         "<output></output></div>\n</section>\n";
}

}  // namespace

std::string encode_html(const std::string& page_title, const std::string& intro,
                        const std::vector<HtmlSection>& sections) {
  PageData page_data;
  json all = json::array();
  std::string body;
  for (const HtmlSection& section : sections) {
    CHECK(!section.motions.empty(), "[html] section \"", section.title, "\" has no motions");
    json motions = json::array();
    for (const HtmlMotion& motion : section.motions) motions.push_back(page_data.add(motion));
    all.push_back(std::move(motions));
    body += section_html(section);
  }
  CHECK(!sections.empty(), "[html] a page needs at least one section with a motion");
  const std::string title = escape(page_title);
  std::string page = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + title + "</title>\n";
  page += std::string("<style>\n") + kPlayerStyle + "</style>\n</head>\n<body>\n<header><h1>" + title + "</h1>";
  if (!intro.empty()) page += "<p>" + escape(intro) + "</p>";
  page +=
      "<p class=\"legend\"><i class=\"left\"></i>left side <i class=\"right\"></i>right side</p></header>\n<main>\n";
  page += body + "</main>\n<noscript><p>The player needs JavaScript.</p></noscript>";
  page += kPlayerToolbar;
  page += "<script type=\"application/json\" id=\"motions\">" +
          script_json({{"bodies", page_data.bodies()}, {"sections", all}}) + "</script>\n<script>\n'use strict';\n";
  return page + kPlayerShaders + kPlayerEngine + kPlayerScript + "</script>\n</body>\n</html>\n";
}

void write_html(const std::filesystem::path& path, const std::string& page_title, const std::string& intro,
                const std::vector<HtmlSection>& sections) {
  write_file_atomically(path, encode_html(page_title, intro, sections), false);
}

}  // namespace kg
