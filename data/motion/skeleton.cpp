// The two skeletons of the public data sets, and what must hold for any.
#include "data/motion/skeleton.h"

#include <cmath>
#include <set>

#include "tensor/error.h"

namespace kg {
namespace {

constexpr Vec3 kNoBone{0, 0, 0}, kDown{0, -1, 0}, kAhead{0, 0, 1}, kPlusX{1, 0, 0}, kMinusX{-1, 0, 0};

Skeleton make_humanml3d() {
  Skeleton s;
  s.name = "humanml3d";
  s.fps = kFps;
  s.joint_names = {"pelvis",     "left_hip",    "right_hip",    "spine1",     "left_knee",     "right_knee",
                   "spine2",     "left_ankle",  "right_ankle",  "spine3",     "left_foot",     "right_foot",
                   "neck",       "left_collar", "right_collar", "head",       "left_shoulder", "right_shoulder",
                   "left_elbow", "right_elbow", "left_wrist",   "right_wrist"};
  s.parents = {-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19};
  s.mirror = {0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20};
  s.rest_directions = {kNoBone, kPlusX, kMinusX, kUp,     kDown,  kDown, kUp,   kDown, kDown, kUp,   kAhead,
                       kAhead,  kUp,    kPlusX,  kMinusX, kAhead, kDown, kDown, kDown, kDown, kDown, kDown};
  // Measured from the data set's clips (all agree within 1e-7). Seven digits matter: the heading comes from shoulders
  // minus hips, a short vector.
  s.bone_lengths = {0,        .1030740, .1098834, .1315682, .3936232, .3901882, .1431902, .4324330,
                    .4256434, .0573647, .1433818, .1494191, .2193601, .1374868, .1433828, .1030392,
                    .1316140, .1229844, .2568399, .2630919, .2660118, .2698764};
  s.chains = {{0, 2, 5, 8, 11}, {0, 1, 4, 7, 10}, {0, 3, 6, 9, 12, 15}, {9, 14, 17, 19, 21}, {9, 13, 16, 18, 20}};
  s.hips = {kLeftHip, kRightHip};
  s.shoulders = {kLeftShoulder, kRightShoulder};
  s.scale_joints = {kRightKnee, kRightAnkle};
  s.contacts = {kLeftAnkle, kLeftFoot, kRightAnkle, kRightFoot};
  s.contact_threshold = .002;
  s.min_frames = 40, s.max_frames = 199;
  return s;
}

// MMM calls joints 5 to 7 and 11 to 15 left, and the rest directions have them at +x; the code that made the features
// calls them right, and in the data, which faces +z, they are at -x. The names here are the data's.
Skeleton make_kit_ml() {
  Skeleton s;
  s.name = "kit_ml";
  s.fps = 12.5;
  // TEMOS and MLD multiply by this; nobody has published where it comes from. A body one metre tall becomes 1.56 m.
  s.metres_per_unit = .75 / 480;
  s.joint_names = {"root",        "spine1",      "spine2",        "neck",       "head",       "right_shoulder",
                   "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
                   "right_knee",  "right_ankle", "right_foot",    "right_toe",  "left_hip",   "left_knee",
                   "left_ankle",  "left_foot",   "left_toe"};
  s.parents = {-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19};
  s.mirror = {0, 1, 2, 3, 4, 8, 9, 10, 5, 6, 7, 16, 17, 18, 19, 20, 11, 12, 13, 14, 15};
  s.rest_directions = {kNoBone, kUp,   kUp,   kUp,    kUp,    kPlusX,  kDown, kDown, kMinusX, kDown, kDown,
                       kPlusX,  kDown, kDown, kAhead, kAhead, kMinusX, kDown, kDown, kAhead,  kAhead};
  // Those of MMM's reference model, as in the skeleton of language2pose, from which the data set was made.
  s.bone_lengths = {0,  80,  120, 44,      30,      110, 188, 145, 110,     188,    145,
                    52, 245, 246, 30.2736, 56.2893, 52,  245, 246, 30.2736, 56.2893};
  s.chains = {{0, 11, 12, 13, 14, 15}, {0, 16, 17, 18, 19, 20}, {0, 1, 2, 3, 4}, {3, 5, 6, 7}, {3, 8, 9, 10}};
  s.hips = {16, 11};
  s.shoulders = {8, 5};
  s.scale_joints = {17, 18};
  s.contacts = {19, 20, 14, 15};
  s.contact_threshold = .05;
  s.min_frames = 24, s.max_frames = 199;
  return s;
}

// The checks share the skeleton and the place that their messages name.
class Check {
 public:
  Check(const Skeleton& skeleton, const std::string& source) : s_(skeleton), source_(source) {}

  void all() const {
    numbers();
    joints();
    bones();
    chains();
    roles();
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, source_, ": skeleton ", s_.name, ": ", parts...);
  }
  bool is_joint(int j) const { return j >= 0 && j < s_.joints(); }
  const std::string& name(int j) const { return s_.joint_names[size_t(j)]; }

