// Inverse kinematics from positions and the text of the BVH file.
// A joint with several children takes its full orientation from two directions across them, as pelvis and chest do from
// hips, collars and spine; every other joint swings its one bone from the parent's frame by the shortest rotation. A joint
// turns all its children alike, so children with siblings carry position channels as well: they keep hips and collars
// exact when these move against each other.
#include "data/export/bvh_writer.h"

#include <algorithm>
#include <charconv>
#include <numbers>

#include "data/export/figure.h"
#include "data/formats/file.h"

namespace kg {
namespace {

constexpr double kCentimetres = 100;

// The rotation whose columns are the axes (x, y, z).
Quat from_axes(const Vec3& x, const Vec3& y, const Vec3& z) {
  const double trace = x.x + y.y + z.z;
  if (trace > 0) return normalize(Quat{1 + trace, y.z - z.y, z.x - x.z, x.y - y.x});
  if (x.x >= y.y && x.x >= z.z) return normalize(Quat{y.z - z.y, 1 + x.x - y.y - z.z, x.y + y.x, z.x + x.z});
  if (y.y >= z.z) return normalize(Quat{z.x - x.z, x.y + y.x, 1 - x.x + y.y - z.z, y.z + z.y});
  return normalize(Quat{x.y - y.x, z.x + x.z, y.z + z.y, 1 - x.x - y.y + z.z});
}

// Shortest rotation from a to b; half a turn about any perpendicular axis where they are opposite.
Quat swing(const Vec3& a, const Vec3& b) {
  const double scale = length(a) * length(b);
  if (scale < 1e-12) return {};
  if (dot(a, b) > -(1 - 1e-12) * scale) return rotation_between(a, b);
  return axis_angle(cross(a, std::abs(a.x) < .9 * length(a) ? Vec3{1, 0, 0} : Vec3{0, 1, 0}), std::numbers::pi);
}

// x along `side`, y as near to `up` as that allows; `before` where the two are parallel or zero.
Quat frame_of(const Vec3& side, const Vec3& up, const Quat& before) {
  const Vec3 forward = cross(side, up);
  if (length(forward) < 1e-9) return before;
  const Vec3 x = normalize(side), z = normalize(forward);
  return from_axes(x, cross(z, x), z);
}

// Angles (z, x, y) in degrees of R = Rz Rx Ry, of all equivalent triples the one nearest to `before`.
Vec3 euler_zxy(const Quat& q, const Vec3& before) {
  const Vec3 ex = rotate(q, {1, 0, 0}), ey = rotate(q, {0, 1, 0}), ez = rotate(q, {0, 0, 1});
  constexpr double kDegrees = 180 / std::numbers::pi;
  const auto nearest = [](double angle, double to) { return angle + 360 * std::round((to - angle) / 360); };
  const double x = std::asin(std::clamp(ey.z, -1.0, 1.0)) * kDegrees;
  if (std::abs(ey.z) > 1 - 1e-12) {  // only z +- y is determined: keep y
    const double sum = std::atan2(ex.y, ex.x) * kDegrees;
    const double z = ey.z > 0 ? sum - before.z : sum + before.z;
    return {nearest(z, before.x), nearest(x, before.y), before.z};
  }
  const double z = std::atan2(-ey.x, ey.y) * kDegrees, y = std::atan2(-ex.z, ez.z) * kDegrees;
  const Vec3 one{nearest(z, before.x), nearest(x, before.y), nearest(y, before.z)};
  const Vec3 two{nearest(z + 180, before.x), nearest(180 - x, before.y), nearest(y + 180, before.z)};
  return length(one - before) <= length(two - before) ? one : two;
}

// What the file says of a skeleton, and its inverse kinematics.
class Rig {
 public:
  explicit Rig(const Skeleton& skeleton)
      : skeleton_(skeleton),
        rest_(skeleton.rest_directions),
        children_(size()),
        offsets_(size()),
        rest_frames_(size()) {
    for (int j = 1; j < skeleton.joints(); ++j) children_[parent(j)].push_back(j);
    if (skeleton.joint_names == humanml3d().joint_names)
      set_t_pose();
    else
      keep_left_at_plus_x();
    Pose pose(size());
    for (std::size_t j = 1; j < size(); ++j) pose[j] = pose[parent(j)] + rest_[j];
    for (std::size_t j = 0; j < size(); ++j)
      if (children_[j].size() > 1) rest_frames_[j] = frame_across(pose, j, {});
  }

