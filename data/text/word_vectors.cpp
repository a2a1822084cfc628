#include "data/text/word_vectors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/formats/npy.h"
#include "data/formats/pickle.h"

namespace kg {
namespace {

constexpr std::string_view kStartWord = "sos", kEndWord = "eos", kUnknownWord = "unk";
constexpr int kTags = 9, kOther = kWordClasses - 1;
constexpr std::array<std::string_view, kTags> kTagNames = {"VERB", "NOUN", "DET", "ADP", "NUM",
                                                           "AUX",  "PRON", "ADJ", "ADV"};

// In the order in which they are searched; class kTags + place.
const std::vector<std::string_view> kLists[] = {
    {"left", "right", "clockwise", "counterclockwise", "anticlockwise", "forward", "back", "backward", "up", "down",
     "straight", "curve"},
    {"arm", "chin", "foot", "feet", "face", "hand", "mouth", "leg", "waist", "eye", "knee", "shoulder", "thigh"},
    {"stair", "dumbbell", "chair", "window", "floor", "car", "ball", "handrail", "baseball", "basketball"},
    {"walk", "run",     "swing", "pick", "bring",   "kick",  "put",    "squat", "throw",  "hop",   "dance",  "jump",
     "turn", "stumble", "stop",  "sit",  "lift",    "lower", "raise",  "wash",  "stand",  "kneel", "stroll", "rub",
     "bend", "balance", "flap",  "jog",  "shuffle", "lean",  "rotate", "spin",  "spread", "climb"},
    {"slowly", "carefully", "fast", "careful", "slow", "quickly", "happy", "angry", "sad", "happily", "angrily",
     "sadly"}};

std::string_view word_of(std::string_view token) { return token.substr(0, token.rfind('/')); }

}  // namespace

int word_class(std::string_view tag) {
  const auto at = std::find(kTagNames.begin(), kTagNames.end(), tag);
  return at == kTagNames.end() ? kOther : int(at - kTagNames.begin());
}

int special_class(std::string_view word) {
  for (int i = 0; i < int(std::size(kLists)); ++i)
    if (std::find(kLists[i].begin(), kLists[i].end(), word) != kLists[i].end()) return kTags + i;
  return -1;
}

EvaluatorWords::EvaluatorWords(std::vector<std::string> words, const std::string& source) : words_(std::move(words)) {
  for (const std::string& word : words_)
    CHECK_INPUT(ids_.emplace(word, int32_t(ids_.size())).second, source, ": the word \"", word, "\" is there twice");
  const auto place = [&](std::string_view word) {
    const auto found = ids_.find(word);
    CHECK_INPUT(found != ids_.end(), source, ": the vocabulary lacks \"", word, "\", which every sentence needs");
    return found->second;
  };
  sos_ = place(kStartWord), eos_ = place(kEndWord), unknown_ = place(kUnknownWord);
}

EvaluatorWords EvaluatorWords::build(const std::vector<std::vector<std::string>>& tokens, int min_count) {
  std::map<std::string, int64_t, std::less<>> counts;
  for (const auto& sentence : tokens)
    for (const std::string& token : sentence) ++counts[std::string(word_of(token))];
  for (std::string_view word : {kStartWord, kEndWord, kUnknownWord}) counts.erase(std::string(word));
  std::vector<std::pair<std::string, int64_t>> kept;
  for (const auto& [word, count] : counts)
    if (count >= min_count) kept.emplace_back(word, count);
  std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> words{std::string(kStartWord), std::string(kEndWord), std::string(kUnknownWord)};
  for (auto& [word, count] : kept) words.push_back(std::move(word));
  return {std::move(words), "the captions"};
}

Sentence EvaluatorWords::encode(const std::vector<std::string>& tokens) const {
  Sentence s;
  s.words.fill(unknown_), s.classes.fill(kOther);
  s.words[0] = sos_, s.length = 1;
  for (size_t i = 0; i < std::min(tokens.size(), size_t(kSentenceWords)); ++i, ++s.length) {
    const std::string_view token = tokens[i], word = word_of(token);
    CHECK_INPUT(word.size() < token.size(), "the token \"", token, "\" is not of the form word/POS");
    const auto found = ids_.find(word);
    if (found == ids_.end()) continue;
    const int special = special_class(word);
    s.words[size_t(s.length)] = found->second;
    s.classes[size_t(s.length)] = special >= 0 ? special : word_class(token.substr(word.size() + 1));
  }
  s.words[size_t(s.length++)] = eos_;
  return s;
}

std::string EvaluatorWords::to_string() const {
  std::string text;
  for (const std::string& word : words_) text += word + '\n';
  return text;
}

EvaluatorWords EvaluatorWords::from_string(std::string_view text, const std::string& source) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {std::move(words), source};
}

WordVectors read_word_vectors(const std::filesystem::path& folder) {
  constexpr int64_t kWidth = 300;
  const std::filesystem::path data = folder / "our_vab_data.npy", list = folder / "our_vab_words.pkl";
  const std::filesystem::path index = folder / "our_vab_idx.pkl";
  const Tensor rows = read_npy(data);
  CHECK_INPUT(rows.rank() == 2 && rows.size(1) == kWidth && is_float(rows.dtype()), data.string(),
              ": word vectors must be (words, ", kWidth, ") of f4 or f8, are ", rows.shape(), " ",
              name_of(rows.dtype()));
  std::vector<std::string> words = read_pickled_strings(list);
  const std::map<std::string, int64_t> places = read_pickled_index(index);
  const Tensor values = rows.to(Dtype::f32).contiguous(), vectors = Tensor::empty({int64_t(words.size()), kWidth});
  for (size_t i = 0; i < words.size(); ++i) {
    const auto found = places.find(words[i]);
    CHECK_INPUT(found != places.end() && found->second >= 0 && found->second < rows.size(0), index.string(),
                ": the word \"", words[i], "\" of ", list.string(), " has no row in ", data.string());
    const float* from = values.data<float>() + found->second * kWidth;
    CHECK_INPUT(std::all_of(from, from + kWidth, [](float x) { return std::isfinite(x); }), data.string(), ": row ",
                found->second, " is not finite");
    std::memcpy(vectors.data<float>() + int64_t(i) * kWidth, from, kWidth * sizeof(float));
  }
  return {EvaluatorWords(std::move(words), list.string()), vectors};
}

}  // namespace kg
