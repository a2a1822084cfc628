// A skeleton as JSON, joints by name:
//   {"name": "robot", "fps": 30, "metres_per_unit": 0.01,
//    "joints": [{"name": "Hips"},
//               {"name": "LeftLeg", "parent": "Hips", "mirror": "RightLeg", "direction": [0, -1, 0], "length": 41},
//               ...],
//    "chains": [["Hips", "RightLeg", "RightFoot"], ...],
//    "hips": ["LeftLeg", "RightLeg"], "shoulders": [left, right], "scale_joints": [two joints],
//    "contacts": [left ankle, left toe, right ankle, right toe], "contact_threshold": 20,
//    "min_frames": 40, "max_frames": 199}
// A joint without a mirror is on the midline. Directions need no unit length. Any other key is refused.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/formats/file.h"
#include "data/motion/skeleton.h"
#include "tensor/error.h"

namespace kg {
namespace {

using Json = nlohmann::ordered_json;

// An object of the file, and how messages call it.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    CHECK_INPUT(json.is_object(), where_, ": an object {...} was expected");
  }

  void allow(const std::vector<std::string_view>& keys) const {
    for (const auto& [key, value] : json_.items())
      CHECK_INPUT(std::find(keys.begin(), keys.end(), key) != keys.end(), where_, ": it has no ", key);
  }
  bool has(const char* key) const { return json_.contains(key); }
  const Json& at(const char* key) const {
    CHECK_INPUT(has(key), where_, ": ", key, " is missing");
    return json_.at(key);
  }
  std::string text(const char* key) const {
    CHECK_INPUT(at(key).is_string(), where_, ": ", key, " must be a text");
    return at(key).get<std::string>();
  }
  double number(const char* key) const {
    CHECK_INPUT(at(key).is_number(), where_, ": ", key, " must be a number");
    return at(key).get<double>();
  }
  int whole(const char* key) const {
    const double value = number(key);
    CHECK_INPUT(value == int(std::clamp(value, 0., 1e9)), where_, ": ", key, " must be a whole number, is ", value);
    return int(value);
  }
  Vec3 vector(const char* key) const {
    const Json& v = at(key);
    const bool numbers = v.is_array() && v.size() == 3 && v[0].is_number() && v[1].is_number() && v[2].is_number();
    CHECK_INPUT(numbers, where_, ": ", key, " must be [x, y, z]");
    return {v[0].get<double>(), v[1].get<double>(), v[2].get<double>()};
  }
  const std::string& where() const { return where_; }

 private:
  const Json& json_;
  std::string where_;
};

class SkeletonReader {
 public:
  SkeletonReader(const Json& json, const std::string& source) : file_(json, source) {}

  Skeleton read() {
    file_.allow({"name", "fps", "metres_per_unit", "joints", "chains", "hips", "shoulders", "scale_joints", "contacts",
                 "contact_threshold", "min_frames", "max_frames"});
    s_.name = file_.text("name");
    s_.fps = file_.number("fps");
    s_.metres_per_unit = file_.number("metres_per_unit");
    s_.contact_threshold = file_.number("contact_threshold");
    s_.min_frames = file_.whole("min_frames");
    s_.max_frames = file_.whole("max_frames");
    read_joints();
    const Json& chains = file_.at("chains");
    CHECK_INPUT(chains.is_array(), file_.where(), ": chains must be a list of lists of joints");
    for (const Json& chain : chains) s_.chains.push_back(joints_of(chain, "chains"));
    read_role("hips", s_.hips);
    read_role("shoulders", s_.shoulders);
    read_role("scale_joints", s_.scale_joints);
    read_role("contacts", s_.contacts);
    check_skeleton(s_, file_.where());
    return std::move(s_);
  }