  std::size_t size() const { return skeleton_.parents.size(); }
  std::size_t parent(std::size_t j) const { return static_cast<std::size_t>(skeleton_.parents[j]); }
  const std::vector<int>& children(std::size_t j) const { return children_[j]; }
  const std::vector<Vec3>& offsets() const { return offsets_; }
  bool has_positions(std::size_t j) const { return j == 0 || children_[parent(j)].size() > 1; }
  std::string name(std::size_t j) const {
    std::string name = skeleton_.joint_names[j];
    std::replace(name.begin(), name.end(), ' ', '_');  // a name of the file ends at a space
    return name;
  }

  // Global rotation of every joint in one frame, given that of the frame before.
  std::vector<Quat> solve(const Pose& pose, const std::vector<Quat>& before) const {
    std::vector<Quat> global(size());
    for (std::size_t j = 0; j < size(); ++j) {
      const Quat above = j == 0 ? Quat{} : global[parent(j)];
      global[j] = above;
      if (children_[j].size() > 1) {
        global[j] = frame_across(pose, j, before[j] * rest_frames_[j]) * inverse(rest_frames_[j]);
      } else if (children_[j].size() == 1) {
        const auto child = static_cast<std::size_t>(children_[j][0]);
        global[j] = normalize(swing(rotate(above, offsets_[child]), pose[child] - pose[j]) * above);
      }
    }
    return global;
  }

  // Mean bone lengths along the rest pose; of children with siblings the mean place in their parent's frame.
  void measure(const Joints& joints) {
    std::vector<Vec3> sums(size());
    std::vector<Quat> global(size());
    for (const Pose& pose : joints) {
      global = solve(pose, global);  // only joints with several children are used, and they need no offsets
      for (std::size_t j = 1; j < size(); ++j) {
        const Vec3 bone = pose[j] - pose[parent(j)];
        sums[j] += has_positions(j) ? rotate(inverse(global[parent(j)]), bone) : normalize(rest_[j]) * length(bone);
      }
    }
    for (std::size_t j = 0; j < size(); ++j) offsets_[j] = sums[j] / static_cast<double>(joints.size());
  }

  // From a joint at an end of the tree to the end of that part of the body, metres.
  Vec3 end_site(std::size_t j) const { return ends_.empty() ? offsets_[j] * .5 : ends_[j]; }

 private:
  // HumanML3D's rest pose lets the arms hang; programs that read BVH expect them spread.
  void set_t_pose() {
    rest_[kLeftFoot] = rest_[kRightFoot] = {0, -.4, 1};
    rest_[kHead] = {0, 1, .4};
    for (const int j : {kLeftShoulder, kLeftElbow, kLeftWrist}) rest_[j] = {1, 0, 0};
    for (const int j : {kRightShoulder, kRightElbow, kRightWrist}) rest_[j] = {-1, 0, 0};
    ends_.assign(size(), {0, 0, .06});
    ends_[kHead] = {0, .18, 0};
    ends_[kLeftWrist] = {.16, 0, 0};
    ends_[kRightWrist] = {-.16, 0, 0};
  }

  // Some rest poses, KIT-ML's among them, have the side at +x that is the right one in the motions.
  void keep_left_at_plus_x() {
    const auto x = [&](int joint) {
      double sum = 0;
      for (int j = joint; j > 0; j = skeleton_.parents[j]) sum += rest_[j].x;
      return sum;
    };
    if (x(skeleton_.hips[0]) < x(skeleton_.hips[1]))
      for (Vec3& direction : rest_) direction.x = -direction.x;
  }

