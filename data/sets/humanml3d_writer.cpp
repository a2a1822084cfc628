// Writing of the HumanML3D layout: into a folder beside the target, which takes the target's name when it is complete.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/sets/humanml3d.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace kg {
namespace {

namespace fs = std::filesystem;
constexpr std::array<const char*, 3> kSplitNames = {"train", "val", "test"};

uint64_t hash_of(const std::string& text, uint64_t seed) {
  uint64_t h = 0xCBF29CE484222325u;  // FNV-1a
  for (const unsigned char c : text) h = (h ^ c) * 0x100000001B3u;
  return mix(seed, h);
}

std::string mirrored_name(const Clip& clip) { return std::string(1, 'M').append(clip.name); }

bool is_empty_or_absent(const fs::path& root) {
  return !fs::exists(root) || (fs::is_directory(root) && fs::is_empty(root));
}

// A folder under a temporary name; removed unless it was moved to its final one.
class FolderInMaking {
 public:
  explicit FolderInMaking(const fs::path& final) : final_(fs::absolute(final).lexically_normal()) {
    if (final_.filename().empty()) final_ = final_.parent_path();  // a trailing slash
    std::error_code error;
    fs::create_directories(final_.parent_path(), error);
    std::string name = (final_.parent_path() / ("." + final_.filename().string() + ".XXXXXX")).string();
    CHECK(mkdtemp(name.data()), "cannot make ", final_.string(), ": ", std::strerror(errno), " in ",
          final_.parent_path().string());
    path_ = name;
    fs::permissions(path_, fs::perms(0755), error);
  }
  ~FolderInMaking() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  const fs::path& path() const { return path_; }

  void commit() {
    const fs::path old = path_.string() + ".old";
    const bool replaces = fs::exists(final_);
    if (replaces) fs::rename(final_, old);
    fs::rename(path_, final_);
    if (replaces) fs::remove_all(old);
  }

 private:
  fs::path final_, path_;
};

void write_clip(const fs::path& folder, const std::string& name, const Tensor& features, const Skeleton& skeleton,
                const std::vector<Caption>& captions) {
  const std::string file = name + ".npy";
  write_file_atomically(folder / "new_joint_vecs" / file, npy_bytes(features), false);
  write_file_atomically(folder / "new_joints" / file, npy_bytes(to_tensor(features_to_joints(features, skeleton))),
                        false);
  write_file_atomically(folder / "texts" / (name + ".txt"), format_captions(captions), false);
}

Tensor features_of(const Clip& clip, const Skeleton& skeleton, bool mirrored) {
  try {
    return joints_to_features(mirrored ? mirror_joints(clip.joints, skeleton) : clip.joints, {.continuous_yaw = true},
                              skeleton);
  } catch (const Error& error) {
    throw Error(error.code, "clip " + clip.name + ": " + error.what());
  }
}

void check_clips(const std::vector<Clip>& clips) {
  CHECK_INPUT(!clips.empty(), "no clips to write");
  std::set<std::string> names;
  for (const Clip& clip : clips) {
    CHECK_INPUT(!clip.name.empty() && clip.name.find_first_of("/\n\t") == std::string::npos, "'", clip.name,
                "' cannot be the name of a clip");
    CHECK_INPUT(names.insert(clip.name).second, "two clips are called ", clip.name);
    CHECK_INPUT(clip.mirrored_captions.empty() || names.insert(mirrored_name(clip)).second, "clip M", clip.name,
                " has the name of the mirrored ", clip.name);
  }
}

// The files of all clips; returns the frames (rows) of each.
std::vector<int64_t> write_clips(const fs::path& folder, const std::vector<Clip>& clips, StatisticsBuilder& statistics,
                                 const WriteOptions& options) {
  constexpr int64_t kBlock = 256;  // clips in memory at a time
  std::vector<int64_t> frames(clips.size());
  for (int64_t first = 0; first < int64_t(clips.size()); first += kBlock) {
    const int64_t count = std::min(kBlock, int64_t(clips.size()) - first);
    std::vector<std::array<Tensor, 2>> features(static_cast<size_t>(count));
    parallel_for(count, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Clip& clip = clips[size_t(first + i)];
        auto& [plain, mirrored] = features[size_t(i)];
        plain = features_of(clip, options.skeleton, false);
        write_clip(folder, clip.name, plain, options.skeleton, clip.captions);
        if (clip.mirrored_captions.empty()) continue;
        mirrored = features_of(clip, options.skeleton, true);
        write_clip(folder, mirrored_name(clip), mirrored, options.skeleton, clip.mirrored_captions);
      }
    });
    for (int64_t i = 0; i < count; ++i) {
      frames[size_t(first + i)] = features[size_t(i)][0].size(0);
      for (const Tensor& t : features[size_t(i)])
        if (t.defined()) statistics.add(t);
    }
    if (options.progress) options.progress(first + count);
  }
  return frames;
}

