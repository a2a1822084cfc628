// Parsing of caption lines and caption tables.
#include "data/sets/captions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "data/formats/file.h"
#include "data/text/pos_tagger.h"
#include "data/text/words.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr uint64_t kMaxTableBytes = uint64_t{256} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::vector<std::string_view> split(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0;; ++at) {
    const size_t end = std::min(s.find(separator, at), s.size());
    parts.push_back(s.substr(at, end - at));
    if (end == s.size()) return parts;
    at = end;
  }
}

// fn(line without its end, number from 1) for each line that is not blank.
template <class Fn>
void for_each_line(std::string_view text, Fn fn) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  int number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (!trim(line).empty()) fn(line, number);
  }
}

bool to_number(std::string_view text, double& value) {
  text = trim(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Seconds as HumanML3D writes them; its NaN stands for 0.
double to_seconds(std::string_view text, const char* what) {
  double value = 0;
  CHECK_INPUT(to_number(text, value), what, " must be a number of seconds, is '", text, "'");
  if (std::isnan(value)) value = 0;
  CHECK_INPUT(value >= 0 && value < 1e6, what, " must be from 0 to 1e6 seconds, is '", text, "'");
  return value;
}

void check_span(double start, double end) {
  CHECK_INPUT((start == 0 && end == 0) || end > start, "end (", end, " s) must come after start (", start,
              " s), or both be 0 for the whole clip");
}

Caption parse_line(std::string_view line) {
  const std::vector<std::string_view> fields = split(trim(line), '#');
  CHECK_INPUT(fields.size() >= 4, "expected caption#words#start#end, found ", fields.size(), " field(s)");
  std::string_view words = trim(fields[0]);
  while (words.starts_with(kByteOrderMark))
    words = trim(words.substr(kByteOrderMark.size()));  // of files joined to one
  Caption caption{std::string(words), {}, to_seconds(fields[2], "start"), to_seconds(fields[3], "end")};
  CHECK_INPUT(!caption.text.empty(), "the caption is empty");
  CHECK_INPUT(!split_words(caption.text).empty(), "the caption has no word");
  check_span(caption.start, caption.end);
  for (const std::string_view token : split(fields[1], ' ')) {
    if (trim(token).empty()) continue;
    const size_t slash = token.find('/');
    CHECK_INPUT(
        slash != token.npos && slash > 0 && slash + 1 < token.size() && token.find('/', slash + 1) == token.npos,
        "expected word/TAG, found '", token, "'");
    caption.tokens.emplace_back(trim(token));
  }
  return caption;
}

CaptionRow parse_row(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, '\t');
  CHECK_INPUT(fields.size() == 2 || fields.size() == 5,
              "expected name, source, start, end and caption, or name and caption, separated by tabs; found ",
              fields.size(), " field(s)");
  CaptionRow row{std::string(trim(fields[0])), "", std::string(trim(fields.back()))};
  if (fields.size() == 5) {
    row.source = trim(fields[1]);
    row.start = to_seconds(fields[2], "start");
    row.end = to_seconds(fields[3], "end");
  }
  if (row.name.ends_with(".bvh") || row.name.ends_with(".npy")) row.name.resize(row.name.size() - 4);
  CHECK_INPUT(!row.name.empty(), "the clip's name is empty");
  CHECK_INPUT(!row.caption.empty(), "the caption of ", row.name, " is empty");
  CHECK_INPUT(!split_words(row.caption).empty(), "the caption of ", row.name, " has no word");
  CHECK_INPUT(row.caption.find('#') == std::string::npos,
              "a caption cannot hold '#', which ends it in HumanML3D's files");
  check_span(row.start, row.end);
  return row;
}

// A first line is a header when its third field is no number, or in a table of two columns when it begins with the word
// for a clip.
bool is_header(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, '\t');
  double ignored = 0;
  if (fields.size() == 5) return !to_number(fields[2], ignored) && !to_number(fields[3], ignored);
  constexpr std::array<std::string_view, 6> kWords = {"name", "clip", "trial", "file", "motion", "id"};
  return fields.size() == 2 && std::find(kWords.begin(), kWords.end(), trim(fields[0])) != kWords.end();
}

