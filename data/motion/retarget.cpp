// Joint maps, retargeting and resampling. Retargeting copies the directions of bones; their lengths are those of the
// target skeleton.
#include "data/motion/retarget.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/formats/file.h"
#include "data/motion/features.h"
#include "tensor/error.h"

namespace kg {
namespace {

// One `key = value` line after another, with the place for messages.
class MapParser {
 public:
  MapParser(std::string_view text, const std::string& name) : text_(text), name_(name) { map_.name = name; }

  JointMap parse() {
    for (size_t at = 0; at <= text_.size(); ++line_) {
      const size_t end = std::min(text_.find('\n', at), text_.size());
      parse_line(trim(text_.substr(at, end - at)));
      at = end + 1;
    }
    std::string missing;
    for (int j = 0; j < kJoints; ++j)
      if (map_.joints[j].empty()) missing += (missing.empty() ? "" : ", ") + humanml3d().joint_names[j];
    CHECK_INPUT(missing.empty(), name_, ": the joint map does not say what stands for ", missing);
    return std::move(map_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ", line ", line_, ": ", parts...);
  }

  void parse_line(std::string_view line) {
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) return;
    const size_t equals = line.find('=');
    require(equals != line.npos, "expected `joint = name`, found '", line, "'");
    const std::string_view key = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
    require(!value.empty(), "nothing after '", key, " ='");
    if (key == "up") {
      require(value == "y" || value == "z" || value == "-z", "up must be y, z or -z, is '", value, "'");
      map_.up = value;
    } else if (key == "skip_seconds") {
      map_.skip_seconds = number(value, 0, 1e6);
    } else {
      const std::vector<std::string>& names = humanml3d().joint_names;
      const auto joint = std::find(names.begin(), names.end(), key);
      require(joint != names.end(), "'", key, "' is no joint of the 22 (pelvis, left_hip, ...), up or skip_seconds");
      auto& sources = map_.joints[size_t(joint - names.begin())];
      require(sources.empty(), key, " stands here a second time");
      parse_sources(value, sources);
    }
  }

  void parse_sources(std::string_view value, std::vector<JointMap::Source>& sources) const {
    while (true) {
      const size_t bar = value.find('|');
      sources.push_back(parse_source(trim(value.substr(0, bar))));
      if (bar == value.npos) return;
      value = value.substr(bar + 1);
    }
  }

  JointMap::Source parse_source(std::string_view text) const {
    require(!text.empty(), "a name is missing beside |");
    if (!text.starts_with("mix(")) return {std::string(text), "", 0};
    const size_t first = text.find(','), second = text.find(',', std::min(first, text.size() - 1) + 1);
    require(text.ends_with(')') && first != text.npos && second != text.npos && second > first,
            "expected mix(joint, joint, number), found '", text, "'");
    const std::string_view from = trim(text.substr(4, first - 4)),
                           towards = trim(text.substr(first + 1, second - first - 1)),
                           amount = trim(text.substr(second + 1, text.size() - second - 2));
    require(!from.empty() && !towards.empty(), "mix() needs two joint names");
    return {std::string(from), std::string(towards), number(amount, -10, 10)};
  }

  double number(std::string_view text, double low, double high) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size() && value >= low && value <= high,
            "expected a number from ", low, " to ", high, ", found '", text, "'");
    return value;
  }

  std::string_view text_;
  const std::string& name_;
  int line_ = 1;
  JointMap map_;
};

// The file's joint of that name; "mixamorig:Hips" is also Hips. -1 when there is none.
int find_joint(const Bvh& bvh, const std::string& name) {
  for (size_t i = 0; i < bvh.joints.size(); ++i) {
    const std::string& have = bvh.joints[i].name;
    if (have == name || have.substr(have.rfind(':') + 1) == name) return static_cast<int>(i);
  }
  return -1;
}

// A source by joint numbers: position = lerp(from, towards, amount).
struct Binding {
  int from = -1, towards = -1;
  double amount = 0;
};

Binding bind(const Bvh& bvh, const std::vector<JointMap::Source>& sources) {
  for (const JointMap::Source& source : sources) {
    Binding b{find_joint(bvh, source.from), -1, source.amount};
    b.towards = source.towards.empty() ? b.from : find_joint(bvh, source.towards);
    if (b.from >= 0 && b.towards >= 0) return b;
  }
  return {};
}

