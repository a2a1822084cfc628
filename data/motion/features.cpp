// Joints <-> features; the formulas and their quirks are those of HumanML3D's own code, because features are only worth
// something when they agree with everybody else's.
#include "data/motion/features.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace kg {
namespace {

constexpr double kHeadingSigma = 20;  // frames
constexpr int kHeadingRadius = 80;    // 4 sigma
constexpr Vec3 kForward{0, 0, 1};

constexpr int kRoot = 0;

// Where a body faces whose left-to-right axis is given: horizontal, shorter than 1 by the axis' tilt.
Vec3 ahead_of(const Vec3& across) { return cross(kUp, normalize(across)); }

// The heading inside inverse kinematics: shoulders MINUS hips. The data set's code unpacks its tuple of joints with the
// hips exchanged; its author knows, and all published features have it.
Vec3 reference_facing(const Pose& p, const Skeleton& s) {
  return ahead_of((p[s.hips[0]] - p[s.hips[1]]) + (p[s.shoulders[1]] - p[s.shoulders[0]]));
}

// Each component smoothed over time; beyond the ends the first and last values repeat.
std::vector<Vec3> gaussian_smooth(const std::vector<Vec3>& values) {
  std::array<double, 2 * kHeadingRadius + 1> weights;
  double sum = 0;
  for (int k = -kHeadingRadius; k <= kHeadingRadius; ++k)
    sum += weights[k + kHeadingRadius] = std::exp(-0.5 * k * k / (kHeadingSigma * kHeadingSigma));
  const int n = static_cast<int>(values.size());
  std::vector<Vec3> smooth(n);
  for (int t = 0; t < n; ++t)
    for (int k = -kHeadingRadius; k <= kHeadingRadius; ++k)
      smooth[t] += values[std::clamp(t + k, 0, n - 1)] * (weights[k + kHeadingRadius] / sum);
  return smooth;
}

void put(float* row, const Vec3& v) {
  row[0] = static_cast<float>(v.x);
  row[1] = static_cast<float>(v.y);
  row[2] = static_cast<float>(v.z);
}
template <class T>
Vec3 get(const T* p) {
  return {p[0], p[1], p[2]};
}

// sin of half the yaw step is the y of q[t+1] q[t]^-1.
double yaw_step(const Quat& from, const Quat& to, FeatureOptions options) {
  const Quat step = to * inverse(from);
  const double y = options.continuous_yaw && step.w < 0 ? -step.y : step.y;
  return std::asin(std::clamp(y, -1.0, 1.0));
}

void encode_row(float* row, const Pose& now, const Pose& next, const Quat& q, const Quat& q_next,
                FeatureOptions options, const Skeleton& s) {
  const FeatureLayout layout = s.layout();
  const Vec3 root_velocity = rotate(q_next, next[kRoot] - now[kRoot]);
  row[kRootYaw] = static_cast<float>(yaw_step(q, q_next, options));
  row[kRootVelocity] = static_cast<float>(root_velocity.x);
  row[kRootVelocity + 1] = static_cast<float>(root_velocity.z);
  row[kRootHeight] = static_cast<float>(now[kRoot].y);
  const Vec3 below{now[kRoot].x, 0, now[kRoot].z};
  const Rotations local = inverse_kinematics(now, q, s);
  for (int j = 1; j < s.joints(); ++j) {
    put(row + kLocalPositions + 3 * (j - 1), rotate(q, now[j] - below));
    put(row + layout.rotations() + 6 * (j - 1), rotate(local[j], {1, 0, 0}));
    put(row + layout.rotations() + 6 * (j - 1) + 3, rotate(local[j], {0, 1, 0}));
  }
  for (int j = 0; j < s.joints(); ++j) put(row + layout.velocities() + 3 * j, rotate(q, next[j] - now[j]));
  for (int i = 0; i < 4; ++i) {
    const Vec3 moved = next[s.contacts[i]] - now[s.contacts[i]];
    row[layout.contacts() + i] = dot(moved, moved) < s.contact_threshold ? 1.f : 0.f;
  }
}

// The inverse of a local rotation's two columns (Gram-Schmidt: x from the first, z across both).
struct Matrix3 {
  Vec3 x{1, 0, 0}, y{0, 1, 0}, z{0, 0, 1};  // columns
  Vec3 operator*(const Vec3& v) const { return x * v.x + y * v.y + z * v.z; }
  Matrix3 operator*(const Matrix3& b) const { return {*this * b.x, *this * b.y, *this * b.z}; }
};
Matrix3 matrix_from_columns(const Vec3& first, const Vec3& second) {
  const Vec3 x = normalize(first);
  const Vec3 z = normalize(cross(x, second));
  return {x, cross(z, x), z};
}
Matrix3 to_matrix(const Quat& q) { return {rotate(q, {1, 0, 0}), rotate(q, {0, 1, 0}), rotate(q, {0, 0, 1})}; }

struct RootPath {
  std::vector<Quat> headings;
  std::vector<Vec3> positions;
};

// Yaw and velocity summed up; the yaw is a half angle, and so directly the angle of the quaternion.
RootPath recover_root(const float* rows, int frames, int width) {
  RootPath path{std::vector<Quat>(frames), std::vector<Vec3>(frames)};
  double half_yaw = 0;
  Vec3 position;
  for (int t = 0; t < frames; ++t) {
    const float* row = rows + static_cast<size_t>(t) * size_t(width);
    if (t > 0) half_yaw += row[kRootYaw - width];
    path.headings[t] = {std::cos(half_yaw), 0, std::sin(half_yaw), 0};
    if (t > 0) {
      const float* velocity = row - width + kRootVelocity;
      position += rotate(inverse(path.headings[t]), {velocity[0], 0, velocity[1]});
    }
    path.positions[t] = {position.x, row[kRootHeight], position.z};
  }
  return path;
}

int check_features(const char* op, const Tensor& features, const Skeleton& s) {
  CHECK(features.dtype() == Dtype::f32 && features.rank() == 2 && features.size(1) == s.features(), "[", op,
        "] needs (frames, ", s.features(), ") f32 for skeleton ", s.name, ", got ", features.shape(), " ",
        name_of(features.dtype()));
  return static_cast<int>(features.size(0));
}

std::string find_wrong_size(const Joints& joints, const Skeleton& s) {
  for (size_t t = 0; t < joints.size(); ++t)
    if (joints[t].size() != s.parents.size())
      return "frame " + std::to_string(t) + " has " + std::to_string(joints[t].size()) + " joints, skeleton " + s.name +
             " has " + std::to_string(s.joints());
  return "";
}

void check_lengths(const char* op, const Skeleton& s) {
  CHECK(!s.bone_lengths.empty(), "[", op, "] skeleton ", s.name, " has no bone lengths yet");
}

// The size of the first frame's body against the target's, by two bones.
double scale_of(const Pose& first, const Skeleton& s) {
  const auto [a, b] = s.scale_joints;
  const auto parent = [&](int j) { return s.parents[j]; };
  const double size = length(first[a] - first[parent(a)]) + length(first[b] - first[parent(b)]);
  CHECK_INPUT(size > 1e-6, "the bones to ", s.joint_names[a], " and ", s.joint_names[b],
              " have no length in frame 0: the skeleton cannot be scaled");
  return (s.bone_lengths[a] + s.bone_lengths[b]) / size;
}

}  // namespace

