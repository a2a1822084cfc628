#include "data/text/wordpiece.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr size_t kMaxWord = 100;  // characters
constexpr const char* kConfig = "tokenizer_config.json";

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

// The blocks of CJK ideographs that the reference puts spaces around.
bool is_ideograph(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

// Reads what a JSON object says about Normal; accents follow the case where nothing is said of them.
void set_normal(WordPieceTokenizer::Normal& normal, const nlohmann::json& json, const char* lower_case,
                const char* ideographs, const std::string& name) {
  if (!json.is_object()) return;
  const auto read = [&](const char* key, bool& value) {
    if (!json.contains(key) || json[key].is_null()) return false;
    CHECK_INPUT(json[key].is_boolean(), name, ": ", key, " must be true or false, is ", json[key].dump());
    value = json[key].get<bool>();
    return true;
  };
  const bool told = read(lower_case, normal.lower_case);
  if (!read("strip_accents", normal.strip_accents) && told) normal.strip_accents = normal.lower_case;
  read(ideographs, normal.split_ideographs);
}

}  // namespace

std::vector<NamedBytes> WordPieceTokenizer::read_files(const std::string& path) {
  namespace fs = std::filesystem;
  fs::path file = path;
  if (fs::is_directory(file)) {
    file = fs::path(path) / "tokenizer.json";
    if (!fs::exists(file)) file = fs::path(path) / "vocab.txt";
    CHECK_INPUT(fs::exists(file), path, ": no vocabulary of BERT in this folder; expected tokenizer.json or vocab.txt");
  }
  std::vector<NamedBytes> files{read_vocabulary(file.string())};
  const fs::path config = file.parent_path() / kConfig;
  if (fs::exists(config)) files.push_back(read_vocabulary(config.string()));
  return files;
}

WordPieceTokenizer WordPieceTokenizer::from_files(const std::vector<NamedBytes>& files) {
  CHECK_INPUT(!files.empty(), "a WordPiece tokenizer without a file");
  const NamedBytes& first = files[0];
  WordPieceTokenizer tokenizer = first.bytes.starts_with('{') ? from_tokenizer_json(first) : from_vocabulary(first);
  if (const NamedBytes* config = find_file(files, kConfig))
    set_normal(tokenizer.normal_, parse_json(*config), "do_lower_case", "tokenize_chinese_chars", config->name);
  return tokenizer;
}

WordPieceTokenizer WordPieceTokenizer::from_vocabulary(const NamedBytes& file, const Normal& normal) {
  std::vector<std::string> pieces;
  for (const std::string_view line : split_lines(file.bytes)) pieces.emplace_back(line);
  return WordPieceTokenizer(pieces, {}, normal, file.name);
}

WordPieceTokenizer WordPieceTokenizer::from_tokenizer_json(const NamedBytes& file) {
  const nlohmann::json json = parse_json(file);
  const TokenizerJson tokenizer = read_tokenizer_json(json, "WordPiece", file.name);
  Normal normal;
  if (json.contains("normalizer"))
    set_normal(normal, json["normalizer"], "lowercase", "handle_chinese_chars", file.name);
  return WordPieceTokenizer(tokenizer.pieces, tokenizer.added, normal, file.name);
}

WordPieceTokenizer::WordPieceTokenizer(const std::vector<std::string>& pieces, const std::map<std::string, int>& added,
                                       const Normal& normal, const std::string& name)
    : size_(int(pieces.size())), normal_(normal) {
  std::unordered_map<std::string_view, int> ids;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string& piece = pieces[i];
    const auto [earlier, is_new] = ids.emplace(piece, int(i));
    CHECK_INPUT(!piece.empty() && is_new, name, ": piece ", i, " (\"", piece, "\") is empty, or also piece ",
                earlier->second);
    const bool inner = piece.starts_with("##") && piece.size() > 2;
    const std::u32string characters = from_utf8(std::string_view(piece).substr(inner ? 2 : 0));
    longest_ = std::max(longest_, characters.size());
    (inner ? inner_ : first_).emplace(characters, int(i));
  }
  for (const auto& [token, id] : std::map<std::string, int*>{
           {"[PAD]", &pad_}, {"[CLS]", &start_}, {"[SEP]", &end_}, {"[UNK]", &unknown_}, {"[MASK]", nullptr}}) {
    const auto found = ids.find(token);
    CHECK_INPUT(found != ids.end() || !id, name, ": no ", token, " among the ", size_,
                " pieces; this is not the vocabulary of a BERT model");
    if (id) *id = found->second;
    if (found != ids.end()) added_.add(token, found->second);
  }
  for (const auto& [token, id] : added) added_.add(token, id);
}

