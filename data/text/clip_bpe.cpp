#include "data/text/clip_bpe.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <queue>
#include <tuple>

#include "data/text/fix_text.h"
#include "data/text/html_entities.h"
#include "data/text/unicode.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr const char* kStartToken = "<|startoftext|>";
constexpr const char* kEndToken = "<|endoftext|>";
constexpr const char* kWordEnd = "</w>";

// The bytes in the order of the vocabulary, each with the character that stands for it in the files: printable Latin-1
// as itself, the others from U+0100 on.
std::vector<std::pair<int, std::string>> byte_characters() {
  const auto printable = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xff && b != 0xad); };
  std::vector<std::pair<int, std::string>> bytes;
  for (const bool itself : {true, false}) {
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      if (printable(b) == itself) bytes.emplace_back(b, to_utf8(std::u32string(1, itself ? char32_t(b) : next++)));
    }
  }
  return bytes;
}

std::pair<std::string, std::string> parse_merge(std::string_view line, const std::string& where) {
  const size_t space = line.find(' ');
  CHECK_INPUT(space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
                  line.find(' ', space + 1) == std::string_view::npos,
              where, ": expected two pieces with a space between, found \"", line.substr(0, 40), "\"");
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

// The merges of a file whose first line is a comment.
std::vector<std::pair<std::string, std::string>> parse_merges(const NamedBytes& file, size_t most) {
  const std::vector<std::string_view> lines = split_lines(file.bytes);
  CHECK_INPUT(!lines.empty() && lines[0].find("#version") != std::string_view::npos, file.name,
              ": the first line of a list of merges ends with #version: ...; this is another file");
  std::vector<std::pair<std::string, std::string>> merges;
  for (size_t i = 1; i < lines.size() && merges.size() < most; ++i) {
    merges.push_back(parse_merge(lines[i], file.name + ", line " + std::to_string(i + 1)));
  }
  return merges;
}

std::u32string clean(std::string_view text) {
  const std::u32string fixed = unescape_html(unescape_html(fix_text(from_utf8(text))));
  std::u32string to;
  to.reserve(fixed.size());
  for (const char32_t c : trim(fixed)) {
    if (!is_space(c)) {
      to += c;
    } else if (!to.ends_with(U' ')) {
      to += U' ';
    }
  }
  return lower_case(to);
}

// JSON of pieces without merges. ("model" is also a piece.)
bool is_vocabulary_alone(const NamedBytes& file) {
  if (!file.bytes.starts_with('{')) return false;
  const nlohmann::json json = parse_json(file);
  return !json.contains("model") || !json["model"].is_object();
}

// The length of the word that `text` begins with, 0 at a space. In this order: a special token, an ending after an
// apostrophe, letters, one digit, others. The reference compares without case, where U+017F counts as an s.
size_t word_length(std::u32string_view text) {
  for (const std::u32string_view fixed :
       {U"<|startoftext|>", U"<|endoftext|>", U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    const auto same = [](char32_t a, char32_t b) { return a == b || (a == U's' && b == U'\u017f'); };
    if (text.size() >= fixed.size() && std::equal(fixed.begin(), fixed.end(), text.begin(), same)) return fixed.size();
  }
  const auto run = [&](auto&& belongs) {
    return size_t(std::find_if_not(text.begin(), text.end(), belongs) - text.begin());
  };
  if (const size_t letters = run(is_letter)) return letters;
  if (is_number(text[0])) return 1;
  return run([](char32_t c) { return !is_space(c) && !is_letter(c) && !is_number(c); });
}

}  // namespace

std::vector<NamedBytes> ClipTokenizer::read_files(const std::string& path) {
  namespace fs = std::filesystem;
  fs::path file = path;
  if (fs::is_directory(file)) {
    const fs::path folder = file;
    for (const char* name : {"tokenizer.json", "vocab.json", "bpe_simple_vocab_16e6.txt.gz"}) {
      file = folder / name;
      if (fs::exists(file)) break;
    }
    CHECK_INPUT(fs::exists(file), path, ": no vocabulary of CLIP in this folder; expected tokenizer.json, vocab.json ",
                "with merges.txt, or bpe_simple_vocab_16e6.txt.gz");
  }
  std::vector<NamedBytes> files{read_vocabulary(file.string())};
  const fs::path merges = file.parent_path() / "merges.txt";
  if (is_vocabulary_alone(files[0]) && fs::exists(merges)) files.push_back(read_vocabulary(merges.string()));
  return files;
}

ClipTokenizer ClipTokenizer::from_files(const std::vector<NamedBytes>& files) {
  CHECK_INPUT(!files.empty(), "a CLIP tokenizer without a file");
  const NamedBytes& first = files[0];
  if (!first.bytes.starts_with('{')) return from_merges(first);
  if (!is_vocabulary_alone(first)) return from_tokenizer_json(first);
  CHECK_INPUT(files.size() == 2, first.name, ": this vocabulary needs its merges.txt in the same folder");
  return from_vocabulary(first, files[1]);
}

ClipTokenizer ClipTokenizer::from_merges(const NamedBytes& file, size_t merges) {
  const Pairs pairs = parse_merges(file, merges);
  CHECK_INPUT(pairs.size() == merges, file.name, ": expected ", merges, " merges, found ", pairs.size(),
              "; this is the list of another model, or the file is cut off");
  std::vector<std::string> pieces;
  for (const char* end : {"", kWordEnd}) {
    for (const auto& [byte, character] : byte_characters()) pieces.push_back(character + end);
  }
  for (const auto& [left, right] : pairs) pieces.push_back(left + right);
  pieces.insert(pieces.end(), {kStartToken, kEndToken});
  return ClipTokenizer(pieces, pairs, file.name);
}

ClipTokenizer ClipTokenizer::from_vocabulary(const NamedBytes& vocabulary, const NamedBytes& merges) {
  return ClipTokenizer(pieces_from_json(parse_json(vocabulary), vocabulary.name), parse_merges(merges, SIZE_MAX),
                       vocabulary.name);
}

ClipTokenizer ClipTokenizer::from_tokenizer_json(const NamedBytes& file) {
  const nlohmann::json json = parse_json(file);
  const TokenizerJson tokenizer = read_tokenizer_json(json, "BPE", file.name);
  const nlohmann::json& model = json["model"];
  CHECK_INPUT(model.contains("merges") && model["merges"].is_array(), file.name, ": model.merges must be a list");
  Pairs pairs;
  for (const nlohmann::json& merge : model["merges"]) {  // "a b", or ["a", "b"] in later versions
    const std::string where = file.name + ", merge " + std::to_string(pairs.size());
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      pairs.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      CHECK_INPUT(merge.is_string(), where, ": expected two pieces");
      pairs.push_back(parse_merge(merge.get<std::string>(), where));
    }
  }
  return ClipTokenizer(tokenizer.pieces, pairs, file.name);
}

