// Reading of the HumanML3D layout.
#include "data/sets/humanml3d.h"

#include <algorithm>
#include <sstream>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "tensor/error.h"
#include "tensor/ops.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;

// What one clip's files hold.
struct ClipFiles {
  bool absent = false, not_finite = false;
  Tensor features;
  std::vector<Caption> captions;
  std::vector<std::string> bad_captions;
  int tagged = 0;
};

// Not there; what cannot be seen for want of permission is left to the reader, which says so.
bool is_absent(const fs::path& path) {
  std::error_code error;
  return fs::status(path, error).type() == fs::file_type::not_found;
}

void check_folder(const fs::path& path, const char* advice) {
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  CHECK_INPUT(is_folder, path.string(), error ? ": " + error.message() : " is no folder", advice);
}

ClipFiles read_clip(const fs::path& root, const std::string& name, const Skeleton& skeleton,
                    const LoadOptions& options) {
  ClipFiles clip;
  const fs::path path = root / "new_joint_vecs" / (name + ".npy");
  clip.absent = is_absent(path);
  if (clip.absent) return clip;
  const Tensor features = read_npy(path);
  CHECK_INPUT(features.rank() == 2 && features.size(1) == skeleton.features(), path.string(),
              ": a clip on the data set's skeleton, ", skeleton.name, ", must be (frames, ", skeleton.features(),
              "), this one is ", features.shape());
  clip.features = features.to(Dtype::f32).contiguous();
  clip.not_finite = !all_finite(clip.features);
  if (clip.not_finite || !options.captions) return clip;
  const fs::path text = root / "texts" / (name + ".txt");
  if (!is_absent(text))
    clip.captions = parse_captions(read_file(text, kMaxTextBytes), text.string(), &clip.bad_captions);
  clip.tagged = tag_untagged(clip.captions);
  return clip;
}

// A, B ... Z, AA, AB ...: the prefix of the n-th sub-clip of a clip.
std::string letters(int n) {
  std::string text;
  for (++n; n > 0; n = (n - 1) / 26) text.insert(text.begin(), static_cast<char>('A' + (n - 1) % 26));
  return text;
}

void add_items(Dataset& set, const std::string& name, ClipFiles& clip, const LoadOptions& options) {
  const auto fits = [&](int64_t frames) {
    const bool yes = frames >= options.min_frames && frames <= options.max_frames;
    set.wrong_length += !yes;
    return yes;
  };
  const int64_t frames = clip.features.size(0);
  if (!options.captions) {
    if (fits(frames)) set.items.push_back({name, clip.features, {}, name});
    return;
  }
  set.bad_captions.insert(set.bad_captions.end(), clip.bad_captions.begin(), clip.bad_captions.end());
  if (options.drop_clip_on_bad_caption && !clip.bad_captions.empty()) return void(++set.with_bad_caption);
  set.tagged += clip.tagged;
  if (clip.captions.empty()) return void(++set.without_caption);
  if (!fits(frames)) return;  // as in the reference, a clip of another length gives no sub-clips either
  Item whole{name, clip.features, {}, name};
  int parts = 0;
  for (Caption& caption : clip.captions) {
    if (caption.whole() || !options.sub_clips) {
      whole.captions.push_back(std::move(caption));
      continue;
    }
    const int64_t begin = std::min(frames, int64_t(caption.start * set.skeleton.fps)),
                  end = std::min(frames, int64_t(caption.end * set.skeleton.fps));
    if (!fits(end - begin)) continue;
    const std::string part = letters(parts++) + "_" + name;
    set.items.push_back({part, clip.features.slice(0, begin, end), {std::move(caption)}, name});
  }
  if (!whole.captions.empty()) set.items.push_back(std::move(whole));
}

}  // namespace

Skeleton read_set_skeleton(const fs::path& root, const Statistics& statistics) {
  const fs::path path = root / "skeleton.json";
  if (is_absent(path)) return skeleton_of_features(statistics.features(), (root / "Mean.npy").string());
  Skeleton skeleton = read_skeleton(path);
  CHECK_INPUT(!skeleton.bone_lengths.empty(), path.string(),
              ": the skeleton of a data set has lengths of bones; make the set again with prepare_data");
  CHECK_INPUT(statistics.features() == skeleton.features(), (root / "Mean.npy").string(), " has ",
              statistics.features(), " features, the skeleton ", skeleton.name, " of ", path.string(), " has ",
              skeleton.features());
  return skeleton;
}

std::vector<std::string> read_split(const fs::path& root, const std::string& split, bool may_be_empty) {
  const fs::path path = root / (split + ".txt");
  std::istringstream lines(read_file(path, kMaxTextBytes));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty()) continue;
    CHECK_INPUT(line.find('/') == std::string::npos, path.string(), ": '", line, "' is no clip name");
    names.push_back(std::move(line));
  }
  CHECK_INPUT(!names.empty() || may_be_empty, path.string(), ": lists no clips");
  return names;
}

Dataset load_humanml3d(const fs::path& root, const std::string& split, LoadOptions options) {
  check_folder(root / "new_joint_vecs", "; a data set in HumanML3D's layout is expected, as prepare_data makes it");
  if (options.captions) check_folder(root / "texts", "; a data set in HumanML3D's layout has the captions there");
  Dataset set;
  set.statistics = read_statistics(root);
  set.skeleton = read_set_skeleton(root, set.statistics);
  if (options.min_frames == 0) options.min_frames = set.skeleton.min_frames;
  if (options.max_frames == 0) options.max_frames = set.skeleton.max_frames;
  if (options.may_be_empty && is_absent(root / (split + ".txt"))) return set;
  const std::vector<std::string> names = read_split(root, split, options.may_be_empty);
  set.listed = int64_t(names.size());
  std::vector<ClipFiles> clips(names.size());
  parallel_for(int64_t(names.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) clips[size_t(i)] = read_clip(root, names[size_t(i)], set.skeleton, options);
  });
  for (size_t i = 0; i < clips.size(); ++i) {
    set.absent += clips[i].absent;
    set.not_finite += clips[i].not_finite;
    if (!clips[i].absent && !clips[i].not_finite) add_items(set, names[i], clips[i], options);
    clips[i] = {};
  }
  CHECK_INPUT(!set.items.empty() || options.may_be_empty, root.string(), ", split ", split,
              ": nothing can be used: ", set.summary());
  return set;
}

std::string Dataset::summary() const {
  std::ostringstream text;
  text << items.size() << " items from " << listed << " clips";
  if (skeleton.name != humanml3d().name)
    text << " on skeleton " << skeleton.name << " (" << skeleton.joints() << " joints)";
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) text << ", " << count << ' ' << what;
  };
  add(absent, "without file");
  add(not_finite, "with NaN");
  add(wrong_length, "too short or too long");
  add(without_caption, "without caption");
  add(with_bad_caption, "with a bad caption line");
  add(int64_t(bad_captions.size()), "bad caption lines");
  add(tagged, "captions tagged by rules");
  return text.str();
}

}  // namespace kg
