#include "models/motiongpt/sequences.h"

#include <algorithm>
#include <cmath>

#include "data/sets/sampling.h"
#include "models/tokenizer/motion_tokenizer.h"

namespace kg {
namespace {

// int(share * T), at most all codes.
int64_t share_of(double share, int64_t frames, const std::vector<int32_t>& codes) {
  return std::min(int64_t(share * (double(frames) / kFramesPerToken)), int64_t(codes.size()));
}

std::string slot_text(Slot slot, const Filling& f, bool quoted, const MotionLanguage& language, bool as_released) {
  const int64_t own = int64_t(f.codes.size()) * (as_released ? 1 : kFramesPerToken);
  const int64_t frames = f.frames > 0 ? f.frames : own;
  switch (slot) {
    case Slot::caption:
      return quoted ? '"' + f.caption + '"' : f.caption;
    case Slot::motion:
      return language.motion(f.codes);
    case Slot::beginning:
      return language.motion(beginning_of(f.codes, frames));
    case Slot::rest:
      return language.motion(rest_of(f.codes, frames));
    case Slot::masked:
      return language.motion(masked_middle(f.codes, frames, language.masked()));
    case Slot::frames:
      return std::to_string(frames);
    case Slot::seconds:
      return std::to_string(int64_t(double(frames) / f.fps)) + ".0";
  }
  fail(ErrorCode::runtime, "[fill] no placeholder ", int(slot));
}

}  // namespace

std::vector<int32_t> beginning_of(const std::vector<int32_t>& codes, int64_t frames) {
  return {codes.begin(), codes.begin() + share_of(0.2, frames, codes)};
}
std::vector<int32_t> rest_of(const std::vector<int32_t>& codes, int64_t frames) {
  return {codes.begin() + share_of(0.2, frames, codes), codes.end()};
}
std::vector<int32_t> masked_middle(std::vector<int32_t> codes, int64_t frames, int32_t mask) {
  std::fill(codes.begin() + share_of(0.25, frames, codes), codes.begin() + share_of(0.75, frames, codes), mask);
  return codes;
}

std::string fill(const Wording& wording, const Filling& filling, bool quoted, const MotionLanguage& language,
                 const SequenceConfig& config, Philox random) {
  std::string text;
  uint64_t drawn = 2;
  for (const Wording::Part& part : wording.parts) {
    if (part.slot)
      text += slot_text(*part.slot, filling, quoted, language, config.as_released);
    else
      text += part.choices[part.choices.size() == 1 ? 0 : random.below(drawn++, uint32_t(part.choices.size()))];
  }
  return text;
}

LanguagePair supervised_pair(const SubTask& task, const Filling& filling, const MotionLanguage& language,
                             const SequenceConfig& config, Philox wording, Philox quotes) {
  const auto ids = [&](const std::vector<Wording>& list, uint64_t word, Philox choices) {
    const bool quoted = double(quotes.uniform(word)) < config.quoted;
    const Wording& chosen = list[wording.below(word, uint32_t(list.size()))];
    return language.encode(fill(chosen, filling, quoted, language, config, choices), config.max_length);
  };
  return {ids(task.inputs, 0, wording), ids(task.outputs, 1, {wording.seed, mix(wording.stream, 1)})};
}

std::vector<int64_t> random_composition(int64_t total, int64_t parts, Philox random) {
  CHECK(parts >= 1 && parts <= total, "[random_composition] ", total, " in ", parts, " parts");
  std::vector<int64_t> cuts = random_order(total - 1, random);  // cut i stands before number i + 1
  cuts.resize(size_t(parts - 1));
  std::sort(cuts.begin(), cuts.end());
  cuts.push_back(total - 1);
  std::vector<int64_t> lengths;
  int64_t begin = 0;
  for (const int64_t cut : cuts) {
    lengths.push_back(cut + 1 - begin);
    begin = cut + 1;
  }
  return lengths;
}

Spans draw_spans(int64_t length, const SequenceConfig& config, Philox random) {
  if (length < 2) return {};
  // nearbyint rounds halves to the even number.
  const int64_t noise = std::clamp<int64_t>(int64_t(std::nearbyint(double(length) * config.noise)), 1, length - 1);
  int64_t spans = std::max<int64_t>(1, int64_t(std::nearbyint(double(noise) / config.mean_span)));
  spans = std::min(spans, length - noise);  // each follows an id that is kept
  return {random_composition(length - noise, spans, random),
          random_composition(noise, spans, {random.seed, mix(random.stream, 1)})};
}

LanguagePair corrupt_spans(const std::vector<int32_t>& ids, const Spans& spans, const MotionLanguage& language) {
  CHECK(spans.kept.size() == spans.dropped.size(), "[corrupt_spans] ", spans.kept.size(), " spans kept, ",
        spans.dropped.size(), " dropped");
  CHECK(int64_t(spans.kept.size()) <= language.config().sentinels, "[corrupt_spans] ", spans.kept.size(),
        " spans, but there are ", language.config().sentinels, " sentinels");
  LanguagePair out;
  auto at = ids.begin();
  const auto move_to = [&](std::vector<int32_t>& to, int64_t count) {
    CHECK(count >= 0 && count <= ids.end() - at, "[corrupt_spans] the spans are longer than the ", ids.size(), " ids");
    to.insert(to.end(), at, at + count);
    at += count;
  };
  for (size_t i = 0; i < spans.kept.size(); ++i) {
    move_to(out.input, spans.kept[i]);
    out.input.push_back(language.sentinel(int64_t(i)));
    out.target.push_back(out.input.back());
    move_to(out.target, spans.dropped[i]);
  }
  move_to(out.input, ids.end() - at);
  out.input.push_back(language.end());
  out.target.push_back(language.end());
  return out;
}

Objective draw_objective(Philox random) {
  const uint32_t fifth = random.below(0, 5);
  return fifth == 0 ? Objective::text : fifth == 1 ? Objective::motion : Objective::supervised;
}

LanguagePair corrupted_pair(Objective what, const Filling& filling, const MotionLanguage& language,
                            const SequenceConfig& config, Philox random) {
  CHECK(what != Objective::supervised, "[corrupted_pair] supervised pairs are filled templates");
  const std::string text = what == Objective::text ? filling.caption : language.motion(filling.codes);
  std::vector<int32_t> ids = language.encode(text, config.max_length);
  ids.pop_back();  // </s>
  return corrupt_spans(ids, draw_spans(int64_t(ids.size()), config, random), language);
}

}  // namespace kg