Joints uniform_skeleton(const Joints& joints, const Skeleton& s) {
  CHECK(!joints.empty(), "[uniform_skeleton] needs at least one frame");
  check_lengths("uniform_skeleton", s);
  const std::string wrong = find_wrong_size(joints, s);
  CHECK_INPUT(wrong.empty(), wrong);
  const double scale = scale_of(joints[0], s);
  Joints out(joints.size(), Pose(s.parents.size()));
  for (size_t t = 0; t < joints.size(); ++t) {
    out[t][kRoot] = joints[t][kRoot] * scale;
    // Twist-free inverse and then forward kinematics keep each bone's direction and change its length.
    for (int j = 1; j < s.joints(); ++j) {
      const int parent = s.parents[j];
      const Vec3 bone = joints[t][j] - joints[t][parent];
      const double size = length(bone);
      CHECK_INPUT(size > 1e-9, "joint ", s.joint_names[j], " lies on its parent ", s.joint_names[parent], " in frame ",
                  t, ": its bone has no direction");
      out[t][j] = out[t][parent] + bone * (s.bone_lengths[j] / size);
    }
  }
  return out;
}

void put_on_floor(Joints& joints) {
  double floor = std::numeric_limits<double>::infinity();
  for (const Pose& pose : joints)
    for (const Vec3& p : pose) floor = std::min(floor, p.y);
  for (Pose& pose : joints)
    for (Vec3& p : pose) p.y -= floor;
}

void move_to_origin(Joints& joints) {
  CHECK(!joints.empty(), "[move_to_origin] needs at least one frame");
  const Vec3 origin{joints[0][kRoot].x, 0, joints[0][kRoot].z};
  for (Pose& pose : joints)
    for (Vec3& p : pose) p = p - origin;
}