 private:
  void read_joints() {
    const Json& list = file_.at("joints");
    CHECK_INPUT(list.is_array() && list.size() >= 2, file_.where(), ": joints must be a list of two joints or more");
    std::vector<std::string> parents, mirrors;
    size_t lengths = 0;
    for (const Json& json : list) {
      const Reader joint(json, file_.where() + ", joint " + std::to_string(s_.joint_names.size()));
      joint.allow({"name", "parent", "mirror", "direction", "length"});
      const bool is_root = s_.joint_names.empty();
      s_.joint_names.push_back(joint.text("name"));
      parents.push_back(is_root ? "" : joint.text("parent"));
      mirrors.push_back(joint.has("mirror") ? joint.text("mirror") : s_.joint_names.back());
      const Vec3 direction = is_root ? Vec3{} : joint.vector("direction");
      CHECK_INPUT(is_root || length(direction) > 0, joint.where(), ": direction must not be zero");
      s_.rest_directions.push_back(is_root ? direction : normalize(direction));
      s_.bone_lengths.push_back(!is_root && joint.has("length") ? joint.number("length") : 0);
      lengths += !is_root && joint.has("length");
    }
    CHECK_INPUT(lengths == 0 || lengths + 1 == list.size(), file_.where(), ": ", lengths, " of ", list.size() - 1,
                " joints have a length; give all of them one, or none");
    if (lengths == 0) s_.bone_lengths.clear();
    for (size_t j = 0; j < parents.size(); ++j) {
      s_.parents.push_back(j == 0 ? -1 : number_of(parents[j], "parent of " + s_.joint_names[j]));
      s_.mirror.push_back(number_of(mirrors[j], "mirror of " + s_.joint_names[j]));
    }
  }

  int number_of(const std::string& name, const std::string& what) const {
    const auto found = std::find(s_.joint_names.begin(), s_.joint_names.end(), name);
    CHECK_INPUT(found != s_.joint_names.end(), file_.where(), ": ", what, ": there is no joint ", name);
    return int(found - s_.joint_names.begin());
  }

  std::vector<int> joints_of(const Json& names, const char* what) const {
    std::vector<int> joints;
    CHECK_INPUT(names.is_array(), file_.where(), ": ", what, " must be lists of joints");
    for (const Json& name : names) {
      CHECK_INPUT(name.is_string(), file_.where(), ": ", what, " must name joints");
      joints.push_back(number_of(name.get<std::string>(), what));
    }
    return joints;
  }

  template <size_t N>
  void read_role(const char* key, std::array<int, N>& role) const {
    const std::vector<int> joints = joints_of(file_.at(key), key);
    CHECK_INPUT(joints.size() == N, file_.where(), ": ", key, " must be ", N, " joints, are ", joints.size());
    std::copy(joints.begin(), joints.end(), role.begin());
  }

  Reader file_;
  Skeleton s_;
};

}  // namespace

Skeleton parse_skeleton(std::string_view text, const std::string& source) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    fail(ErrorCode::input, source, ": no JSON: ", error.what());
  }
  return SkeletonReader(json, source).read();
}

Skeleton read_skeleton(const std::filesystem::path& path) {
  return parse_skeleton(read_file(path, 1 << 20), path.string());
}

std::string skeleton_text(const Skeleton& s) {
  const auto names = [&](const auto& joints) {
    Json list = Json::array();
    for (const int j : joints) list.push_back(s.joint_names[size_t(j)]);
    return list;
  };
  Json json = {{"name", s.name}, {"fps", s.fps}, {"metres_per_unit", s.metres_per_unit}};
  for (int j = 0; j < s.joints(); ++j) {
    const size_t i = size_t(j);
    Json joint = {{"name", s.joint_names[i]}};
    if (j > 0) joint["parent"] = s.joint_names[size_t(s.parents[i])];
    if (s.mirror[i] != j) joint["mirror"] = s.joint_names[size_t(s.mirror[i])];
    const Vec3& d = s.rest_directions[i];
    if (j > 0) joint["direction"] = {d.x, d.y, d.z};
    if (j > 0 && !s.bone_lengths.empty()) joint["length"] = s.bone_lengths[i];
    json["joints"].push_back(joint);
  }
  for (const std::vector<int>& chain : s.chains) json["chains"].push_back(names(chain));
  json["hips"] = names(s.hips);
  json["shoulders"] = names(s.shoulders);
  json["scale_joints"] = names(s.scale_joints);
  json["contacts"] = names(s.contacts);
  json["contact_threshold"] = s.contact_threshold;
  json["min_frames"] = s.min_frames;
  json["max_frames"] = s.max_frames;
  return json.dump(1) + '\n';
}

}  // namespace kg
