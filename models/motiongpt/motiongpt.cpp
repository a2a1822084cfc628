#include "models/motiongpt/motiongpt.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "data/text/words.h"
#include "models/beam_search.h"
#include "models/motiongpt/batches.h"
#include "models/motiongpt/public_weights.h"

namespace kg {
namespace {

constexpr int64_t kCaptionTokens = 40;  // of a caption at most, as published
constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();
const std::string kGenerate = "Generate motion: ";

// The logits of all tokens but ids [first, last] are put out of reach.
void keep_only(Tensor& logits, int64_t first, int64_t last) {
  float* x = logits.data<float>();
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  std::fill(x, x + first, kNever);
  std::fill(x + last + 1, x + logits.numel(), kNever);
}

std::string frames_text(const char* what, const Tensor& features) {
  return what + (" of " + std::to_string(features.size(0)) + " frames");
}

Tensor joined_features(const std::vector<Tensor>& parts) {
  std::vector<Tensor> present;
  for (const Tensor& t : parts)
    if (t.defined() && t.size(0) > 0) present.push_back(t.contiguous());
  return concat(present, 0);
}

}  // namespace

MotionGpt::MotionGpt(const VqVaeConfig& tokenizer_config, const MotionGptConfig& config, MotionLanguage words,
                     const Skeleton& body)
    : tokenizer(tokenizer_config, body), language(std::move(words)), t5(config.t5), config_(config) {
  CHECK(language.config().codes == tokenizer_config.codes, "[motiongpt] the vocabulary has ", language.config().codes,
        " codes, the tokenizer ", tokenizer_config.codes);
  CHECK(language.size() <= config.t5.vocabulary, "[motiongpt] ", language.size(), " tokens, but a T5 of ",
        config.t5.vocabulary, " rows");
  tokenizer.model.eval();
}

void MotionGpt::to(Device device) {
  tokenizer.to(device);
  t5.to(device);
  decoder_.reset();
}

// ---- asking
MotionGpt::Prompt MotionGpt::prompt(const std::string& text, const std::string& whole) const {
  const std::vector<int32_t> ids = language.encode(text, kNoLimit);
  if (int64_t(ids.size()) <= config_.read) return {.ids = ids};
  CHECK_INPUT(whole.empty(), "[motiongpt] ", whole, " takes ", ids.size(), " tokens, one for each ", kFramesPerToken,
              " frames among them; at most ", config_.read, " can be read: give less at once");
  return {.ids = language.encode(text, config_.read)};
}

std::vector<std::string> MotionGpt::notes(const std::vector<std::string>& captions) const {
  std::vector<std::string> lines;
  const int unknown = language.tokenizer().unknown();
  for (const std::string& caption : captions) {
    const size_t tokens = language.encode(kGenerate + caption, kNoLimit).size();
    if (int64_t(tokens) > config_.read)
      lines.push_back("a prompt has " + std::to_string(tokens) + " tokens; the model reads the first " +
                      std::to_string(config_.read));
    std::string list;
    for (const std::string& word : split_words(caption)) {
      const std::vector<int32_t> ids = language.encode(word, kNoLimit);
      if (std::find(ids.begin(), ids.end(), unknown) != ids.end()) list += (list.empty() ? "" : ", ") + word;
    }
    if (!list.empty()) lines.push_back("\"" + caption + "\": the model has no pieces for: " + list);
  }
  return lines;
}

// A request in words; what it may be answered with is known beforehand.
MotionGpt::Prompt MotionGpt::prompt_of(const MotionRequest& r) {
  const int64_t codes = (r.frames + kFramesPerToken - 1) / kFramesPerToken;
  CHECK(codes <= most_codes(), "[motiongpt] a motion of ", r.frames, " frames is asked for, ", max_frames(),
        " are the most");
  Prompt p;
  if (!r.beginning.defined() && !r.end.defined()) {
    p = prompt(kGenerate + r.caption);
  } else if (!r.end.defined()) {
    const auto head = tokenizer.encode(r.beginning.contiguous());
    p = prompt("Predict motion: " + language.motion(head), frames_text("the beginning", r.beginning));
    CHECK(codes == 0 || codes > int64_t(head.size()), "[motiongpt] the beginning has ", r.beginning.size(0),
          " frames, but the whole motion is to have ", r.frames);
    p.fewest = p.most = codes == 0 ? 0 : codes - int64_t(head.size());
  } else {
    if (codes == 0 || !r.beginning.defined()) refuse("fill a gap without its length and what stands before it");
    std::vector<int32_t> masked = tokenizer.encode(r.beginning.contiguous());
    const auto tail = tokenizer.encode(r.end.contiguous());
    const int64_t gap = codes - int64_t(masked.size() + tail.size());
    CHECK(gap > 0, "[motiongpt] both ends together are as long as the whole motion, ", r.frames, " frames");
    masked.insert(masked.end(), size_t(gap), language.masked());
    masked.insert(masked.end(), tail.begin(), tail.end());
    p = prompt("Complete the masked motion: " + language.motion(masked), "the motion with its gap");
  }
  if (codes > 0 && p.most == 0) p.fewest = p.most = codes;
  if (p.most == 0) p.fewest = 1, p.most = most_codes();
  p.stream = r.stream;
  return p;
}

// Prompts of any length are read alone, so that none depends on its neighbours, and padded to one length.
DecodeState MotionGpt::read(const std::vector<Prompt>& prompts) const {
  const int64_t rows = int64_t(prompts.size()), width = config_.t5.width;
  const Tensor memory = Tensor::zeros({rows, config_.read, width}, t5.dtype(), t5.device());
  const Tensor mask = Tensor::zeros({rows, config_.read}, Dtype::u8);
  for (int64_t b = 0; b < rows; ++b) {
    const std::vector<int32_t>& ids = prompts[size_t(b)].ids;
    const int64_t length = int64_t(ids.size());
    const Tensor seen = Tensor::full({1, length}, 1, Dtype::u8).to(t5.device());
    const Var states = t5.encode(Tensor::from(ids, {1, length}).to(t5.device()), seen);
    memory.slice(0, b, b + 1).slice(1, 0, length).copy_from(states.value);
    std::fill_n(mask.data<uint8_t>() + b * config_.read, length, uint8_t{1});
  }
  return t5.start(memory, mask.to(t5.device()), config_.written);
}

Sequences MotionGpt::write_answers(const std::vector<Prompt>& prompts, const SampleOptions& options) {
  NoGrad guard;
  train(false);
  if (!decoder_) decoder_ = std::make_unique<Decoder>(t5);
  std::vector<uint64_t> streams;
  for (const Prompt& p : prompts) streams.push_back(p.stream);
  if (settings.beams > 1 && prompts.front().most == 0)
    return beam_search(*decoder_, read(prompts), settings.beams, options);
  // Start, codes, end, and then the end of the answer.
  const TokenRule motion = [&](size_t row, const std::vector<int32_t>& written, Tensor& logits) {
    const Prompt& p = prompts[row];
    const int64_t codes = int64_t(written.size()) - 1;
    const int32_t start = language.motion_id(language.start_of_motion()),
                  end = language.motion_id(language.end_of_motion());
    if (written.empty())
      keep_only(logits, start, start);
    else if (written.back() == end)
      keep_only(logits, language.end(), language.end());
    else if (codes >= p.most)
      keep_only(logits, end, end);
    else {
      const float of_end = logits.data<float>()[end];
      keep_only(logits, language.motion_id(0), start - 1);
      if (codes >= p.fewest) logits.data<float>()[end] = of_end;
    }
  };
  const bool ruled = prompts.front().most > 0 && settings.only_motion;
  return write(*decoder_, read(prompts), streams, options, ruled ? motion : TokenRule{});
}

// ---- answers
// Of each request, one at least: where there is nothing that could be played it is code 0, as published.
std::vector<std::vector<int32_t>> MotionGpt::written_codes(const std::vector<MotionRequest>& requests, uint64_t seed) {
  SampleOptions options = settings.sampling;
  options.seed = seed, options.min_tokens = 0;
  std::vector<Prompt> prompts;
  for (const MotionRequest& r : requests) prompts.push_back(prompt_of(r));
  std::vector<std::vector<int32_t>> all;
  for (const auto& written : write_answers(prompts, options)) {
    all.push_back(language.read(written).codes);
    if (all.back().empty()) all.back() = {0};
  }
  return all;
}

// What was given stands as it was given. A continuation is decoded together with what it goes on from.
Tensor MotionGpt::joined(const MotionRequest& r, const std::vector<int32_t>& codes) {
  const int64_t given = r.beginning.size(0);
  Tensor motion;
  if (!r.end.defined()) {
    std::vector<int32_t> all = tokenizer.encode(r.beginning.contiguous());
    all.insert(all.end(), codes.begin(), codes.end());
    const Tensor whole = tokenizer.decode(all);
    motion = joined_features({r.beginning, whole.slice(0, given, whole.size(0))});
  } else {
    const Tensor whole = tokenizer.decode(codes);
    const int64_t last = std::min(whole.size(0), r.frames - r.end.size(0));
    motion = joined_features({r.beginning, last > given ? whole.slice(0, given, last) : Tensor(), r.end});
  }
  return r.frames > 0 ? motion.slice(0, 0, std::min(r.frames, motion.size(0))).contiguous() : motion;
}

std::vector<Tensor> MotionGpt::generate(const std::vector<MotionRequest>& requests, uint64_t seed) {
  NoGrad guard;
  const auto written = written_codes(requests, seed);
  std::vector<Tensor> motions;  // from words: whole tokens, rounded up
  for (size_t i = 0; i < requests.size(); ++i)
    motions.push_back(requests[i].beginning.defined() ? joined(requests[i], written[i]) : tokenizer.decode(written[i]));
  return motions;
}

std::vector<Completion> MotionGpt::complete(const std::vector<MotionRequest>& requests, uint64_t seed) {
  NoGrad guard;
  for (const MotionRequest& r : requests)
    if (!r.beginning.defined()) refuse("complete a motion without its beginning");
  const auto written = written_codes(requests, seed);
  std::vector<Completion> completions;
  for (size_t i = 0; i < requests.size(); ++i)
    completions.push_back({joined(requests[i], written[i]), tokenizer.decode(written[i])});
  return completions;
}

std::string without_quotes(const std::string& text) {
  const bool quoted = text.size() > 1 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

std::vector<std::string> MotionGpt::caption(const std::vector<Tensor>& motions) {
  NoGrad guard;
  SampleOptions options;
  options.greedy = true, options.max_tokens = kCaptionTokens;
  std::vector<Prompt> prompts;
  for (const Tensor& motion : motions)
    prompts.push_back(
        prompt("Generate text: " + language.motion(tokenizer.encode(motion)), frames_text("a motion", motion)));
  std::vector<std::string> captions;
  for (const auto& written : write_answers(prompts, options))
    captions.push_back(without_quotes(language.read(written).text));
  return captions;
}

Answer MotionGpt::answer(const Question& question, uint64_t seed) {
  NoGrad guard;
  std::string text = question.text;
  for (const Tensor& motion : question.motions) {
    const std::string words = language.motion(tokenizer.encode(motion));
    const size_t place = text.find(kMotionMark);
    if (place == std::string::npos)
      text += " " + words;
    else
      text.replace(place, std::string(kMotionMark).size(), words);
  }
  SampleOptions options = settings.sampling;
  options.seed = seed;
  Prompt p = prompt(text, "the prompt with its motions");
  p.stream = question.stream;
  const Written parsed = language.read(write_answers({p}, options).front());
  return {parsed.text, parsed.codes.empty() ? Tensor() : tokenizer.decode(parsed.codes)};
}

// ---- files
std::unique_ptr<MotionGpt> MotionGpt::open(const TensorFile& file, const TextEncoderChoice&,
                                           const std::string& source) {
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  auto model = made_from(source, [&] {
    const auto sizes = read_config<VqVaeConfig>(read_part(config, "vqvae", source), source);
    const auto own = read_config<MotionGptConfig>(read_part(config, "motiongpt", source), source);
    return std::make_unique<MotionGpt>(sizes, own, MotionLanguage::restore(file, own.language, source),
                                       read_skeleton(file, sizes.features, source));
  });
  model->load(file, source);
  model->train(false);
  return model;
}

TensorFile MotionGpt::save() const {
  TensorFile file = tokenizer.save();
  append(file, "t5.", t5.state_dict());
  language.save(file);
  file.metadata["model"] = Json{{"vqvae", to_json(tokenizer.model.config())}, {"motiongpt", to_json(config_)}}.dump();
  return file;
}

void MotionGpt::load(const TensorFile& file, const std::string& source) {
  const Json config = read_model_config(file, source);
  tokenizer.load(file, source);
  const auto stored = read_config<MotionGptConfig>(read_part(config, "motiongpt", source), source);
  check_same_model({{"motiongpt", to_json(config_)}}, {{"motiongpt", to_json(stored)}}, source);
  CHECK_INPUT(
      MotionLanguage::restore(file, stored.language, source).tokenizer().model() == language.tokenizer().model(),
      source, ": another text vocabulary than this model's");
  t5.load_state_dict(extract(file, "t5."), source);
}

// ---- training
Var language_loss(const Var& logits, const Tensor& labels, const Tensor& weight) {
  const Tensor ids = labels.reshape({labels.numel()});
  return sum(cross_entropy(reshape(logits, {ids.numel(), logits.size(-1)}), ids, -100)) * Var(weight);
}

Tensor language_accuracy(const Tensor& logits, const Tensor& labels) {
  const Tensor ids = labels.reshape({labels.numel()});
  const Device device = logits.device();
  const Tensor best = argmax(logits.reshape({ids.numel(), logits.size(-1)}), -1);
  const Tensor ignored = equal(ids, Tensor::scalar(-100, Dtype::i32, device)).to(Dtype::f32);
  return div(sum(equal(best, ids).to(Dtype::f32)), sum(affine(ignored, -1, 1)));
}

TrainingProbe MotionGpt::training_probe(int64_t batch, int64_t frames) {
  train(true);
  const int64_t count = std::clamp<int64_t>((frames > 0 ? frames : 196) / kFramesPerToken, 1, most_codes());
  std::vector<int32_t> codes(size_t(count), 0);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = int32_t(int64_t(i) % config_.language.codes);
  const LanguagePair pair{language.encode("Generate motion: a person walks forward and turns left", config_.read),
                          language.encode(language.motion(codes), config_.written)};
  const LanguageBatch rows = language_batch(std::vector<LanguagePair>(size_t(batch), pair), language.pad(),
                                            rounded_up({int64_t(pair.input.size()), int64_t(pair.target.size())}));
  const Device device = t5.device();
  const Tensor ids = rows.ids.to(device), mask = rows.mask.to(device), labels = rows.labels.to(device),
               read = t5_decoder_ids(rows.labels).to(device),
               weight = Tensor::full({1}, 1 / double(rows.targets)).to(device);
  return {t5.named_parameters(), [=, this] {
            const Var logits = t5(ids, mask, read);
            language_accuracy(logits.value, labels);
            return language_loss(logits, labels, weight);
          }};
}

void scale_new_head(T5& model) {
  const double scale = std::pow(double(model.config().width), -0.5);
  for (auto& [name, tensor] : model.state_dict())
    if (name == "lm_head.weight") tensor.copy_from(affine(tensor, scale, 0));
}

void take_public_weights(T5& model, const T5& pretrained, const std::string& source) {
  T5Config own = model.config(), other = pretrained.config();
  own.vocabulary = other.vocabulary, own.end = other.end, own.dropout = other.dropout;
  check_same_model({{"t5", to_json(own)}}, {{"t5", to_json(other)}}, source);
  scale_new_head(model);
  std::map<std::string, Tensor> values;
  for (const auto& [name, tensor] : pretrained.state_dict()) values[name] = tensor;
  for (auto& [name, tensor] : model.state_dict()) {
    const Tensor& value = values.at(name);
    const int64_t rows = std::min(tensor.size(0), value.size(0));
    tensor.slice(0, 0, rows).copy_from(value.slice(0, 0, rows));
  }
}

namespace {
// Captions were evaluated again in a later table, whose values are these.
std::vector<PublishedValue> published_values() {
  const double no = kNotPublished;
  const char* completion = "MotionGPT (Jiang et al. 2023), HumanML3D test set, T5 base";
  const char* captions = "MotionGPT's released model as evaluated in ReMoGPT's table, HumanML3D test set";
  std::vector<PublishedValue> values{{"R-Precision top 1", .492, no, ".511"},
                                     {"R-Precision top 2", .681, no, ".703"},
                                     {"R-Precision top 3", .778, no, ".797"},
                                     {"FID", .232, no, ".002"},
                                     {"MM-Dist", 3.096, no, "2.974"},
                                     {"Diversity", 9.528, no, "9.503"},
                                     {"MModality", 2.008, no, ""}};
  const auto add = [&](const char* group, const char* source, std::vector<PublishedValue> some) {
    for (PublishedValue& value : some) {
      value.group = group, value.source = source;
      values.push_back(value);
    }
  };
  add("captions", captions,
      {{"R-Precision top 1, of captions", .523, no, ".523"},
       {"R-Precision top 3, of captions", .799, no, ".828"},
       {"MM-Dist, of captions", 2.986, no, "2.901"},
       {"words a caption", 12.01, no, "12.75"},
       {"BLEU-1", 48.2, no, ""},
       {"BLEU-4", 12.2, no, ""},
       {"ROUGE-L", 38.6, no, ""},
       {"CIDEr-D", 29.2, no, ""}});
  add("prediction", completion,
      {{"ADE, as published", 4.745, no, ""},
       {"FDE, as published", 6.040, no, ""},
       {"FID, as published", .905, no, ".002"},
       {"Diversity, as published", 8.972, no, "9.503"}});
  add("between", completion,
      {{"FID, as published", .214, no, ".002"}, {"Diversity, as published", 9.560, no, "9.503"}});
  return values;
}
}  // namespace

SystemInfo MotionGpt::info() {
  const auto iters = [](MotionGptStage stage) {
    return [stage](const std::string& preset) { return motiongpt_preset(preset, stage).training.max_iters; };
  };
  return {.name = "motiongpt",
          .title = "MotionGPT",
          .kind = kKind,
          .stages = {MotionTokenizer::info().stages[0],
                     {"train_motiongpt", "pretrain", "--stage pretrain --tokenizer {PREVIOUS}", 200,
                      iters(MotionGptStage::pretrain)},
                     {"train_motiongpt", "instruct", "--stage instruct --from {PREVIOUS}", 100,
                      iters(MotionGptStage::instruct)}},
          .imports = {{.name = "motiongpt",
                       .help = "MotionGPT's published checkpoint",
                       .kind = kKind,
                       .needs_statistics = true,
                       .needs_vocabulary = true,
                       .make = import_public_motiongpt}},
          .published_in = "MotionGPT (Jiang et al. 2023), HumanML3D test set, fine-tuned for text to motion",
          .published = published_values()};
}

}  // namespace kg
