// The BVH parser (one pass over the text, no recursion) and forward kinematics.
#include "data/formats/bvh.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <ostream>

#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr uint64_t kMaxBvhBytes = uint64_t{1} << 30;
constexpr int kMaxJoints = 10000;
constexpr double kMaxMagnitude = 1e9;  // of an offset or value: far beyond any capture, far below overflow in products
constexpr std::array<std::string_view, 6> kChannelNames = {"Xposition", "Yposition", "Zposition",
                                                           "Xrotation", "Yrotation", "Zrotation"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }
bool ends_word(char c) { return is_blank(c) || c == '\n' || c == '{' || c == '}' || c == ':'; }

// A word of the file as an error message shows it; formatted only when the error is really thrown.
struct Quoted {
  std::string_view word;
};
std::ostream& operator<<(std::ostream& out, const Quoted& q) {
  if (q.word.empty()) return out << "the end of the line or file";
  out << '\'';
  for (const char c : q.word.substr(0, 40)) out << (c >= ' ' && c <= '~' ? c : '?');
  return out << (q.word.size() > 40 ? "...'" : "'");
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // UTF-8 byte order mark
  }

  Bvh parse() {
    const std::string foreign = foreign_content(text_);
    CHECK_INPUT(foreign.empty(), name_, ": not a BVH file: ", foreign);
    expect("HIERARCHY");
    std::string_view word = next_word();
    while (same_word(word, "ROOT")) {
      parse_tree();
      word = next_word();
    }
    require(!bvh_.joints.empty(), "expected ROOT after HIERARCHY, found ", Quoted{word});
    require(same_word(word, "MOTION"), "expected ROOT or MOTION after the hierarchy, found ", Quoted{word});
    require(bvh_.channels > 0, "no joint has a channel, so there is no motion to read");
    parse_motion();
    return std::move(bvh_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ", line ", line_, ": ", parts...);
  }

  // The next word on this line, empty at its end; braces and colons are words of their own.
  std::string_view word_on_line() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    const size_t begin = at_;
    while (at_ < text_.size() && !ends_word(text_[at_])) ++at_;
    if (at_ == begin && at_ < text_.size() && text_[at_] != '\n') ++at_;
    return text_.substr(begin, at_ - begin);
  }

  bool at_line_end() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    return at_ == text_.size() || text_[at_] == '\n';
  }

  // Moves over blank space and line ends; false at the end of the text.
  bool skip_space() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
      } else if (!is_blank(text_[at_])) {
        return true;
      }
    }
    return false;
  }

  std::string_view next_word() { return skip_space() ? word_on_line() : std::string_view(); }

  void expect(std::string_view wanted) {
    const std::string_view word = next_word();
    require(same_word(word, wanted), "expected ", wanted, ", found ", Quoted{word});
  }

  double to_number(std::string_view word, std::string_view what) const {
    const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    require(error == std::errc() && end == digits.data() + digits.size(), "expected a number (", what, "), found ",
            Quoted{word});
    require(std::abs(value) <= kMaxMagnitude, what, " must be finite and at most 1e9 in size, is ", Quoted{word});
    return value;
  }

  int to_count(std::string_view word, std::string_view what, int most) const {
    int value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require(error == std::errc() && end == word.data() + word.size() && value >= 0 && value <= most, what,
            " must be a whole number from 0 to ", most, ", is ", Quoted{word});
    return value;
  }

  // The rest of the line is the name (some exporters put spaces in it), up to an opening brace.
  std::string joint_name() {
    at_line_end();
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '{') ++at_;
    size_t end = at_;
    while (end > begin && is_blank(text_[end - 1])) --end;
    require(end > begin, "a joint needs a name");
    return std::string(text_.substr(begin, end - begin));
  }

  int add_joint(std::string joint_name, int parent, bool is_end_site) {
    require(bvh_.joints.size() < kMaxJoints, "more than ", kMaxJoints, " joints");
    bvh_.joints.push_back({std::move(joint_name), parent, {}, {}, bvh_.channels, is_end_site});
    has_offset_.push_back(false);
    return static_cast<int>(bvh_.joints.size()) - 1;
  }

  // One ROOT with everything below it. `current` walks down at each JOINT and up at each closing brace.
  void parse_tree() {
    int current = add_joint(joint_name(), -1, false);
    expect("{");
    while (current >= 0) {
      const std::string_view word = next_word();
      BvhJoint& joint = bvh_.joints[current];
      if (same_word(word, "OFFSET")) {
        parse_offset(joint, current);
      } else if (same_word(word, "CHANNELS")) {
        parse_channels(joint);
      } else if (same_word(word, "JOINT") || same_word(word, "End")) {
        require(!joint.is_end_site, "an End Site cannot have a child");
        const bool is_end = same_word(word, "End");
        if (is_end) expect("Site");
        std::string child = is_end ? joint.name + "_end" : joint_name();
        current = add_joint(std::move(child), current, is_end);
        expect("{");
      } else if (word == "}") {
        require(has_offset_[current], "joint ", Quoted{joint.name}, " has no OFFSET");
        current = joint.parent;
      } else {
        require(false, "expected OFFSET, CHANNELS, JOINT, End Site or } in joint ", Quoted{joint.name}, ", found ",
                Quoted{word}, word.empty() ? " (a brace is missing or the file is cut off)" : "");
      }
    }
  }

  void parse_offset(BvhJoint& joint, int index) {
    require(!has_offset_[index], "joint ", Quoted{joint.name}, " has two OFFSETs");
    has_offset_[index] = true;
    joint.offset.x = to_number(next_word(), "OFFSET x");
    joint.offset.y = to_number(next_word(), "OFFSET y");
    joint.offset.z = to_number(next_word(), "OFFSET z");
  }

  void parse_channels(BvhJoint& joint) {
    require(!joint.is_end_site, "an End Site cannot have CHANNELS");
    require(joint.channels.empty(), "joint ", Quoted{joint.name}, " has two CHANNELS lines");
    const int count = to_count(next_word(), "the number of CHANNELS", 6);
    joint.first_channel = bvh_.channels;
    for (int i = 0; i < count; ++i) {
      const std::string_view word = next_word();
      int kind = 0;
      while (kind < 6 && !same_word(word, kChannelNames[kind])) ++kind;
      require(kind < 6, "expected channel ", i + 1, " of ", count, " (Xposition ... Zrotation), found ", Quoted{word});
      const auto channel = static_cast<Channel>(kind);
      require(std::find(joint.channels.begin(), joint.channels.end(), channel) == joint.channels.end(), "joint ",
              Quoted{joint.name}, " has channel ", kChannelNames[kind], " twice");
      joint.channels.push_back(channel);
    }
    bvh_.channels += count;
  }

  void parse_motion() {
    expect("Frames");
    expect(":");
    bvh_.frames = to_count(next_word(), "Frames", 1 << 30);
    require(bvh_.frames > 0, "the file has no frames");
    expect("Frame");
    expect("Time");
    expect(":");
    bvh_.frame_time = to_number(next_word(), "Frame Time");
    require(bvh_.frame_time > 0, "Frame Time must be more than 0 seconds");
    require(at_line_end(), "expected the end of the line after Frame Time");

    // A value takes at least a digit and a separator, which bounds the allocation by the text that is really there.
    const size_t wanted = static_cast<size_t>(bvh_.frames) * static_cast<size_t>(bvh_.channels);
    const size_t possible = (text_.size() - at_) / 2 + 1;
    require(wanted <= possible, "Frames: ", bvh_.frames, " of ", bvh_.channels, " channels need ", wanted,
            " values, but the rest of the file has room for at most ", possible, " (is it cut off?)");
    bvh_.values.reserve(wanted);
    for (int frame = 0; frame < bvh_.frames; ++frame) parse_frame(frame);
    require(!skip_space(), "there is more after the last of ", bvh_.frames, " frames");
  }

  // A frame is one line; blank lines are passed over.
  void parse_frame(int frame) {
    require(skip_space(), "the file ends after ", frame, " of ", bvh_.frames, " frames");
    for (int i = 0; i < bvh_.channels; ++i) {
      const std::string_view word = word_on_line();
      require(!word.empty(), "frame ", frame, " has ", i, " values, expected ", bvh_.channels);
      bvh_.values.push_back(to_number(word, "a motion value"));
    }
    require(at_line_end(), "frame ", frame, " has more than ", bvh_.channels, " values");
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  int64_t line_ = 1;
  Bvh bvh_;
  std::vector<bool> has_offset_;
};

