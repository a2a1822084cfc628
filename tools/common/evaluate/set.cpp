#include "tools/common/evaluate/set.h"

#include <algorithm>
#include <map>

#include "data/formats/npy.h"
#include "tensor/ops.h"
#include "tensor/parallel.h"

namespace kg::tools {
namespace {

constexpr int64_t kUnit = 4;             // frames of one step of the evaluators
constexpr int64_t kPublishedBatch = 32;  // the published evaluation drops what does not fill one
constexpr size_t kMotions = 512;         // embedded at once
void keep_some(Dataset& data, int64_t limit, uint64_t seed) {
  const int64_t count = int64_t(data.items.size());
  if (limit == 0 || limit >= count) return;
  ShuffledOrder order(count, count, mix(seed, uint64_t(Draw::limit)));
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < limit; ++i) kept.push_back(order.at(i));
  std::sort(kept.begin(), kept.end());
  std::vector<Item> items;
  for (const int64_t i : kept) items.push_back(std::move(data.items[size_t(i)]));
  data.items = std::move(items);
}

// Evaluated frames of a motion: whole units.
int64_t seen_frames(const Tensor& motion) { return std::min(motion.size(0), kEvaluatedFrames) / kUnit * kUnit; }

}  // namespace

EvaluationSet load_evaluation_set(const std::filesystem::path& root, const std::string& split, int64_t limit,
                                  uint64_t seed, bool published) {
  EvaluationSet set;
  set.data = load_humanml3d(root, split, {.drop_clip_on_bad_caption = published});
  set.seed = seed;
  if (published && set.size() >= kPublishedBatch) {
    set.left_over = set.size() % kPublishedBatch;
    limit = std::min(limit > 0 ? limit : set.size(), set.size() - set.left_over);
  }
  keep_some(set.data, limit, seed);
  CHECK_INPUT(set.size() >= kFewestItems, root.string(), ", split ", split, ": ", set.size(),
              " items to evaluate, at least ", kFewestItems, " are needed");
  int captions = 0;
  for (const Item& item : set.data.items) {
    set.first.push_back(captions);
    captions += int(item.captions.size());
  }
  return set;
}

int64_t EvaluationSet::caption(int64_t i, int repeat) const {
  return draw(seed, repeat * size() + i, Draw::evaluation_caption).below(0, uint32_t(item(i).captions.size()));
}

Crop EvaluationSet::crop(int64_t i, int version) const {
  const Tensor& features = item(i).features;
  return random_crop(int(std::min(features.size(0), kEvaluatedFrames + kUnit - 1)),
                     draw(seed, version * size() + i, Draw::evaluation_crop));
}

Tensor EvaluationSet::cropped(int64_t i, int version) const {
  const Crop c = crop(i, version);
  return item(i).features.slice(0, c.begin, c.begin + c.frames);
}

Tensor embed_motions(const Embedder& embedder, const std::vector<Tensor>& motions, const std::string& what) {
  for (size_t i = 0; i < motions.size(); ++i) {
    CHECK(motions[i].size(0) >= kUnit, what, " ", i + 1, ": ", motions[i].size(0), " frames, at least ", kUnit,
          " are needed");
    CHECK(all_finite(motions[i].contiguous()), what, " ", i + 1, ": NaN or infinity in it");
  }
  const int64_t width = embedder.statistics.mean.size(0);
  std::vector<Tensor> rows;
  for (size_t first = 0; first < motions.size(); first += kMotions) {
    const size_t n = std::min(kMotions, motions.size() - first);
    const Tensor batch = Tensor::zeros({int64_t(n), kEvaluatedFrames, width});
    std::vector<int64_t> frames(n);
    parallel_for(int64_t(n), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Tensor& motion = motions[first + size_t(i)];
        frames[size_t(i)] = seen_frames(motion);
        const Tensor x = normalize_features(motion.slice(0, 0, frames[size_t(i)]).contiguous(), embedder.statistics);
        std::copy_n(x.data<float>(), x.numel(), batch.data<float>() + i * kEvaluatedFrames * width);
      }
    });
    rows.push_back(embedder.motions(batch, frames));
  }
  return concat(rows, 0);
}

Tensor embed_captions(const Embedder& embedder, const EvaluationSet& set) {
  std::vector<std::vector<std::string>> tokens;
  for (const Item& item : set.data.items)
    for (const Caption& caption : item.captions) tokens.push_back(caption.tokens);
  return embedder.texts(tokens);
}

Tensor gather_rows(const Tensor& rows, const std::vector<int64_t>& which) {
  const int64_t width = rows.size(1);
  const Tensor out = Tensor::zeros({int64_t(which.size()), width});
  for (size_t i = 0; i < which.size(); ++i)
    std::copy_n(rows.data<float>() + which[i] * width, width, out.data<float>() + int64_t(i) * width);
  return out;
}

std::vector<Tensor> read_motions(const std::filesystem::path& folder, const EvaluationSet& set) {
  CHECK_INPUT(std::filesystem::is_directory(folder), folder.string(), ": no folder of this name");
  const int64_t width = set.data.skeleton.features();
  std::vector<Tensor> motions;
  int64_t missing = 0;
  std::string example;
  for (const Item& item : set.data.items) {
    const std::filesystem::path path = folder / (item.name + ".npy");
    if (!std::filesystem::exists(path)) {
      if (missing++ == 0) example = path.string();
      continue;
    }
    const Tensor motion = read_npy(path).to(Dtype::f32).contiguous();
    CHECK_INPUT(motion.rank() == 2 && motion.size(1) == width, path.string(), ": expected features (frames, ", width,
                ") of the skeleton ", set.data.skeleton.name, ", found ", motion.shape());
    CHECK_INPUT(motion.size(0) >= kUnit, path.string(), ": ", motion.size(0), " frames, at least ", kUnit,
                " are needed");
    CHECK_INPUT(all_finite(motion), path.string(), ": NaN or infinity in it");
    motions.push_back(motion);
  }
  CHECK_INPUT(missing == 0, folder.string(), ": ", missing, " of ", set.size(), " motions of the split are not there, ",
              example, " for one; give a motion for each item");
  return motions;
}

std::vector<std::string> read_captions(const std::filesystem::path& path, const EvaluationSet& set) {
  std::map<std::string, std::string> by_name;
  for (const CaptionRow& row : read_caption_table(path)) {
    const bool is_new = by_name.emplace(row.name, row.caption).second;
    CHECK_INPUT(is_new, path.string(), ", line ", row.line, ": a second caption of ", row.name);
  }
  std::vector<std::string> captions;
  for (const Item& item : set.data.items) {
    const auto found = by_name.find(item.name);
    CHECK_INPUT(found != by_name.end(), path.string(), ": no caption of ", item.name,
                "; give one for each item of the split");
    captions.push_back(found->second);
  }
  return captions;
}

}  // namespace kg::tools
