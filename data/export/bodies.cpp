// What is drawn of each skeleton: the bodies of HumanML3D and KIT-ML by hand, any other from its tree.
#include <algorithm>
#include <cmath>

#include "data/export/figure.h"

namespace kg {
namespace {

constexpr auto kMiddle = BodySide::middle, kLeft = BodySide::left, kRight = BodySide::right, kFace = BodySide::face;

Body humanml3d_body() {
  enum { kLeftHand = kJoints, kRightHand, kSkull, kFaceLeft, kFaceRight };
  Body body;
  body.points = {{kLeftElbow, kLeftWrist, .085}, {kRightElbow, kRightWrist, .085}};
  body.head = Head{kHead, kSpine3, kLeftShoulder, kRightShoulder, .055, .092, .045};
  body.limbs = {
      {kPelvis, kSpine1, .105, .10, kMiddle},
      {kSpine1, kSpine2, .10, .105, kMiddle},
      {kSpine2, kSpine3, .105, .11, kMiddle},
      {kSpine3, kNeck, .10, .055, kMiddle},
      {kSpine1, kLeftCollar, .085, .08, kMiddle},
      {kSpine1, kRightCollar, .085, .08, kMiddle},
      {kNeck, kSkull, .05, .05, kMiddle},
      {kSkull, kSkull, .108, .108, kMiddle},
      {kFaceLeft, kFaceRight, .03, .03, kFace},
      {kPelvis, kLeftHip, .095, .09, kMiddle},
      {kPelvis, kRightHip, .095, .09, kMiddle},
      {kSpine3, kLeftCollar, .09, .085, kMiddle},
      {kSpine3, kRightCollar, .09, .085, kMiddle},
      {kLeftCollar, kLeftShoulder, .075, .06, kLeft},
      {kRightCollar, kRightShoulder, .075, .06, kRight},
      {kLeftShoulder, kLeftElbow, .056, .042, kLeft},
      {kRightShoulder, kRightElbow, .056, .042, kRight},
      {kLeftElbow, kLeftWrist, .042, .031, kLeft},
      {kRightElbow, kRightWrist, .042, .031, kRight},
      {kLeftWrist, kLeftHand, .034, .036, kLeft},
      {kRightWrist, kRightHand, .034, .036, kRight},
      {kLeftHip, kLeftKnee, .079, .056, kLeft},
      {kRightHip, kRightKnee, .079, .056, kRight},
      {kLeftKnee, kLeftAnkle, .056, .04, kLeft},
      {kRightKnee, kRightAnkle, .056, .04, kRight},
      {kLeftAnkle, kLeftFoot, .044, .032, kLeft},
      {kRightAnkle, kRightFoot, .044, .032, kRight},
  };
  return body;
}

// Without collars: points between neck and shoulders stand for them. The last joint of the spine is the upper neck.
Body kit_ml_body() {
  enum { kRoot, kBelly, kChest, kBase, kTop };
  struct Side {
    BodySide side;
    int hip, shoulder, hand, collar;  // knee, ankle, foot, toe follow the hip; elbow and wrist the shoulder
  };
  enum { kSkull = 25, kFaceLeft, kFaceRight };
  Body body;
  body.head = Head{kTop, kChest, 8, 5, .10, .084, .041};
  body.limbs = {
      {kRoot, kBelly, .095, .09, kMiddle},   {kBelly, kChest, .09, .10, kMiddle},
      {kChest, kBase, .095, .05, kMiddle},   {kBase, kSkull, .045, .045, kMiddle},
      {kSkull, kSkull, .098, .098, kMiddle}, {kFaceLeft, kFaceRight, .027, .027, kFace},
  };
  for (const Side& s : {Side{kLeft, 16, 8, 21, 22}, Side{kRight, 11, 5, 23, 24}}) {
    const int knee = s.hip + 1, ankle = s.hip + 2, foot = s.hip + 3, toe = s.hip + 4;
    const int elbow = s.shoulder + 1, wrist = s.shoulder + 2;
    body.points.push_back({elbow, wrist, .077});
    body.points.push_back({s.shoulder, kBase, -.085});
    for (const Limb& limb : {Limb{kRoot, s.hip, .085, .08, kMiddle}, Limb{kBelly, s.collar, .078, .072, kMiddle},
                             Limb{kChest, s.collar, .082, .075, kMiddle},
                             Limb{s.collar, s.shoulder, .068, .054, s.side}, Limb{s.shoulder, elbow, .05, .038, s.side},
                             Limb{elbow, wrist, .038, .028, s.side}, Limb{wrist, s.hand, .031, .033, s.side},
                             Limb{s.hip, knee, .071, .05, s.side}, Limb{knee, ankle, .05, .036, s.side},
                             Limb{ankle, foot, .04, .034, s.side}, Limb{foot, toe, .034, .028, s.side}})
      body.limbs.push_back(limb);
  }
  return body;
}

// The side of every joint: its parent's; else, of two that mirror each other, the left is the one that hips or
// shoulders name as such, or that the rest pose has more to +x.
std::vector<BodySide> sides_of(const Skeleton& s) {
  std::vector<BodySide> sides(s.parents.size(), kMiddle);
  for (std::size_t j = 1; j < sides.size(); ++j) {
    const int joint = static_cast<int>(j), other = s.mirror[j];
    sides[j] = sides[static_cast<std::size_t>(s.parents[j])];
    if (sides[j] != kMiddle || other == joint) continue;
    for (const auto& [left, right] : {s.hips, s.shoulders}) {
      if (left != right && joint == left) sides[j] = kLeft;
      if (left != right && joint == right) sides[j] = kRight;
    }
    const double apart = s.rest_directions[j].x - s.rest_directions[static_cast<std::size_t>(other)].x;
    if (sides[j] == kMiddle && apart != 0) sides[j] = apart > 0 ? kLeft : kRight;
  }
  return sides;
}

bool is_head(std::string name) {
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return name.find("head") != std::string::npos;
}

// A limb for each bone, thick where much hangs on it: with L the length of all bones, those below joint j being l, its
// radius is size (.025 + .085 sqrt(l / L)), and less where bones are short. A joint at an end that is called a head gets one.
Body body_of_tree(const Skeleton& s, const Pose& pose) {
  const std::size_t n = s.parents.size();
  const auto parent = [&](std::size_t j) { return static_cast<std::size_t>(s.parents[j]); };
  std::vector<double> bone(n, 0), below(n, 0), deepest(n, 0), nearby(n, 0);  // nearby: the longest bone at a joint
  std::vector<bool> leaf(n, true);
  double longest_path = 0;
  for (std::size_t j = n - 1; j > 0; --j) {  // children stand behind their parents
    bone[j] = length(pose[j] - pose[parent(j)]);
    const double path = deepest[j] + bone[j];
    longest_path = std::max(longest_path, deepest[parent(j)] + path);
    deepest[parent(j)] = std::max(deepest[parent(j)], path);
    below[parent(j)] += below[j] + bone[j];
    leaf[parent(j)] = false;
    for (const std::size_t end : {j, parent(j)}) nearby[end] = std::max(nearby[end], bone[j]);
  }
  Body body;
  body.size = std::max(longest_path / 1.7, .01);  // from a foot to the head of a person: 1.7 m
  const auto [low, high] = std::minmax_element(pose.begin(), pose.end(), [](auto& a, auto& b) { return a.y < b.y; });
  body.height = std::max(high->y - low->y, .3 * body.size);
  const auto radius = [&](std::size_t j) {
    const double share = below[0] > 0 ? below[j] / below[0] : 0;
    return std::max(std::min(body.size * (.025 + .085 * std::sqrt(share)), .8 * nearby[j]), .005 * body.size);
  };
  const std::vector<BodySide> sides = sides_of(s);
  for (std::size_t j = 1; j < n; ++j) {
    const std::size_t p = parent(j);
    const int a = static_cast<int>(p), b = static_cast<int>(j);
    if (leaf[j] || sides[p] == sides[j])
      body.limbs.push_back({a, b, radius(p), radius(j), sides[j]});
    else  // a hip or collar belongs to the trunk; the arm or leg lies over it
      body.limbs.push_back({a, b, radius(p), .94 * radius(j), kMiddle});
    if (leaf[j] && is_head(s.joint_names[j])) {
      const int skull = s.joints() + static_cast<int>(body.points.size());
      body.points.push_back({a, b, .055 * body.size});
      body.limbs.push_back({b, skull, radius(j), .05 * body.size, sides[j]});
      body.limbs.push_back({skull, skull, .1 * body.size, .1 * body.size, sides[j]});
    }
  }
  return body;
}

}  // namespace

Body body_of(const Skeleton& skeleton, const Pose& pose) {
  if (skeleton.joint_names == humanml3d().joint_names) return humanml3d_body();
  if (skeleton.joint_names == kit_ml().joint_names) return kit_ml_body();
  return body_of_tree(skeleton, pose);
}

}  // namespace kg