  void numbers() const {
    require(!s_.name.empty(), "it needs a name");
    require(s_.fps > 0 && s_.fps <= 1000, "fps must be above 0 and at most 1000, is ", s_.fps);
    require(s_.metres_per_unit > 0 && std::isfinite(s_.metres_per_unit), "metres_per_unit must be above 0, is ",
            s_.metres_per_unit);
    require(s_.contact_threshold > 0 && std::isfinite(s_.contact_threshold), "contact_threshold must be above 0, is ",
            s_.contact_threshold);
    require(s_.min_frames >= 1 && s_.max_frames >= s_.min_frames,
            "clips must have from 1 to any number of frames, not ", s_.min_frames, " to ", s_.max_frames);
    const size_t n = s_.parents.size();
    require(n >= 2 && n <= 1000, "a skeleton has 2 to 1000 joints, this one ", n);
    require(s_.joint_names.size() == n && s_.mirror.size() == n && s_.rest_directions.size() == n &&
                (s_.bone_lengths.empty() || s_.bone_lengths.size() == n),
            "names, mirror, directions and lengths must be as many as the ", n, " joints");
  }

  void joints() const {
    std::set<std::string> names;
    for (int j = 0; j < s_.joints(); ++j) {
      require(!name(j).empty(), "joint ", j, " has no name");
      require(names.insert(name(j)).second, "two joints are called ", name(j));
      const int parent = s_.parents[size_t(j)], other = s_.mirror[size_t(j)];
      require(j > 0 || parent == -1, "the first joint, ", name(0), ", is the root and has no parent");
      require(j == 0 || (parent >= 0 && parent < j), "joint ", name(j), ": its parent must stand before it");
      require(is_joint(other) && s_.mirror[size_t(other)] == j, "joint ", name(j),
              ": its mirror must be a joint whose mirror is ", name(j));
    }
    require(s_.mirror[0] == 0, "the root ", name(0), " has no other side");
  }

  void bones() const {
    for (int j = 1; j < s_.joints(); ++j) {
      const Vec3& d = s_.rest_directions[size_t(j)];
      require(std::abs(length(d) - 1) < 1e-6, "joint ", name(j), ": its direction must have length 1, has ", length(d));
      if (s_.bone_lengths.empty()) continue;
      const double size = s_.bone_lengths[size_t(j)];
      require(size > 0 && std::isfinite(size), "joint ", name(j), ": its bone's length must be above 0, is ", size);
    }
  }

  // A chain may begin at the root or at a joint that an earlier chain has placed.
  void chains() const {
    std::set<int> placed = {0};
    for (size_t c = 0; c < s_.chains.size(); ++c) {
      const std::vector<int>& chain = s_.chains[c];
      require(chain.size() >= 2, "chain ", c + 1, " needs two joints or more");
      for (size_t i = 0; i < chain.size(); ++i) {
        require(is_joint(chain[i]), "chain ", c + 1, ": there is no joint ", chain[i]);
        if (i == 0) {
          require(placed.count(chain[0]) == 1, "chain ", c + 1, " begins at ", name(chain[0]),
                  ", which is neither the root nor in an earlier chain");
          continue;
        }
        require(s_.parents[size_t(chain[i])] == chain[i - 1], "chain ", c + 1, ": ", name(chain[i - 1]),
                " is not the parent of ", name(chain[i]));
        require(placed.insert(chain[i]).second, "chain ", c + 1, ": ", name(chain[i]), " is in two chains");
      }
    }
    for (int j = 0; j < s_.joints(); ++j) require(placed.count(j) == 1, "joint ", name(j), " is in no chain");
  }

  void sides(const char* what, int left, int right) const {
    require(is_joint(left) && is_joint(right), what, " must be joints, are ", left, " and ", right);
    require(left != right && s_.mirror[size_t(left)] == right, what, ": ", name(left), " and ", name(right),
            " are not each other's mirror");
  }
  void roles() const {
    sides("hips", s_.hips[0], s_.hips[1]);
    sides("shoulders", s_.shoulders[0], s_.shoulders[1]);
    sides("contacts (left ankle, left toe, right ankle, right toe)", s_.contacts[0], s_.contacts[2]);
    sides("contacts (left ankle, left toe, right ankle, right toe)", s_.contacts[1], s_.contacts[3]);
    require(s_.contacts[0] != s_.contacts[1] && s_.contacts[0] != s_.contacts[3], "contacts must be four joints");
    for (const int j : s_.scale_joints)
      require(is_joint(j) && j > 0, "scale joints must be joints that end a bone, one is ", j);
  }

  const Skeleton& s_;
  const std::string& source_;
};

}  // namespace

FeatureLayout layout_of_features(int64_t width) {
  CHECK_INPUT(width >= 23 && width < 12000 && width % 12 == 11,
              "a frame of features has 12 J - 1 numbers for J joints, ", width,
              " is no such number (HumanML3D has 263, KIT-ML 251)");
  return {int((width + 1) / 12)};
}

const Skeleton& humanml3d() {
  static const Skeleton skeleton = make_humanml3d();
  return skeleton;
}

const Skeleton& kit_ml() {
  static const Skeleton skeleton = make_kit_ml();
  return skeleton;
}

const Skeleton& skeleton_of_features(int64_t width, const std::string& source) {
  CHECK_INPUT(width == humanml3d().features() || width == kit_ml().features(), source, ": frames of ", width,
              " features are neither HumanML3D's (", humanml3d().features(), ") nor KIT-ML's (", kit_ml().features(),
              "); the folder of a data set on another skeleton has it in skeleton.json");
  return width == humanml3d().features() ? humanml3d() : kit_ml();
}

void check_skeleton(const Skeleton& skeleton, const std::string& source) { Check(skeleton, source).all(); }

}  // namespace kg