Quat axis_rotation(Channel channel, double degrees) {
  const double half = degrees * std::numbers::pi / 360;
  const double c = std::cos(half), s = std::sin(half);
  switch (channel) {
    case Channel::x_rotation:
      return {c, s, 0, 0};
    case Channel::y_rotation:
      return {c, 0, s, 0};
    default:
      return {c, 0, 0, s};
  }
}

}  // namespace

Bvh parse_bvh(std::string_view text, const std::string& name) { return Parser(text, name).parse(); }

Bvh read_bvh(const std::filesystem::path& path) { return parse_bvh(read_file(path, kMaxBvhBytes), path.string()); }

BvhPose global_pose(const Bvh& bvh, int frame) {
  CHECK(frame >= 0 && frame < bvh.frames, "[global_pose] frame ", frame, " of a motion with ", bvh.frames, " frames");
  const double* values = bvh.values.data() + static_cast<size_t>(frame) * bvh.channels;
  BvhPose pose;
  pose.positions.reserve(bvh.joints.size());
  pose.orientations.reserve(bvh.joints.size());
  for (const BvhJoint& joint : bvh.joints) {
    Vec3 offset = joint.offset;
    Quat rotation;
    for (size_t i = 0; i < joint.channels.size(); ++i) {
      const double value = values[joint.first_channel + i];
      switch (joint.channels[i]) {
        case Channel::x_position:
          offset.x = value;
          break;
        case Channel::y_position:
          offset.y = value;
          break;
        case Channel::z_position:
          offset.z = value;
          break;
        default:
          rotation = rotation * axis_rotation(joint.channels[i], value);
      }
    }
    if (joint.parent < 0) {
      pose.positions.push_back(offset);
      pose.orientations.push_back(rotation);
    } else {
      const Quat& parent = pose.orientations[joint.parent];
      pose.positions.push_back(pose.positions[joint.parent] + rotate(parent, offset));
      pose.orientations.push_back(normalize(parent * rotation));
    }
  }
  return pose;
}

std::vector<Vec3> global_positions(const Bvh& bvh, int frame) { return global_pose(bvh, frame).positions; }

}  // namespace kg