void face_forward(Joints& joints, const Skeleton& s) {
  CHECK(!joints.empty(), "[face_forward] needs at least one frame");
  const Pose& p = joints[0];
  const Quat turn =
      rotation_between(ahead_of((p[s.hips[1]] - p[s.hips[0]]) + (p[s.shoulders[1]] - p[s.shoulders[0]])), kForward);
  for (Pose& pose : joints)
    for (Vec3& point : pose) point = rotate(turn, point);
}

Joints canonical(const Joints& joints, const Skeleton& skeleton) {
  Joints out = uniform_skeleton(joints, skeleton);
  put_on_floor(out);
  move_to_origin(out);
  face_forward(out, skeleton);
  return out;
}

std::vector<Quat> smooth_headings(const Joints& canonical, const Skeleton& skeleton) {
  std::vector<Vec3> forward(canonical.size());
  std::transform(canonical.begin(), canonical.end(), forward.begin(),
                 [&](const Pose& pose) { return reference_facing(pose, skeleton); });
  forward = gaussian_smooth(forward);
  std::vector<Quat> headings(canonical.size());
  for (size_t t = 1; t < canonical.size(); ++t) headings[t] = rotation_between(normalize(forward[t]), kForward);
  return headings;  // frame 0 is the identity whatever it faces, as in the reference
}

Rotations inverse_kinematics(const Pose& pose, const Quat& heading, const Skeleton& s) {
  Rotations local(s.parents.size());
  local[kRoot] = heading;
  for (const std::vector<int>& chain : s.chains) {
    Quat parent = heading;  // also for a chain that begins elsewhere, as arms do
    for (size_t i = 1; i < chain.size(); ++i) {
      const int j = chain[i];
      const Quat world = rotation_between(s.rest_directions[j], normalize(pose[j] - pose[chain[i - 1]]));
      local[j] = inverse(parent) * world;
      parent = world;
    }
  }
  return local;
}

Pose forward_kinematics(const Rotations& rotations, const Vec3& root, const Skeleton& s) {
  check_lengths("forward_kinematics", s);
  Pose pose(s.parents.size());
  pose[kRoot] = root;
  for (const std::vector<int>& chain : s.chains) {
    Quat world = rotations[kRoot];
    for (size_t i = 1; i < chain.size(); ++i) {
      const int j = chain[i];
      world = world * rotations[j];
      pose[j] = pose[chain[i - 1]] + rotate(world, s.rest_directions[j] * s.bone_lengths[j]);
    }
  }
  return pose;
}

Tensor encode_features(const Joints& canonical, const std::vector<Quat>& headings, FeatureOptions options,
                       const Skeleton& skeleton) {
  CHECK(canonical.size() >= 2 && headings.size() == canonical.size(),
        "[encode_features] needs two or more frames and a heading for each, got ", canonical.size(), " frames and ",
        headings.size(), " headings");
  const int rows = static_cast<int>(canonical.size()) - 1, width = skeleton.features();
  Tensor features = Tensor::empty({rows, width}, Dtype::f32);
  float* out = features.data<float>();
  for (int t = 0; t < rows; ++t)
    encode_row(out + static_cast<size_t>(t) * size_t(width), canonical[t], canonical[t + 1], headings[t],
               headings[t + 1], options, skeleton);
  return features;
}

Tensor joints_to_features(const Joints& joints, FeatureOptions options, const Skeleton& skeleton) {
  CHECK_INPUT(joints.size() >= 2, "a motion needs at least 2 frames to have features, this one has ", joints.size());
  const std::string bad = find_bad_joint(joints, skeleton);
  CHECK_INPUT(bad.empty(), bad);
  const Joints global = canonical(joints, skeleton);
  return encode_features(global, smooth_headings(global, skeleton), options, skeleton);
}

Joints features_to_joints(const Tensor& features, const Skeleton& skeleton) {
  const int frames = check_features("features_to_joints", features, skeleton), width = skeleton.features();
  const Tensor rows = features.contiguous();
  const RootPath root = recover_root(rows.data<float>(), frames, width);
  Joints joints(size_t(frames), Pose(skeleton.parents.size()));
  for (int t = 0; t < frames; ++t) {
    const float* local = rows.data<float>() + static_cast<size_t>(t) * size_t(width) + kLocalPositions;
    const Vec3 below{root.positions[t].x, 0, root.positions[t].z};
    joints[t][kRoot] = root.positions[t];
    for (int j = 1; j < skeleton.joints(); ++j)
      joints[t][j] = rotate(inverse(root.headings[t]), get(local + 3 * (j - 1))) + below;
  }
  return joints;
}

