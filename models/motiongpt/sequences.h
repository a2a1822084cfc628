// What MotionGPT reads and writes in training: pairs of ids that each end with </s>, made of a motion as codes and its
// caption. Supervised pairs are filled templates; span corruption (Raffel et al. 2020, section 3.1.4) hides parts of a
// caption or of a motion.
#pragma once

#include "models/motiongpt/language.h"
#include "tensor/random.h"

namespace kg {

struct SequenceConfig {
  int64_t max_length = 256;  // of input and of target, with </s>
  double quoted = 0.5;       // share of the fillings with the caption in double quotes
  double noise = 0.15;       // share of the ids that span corruption hides
  double mean_span = 3;      // of hidden ids
  // As the released code trains, where it is at odds with the paper: pre-training is supervised alone, and a motion's
  // number of tokens is taken for its frames, so that lengths are told as a quarter, its beginning is 5 % and the
  // masked part lies in its first fifth.
  bool as_released = false;
};
template <class V>
void fields(SequenceConfig& c, V&& v) {
  v(rare({"max_length", "max-length", "ids of an input and of a target", between(2, 4096)}), c.max_length);
  v(rare({"quoted", "quoted", "share of captions in quotes", between(0, 1)}), c.quoted);
  v(rare({"noise", "noise-density", "share of ids that span corruption hides", between(0.001, 0.999)}), c.noise);
  v(rare({"mean_span", "mean-span", "mean length of a hidden span", at_least(1)}), c.mean_span);
  v(rare({"as_released", "as-released", "supervised pre-training and lengths in tokens, as the released code"}),
    c.as_released);
}

// What a template is filled with.
struct Filling {
  std::vector<int32_t> codes;
  std::string caption;
  int64_t frames = 0;  // 0: those of the codes
  double fps = 20;
};
struct LanguagePair {
  std::vector<int32_t> input, target;
};

// ---- templates
// Parts of a motion of `frames` frames, T = frames / 4: its first int(0.2 T) codes, the others, and all codes with those
// from int(0.25 T) on and before int(0.75 T) masked.
std::vector<int32_t> beginning_of(const std::vector<int32_t>& codes, int64_t frames);
std::vector<int32_t> rest_of(const std::vector<int32_t>& codes, int64_t frames);
std::vector<int32_t> masked_middle(std::vector<int32_t> codes, int64_t frames, int32_t mask);
// Frames are told as a whole number, seconds as floor(frames / fps) with ".0". Every placeholder is filled once, from
// left to right: what stands in a caption is not filled again, as the released code does. Alternatives are chosen by
// words 2, 3, ... of `random`.
std::string fill(const Wording& wording, const Filling& filling, bool quoted, const MotionLanguage& language,
                 const SequenceConfig& config, Philox random);
// An input and an output template of the task, drawn by words 0 and 1 of `wording`; quotes are drawn for each.
LanguagePair supervised_pair(const SubTask& task, const Filling& filling, const MotionLanguage& language,
                             const SequenceConfig& config, Philox wording, Philox quotes);

// ---- span corruption
// Ids are kept[0], dropped[0], kept[1], dropped[1] ... in number: a text begins with ids that are kept and ends with ids
// that are dropped.
struct Spans {
  std::vector<int64_t> kept, dropped;
};
// Of L ids, n = round(noise L) are dropped, at least 1 and at most L - 1, in max(1, round(n / mean_span)) spans; halves
// are rounded to the even number. The lengths are random compositions. Of fewer than two ids none are dropped.
// L counts the ids of the text: the released code corrupts the padding as well.
Spans draw_spans(int64_t length, const SequenceConfig& config, Philox random);
// `total` as a sum of `parts` numbers from 1 on; every such sum is equally likely.
std::vector<int64_t> random_composition(int64_t total, int64_t parts, Philox random);
// ids without </s> -> input: each dropped span is a sentinel, from <extra_id_0> on; target: each sentinel and what it
// stands for; both end with </s>.
LanguagePair corrupt_spans(const std::vector<int32_t>& ids, const Spans& spans, const MotionLanguage& language);

// ---- pre-training
enum class Objective { text, motion, supervised };
Objective draw_objective(Philox random);  // 1/5, 1/5, 3/5
// The caption, or the motion, with spans corrupted.
LanguagePair corrupted_pair(Objective what, const Filling& filling, const MotionLanguage& language,
                            const SequenceConfig& config, Philox random);

}  // namespace kg
