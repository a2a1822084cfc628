// A data set in HumanML3D's layout, on a skeleton of J joints with D = 12 J - 1 features a frame:
//   ROOT/new_joint_vecs/NAME.npy (T, D)   ROOT/new_joints/NAME.npy (T, J, 3)   ROOT/texts/NAME.txt
//   ROOT/{Mean,Std}.npy (D)   ROOT/{train,val,test,train_val,all}.txt: one NAME a line
//   ROOT/skeleton.json: the skeleton; without it HumanML3D's or KIT-ML's, which D tells apart
// A clip with captions for the whole of it is one item; a caption with a start and an end makes the part it speaks of
// an item of its own, called A_NAME, B_NAME ...
#pragma once

#include <climits>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/motion/skeleton.h"
#include "data/motion/statistics.h"
#include "data/sets/captions.h"
#include "tensor/tensor.h"

namespace kg {

struct Item {
  std::string name;
  Tensor features;  // (T, D) f32, not normalised
  std::vector<Caption> captions;
  std::string clip = {};  // the file that it comes from: its own name, or that of the clip a sub-clip was cut from
};

struct LoadOptions {
  int min_frames = 0, max_frames = 0;  // both included; 0: the skeleton's
  bool captions = true;                // false: whole clips only, texts/ is not read
  bool may_be_empty = false;           // true: a split that is missing or of no use has no items; else an error
  // False: nothing is cut. Every clip is one item with all its captions, those with a start and an end included: for
  // who cuts something else, such as the tokens of the clip.
  bool sub_clips = true;
  // True: one bad caption line leaves its whole clip out, as when the published evaluation reads; else only the line.
  bool drop_clip_on_bad_caption = false;
};
// For tokenizer training: every clip that has a window.
inline LoadOptions whole_clips(int min_frames) { return {min_frames, INT_MAX, false}; }

struct Dataset {
  std::vector<Item> items;  // in the order of the split file
  Statistics statistics;    // of the folder
  Skeleton skeleton = humanml3d();
  int64_t listed = 0;                     // names in the split file
  int64_t absent = 0, not_finite = 0;     // clips left out: no .npy file, NaN or infinity
  int64_t wrong_length = 0;               // clips and sub-clips left out
  int64_t without_caption = 0;            // clips left out
  int64_t with_bad_caption = 0;           // clips left out under drop_clip_on_bad_caption
  int64_t tagged = 0;                     // captions that came without parts of speech and were tagged by rules
  std::vector<std::string> bad_captions;  // caption lines left out, with file, line and reason
  std::string summary() const;            // one line
};

// `split` is train, val, test, train_val or all. A folder that lacks a part of the layout, statistics or a clip of
// another width than the skeleton's, and a split of which nothing remains are input errors; so is everything that the
// readers refuse. Start and end of captions count frames at the skeleton's rate.
Dataset load_humanml3d(const std::filesystem::path& root, const std::string& split, LoadOptions options = {});
// Of a data set's folder: skeleton.json, else by the width of its statistics.
Skeleton read_set_skeleton(const std::filesystem::path& root, const Statistics& statistics);
std::vector<std::string> read_split(const std::filesystem::path& root, const std::string& split,
                                    bool may_be_empty = false);

// Writing.
struct Clip {
  std::string name;
  std::string source;  // clips of one source (the cuts of a file) stay in the same split
  std::string note;    // anything to remember it by, for clips.tsv
  Joints joints;       // 2 frames or more
  std::vector<Caption> captions;
  std::vector<Caption> mirrored_captions;  // of the mirrored clip M + name; none: the clip is not mirrored
};

struct WriteOptions {
  uint64_t seed = 0;  // of the split
  double test_share = 0.15, val_share = 0.05;
  bool overwrite = false;           // an existing data set
  Skeleton skeleton = humanml3d();  // of the clips' joints; with bone lengths
  std::function<void(int64_t clips_done)> progress = {};
};

struct WriteReport {
  int64_t clips = 0, frames = 0;  // mirrored ones included
  int64_t train = 0, val = 0, test = 0;
};

// Features are made from the joints, with the yaw continuous through -z, and new_joints from the features. Any skeleton
// but HumanML3D's is written beside them. Beside the layout stands clips.tsv: name, source, split, frames, note. The
// folder appears complete or not at all; an existing one that is not empty is a usage error unless it is a data set and
// `overwrite` is set.
WriteReport write_humanml3d(const std::filesystem::path& root, const std::vector<Clip>& clips,
                            const WriteOptions& options = {});

// The checks of write_humanml3d on its target, for programs that would rather know before they work for minutes.
void check_target(const std::filesystem::path& root, bool overwrite);

enum class Split { train, val, test };
// By a hash of seed and source alone, so that more clips never move the ones that were there; a split that would stay
// empty gets the source of train with the least hash, as long as train keeps one.
std::vector<Split> split_clips(const std::vector<Clip>& clips, const WriteOptions& options);

}  // namespace kg
