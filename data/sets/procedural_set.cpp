#include "data/sets/procedural_set.h"

#include "data/text/pos_tagger.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

std::vector<Caption> tagged(const std::vector<std::string>& texts, bool mirrored) {
  std::vector<Caption> captions;
  for (const std::string& text : texts) {
    const std::string caption = mirrored ? mirrored_text(text) : text;
    captions.push_back({caption, tag_caption(caption)});
  }
  return captions;
}

}  // namespace

std::vector<Clip> procedural_clips(uint64_t seed, int count, bool mirror) {
  std::vector<Clip> clips(static_cast<size_t>(count));
  parallel_for(count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::string digits = std::to_string(i);
      ProceduralClip made = make_procedural_clip(seed, int(i));
      Clip& clip = clips[size_t(i)];
      clip.name = clip.source = std::string(6 - std::min<size_t>(6, digits.size()), '0') + digits;
      clip.note = describe(made.parameters);
      clip.captions = tagged(made.captions, false);
      if (mirror) clip.mirrored_captions = tagged(made.captions, true);
      clip.joints = std::move(made.joints);
    }
  });
  return clips;
}

}  // namespace kg
