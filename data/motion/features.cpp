// Joints <-> HumanML3D features; the formulas and their quirks are those of the data set's own code, because features
// are only worth something when they agree with everybody else's.
#include "data/motion/features.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace kg {
namespace {

constexpr double kHeadingSigma = 20;  // frames
constexpr int kHeadingRadius = 80;    // 4 sigma
constexpr Vec3 kUp{0, 1, 0}, kForward{0, 0, 1};

// Where a body faces whose left-to-right axis is given: horizontal, shorter than 1 by the axis' tilt.
Vec3 facing(const Vec3& across) { return cross(kUp, normalize(across)); }

// The heading inside inverse kinematics: shoulders MINUS hips. The data set's code unpacks its tuple of joints with the
// hips exchanged; its author knows, and all published features have it.
Vec3 reference_facing(const Pose& p) {
  return facing((p[kLeftHip] - p[kRightHip]) + (p[kRightShoulder] - p[kLeftShoulder]));
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
                FeatureOptions options) {
  const Vec3 root_velocity = rotate(q_next, next[kPelvis] - now[kPelvis]);
  row[kRootYaw] = static_cast<float>(yaw_step(q, q_next, options));
  row[kRootVelocity] = static_cast<float>(root_velocity.x);
  row[kRootVelocity + 1] = static_cast<float>(root_velocity.z);
  row[kRootHeight] = static_cast<float>(now[kPelvis].y);
  const Vec3 below{now[kPelvis].x, 0, now[kPelvis].z};
  const Rotations local = inverse_kinematics(now, q);
  for (int j = 1; j < kJoints; ++j) {
    put(row + kLocalPositions + 3 * (j - 1), rotate(q, now[j] - below));
    put(row + kLocalRotations + 6 * (j - 1), rotate(local[j], {1, 0, 0}));
    put(row + kLocalRotations + 6 * (j - 1) + 3, rotate(local[j], {0, 1, 0}));
  }
  for (int j = 0; j < kJoints; ++j) put(row + kVelocities + 3 * j, rotate(q, next[j] - now[j]));
  for (int i = 0; i < 4; ++i) {
    const Vec3 moved = next[kContactJoints[i]] - now[kContactJoints[i]];
    row[kContacts + i] = dot(moved, moved) < kContactThreshold ? 1.f : 0.f;
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
RootPath recover_root(const float* rows, int frames) {
  RootPath path{std::vector<Quat>(frames), std::vector<Vec3>(frames)};
  double half_yaw = 0;
  Vec3 position;
  for (int t = 0; t < frames; ++t) {
    const float* row = rows + static_cast<size_t>(t) * kFeatures;
    if (t > 0) half_yaw += row[kRootYaw - kFeatures];
    path.headings[t] = {std::cos(half_yaw), 0, std::sin(half_yaw), 0};
    if (t > 0) {
      const float* velocity = row - kFeatures + kRootVelocity;
      position += rotate(inverse(path.headings[t]), {velocity[0], 0, velocity[1]});
    }
    path.positions[t] = {position.x, row[kRootHeight], position.z};
  }
  return path;
}

int check_features(const char* op, const Tensor& features) {
  CHECK(features.dtype() == Dtype::f32 && features.rank() == 2 && features.size(1) == kFeatures, "[", op,
        "] needs (frames, ", kFeatures, ") f32, got ", features.shape(), " ", name_of(features.dtype()));
  return static_cast<int>(features.size(0));
}

}  // namespace

Joints uniform_skeleton(const Joints& joints) {
  CHECK(!joints.empty(), "[uniform_skeleton] needs at least one frame");
  const Pose& first = joints[0];
  const double leg = length(first[kRightKnee] - first[kRightHip]) + length(first[kRightAnkle] - first[kRightKnee]);
  CHECK_INPUT(leg > 1e-6, "the right leg has no length in frame 0: the skeleton cannot be scaled");
  const double scale = (kBoneLengths[kRightKnee] + kBoneLengths[kRightAnkle]) / leg;
  Joints out(joints.size());
  for (size_t t = 0; t < joints.size(); ++t) {
    out[t][kPelvis] = joints[t][kPelvis] * scale;
    // Twist-free inverse and then forward kinematics keep each bone's direction and change its length.
    for (int j = 1; j < kJoints; ++j) {
      const Vec3 bone = joints[t][j] - joints[t][kParents[j]];
      const double size = length(bone);
      CHECK_INPUT(size > 1e-9, "joint ", kJointNames[j], " lies on its parent ", kJointNames[kParents[j]], " in frame ",
                  t, ": its bone has no direction");
      out[t][j] = out[t][kParents[j]] + bone * (kBoneLengths[j] / size);
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
  const Vec3 origin{joints[0][kPelvis].x, 0, joints[0][kPelvis].z};
  for (Pose& pose : joints)
    for (Vec3& p : pose) p = p - origin;
}

void face_forward(Joints& joints) {
  CHECK(!joints.empty(), "[face_forward] needs at least one frame");
  const Pose& p = joints[0];
  const Quat turn =
      rotation_between(facing((p[kRightHip] - p[kLeftHip]) + (p[kRightShoulder] - p[kLeftShoulder])), kForward);
  for (Pose& pose : joints)
    for (Vec3& point : pose) point = rotate(turn, point);
}

Joints canonical(const Joints& joints) {
  Joints out = uniform_skeleton(joints);
  put_on_floor(out);
  move_to_origin(out);
  face_forward(out);
  return out;
}

std::vector<Quat> smooth_headings(const Joints& canonical) {
  std::vector<Vec3> forward(canonical.size());
  std::transform(canonical.begin(), canonical.end(), forward.begin(), reference_facing);
  forward = gaussian_smooth(forward);
  std::vector<Quat> headings(canonical.size());
  for (size_t t = 1; t < canonical.size(); ++t) headings[t] = rotation_between(normalize(forward[t]), kForward);
  return headings;  // frame 0 is the identity whatever it faces, as in the reference
}

Rotations inverse_kinematics(const Pose& pose, const Quat& heading) {
  Rotations local;
  local[kPelvis] = heading;
  for (const std::vector<int>& chain : kChains) {
    Quat parent = heading;  // also for the arms, which begin at spine3
    for (size_t i = 1; i < chain.size(); ++i) {
      const int j = chain[i];
      const Quat world = rotation_between(kRestDirections[j], normalize(pose[j] - pose[chain[i - 1]]));
      local[j] = inverse(parent) * world;
      parent = world;
    }
  }
  return local;
}

Pose forward_kinematics(const Rotations& rotations, const Vec3& root, const std::array<double, kJoints>& bone_lengths) {
  Pose pose;
  pose[kPelvis] = root;
  for (const std::vector<int>& chain : kChains) {
    Quat world = rotations[kPelvis];
    for (size_t i = 1; i < chain.size(); ++i) {
      const int j = chain[i];
      world = world * rotations[j];
      pose[j] = pose[chain[i - 1]] + rotate(world, kRestDirections[j] * bone_lengths[j]);
    }
  }
  return pose;
}

Tensor encode_features(const Joints& canonical, const std::vector<Quat>& headings, FeatureOptions options) {
  CHECK(canonical.size() >= 2 && headings.size() == canonical.size(),
        "[encode_features] needs two or more frames and a heading for each, got ", canonical.size(), " frames and ",
        headings.size(), " headings");
  const int rows = static_cast<int>(canonical.size()) - 1;
  Tensor features = Tensor::empty({rows, kFeatures}, Dtype::f32);
  float* out = features.data<float>();
  for (int t = 0; t < rows; ++t)
    encode_row(out + static_cast<size_t>(t) * kFeatures, canonical[t], canonical[t + 1], headings[t], headings[t + 1],
               options);
  return features;
}

Tensor joints_to_features(const Joints& joints, FeatureOptions options) {
  CHECK_INPUT(joints.size() >= 2, "a motion needs at least 2 frames to have features, this one has ", joints.size());
  const std::string bad = find_bad_joint(joints);
  CHECK_INPUT(bad.empty(), bad);
  const Joints global = canonical(joints);
  return encode_features(global, smooth_headings(global), options);
}

Joints features_to_joints(const Tensor& features) {
  const int frames = check_features("features_to_joints", features);
  const Tensor rows = features.contiguous();
  const RootPath root = recover_root(rows.data<float>(), frames);
  Joints joints(frames);
  for (int t = 0; t < frames; ++t) {
    const float* local = rows.data<float>() + static_cast<size_t>(t) * kFeatures + kLocalPositions;
    const Vec3 below{root.positions[t].x, 0, root.positions[t].z};
    joints[t][kPelvis] = root.positions[t];
    for (int j = 1; j < kJoints; ++j)
      joints[t][j] = rotate(inverse(root.headings[t]), get(local + 3 * (j - 1))) + below;
  }
  return joints;
}

Joints features_to_joints_by_rotation(const Tensor& features) {
  const int frames = check_features("features_to_joints_by_rotation", features);
  const Tensor rows = features.contiguous();
  const RootPath root = recover_root(rows.data<float>(), frames);
  Joints joints(frames);
  for (int t = 0; t < frames; ++t) {
    const float* columns = rows.data<float>() + static_cast<size_t>(t) * kFeatures + kLocalRotations;
    joints[t][kPelvis] = root.positions[t];
    for (const std::vector<int>& chain : kChains) {
      Matrix3 world = to_matrix(root.headings[t]);
      for (size_t i = 1; i < chain.size(); ++i) {
        const int j = chain[i];
        const float* local = columns + 6 * (j - 1);
        world = world * matrix_from_columns(get(local), get(local + 3));
        joints[t][j] = joints[t][chain[i - 1]] + world * (kRestDirections[j] * kBoneLengths[j]);
      }
    }
  }
  return joints;
}

Joints mirror_joints(const Joints& joints) {
  Joints out(joints.size());
  for (size_t t = 0; t < joints.size(); ++t)
    for (int j = 0; j < kJoints; ++j) {
      const Vec3& p = joints[t][kMirror[j]];
      out[t][j] = {-p.x, p.y, p.z};
    }
  return out;
}

Tensor to_tensor(const Joints& joints) {
  Tensor out = Tensor::empty({static_cast<int64_t>(joints.size()), kJoints, 3}, Dtype::f32);
  float* p = out.data<float>();
  for (const Pose& pose : joints)
    for (const Vec3& v : pose) put(p, v), p += 3;
  return out;
}

Joints to_joints(const Tensor& tensor) {
  CHECK_INPUT(tensor.rank() == 3 && tensor.size(1) == kJoints && tensor.size(2) == 3, "joints must be (frames, ",
              kJoints, ", 3), got ", tensor.shape());
  const Tensor wide = tensor.to(Dtype::f64).contiguous();
  const double* p = wide.data<double>();
  Joints joints(static_cast<size_t>(tensor.size(0)));
  for (Pose& pose : joints)
    for (Vec3& v : pose) v = get(p), p += 3;
  return joints;
}

std::string find_bad_joint(const Joints& joints) {
  for (size_t t = 0; t < joints.size(); ++t)
    for (int j = 0; j < kJoints; ++j) {
      const Vec3& p = joints[t][j];
      if (!std::isfinite(p.x + p.y + p.z))
        return "joint " + std::string(kJointNames[j]) + " is not finite in frame " + std::to_string(t);
    }
  return "";
}

}  // namespace kg
