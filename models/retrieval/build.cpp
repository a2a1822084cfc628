#include "models/retrieval/build.h"

#include <algorithm>
#include <climits>
#include <cstdio>

#include "data/formats/checkpoint.h"
#include "data/formats/npy.h"
#include "data/sets/humanml3d.h"

namespace kg {
namespace {

std::string hash_text(const TensorFile& file) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(content_checksum(file)));
  return text;
}

// Of the motions and captions that were read.
std::string set_hash(const Dataset& set) {
  TensorFile all;
  for (const Item& item : set.items) {
    std::string captions;
    for (const Caption& caption : item.captions) captions += caption.text + "\n";
    all.tensors.emplace_back(item.name, item.features.contiguous());
    all.metadata[item.name] = captions;
  }
  return hash_text(all);
}

// The first frame of an item in its file: the data set cuts sub-clips at the times of their caption.
int32_t first_frame(const Item& item, double fps) {
  return item.name == item.clip ? 0 : int32_t(item.captions.at(0).start * fps);
}

}  // namespace

std::string tokenizer_identity(const MotionTokenizer& tokenizer) {
  return std::string(MotionTokenizer::kKind) + "-" + hash_text(tokenizer.save());
}

Database database_of(const Retriever& model, const std::filesystem::path& data, const BuildOptions& options) {
  const int most = model.crops() ? INT_MAX : int(std::min<int64_t>(INT_MAX, model.max_frames()));
  const Dataset set = load_humanml3d(data, options.split, {.min_frames = 1, .max_frames = most});
  check_same_skeleton(set.skeleton, model.skeleton(), data.string());
  Database db;
  db.retriever = model.identity();
  db.sets = {{std::filesystem::absolute(data).lexically_normal().string(), set_hash(set)}};
  if (options.tokenizer) {
    check_same_skeleton(set.skeleton, options.tokenizer->skeleton(), data.string());
    db.tokenizer = tokenizer_identity(*options.tokenizer);
  }
  std::vector<Tensor> motions;
  std::vector<std::string> captions;
  for (const Item& item : set.items) {
    DatabaseClip clip{options.prefix + item.name,     item.clip, 0, first_frame(item, set.skeleton.fps),
                      int32_t(item.features.size(0)), {},        {}};
    for (const Caption& caption : item.captions) clip.captions.push_back(caption.text);
    if (options.tokenizer && clip.frames >= kFramesPerToken) clip.tokens = options.tokenizer->encode(item.features);
    captions.insert(captions.end(), clip.captions.begin(), clip.captions.end());
    motions.push_back(item.features);
    db.clips.push_back(std::move(clip));
  }
  db.motion = model.motion_features(motions);
  db.text = model.text_features(captions);
  return db;
}

Tensor read_frames(const Database& database, int64_t clip) {
  const DatabaseClip& c = database.clips.at(size_t(clip));
  const std::filesystem::path path = frames_path(database, clip);
  const Tensor all = read_npy(path);
  CHECK_INPUT(all.rank() == 2 && all.size(0) >= int64_t(c.begin) + c.frames, path.string(), ": is ", all.shape(),
              ", the database has frames ", c.begin, " to ", c.begin + c.frames, " of it; build the database again");
  return all.slice(0, c.begin, c.begin + c.frames).to(Dtype::f32).contiguous();
}

}  // namespace kg