// 0.0, 2.5: the shortest digits that say it, with a decimal point as Python writes.
std::string format_seconds(double seconds) {
  char digits[32];
  std::string text(digits, std::to_chars(digits, digits + sizeof digits, seconds, std::chars_format::fixed).ptr);
  return text.find('.') == text.npos ? text + ".0" : text;
}

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// left, leftward, left-handed ... but not leftover, right but not rightly.
bool is_side(std::string_view word, std::string_view side) {
  constexpr std::array<std::string_view, 9> kEndings = {"",      "s",      "ward", "wards", "hand",
                                                        "hands", "handed", "most", "side"};
  return word.starts_with(side) &&
         std::find(kEndings.begin(), kEndings.end(), word.substr(side.size())) != kEndings.end();
}

// The word that takes the place of `word` (letters only), itself when it has no side.
std::string mirrored_word(std::string_view word) {
  const std::string plain = lower(word);
  std::string out(word);
  if (is_side(plain, "left")) {
    out = "right" + plain.substr(4);
  } else if (is_side(plain, "right")) {
    out = "left" + plain.substr(5);
  } else if (plain == "clockwise") {
    out = "counterclockwise";
  } else if (plain == "counterclockwise" || plain == "anticlockwise") {
    out = "clockwise";
  } else {
    return out;
  }
  if (word[0] < 'a') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

template <class Fn>
void with_place(const std::string& file, int line, Fn fn) {
  try {
    fn();
  } catch (const Error& error) {
    throw Error(error.code, file + ", line " + std::to_string(line) + ": " + error.what());
  }
}

}  // namespace

std::vector<Caption> parse_captions(std::string_view text, const std::string& file, std::vector<std::string>* bad) {
  std::vector<Caption> captions;
  for_each_line(text, [&](std::string_view line, int number) {
    try {
      with_place(file, number, [&] { captions.push_back(parse_line(line)); });
    } catch (const Error& error) {
      if (!bad) throw;
      bad->push_back(error.what());
    }
  });
  return captions;
}

std::string format_captions(const std::vector<Caption>& captions) {
  std::string text;
  for (const Caption& caption : captions) {
    text += caption.text + '#';
    for (size_t i = 0; i < caption.tokens.size(); ++i) text += (i ? " " : "") + caption.tokens[i];
    text += '#' + format_seconds(caption.start) + '#' + format_seconds(caption.end) + '\n';
  }
  return text;
}

int tag_untagged(std::vector<Caption>& captions) {
  int count = 0;
  for (Caption& caption : captions) {
    const bool tagged = std::any_of(caption.tokens.begin(), caption.tokens.end(),
                                    [](const std::string& token) { return !token.ends_with("/OTHER"); });
    if (tagged) continue;
    caption.tokens = tag_caption(caption.text);
    ++count;
  }
  return count;
}

std::string mirrored_text(const std::string& caption) {
  std::string out;
  for (size_t at = 0; at < caption.size();) {
    size_t end = at;
    while (end < caption.size() && is_ascii_letter(caption[end])) ++end;
    if (end == at) {
      out += caption[at++];
      continue;
    }
    const std::string_view word(caption.data() + at, end - at);
    // "counter-clockwise" and "anti clockwise" are one word in two.
    const bool against = lower(word) == "counter" || lower(word) == "anti";
    if (against && end + 1 < caption.size() && lower(caption.substr(end + 1, 9)) == "clockwise") {
      out += word[0] < 'a' ? "Clockwise" : "clockwise";
      at = end + 10;
      continue;
    }
    out += mirrored_word(word);
    at = end;
  }
  return out;
}

std::vector<CaptionRow> parse_caption_table(std::string_view text, const std::string& file) {
  std::vector<CaptionRow> rows;
  bool first = true;
  for_each_line(text, [&](std::string_view line, int number) {
    const bool header = std::exchange(first, false) && is_header(line);
    if (header) return;
    with_place(file, number, [&] { rows.push_back(parse_row(line)); });
    rows.back().file = file;
    rows.back().line = number;
  });
  CHECK_INPUT(!rows.empty(), file,
              ": no captions; expected lines of name, source, start, end and caption separated by tabs");
  return rows;
}

std::vector<CaptionRow> read_caption_table(const std::filesystem::path& path) {
  return parse_caption_table(read_file(path, kMaxTableBytes), path.string());
}

}  // namespace kg