// The names that the map wants and the file lacks.
std::vector<std::string> missing_names(const Bvh& bvh, const JointMap& map) {
  std::vector<std::string> missing;
  for (int j = 0; j < kJoints; ++j) {
    if (bind(bvh, map.joints[j]).from >= 0) continue;
    const JointMap::Source& source = map.joints[j][0];
    for (const std::string& name : {source.from, source.towards})
      if (!name.empty() && find_joint(bvh, name) < 0) missing.push_back(name + " (" + humanml3d().joint_names[j] + ")");
  }
  return missing;
}

// "a, b, c", at most `most` of them.
std::string join(const std::vector<std::string>& words, size_t most) {
  std::string text;
  for (size_t i = 0; i < words.size() && i < most; ++i) text += (i ? ", " : "") + words[i];
  return words.size() > most ? text + " and " + std::to_string(words.size() - most) + " more" : text;
}

std::string joint_names(const Bvh& bvh) {
  std::vector<std::string> names;
  for (const BvhJoint& joint : bvh.joints) names.push_back(joint.name);
  return join(names, 60);
}

Vec3 y_up(const Vec3& v, const std::string& up) {
  if (up == "z") return {v.x, v.z, -v.y};
  if (up == "-z") return {v.x, -v.z, v.y};
  return v;
}

// The file's rate; a rounded frame time such as 0.00833333 means 120.
double source_rate(const Bvh& bvh) {
  const double rate = 1 / bvh.frame_time;
  return std::abs(rate - std::round(rate)) < 2e-4 * rate ? std::round(rate) : rate;
}

// A pose of the result for every `1 / fps` seconds of the file from `skip` seconds on.
template <class Fn>
Joints resampled(const Bvh& bvh, double fps, double skip, Fn pose_of) {
  const double step = source_rate(bvh) / fps;  // source frames a target frame
  const double first = skip * source_rate(bvh), last = bvh.frames - 1;
  Joints joints(static_cast<size_t>((last - first) / step + 1e-6) + 1);
  for (size_t t = 0; t < joints.size(); ++t) joints[t] = pose_of(interpolated_pose(bvh, first + double(t) * step));
  return joints;
}

// Two mistakes that give a motion which is wrong but looks like one to a program.
void check_body(const Joints& joints, const std::string& file, const std::string& map) {
  size_t upside_down = 0;
  double toes_forward = 0;
  for (const Pose& p : joints) {
    upside_down += p[kHead].y < std::min(p[kLeftAnkle].y, p[kRightAnkle].y);
    const Vec3 across = p[kLeftHip] - p[kRightHip] + p[kLeftShoulder] - p[kRightShoulder];
    const Vec3 forward = cross(across, {0, 1, 0});
    const Vec3 spine = p[kNeck] - p[kPelvis];
    if (spine.y < 0.8 * length(spine)) continue;  // who crawls or lies points the toes anywhere
    toes_forward += dot(forward, p[kLeftFoot] - p[kLeftAnkle] + p[kRightFoot] - p[kRightAnkle]);
  }
  CHECK_INPUT(upside_down * 2 < joints.size(), file, ": the head is below the feet in ", upside_down, " of ",
              joints.size(), " frames; joint map ", map, " may need `up = z` or `up = y`");
  CHECK_INPUT(toes_forward >= 0, file, ": the toes point backwards; joint map ", map,
              " may have left and right exchanged");
}

}  // namespace

JointMap parse_joint_map(std::string_view text, const std::string& name) { return MapParser(text, name).parse(); }

JointMap read_joint_map(const std::filesystem::path& path) {
  return parse_joint_map(read_file(path, 1 << 20), path.string());
}

const JointMap& find_joint_map(const Bvh& bvh, const std::string& file) {
  static const std::vector<JointMap> maps = [] {
    std::vector<JointMap> all;
    for (const BuiltinJointMap& map : kBuiltinJointMaps)
      all.push_back(parse_joint_map(map.text, std::string(map.name)));
    return all;
  }();
  const JointMap* closest = nullptr;
  std::vector<std::string> missing;
  for (const JointMap& map : maps) {
    std::vector<std::string> names = missing_names(bvh, map);
    if (!closest || names.size() < missing.size()) closest = &map, missing = std::move(names);
  }
  CHECK_INPUT(missing.empty(), file, ": no built-in joint map fits this skeleton. The closest, ", closest->name,
              ", misses ", join(missing, 6), ". The file has ", joint_names(bvh), ". Write a joint map for it");
  return *closest;
}

