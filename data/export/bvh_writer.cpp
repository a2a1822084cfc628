// Inverse kinematics from 22 positions and the text of the BVH file.
// Pelvis and chest take their full orientation from the hip and collar axes; every other joint swings its one bone from
// the parent's frame by the shortest rotation. A joint turns all its children alike, so the children of pelvis and
// chest carry position channels as well: they keep hips and collars exact when these move against each other.
#include "data/export/bvh_writer.h"

#include <algorithm>
#include <charconv>
#include <numbers>

#include "data/export/figure.h"
#include "data/formats/file.h"

namespace kg {
namespace {

constexpr double kCentimetres = 100;

// Directions of the bones in the T-pose; those below pelvis and chest are measured on the motion instead.
constexpr std::array<Vec3, kJoints> kTPose = {{{0, 0, 0}, {0, 0, 0},  {0, 0, 0},  {0, 0, 0},  {0, -1, 0},  {0, -1, 0},
                                               {0, 1, 0}, {0, -1, 0}, {0, -1, 0}, {0, 1, 0},  {0, -.4, 1}, {0, -.4, 1},
                                               {0, 0, 0}, {0, 0, 0},  {0, 0, 0},  {0, 1, .4}, {1, 0, 0},   {-1, 0, 0},
                                               {1, 0, 0}, {-1, 0, 0}, {1, 0, 0},  {-1, 0, 0}}};

int parent_of(int joint) { return humanml3d().parents[joint]; }
bool below_branch(int joint) { return parent_of(joint) == kPelvis || parent_of(joint) == kSpine3; }

// The one child that a joint's rotation aims at, or -1 at an end of the hierarchy.
int only_child(int joint) {
  for (int j = 1; j < kJoints; ++j)
    if (parent_of(j) == joint) return j;
  return -1;
}

// From the end joints to the end of the body part in the T-pose, metres.
Vec3 end_site(int joint) {
  if (joint == kHead) return {0, .18, 0};
  if (joint == kLeftWrist) return {.16, 0, 0};
  if (joint == kRightWrist) return {-.16, 0, 0};
  return {0, 0, .06};
}

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

// Global rotation of every joint in one frame, given the rest offsets and the frame before.
std::array<Quat, kJoints> solve(const Pose& pose, const std::array<Vec3, kJoints>& offsets,
                                const std::array<Quat, kJoints>& before) {
  std::array<Quat, kJoints> global;
  for (int j = 0; j < kJoints; ++j) {
    const Quat parent = j == kPelvis ? Quat{} : global[parent_of(j)];
    const int child = only_child(j);
    if (j == kPelvis)
      global[j] = frame_of(pose[kLeftHip] - pose[kRightHip], pose[kSpine1] - pose[kPelvis], before[j]);
    else if (j == kSpine3)
      global[j] = frame_of(pose[kLeftCollar] - pose[kRightCollar], pose[kNeck] - pose[kSpine3], before[j]);
    else if (child >= 0)
      global[j] = normalize(swing(rotate(parent, offsets[child]), pose[child] - pose[j]) * parent);
    else
      global[j] = parent;
  }
  return global;
}

// Mean bone lengths along the T-pose; below pelvis and chest the mean place in their frame.
std::array<Vec3, kJoints> rest_offsets(const Joints& joints) {
  std::array<Vec3, kJoints> offsets{};
  std::array<Quat, kJoints> global;
  for (const Pose& pose : joints) {
    global = solve(pose, offsets, global);  // only pelvis and chest are used, and they need no offsets
    for (int j = 1; j < kJoints; ++j) {
      const Vec3 bone = pose[j] - pose[parent_of(j)];
      offsets[j] += below_branch(j) ? rotate(inverse(global[parent_of(j)]), bone) : normalize(kTPose[j]) * length(bone);
    }
  }
  for (Vec3& offset : offsets) offset = offset / static_cast<double>(joints.size());
  return offsets;
}

void append_number(std::string& text, double value, int decimals) {
  char buffer[64];
  const double unit = std::pow(10.0, -decimals);
  if (std::abs(value) < unit / 2) value = 0;  // no "-0.000000"
  text.append(buffer, std::to_chars(buffer, buffer + 64, value, std::chars_format::fixed, decimals).ptr);
}

void append_vector(std::string& text, const Vec3& v, int decimals) {
  for (const double value : {v.x, v.y, v.z}) append_number(text += ' ', value, decimals);
}

void append_joint(std::string& text, int joint, const std::array<Vec3, kJoints>& offsets, int depth) {
  const std::string indent(static_cast<std::size_t>(depth), '\t');
  const bool positions = joint == kPelvis || below_branch(joint);
  text += indent + (joint == kPelvis ? "ROOT " : "JOINT ") + humanml3d().joint_names[joint] + "\n" + indent + "{\n";
  append_vector(text += indent + "\tOFFSET", offsets[joint] * kCentimetres, 6);
  text += "\n" + indent + (positions ? "\tCHANNELS 6 Xposition Yposition Zposition" : "\tCHANNELS 3");
  text += " Zrotation Xrotation Yrotation\n";
  for (int child = 1; child < kJoints; ++child)
    if (parent_of(child) == joint) append_joint(text, child, offsets, depth + 1);
  if (only_child(joint) < 0) {
    append_vector(text += indent + "\tEnd Site\n" + indent + "\t{\n" + indent + "\t\tOFFSET",
                  end_site(joint) * kCentimetres, 6);
    text += "\n" + indent + "\t}\n";
  }
  text += indent + "}\n";
}

// Depth first: the order in which the hierarchy names its channels.
void append_order(std::vector<int>& order, int joint) {
  order.push_back(joint);
  for (int child = 1; child < kJoints; ++child)
    if (parent_of(child) == joint) append_order(order, child);
}

}  // namespace

std::string encode_bvh(const Joints& joints, double fps) {
  check_motion(joints, fps, "bvh");
  const std::array<Vec3, kJoints> offsets = rest_offsets(joints);
  std::string text = "HIERARCHY\n";
  append_joint(text, kPelvis, offsets, 0);
  text += "MOTION\nFrames: " + std::to_string(joints.size()) + "\nFrame Time: ";
  append_number(text, 1 / fps, 8);
  text += '\n';

  std::vector<int> order;
  append_order(order, kPelvis);
  std::array<Quat, kJoints> global;
  std::array<Vec3, kJoints> angles{};
  for (const Pose& pose : joints) {
    global = solve(pose, offsets, global);
    std::string line;
    for (const int j : order) {
      const Quat to_parent = j == kPelvis ? Quat{} : inverse(global[parent_of(j)]);
      const Vec3 origin = j == kPelvis ? Vec3{} : pose[parent_of(j)];
      if (j == kPelvis || below_branch(j)) append_vector(line, rotate(to_parent, pose[j] - origin) * kCentimetres, 5);
      angles[j] = euler_zxy(to_parent * global[j], angles[j]);
      append_vector(line, angles[j], 5);
    }
    text.append(line, 1) += '\n';
  }
  return text;
}

void write_bvh(const std::filesystem::path& path, const Joints& joints, double fps) {
  write_file_atomically(path, encode_bvh(joints, fps), false);
}

}  // namespace kg