WriteReport write_lists(const fs::path& folder, const std::vector<Clip>& clips, const std::vector<Split>& splits,
                        const std::vector<int64_t>& frames) {
  std::array<std::string, 3> lists;
  std::string table = "name\tsource\tsplit\tframes\tnote\n", all;
  WriteReport report;
  std::array<int64_t*, 3> counts = {&report.train, &report.val, &report.test};
  for (size_t i = 0; i < clips.size(); ++i) {
    const auto split = size_t(splits[i]);
    const auto add = [&](const std::string& name) {
      lists[split] += name + '\n';
      all += name + '\n';
      table += name + '\t' + clips[i].source + '\t' + kSplitNames[split] + '\t' + std::to_string(frames[i]) + '\t' +
               clips[i].note + '\n';
      ++*counts[split], ++report.clips, report.frames += frames[i];
    };
    add(clips[i].name);
    if (!clips[i].mirrored_captions.empty()) add(mirrored_name(clips[i]));
  }
  for (size_t s = 0; s < lists.size(); ++s)
    write_file_atomically(folder / (std::string(kSplitNames[s]) + ".txt"), lists[s]);
  write_file_atomically(folder / "train_val.txt", lists[0] + lists[1]);
  write_file_atomically(folder / "all.txt", all);
  write_file_atomically(folder / "clips.tsv", table);
  return report;
}

}  // namespace

void check_target(const fs::path& root, bool overwrite) {
  if (is_empty_or_absent(root)) return;
  CHECK(fs::is_directory(root), root.string(), " is a file, a folder was expected; give another --out");
  if (!overwrite)
    fail(ErrorCode::usage, root.string(), " is not empty; give another --out, or replace the data set with --force");
  if (!fs::is_directory(root / "new_joint_vecs"))
    fail(ErrorCode::usage, root.string(),
         " holds something that is no motion data set, and is not replaced; give another --out");
}

std::vector<Split> split_clips(const std::vector<Clip>& clips, const WriteOptions& options) {
  std::map<std::string, Split> of_source;
  std::array<int, 3> count{};
  for (const Clip& clip : clips) {
    const double u = double(hash_of(clip.source, options.seed) >> 11) * 0x1p-53;
    const Split split = u < options.test_share                       ? Split::test
                        : u < options.test_share + options.val_share ? Split::val
                                                                     : Split::train;
    if (of_source.emplace(clip.source, split).second) ++count[size_t(split)];
  }
  const std::array<double, 3> shares = {1, options.val_share, options.test_share};
  for (const Split wanted : {Split::val, Split::test}) {
    if (count[size_t(wanted)] > 0 || shares[size_t(wanted)] <= 0 || count[size_t(Split::train)] < 2) continue;
    auto least = of_source.end();
    for (auto it = of_source.begin(); it != of_source.end(); ++it)
      if (it->second == Split::train &&
          (least == of_source.end() || hash_of(it->first, options.seed) < hash_of(least->first, options.seed)))
        least = it;
    least->second = wanted;
    --count[size_t(Split::train)], ++count[size_t(wanted)];
  }
  std::vector<Split> splits;
  for (const Clip& clip : clips) splits.push_back(of_source.at(clip.source));
  return splits;
}

WriteReport write_humanml3d(const fs::path& root, const std::vector<Clip>& clips, const WriteOptions& options) {
  check_target(root, options.overwrite);
  check_clips(clips);
  check_skeleton(options.skeleton, "the data set");
  CHECK(!options.skeleton.bone_lengths.empty(), "[write_humanml3d] skeleton ", options.skeleton.name,
        " has no bone lengths");
  FolderInMaking folder(root);
  for (const char* part : {"new_joint_vecs", "new_joints", "texts"}) fs::create_directory(folder.path() / part);
  StatisticsBuilder statistics(options.skeleton);
  const std::vector<int64_t> frames = write_clips(folder.path(), clips, statistics, options);
  write_statistics(folder.path(), statistics.finish());
  if (options.skeleton != humanml3d())
    write_file_atomically(folder.path() / "skeleton.json", skeleton_text(options.skeleton));
  const WriteReport report = write_lists(folder.path(), clips, split_clips(clips, options), frames);
  folder.commit();
  return report;
}

}  // namespace kg