std::map<std::string, bool> WordPieceTokenizer::settings() const {
  return {{"lower_case", normal_.lower_case},
          {"strip_accents", normal_.strip_accents},
          {"split_ideographs", normal_.split_ideographs}};
}

// Without control characters; spaces for all white space and around ideographs; lower case without accents.
std::u32string WordPieceTokenizer::normalized(std::string_view text) const {
  std::u32string clean;
  for (const char32_t c : from_utf8(text)) {
    if (c == '\t' || c == '\n' || c == '\r') {
      clean += U' ';
    } else if (c == 0xfffd || is_invisible(c)) {
      continue;
    } else if (is_space(c)) {
      clean += U' ';
    } else if (normal_.split_ideographs && is_ideograph(c)) {
      clean += {U' ', c, U' '};
    } else {
      clean += c;
    }
  }
  if (normal_.strip_accents) {
    clean = decomposed(clean);
    std::erase_if(clean, is_nonspacing_mark);
  }
  if (!normal_.lower_case) return clean;
  std::u32string to;
  for (const char32_t c : clean) to += lower_case(c);
  return to;
}

void WordPieceTokenizer::encode_word(std::u32string_view word, std::vector<int>& ids) const {
  if (word.size() > kMaxWord) return ids.push_back(unknown_);
  const size_t before = ids.size();
  for (size_t begin = 0; begin < word.size();) {
    const auto& pieces = begin == 0 ? first_ : inner_;
    size_t size = std::min(longest_, word.size() - begin);
    auto found = pieces.end();
    for (; size > 0 && found == pieces.end(); --size) found = pieces.find(std::u32string(word.substr(begin, size)));
    if (found == pieces.end()) {
      ids.resize(before);
      return ids.push_back(unknown_);
    }
    ids.push_back(found->second);
    begin += found->first.size();
  }
}

// Words are what stands between spaces; a punctuation mark is a word.
void WordPieceTokenizer::encode_segment(std::string_view text, std::vector<int>& ids) const {
  const std::u32string characters = normalized(text);
  std::u32string_view rest = characters;
  const auto is_mark = [](char32_t c) { return is_ascii_punctuation(c) || is_punctuation(c); };
  while (!rest.empty()) {
    size_t size = 0;
    while (size < rest.size() && !is_space(rest[size]) && !is_mark(rest[size])) ++size;
    if (size > 0) {
      encode_word(rest.substr(0, size), ids);
    } else {
      if (is_mark(rest[0])) encode_word(rest.substr(0, 1), ids);
      size = 1;
    }
    rest.remove_prefix(size);
  }
}

std::vector<int> WordPieceTokenizer::encode(std::string_view text, size_t max_length) const {
  CHECK(max_length >= 2, "[wordpiece tokenizer] max_length must be 2 at least, is ", max_length);
  std::vector<int> ids = {start_};
  while (!text.empty() && ids.size() < max_length) {
    const auto token = added_.find(text);
    encode_segment(text.substr(0, token ? token->begin : text.size()), ids);
    if (token) ids.push_back(token->id);
    text.remove_prefix(token ? token->begin + token->size : text.size());
  }
  ids.resize(std::min(ids.size(), max_length - 1));
  ids.push_back(end_);
  return ids;
}

}  // namespace kg