  // The frame of a joint with several children. x goes from the second of two children that mirror each other to the
  // first, y towards another child or, where there is none, on along the joint's own bone. Without such a pair the
  // bones to the first two children stand for both.
  Quat frame_across(const Pose& pose, std::size_t j, const Quat& before) const {
    const std::vector<int>& c = children_[j];
    for (const int a : c) {
      const int b = skeleton_.mirror[a];
      if (b <= a || skeleton_.parents[b] != static_cast<int>(j)) continue;
      const auto other = std::find_if(c.begin(), c.end(), [&](int child) { return child != a && child != b; });
      const Vec3 up = other != c.end() ? pose[*other] - pose[j]
                      : j > 0          ? pose[j] - pose[parent(j)]
                                       : pose[j] * 2 - pose[a] - pose[b];
      return frame_of(pose[a] - pose[b], up, before);
    }
    return frame_of(pose[c[0]] - pose[j], pose[c[1]] - pose[j], before);
  }

  const Skeleton& skeleton_;
  std::vector<Vec3> rest_;  // directions of the bones
  std::vector<std::vector<int>> children_;
  std::vector<Vec3> offsets_;      // metres
  std::vector<Quat> rest_frames_;  // frame_across of the rest pose
  std::vector<Vec3> ends_;
};

void append_number(std::string& text, double value, int decimals) {
  char buffer[64];
  const double unit = std::pow(10.0, -decimals);
  if (std::abs(value) < unit / 2) value = 0;  // no "-0.000000"
  text.append(buffer, std::to_chars(buffer, buffer + 64, value, std::chars_format::fixed, decimals).ptr);
}

void append_vector(std::string& text, const Vec3& v, int decimals) {
  for (const double value : {v.x, v.y, v.z}) append_number(text += ' ', value, decimals);
}

void append_joint(std::string& text, const Rig& rig, std::size_t joint, int depth) {
  const std::string indent(static_cast<std::size_t>(depth), '\t');
  text += indent + (joint == 0 ? "ROOT " : "JOINT ") + rig.name(joint) + "\n" + indent + "{\n";
  append_vector(text += indent + "\tOFFSET", rig.offsets()[joint] * kCentimetres, 6);
  text += "\n" + indent + (rig.has_positions(joint) ? "\tCHANNELS 6 Xposition Yposition Zposition" : "\tCHANNELS 3");
  text += " Zrotation Xrotation Yrotation\n";
  for (const int child : rig.children(joint)) append_joint(text, rig, static_cast<std::size_t>(child), depth + 1);
  if (rig.children(joint).empty()) {
    append_vector(text += indent + "\tEnd Site\n" + indent + "\t{\n" + indent + "\t\tOFFSET",
                  rig.end_site(joint) * kCentimetres, 6);
    text += "\n" + indent + "\t}\n";
  }
  text += indent + "}\n";
}

// Depth first: the order in which the hierarchy names its channels.
void append_order(std::vector<std::size_t>& order, const Rig& rig, std::size_t joint) {
  order.push_back(joint);
  for (const int child : rig.children(joint)) append_order(order, rig, static_cast<std::size_t>(child));
}

}  // namespace

std::string encode_bvh(const Joints& motion, double fps, const Skeleton& skeleton) {
  const Joints joints = checked_metres(motion, fps, skeleton, "bvh");
  Rig rig(skeleton);
  rig.measure(joints);
  std::string text = "HIERARCHY\n";
  append_joint(text, rig, 0, 0);
  text += "MOTION\nFrames: " + std::to_string(joints.size()) + "\nFrame Time: ";
  append_number(text, 1 / fps, 8);
  text += '\n';

  std::vector<std::size_t> order;
  append_order(order, rig, 0);
  std::vector<Quat> global(rig.size());
  std::vector<Vec3> angles(rig.size());
  for (const Pose& pose : joints) {
    global = rig.solve(pose, global);
    std::string line;
    for (const std::size_t j : order) {
      const Quat to_parent = j == 0 ? Quat{} : inverse(global[rig.parent(j)]);
      const Vec3 origin = j == 0 ? Vec3{} : pose[rig.parent(j)];
      if (rig.has_positions(j)) append_vector(line, rotate(to_parent, pose[j] - origin) * kCentimetres, 5);
      angles[j] = euler_zxy(to_parent * global[j], angles[j]);
      append_vector(line, angles[j], 5);
    }
    text.append(line, 1) += '\n';
  }
  return text;
}

void write_bvh(const std::filesystem::path& path, const Joints& joints, double fps, const Skeleton& skeleton) {
  write_file_atomically(path, encode_bvh(joints, fps, skeleton), false);
}

}  // namespace kg
