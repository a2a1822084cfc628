// Captions of motions that a program wrote: against the items' own captions as words, and against the motions in the
// evaluator's space.
#include "data/sets/procedural_captions.h"
#include "data/text/pos_tagger.h"
#include "models/metrics/bert_score.h"
#include "models/metrics/captioning.h"
#include "tools/common/evaluate/run.h"

namespace kg::tools {
namespace {

// References as MotionGPT has them: three an item, from the tokens.
std::vector<std::vector<std::string>> references_of(const EvaluationSet& set) {
  std::vector<std::vector<std::string>> references;
  for (const Item& item : set.data.items) {
    std::vector<std::string> captions;
    for (const Caption& caption : item.captions) captions.push_back(caption_of_tokens(caption.tokens));
    references.push_back(three_references(captions));
  }
  return references;
}

// Mean over items of the best F1 over the references, in percent: last states, idf over the references, not rescaled.
double mean_bert_score(const PretrainedText& language, const std::vector<std::string>& captions,
                       const std::vector<std::vector<std::string>>& references) {
  std::vector<std::string> all;
  std::vector<std::vector<int>> ids;
  for (const auto& item : references)
    for (const std::string& reference : item) all.push_back(reference), ids.push_back(language.tokens(reference));
  const IdfWeights idf(ids);
  const auto embed = [&](const std::vector<std::string>& texts) {
    const std::vector<Tensor> states = language.token_states(texts);
    std::vector<TokenEmbeddings> embedded;
    for (size_t i = 0; i < texts.size(); ++i) embedded.push_back({states[i], idf.of(language.tokens(texts[i]))});
    return embedded;
  };
  const std::vector<TokenEmbeddings> candidates = embed(captions), wanted = embed(all);
  double sum = 0;
  size_t at = 0;
  for (size_t i = 0; i < captions.size(); ++i) {
    std::vector<BertScore> scores;
    for (size_t r = 0; r < references[i].size(); ++r) scores.push_back(bert_score(candidates[i], wanted[at++]));
    sum += best_of(scores).f1;
  }
  return 100 * sum / double(captions.size());
}

}  // namespace

void EvaluationRun::captioning() {
  const std::vector<std::string> captions =
      contender_.captions.empty() ? contender_.write_captions(whole_motions()) : contender_.captions;
  const auto references = references_of(set_);
  std::vector<std::string> shuffled;
  for (const int64_t i : random_order(set_.size(), {set_.seed, uint64_t(Draw::shuffled_captions)}))
    shuffled.push_back(captions[size_t(i)]);
  const CaptionScores own = score_captions(captions, references), chance = score_captions(shuffled, references);
  const auto add = [&](const std::string& name, double value, double random, const char* remark) {
    ReportRow& r = row("captions", name, set_.size(), 1, 2);
    r.model = single(value), r.random = single(random), r.note = remark;
    add_published(r);
  };
  const char *metricverse = "as nlg-metricverse (MotionGPT's code)", *nlg_eval = "as nlg-eval";
  for (size_t n = 0; n < 4; ++n) add("BLEU-" + std::to_string(n + 1), own.bleu[n], chance.bleu[n], metricverse);
  for (const size_t n : {size_t(0), size_t(3)})
    add("BLEU-" + std::to_string(n + 1) + ", closest length", own.bleu_closest[n], chance.bleu_closest[n], nlg_eval);
  add("ROUGE-L", own.rouge_l, chance.rouge_l, metricverse);
  add("ROUGE-L, beta 1.2", own.rouge_l_beta, chance.rouge_l_beta, nlg_eval);
  add("CIDEr-D", own.cider_d, chance.cider_d, metricverse);
  add("CIDEr", own.cider, chance.cider, nlg_eval);
  add("words a caption", own.mean_length, chance.mean_length, "");
  if (options_.language)
    add("BERTScore F1", mean_bert_score(*options_.language, captions, references),
        mean_bert_score(*options_.language, shuffled, references), "idf, last states, without rescaling");
  else
    note("BERTScore is left out: it needs --language-model bert:FILE");
  if (embedder_) matching_captions(captions);
  caption_facts(captions, shuffled);
}

void EvaluationRun::matching_captions(const std::vector<std::string>& captions) {
  std::vector<std::vector<std::string>> tokens;
  for (const std::string& caption : captions) tokens.push_back(tag_caption(caption));
  const Tensor texts = embedder_->texts(tokens);
  const GenerationScores matching = score({texts}, {truth_}, nullptr);
  for (size_t k = 0; k < matching.r_precision.size(); ++k) {
    ReportRow& r = row("captions", "R-Precision top " + std::to_string(k + 1) + ", of captions", matching.matched_items,
                       options_.repeats);
    r.model = matching.r_precision[k], r.truth = truth_scores_.r_precision[k], r.random = random_scores_.r_precision[k];
    add_published(r);
  }
  ReportRow& r = row("captions", "MM-Dist, of captions", matching.matched_items, options_.repeats);
  r.model = matching.mm_dist, r.truth = truth_scores_.mm_dist, r.random = random_scores_.mm_dist;
  add_published(r);
}

// On the built-in set, whose sentences can be read back: how many captions tell what the item's own captions tell.
void EvaluationRun::caption_facts(const std::vector<std::string>& captions, const std::vector<std::string>& shuffled) {
  std::vector<CaptionFacts> truth;
  std::vector<std::string> own;
  for (const Item& item : set_.data.items) {
    std::vector<std::string> texts;
    for (const Caption& caption : item.captions) texts.push_back(caption.text);
    const auto facts = common_facts(texts);
    if (!facts) return;  // another set
    truth.push_back(*facts), own.push_back(texts[0]);
  }
  using Is = std::function<bool(const CaptionFacts& facts, const CaptionFacts& truth)>;
  const auto add = [&](const char* name, const Is& counts, const Is& right, const char* remark) {
    ReportRow& r = row("captions, read back", name, 0, 1, 1);
    for (const CaptionFacts& facts : truth) r.items += counts(facts, facts);
    const auto share = [&](const std::vector<std::string>& texts) {
      int64_t count = 0;
      for (size_t i = 0; i < texts.size(); ++i) {
        if (!counts(truth[i], truth[i])) continue;
        const auto facts = read_caption(texts[i]);
        count += facts && right(*facts, truth[i]);
      }
      return r.items > 0 ? single(100 * double(count) / double(r.items)) : Interval{};
    };
    r.model = share(captions), r.truth = share(own), r.random = share(shuffled), r.note = remark;
  };
  const Is any = [](const CaptionFacts&, const CaptionFacts&) { return true; };
  const auto same = [](auto member) -> Is {
    return [=](const CaptionFacts& a, const CaptionFacts& b) { return a.parameters.*member == b.parameters.*member; };
  };
  const auto has = [](auto member) -> Is {
    return
        [=](const CaptionFacts& a, const CaptionFacts&) { return a.parameters.*member != MotionParameters{}.*member; };
  };
  using P = MotionParameters;
  add("sentences of the set, %", any, any, "sentences that the set's grammar can make; others count as wrong below");
  add("action, %", any, same(&P::action), "");
  add("side, %", has(&P::side), same(&P::side), "of the items that have one");
  add("direction, %", has(&P::direction), same(&P::direction), "of the items that have one");
  add("count, %", has(&P::repetitions), same(&P::repetitions), "of the items that have one");
  add("all facts, %", any, agree, "these, height and angle, and no speed that contradicts the item's captions");
}

}  // namespace kg::tools