BvhPose interpolated_pose(const Bvh& bvh, double frame) {
  frame = std::clamp(frame, 0.0, double(bvh.frames - 1));
  const int first = static_cast<int>(frame);
  const double amount = frame - first;
  BvhPose a = global_pose(bvh, first);
  if (amount < 1e-9) return a;
  const BvhPose b = global_pose(bvh, first + 1);
  BvhPose pose;
  for (size_t j = 0; j < bvh.joints.size(); ++j) {
    const int p = bvh.joints[j].parent;
    if (p < 0) {
      pose.positions.push_back(lerp(a.positions[j], b.positions[j], amount));
      pose.orientations.push_back(slerp(a.orientations[j], b.orientations[j], amount));
      continue;
    }
    const auto offset = [&](const BvhPose& q) {
      return rotate(inverse(q.orientations[p]), q.positions[j] - q.positions[p]);
    };
    const auto rotation = [&](const BvhPose& q) { return inverse(q.orientations[p]) * q.orientations[j]; };
    pose.positions.push_back(pose.positions[p] + rotate(pose.orientations[p], lerp(offset(a), offset(b), amount)));
    pose.orientations.push_back(normalize(pose.orientations[p] * slerp(rotation(a), rotation(b), amount)));
  }
  return pose;
}

Joints retarget(const Bvh& bvh, const JointMap& map, const std::string& file, double fps) {
  const std::vector<std::string> missing = missing_names(bvh, map);
  CHECK_INPUT(missing.empty(), file, ": joint map ", map.name,
              " wants joints that the file does not have: ", join(missing, 6), ". The file has ", joint_names(bvh));
  std::array<Binding, kJoints> bindings;
  for (int j = 0; j < kJoints; ++j) bindings[j] = bind(bvh, map.joints[j]);
  const double seconds = (bvh.frames - 1) / source_rate(bvh);
  CHECK_INPUT(map.skip_seconds <= seconds, file, ": lasts ", seconds, " s, of which joint map ", map.name, " skips ",
              map.skip_seconds, " s");
  Joints joints = resampled(bvh, fps, map.skip_seconds, [&](const BvhPose& pose) {
    Pose out;
    for (const Binding& b : bindings)
      out.push_back(y_up(lerp(pose.positions[b.from], pose.positions[b.towards], b.amount), map.up));
    return out;
  });
  joints = uniform_skeleton(joints);
  check_body(joints, file, map.name);
  return joints;
}

Joints native_motion(const Bvh& bvh, const Skeleton& skeleton, const std::string& file) {
  std::vector<int> joints;
  std::vector<std::string> missing;
  for (const std::string& name : skeleton.joint_names) {
    joints.push_back(find_joint(bvh, name));
    if (joints.back() < 0) missing.push_back(name);
  }
  CHECK_INPUT(missing.empty(), file, ": skeleton ", skeleton.name,
              " has joints that the file does not have: ", join(missing, 6), ". The file has ", joint_names(bvh));
  const Joints motion = resampled(bvh, skeleton.fps, 0, [&](const BvhPose& pose) {
    Pose out;
    for (const int j : joints) out.push_back(pose.positions[j]);
    return out;
  });
  size_t upside_down = 0;
  for (size_t t = 0; t < motion.size(); ++t) {
    const Pose& p = motion[t];
    for (int j = 1; j < skeleton.joints(); ++j)
      CHECK_INPUT(length(p[j] - p[skeleton.parents[j]]) > 1e-9, file, ": joint ", skeleton.joint_names[j],
                  " lies on its parent ", skeleton.joint_names[skeleton.parents[j]], " in frame ", t,
                  ": its bone has no direction; leave the joint out of the skeleton");
    double feet = 0;
    for (const int foot : skeleton.contacts) feet += p[foot].y / 4;
    upside_down += p[0].y < feet;
  }
  CHECK_INPUT(upside_down * 2 < motion.size(), file, ": the root is below the feet in ", upside_down, " of ",
              motion.size(), " frames; files that are used as they are must have y up");
  return motion;
}

Skeleton measured(Skeleton skeleton, const Pose& pose) {
  skeleton.bone_lengths.assign(skeleton.parents.size(), 0);
  for (int j = 1; j < skeleton.joints(); ++j) skeleton.bone_lengths[j] = length(pose[j] - pose[skeleton.parents[j]]);
  return skeleton;
}

}  // namespace kg