ClipTokenizer::ClipTokenizer(const std::vector<std::string>& pieces, const Pairs& merges, const std::string& name) {
  std::unordered_map<std::string_view, int> ids;
  for (const std::string& piece : pieces) {
    CHECK_INPUT(ids.emplace(piece, int(ids.size())).second, name, ": \"", piece, "\" has two ids");
  }
  const auto id_of = [&](const std::string& piece) {
    const auto found = ids.find(piece);
    CHECK_INPUT(found != ids.end(), name, ": the vocabulary lacks \"", piece,
                "\"; this is not the vocabulary of a CLIP model");
    return found->second;
  };
  size_ = int(pieces.size());
  start_ = id_of(kStartToken);
  end_ = id_of(kEndToken);
  std::vector<bool> made(pieces.size());
  for (const auto& [byte, character] : byte_characters()) {
    made[byte_[byte] = id_of(character)] = true;
    made[last_byte_[byte] = id_of(character + kWordEnd)] = true;
  }
  // Parts always come before what they make: so the pair of least rank is merged everywhere before a pair with its
  // result, and one queue by rank and place does as the original's rounds over the word.
  for (const auto& [left, right] : merges) {
    const Merge merge{int(merges_.size()), id_of(left + right)};
    const int a = id_of(left), b = id_of(right);
    const std::string where = name + ": merge " + std::to_string(merge.rank) + " (\"" + left + "\" \"" + right + "\")";
    CHECK_INPUT(made[a] && made[b], where, " has a part that no merge before it makes");
    CHECK_INPUT(!made[merge.result], where, " makes what an earlier one makes");
    made[merge.result] = true;
    merges_.emplace(uint64_t(a) << 32 | uint64_t(b), merge);
  }
}

const ClipTokenizer::Merge* ClipTokenizer::find_merge(int left, int right) const {
  const auto found = merges_.find(uint64_t(left) << 32 | uint64_t(right));
  return found == merges_.end() ? nullptr : &found->second;
}

void ClipTokenizer::encode_word(std::string_view word, std::vector<int>& ids) const {
  // Symbols as a linked list over the places of their first bytes; an absorbed one has id -1.
  const int n = int(word.size());
  std::vector<int> symbol(word.size()), next(word.size()), previous(word.size());
  for (int i = 0; i < n; ++i) {
    const auto byte = static_cast<unsigned char>(word[size_t(i)]);
    symbol[i] = i + 1 == n ? last_byte_[byte] : byte_[byte];
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  using Candidate = std::tuple<int, int, int, int>;  // rank, place, left, right: the least rank, then the leftmost
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int at) {
    if (at < 0 || next[at] == n) return;
    const int left = symbol[at], right = symbol[next[at]];
    if (const Merge* merge = find_merge(left, right)) queue.emplace(merge->rank, at, left, right);
  };
  for (int i = 0; i < n; ++i) offer(i);
  while (!queue.empty()) {
    const auto [rank, at, left, right] = queue.top();
    queue.pop();
    const int other = symbol[at] == left ? next[at] : n;
    if (other == n || symbol[other] != right) continue;  // one of the two was merged meanwhile
    symbol[at] = find_merge(left, right)->result;
    symbol[other] = -1;
    next[at] = next[other];
    if (next[at] < n) previous[next[at]] = at;
    offer(previous[at]);
    offer(at);
  }
  for (int at = 0; at < n; at = next[at]) ids.push_back(symbol[at]);
}

std::vector<int> ClipTokenizer::encode(std::string_view text, size_t max_length) const {
  CHECK(max_length >= 2, "[clip tokenizer] max_length must be 2 at least, is ", max_length);
  const std::u32string cleaned = clean(text);
  std::u32string_view rest = cleaned;
  std::vector<int> ids = {start_};
  while (!rest.empty() && ids.size() < max_length) {
    if (const size_t length = word_length(rest)) {
      const std::string word = to_utf8(rest.substr(0, length));
      if (word == kStartToken || word == kEndToken) {
        ids.push_back(word == kStartToken ? start_ : end_);
      } else {
        encode_word(word, ids);
      }
      rest.remove_prefix(length);
    } else {
      rest.remove_prefix(1);
    }
  }
  ids.resize(std::min(ids.size(), max_length - 1));
  ids.push_back(end_);
  return ids;
}

}  // namespace kg