Joints features_to_joints_by_rotation(const Tensor& features, const Skeleton& s) {
  check_lengths("features_to_joints_by_rotation", s);
  const int frames = check_features("features_to_joints_by_rotation", features, s), width = s.features();
  const Tensor rows = features.contiguous();
  const RootPath root = recover_root(rows.data<float>(), frames, width);
  Joints joints(size_t(frames), Pose(s.parents.size()));
  for (int t = 0; t < frames; ++t) {
    const float* columns = rows.data<float>() + static_cast<size_t>(t) * size_t(width) + s.layout().rotations();
    joints[t][kRoot] = root.positions[t];
    for (const std::vector<int>& chain : s.chains) {
      Matrix3 world = to_matrix(root.headings[t]);
      for (size_t i = 1; i < chain.size(); ++i) {
        const int j = chain[i];
        const float* local = columns + 6 * (j - 1);
        world = world * matrix_from_columns(get(local), get(local + 3));
        joints[t][j] = joints[t][chain[i - 1]] + world * (s.rest_directions[j] * s.bone_lengths[j]);
      }
    }
  }
  return joints;
}

std::vector<std::vector<int>> part_features(const Skeleton& s) {
  const FeatureLayout layout = s.layout();
  const auto append = [](std::vector<int>& part, int first, int count) {
    for (int i = 0; i < count; ++i) part.push_back(first + i);
  };
  std::vector<std::vector<int>> parts(1);
  append(parts[0], 0, kLocalPositions);
  append(parts[0], layout.velocities(), 3);
  for (const std::vector<int>& chain : s.chains) {
    std::vector<int> part;
    for (const int j : chain) {
      if (j == kRoot) continue;
      append(part, kLocalPositions + 3 * (j - 1), 3);
      append(part, layout.rotations() + 6 * (j - 1), 6);
      append(part, layout.velocities() + 3 * j, 3);
    }
    for (int i = 0; i < 4; ++i)
      if (std::find(chain.begin(), chain.end(), s.contacts[i]) != chain.end()) part.push_back(layout.contacts() + i);
    parts.push_back(std::move(part));
  }
  return parts;
}

Joints mirror_joints(const Joints& joints, const Skeleton& skeleton) {
  const std::string bad = find_wrong_size(joints, skeleton);
  CHECK_INPUT(bad.empty(), bad);
  Joints out(joints.size(), Pose(skeleton.parents.size()));
  for (size_t t = 0; t < joints.size(); ++t)
    for (int j = 0; j < skeleton.joints(); ++j) {
      const Vec3& p = joints[t][skeleton.mirror[j]];
      out[t][j] = {-p.x, p.y, p.z};
    }
  return out;
}

Tensor to_tensor(const Joints& joints) {
  const size_t count = joints.empty() ? 0 : joints[0].size();
  Tensor out = Tensor::empty({static_cast<int64_t>(joints.size()), int64_t(count), 3}, Dtype::f32);
  float* p = out.data<float>();
  for (const Pose& pose : joints) {
    CHECK(pose.size() == count, "[to_tensor] poses of ", count, " and of ", pose.size(), " joints in one motion");
    for (const Vec3& v : pose) put(p, v), p += 3;
  }
  return out;
}

Joints to_joints(const Tensor& tensor, const Skeleton& skeleton) {
  CHECK_INPUT(tensor.rank() == 3 && tensor.size(1) == skeleton.joints() && tensor.size(2) == 3,
              "joints must be (frames, ", skeleton.joints(), ", 3) for skeleton ", skeleton.name, ", got ",
              tensor.shape());
  const Tensor wide = tensor.to(Dtype::f64).contiguous();
  const double* p = wide.data<double>();
  Joints joints(static_cast<size_t>(tensor.size(0)), Pose(skeleton.parents.size()));
  for (Pose& pose : joints)
    for (Vec3& v : pose) v = get(p), p += 3;
  return joints;
}

std::string find_bad_joint(const Joints& joints, const Skeleton& skeleton) {
  const std::string wrong = find_wrong_size(joints, skeleton);
  if (!wrong.empty()) return wrong;
  for (size_t t = 0; t < joints.size(); ++t)
    for (int j = 0; j < skeleton.joints(); ++j) {
      const Vec3& p = joints[t][j];
      if (!std::isfinite(p.x + p.y + p.z))
        return "joint " + skeleton.joint_names[j] + " is not finite in frame " + std::to_string(t);
    }
  return "";
}

}  // namespace kg
