// How good captions of motions are, against reference captions: BLEU, ROUGE-L and CIDEr in the variants that published
// tables use (MotionGPT's nlg-metricverse, TM2T's nlg-eval). All values are times 100.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "models/metrics/caption_words.h"

namespace kg {

// A generated caption and what it is held against (at least one reference), as words.
struct CaptionItem {
  Words words;
  std::vector<Words> references;
};

// BLEU-1..4 of the whole set (Papineni et al., ACL 2002): n-gram matches clipped by the largest count in a reference
// and pooled over items, geometric mean of the orders 1..n, no smoothing, and exp(1 - r / c) for c words where r are
// due: shortest: the sum of the shortest references' lengths (nlg-metricverse); closest: of those nearest to the
// caption's length, of two the shorter one (the paper, nlg-eval).
enum class Brevity { shortest, closest };
std::array<double, 4> bleu(const std::vector<CaptionItem>& items, Brevity brevity);

// ROUGE-L (Lin, 2004) from the longest common subsequence, the mean over items. F1 of the best reference (rouge_score),
// or F of beta = 1.2 from the best precision and the best recall, each of any reference (nlg-eval).
double rouge_l(const std::vector<CaptionItem>& items);
double rouge_l_beta(const std::vector<CaptionItem>& items, double beta = 1.2);

// CIDEr (Vedantam et al., CVPR 2015), 10 times the mean over n = 1..4, references and items of the cosine of tf-idf
// vectors of n-grams, document frequencies from the references of the items. CIDEr-D clips the caption's weights at the
// reference's and multiplies by exp(-(difference of lengths)^2 / 72). At least two items.
double cider(const std::vector<CaptionItem>& items);
double cider_d(const std::vector<CaptionItem>& items);

double mean_length(const std::vector<CaptionItem>& items);  // words a caption, not times 100

// All of it with each package's own words. The nlg-eval side counts plain words:
// its inputs had neither capitals nor punctuation.
struct CaptionScores {
  std::array<double, 4> bleu, bleu_closest;
  double rouge_l, rouge_l_beta, cider, cider_d, mean_length;
};
CaptionScores score_captions(const std::vector<std::string>& captions,
                             const std::vector<std::vector<std::string>>& references);

}  // namespace kg
