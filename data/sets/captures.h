// A folder of BVH files and their captions -> clips of a data set, with an account of what was left out and why.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/motion/retarget.h"
#include "data/sets/captions.h"
#include "data/sets/humanml3d.h"

namespace kg {

struct CaptureOptions {
  std::optional<JointMap> map;            // none: the built-in map that fits each file
  std::optional<Skeleton> native;         // the files' joints as they are on this skeleton, not retargeted
  double source_fps = 0;                  // instead of the files' own frame time; 0: the files'
  int min_frames = 40, max_frames = 196;  // feature rows of a clip
  bool cut = true;  // longer motions become several clips of equal length; false: they are left out
  bool mirror = true;
  bool unknown_captions = false;  // true: captions for files that are not there are left out instead of an error
};

// What became of one file, or of the captions of a file that is not there.
struct CaptureOutcome {
  std::string name;
  double fps = 0, seconds = 0;  // of the file; 0 when it was not read
  int clips = 0;
  std::string remark;  // "reason: details" for no clip or fewer than asked for; how it was cut
};

struct Captures {
  Skeleton skeleton = humanml3d();  // of the clips; a native one without bone lengths has those of the first clip
  std::vector<Clip> clips;
  std::vector<CaptureOutcome> outcomes;  // by name
};

// All *.bvh below `folder`; a clip is called after its file, with -1, -2 ... when the file gives several. Captions of
// the same start and end describe one clip. A file that cannot be used is left out with its reason; only a folder
// without BVH files, two files of one name, and captions for unknown files are input errors.
Captures collect_captures(const std::filesystem::path& folder, const std::vector<CaptionRow>& captions,
                          const CaptureOptions& options);

// The BVH files below a folder, by name.
std::vector<std::filesystem::path> find_bvh_files(const std::filesystem::path& folder);

// Captions for the clips of the Bandai Namco Research Motiondataset, phrased from the content and style in the names of
// its files (dataset-2_walk-turn-left_youthful_003): synthetic, no person wrote them. Other names are input errors.
std::vector<CaptionRow> bandai_captions(const std::vector<std::filesystem::path>& files);

}  // namespace kg
