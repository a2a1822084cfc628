#include "data/text/unigram.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <filesystem>
#include <unordered_map>

#include "data/text/spiece_model.h"
#include "data/text/unicode.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr std::string_view kSpace = "\u2581";  // stands for a space in the pieces
constexpr std::string_view kWhite = " \t\r\n";

std::string sentinel_text(int index) { return "<extra_id_" + std::to_string(index) + ">"; }
std::string motion_text(int index) { return "<motion_id_" + std::to_string(index) + ">"; }

// Bytes of the first part of a text: 4 kB up to a space, so that no word is cut unless it is longer than that. (The
// library joins unknown characters by copying all before them; pieces have a space at their front alone, so that words
// are independent.)
size_t first_part(std::string_view text) {
  constexpr size_t kPart = 1 << 12;
  if (text.size() <= kPart) return text.size();
  const size_t space = text.substr(0, kPart).find_last_of(kWhite);
  if (space != std::string_view::npos && space > 0) return space;
  size_t size = kPart;
  while ((text[size] & 0xc0) == 0x80) --size;
  return size;
}

class Texts : public sentencepiece::SentenceIterator {
 public:
  explicit Texts(const std::vector<std::string>& texts) : texts_(texts) {}
  bool done() const override { return at_ == texts_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return texts_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& texts_;
  size_t at_ = 0;
};

}  // namespace

UnigramTokenizer UnigramTokenizer::open(const std::string& path, const UnigramLayout& layout) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return from_model(read_vocabulary(path), layout);
  const fs::path file = fs::path(path) / "spiece.model";
  CHECK_INPUT(fs::exists(file), path, ": no vocabulary of T5 in this folder; expected spiece.model");
  return from_model(read_vocabulary(file.string()), layout);
}

UnigramTokenizer UnigramTokenizer::from_model(const NamedBytes& file, const UnigramLayout& layout) {
  CHECK(layout.sentinels >= 0 && layout.motions >= 0, "[unigram tokenizer] negative numbers of added tokens");
  check_spiece_model(file.bytes, file.name);
  auto processor = std::make_shared<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(file.bytes);
  CHECK_INPUT(status.ok(), file.name, ": not a SentencePiece model: ", status.ToString());
  UnigramTokenizer t;
  t.model_ = file.bytes;
  t.layout_ = layout;
  t.pieces_ = processor->GetPieceSize();
  t.pad_ = processor->pad_id();
  t.end_ = processor->eos_id();
  t.unknown_ = processor->unk_id();
  CHECK_INPUT(t.pad_ >= 0 && t.end_ >= 0 && t.unknown_ >= 0, file.name,
              ": has no piece for padding or for the end of a text; this is not the vocabulary of a T5 model");
  t.space_ = processor->PieceToId(std::string(kSpace));
  CHECK_INPUT(!layout.space_before_added || t.space_ != t.unknown_, file.name, ": has no piece for a space");
  for (const int id : {t.pad_, t.end_, t.unknown_}) t.added_.add(processor->IdToPiece(id), id);
  for (int i = 0; i < layout.sentinels; ++i) t.added_.add(sentinel_text(i), t.sentinel(i));
  for (int i = 0; i < layout.motions; ++i) t.added_.add(motion_text(i), t.motion(i));
  t.processor_ = std::move(processor);
  return t;
}

std::string UnigramTokenizer::train(const std::vector<std::string>& texts, int pieces, Pieces count) {
  for (const std::string& text : texts) from_utf8(text);  // refuses what is not
  std::string model;
  Texts iterator(texts);
  const auto status =
      sentencepiece::SentencePieceTrainer::Train({{"model_type", "unigram"},
                                                  {"vocab_size", std::to_string(pieces)},
                                                  {"normalization_rule_name", "nmt_nfkc"},
                                                  {"character_coverage", "1.0"},
                                                  {"pad_id", "0"},
                                                  {"eos_id", "1"},
                                                  {"unk_id", "2"},
                                                  {"bos_id", "-1"},
                                                  {"num_threads", "1"},
                                                  {"hard_vocab_limit", count == Pieces::exactly ? "true" : "false"},
                                                  {"minloglevel", "2"}},
                                                 &iterator, &model);
  CHECK_INPUT(status.ok(), "vocabulary of ", pieces, " pieces from ", texts.size(), " texts: ", status.ToString());
  return model;
}

int UnigramTokenizer::sentinel(int index) const {
  CHECK(index >= 0 && index < layout_.sentinels, "[unigram tokenizer] no sentinel ", index, " of ", layout_.sentinels);
  return pieces_ + layout_.sentinels - 1 - index;
}

int UnigramTokenizer::motion(int index) const {
  CHECK(index >= 0 && index < layout_.motions, "[unigram tokenizer] no motion token ", index, " of ", layout_.motions);
  return pieces_ + layout_.sentinels + index;
}

void UnigramTokenizer::encode_segment(std::string_view text, size_t max_ids, std::vector<int>& ids) const {
  while (!text.empty() && ids.size() < max_ids) {
    const size_t size = first_part(text);
    std::vector<int> pieces;
    const auto status = processor_->Encode(text.substr(0, size), &pieces);
    CHECK(status.ok(), "[unigram tokenizer] ", status.ToString());
    ids.insert(ids.end(), pieces.begin(), pieces.end());
    text.remove_prefix(size);
  }
}

std::vector<int> UnigramTokenizer::encode(std::string_view text, size_t max_length) const {
  CHECK(max_length >= 1, "[unigram tokenizer] max_length must be 1 at least");
  from_utf8(text);  // refuses what is not
  std::vector<int> ids;
  while (!text.empty() && ids.size() < max_length) {
    const auto token = added_.find(text);
    encode_segment(text.substr(0, token ? token->begin : text.size()), max_length, ids);
    const bool space = token && token->begin > 0 && kWhite.find(text[token->begin - 1]) != std::string_view::npos;
    if (space && layout_.space_before_added) ids.push_back(space_);
    if (token) ids.push_back(token->id);
    text.remove_prefix(token ? token->begin + token->size : text.size());
  }
  ids.resize(std::min(ids.size(), max_length - 1));
  ids.push_back(end_);
  return ids;
}

std::string UnigramTokenizer::decode(const std::vector<int>& ids) const {
  std::string text;
  for (const int id : ids) {
    CHECK(id >= 0 && id < size(), "[unigram tokenizer] id ", id, " of a vocabulary of ", size());
    if (id == pad_ || id == end_ || id == unknown_) continue;
    const int added = id - pieces_;
    if (added >= layout_.sentinels) {
      text += motion_text(added - layout_.sentinels);
    } else if (added >= 0) {
      text += sentinel_text(layout_.sentinels - 1 - added);
    } else {
      const std::string& piece = processor_->IdToPiece(id);
      for (size_t at = 0; at < piece.size();) {
        const bool space = piece.compare(at, kSpace.size(), kSpace) == 0;
        if (space && !text.empty()) text += ' ';  // the first word has one before it as well
        if (!space) text += piece[at];
        at += space ? kSpace.size() : 1;
      }
    }
  }
  return text;
}

}  // namespace kg
