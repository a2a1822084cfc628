#include "models/motiongpt/language.h"

#include <algorithm>
#include <cstring>

namespace kg {
namespace {

constexpr const char* kTensor = "language.spiece";

UnigramLayout layout_of(const LanguageConfig& config) {
  return {.sentinels = int(config.sentinels), .motions = int(config.codes) + 3, .space_before_added = true};
}

}  // namespace

MotionLanguage::MotionLanguage(const NamedBytes& spiece, const LanguageConfig& config)
    : config_(config), tokenizer_(UnigramTokenizer::from_model(spiece, layout_of(config))) {
  config_.pieces = tokenizer_.size() - config.sentinels - config.codes - 3;
}

MotionLanguage MotionLanguage::train(const std::vector<std::string>& captions, const std::vector<Templates>& templates,
                                     const LanguageConfig& config) {
  // Half of the captions are met in quotes.
  std::vector<std::string> texts;
  for (size_t i = 0; i < captions.size(); ++i) texts.push_back(i % 2 == 0 ? captions[i] : '"' + captions[i] + '"');
  for (const Templates& some : templates)
    for (const SubTask& task : some.tasks)
      for (const auto* list : {&task.inputs, &task.outputs})
        for (const Wording& wording : *list) texts.push_back(wording.words());
  constexpr int kLongest = 200;  // frames
  for (int n = 0; n < kLongest; ++n) texts.push_back(std::to_string(n) + " " + std::to_string(n / 10) + ".0");
  std::erase_if(texts, [](const std::string& t) { return t.find_first_not_of(" \t\r\n") == std::string::npos; });
  return {{"the vocabulary of the captions",
           UnigramTokenizer::train(texts, int(config.pieces), UnigramTokenizer::Pieces::at_most)},
          config};
}

void MotionLanguage::save(TensorFile& file) const {
  const std::string& bytes = tokenizer_.model();
  file.tensors.emplace_back(kTensor,
                            Tensor::from(std::vector<uint8_t>(bytes.begin(), bytes.end()), {int64_t(bytes.size())}));
}
MotionLanguage MotionLanguage::restore(const TensorFile& file, const LanguageConfig& config,
                                       const std::string& source) {
  const Tensor* bytes = file.find(kTensor);
  CHECK_INPUT(bytes && bytes->rank() == 1 && bytes->dtype() == Dtype::u8, source, ": the vocabulary (", kTensor,
              ", bytes) is missing");
  const auto* data = reinterpret_cast<const char*>(bytes->data<uint8_t>());
  MotionLanguage language({source + ", " + kTensor, std::string(data, size_t(bytes->numel()))}, config);
  CHECK_INPUT(language.config().pieces == config.pieces, source, ": the vocabulary has ", language.config().pieces,
              " pieces, the configuration says ", config.pieces);
  return language;
}

std::string MotionLanguage::motion(const std::vector<int32_t>& codes) const {
  std::string text;
  const auto add = [&](int32_t number) { text += "<motion_id_" + std::to_string(number) + ">"; };
  add(start_of_motion());
  for (const int32_t code : codes) {
    CHECK((code >= 0 && code < config_.codes) || code == masked(), "[motion language] no code ", code, " of ",
          config_.codes);
    add(code);
  }
  add(end_of_motion());
  return text;
}

std::vector<int32_t> MotionLanguage::encode(const std::string& text, int64_t most) const {
  return tokenizer_.encode(text, size_t(most));
}

Written MotionLanguage::read(const std::vector<int32_t>& ids) const {
  Written out;
  const auto stop = std::find(ids.begin(), ids.end(), end());
  const auto number = [&](int32_t id) { return id - int32_t(config_.pieces + config_.sentinels); };  // < 0: text
  const auto is_code = [&](int32_t id) { return number(id) >= 0 && number(id) < config_.codes; };
  auto begin = std::find(ids.begin(), stop, motion_id(start_of_motion()));
  out.started = begin != stop;
  if (!out.started) begin = std::find_if(ids.begin(), stop, is_code);
  auto finish = std::find(begin, stop, motion_id(end_of_motion()));
  out.ended = finish != stop;
  std::vector<int> text;
  for (auto at = ids.begin(); at != stop; ++at) {
    if (at < begin || at > finish) {
      if (number(*at) < 0) text.push_back(*at);
      out.ignored += number(*at) >= 0;
    } else if (is_code(*at)) {
      out.codes.push_back(number(*at));
    } else if (*at != pad()) {
      out.ignored += !(at == begin && out.started) && at != finish;
    }
  }
  out.text = tokenizer_.decode(text);
  return out;
}

std::string Written::report() const {
  std::string line;
  const auto say = [&](const std::string& what) { line += (line.empty() ? "" : ", ") + what; };
  const bool motion = started || ended || !codes.empty();
  if (motion && !started) say("the motion has no start");
  if (motion && !ended) say("the motion has no end");
  if (motion && codes.empty()) say("the motion has no codes");
  if (ignored > 0) say(std::to_string(ignored) + " tokens out of place");
  return line;
}

}  // namespace kg
