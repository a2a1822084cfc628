// Tags from lists and neighbours, one pass from left to right.
#include "data/text/pos_tagger.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "data/text/pos_lexicon.h"

namespace kg {
namespace {

using pos::Entry;
using pos::Form;

// A word, and whether a comma or full stop stands before it. One without text is no token but a neighbour: a number in
// digits, the 's of a possessive.
struct Word {
  std::string text;
  bool after_mark = false;
  Entry entry;
};

bool one_of(const std::string& word, std::initializer_list<const char*> list) {
  return std::any_of(list.begin(), list.end(), [&](const char* other) { return word == other; });
}

// Length of an apostrophe at `at`, plain or typographic; 0: none.
size_t apostrophe(std::string_view text, size_t at) {
  if (text[at] == '\'') return 1;
  return text.substr(at, 3) == "\xE2\x80\x98" || text.substr(at, 3) == "\xE2\x80\x99" ? 3 : 0;
}

// Typographic dashes, quotes and dots, U+2000 to U+203F.
bool is_typographic(std::string_view text, size_t at) { return text.substr(at, 2) == "\xE2\x80"; }

std::vector<Word> split(std::string_view caption) {
  std::vector<Word> words;
  std::string word;
  bool mark = true, digits = false;
  bool suffix = false, owner = false;  // after an apostrophe, which is dropped; after one with s
  const auto flush = [&] {
    if (!word.empty()) words.push_back(digits ? Word{"", mark, {"NUM"}} : Word{word, mark, pos::look_up(word)});
    const bool noun = !word.empty() && !words.back().entry.tag;
    if (owner && noun) words.push_back({"", false, {"DET"}});
    mark &= word.empty();
    word.clear();
    digits = suffix = owner = false;
  };
  for (size_t at = 0; at < caption.size();) {
    const char c = caption[at];
    if (const size_t length = apostrophe(caption, at); length && !word.empty()) {
      // don't, isn't: the n goes with the t.
      const char next = at + length < caption.size() ? caption[at + length] : ' ';
      if (word.size() > 2 && word.back() == 'n' && next == 't') word.pop_back();
      owner = next == 's';
      suffix = true;
      at += length;
    } else if (is_typographic(caption, at)) {
      flush();
      at += std::min<size_t>(3, caption.size() - at);
    } else {
      const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
      if (upper || lower || digit || (c & 0x80)) {
        digits |= digit && !suffix;
        if (!suffix) word += upper ? static_cast<char>(c - 'A' + 'a') : c;
      } else if (c != '-') {
        flush();
        mark |= c == ',' || c == '.' || c == ';' || c == ':' || c == '!' || c == '?';
      }
      ++at;
    }
  }
  flush();
  return words;
}

bool is_vowel(char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u'; }

// Whether an e was dropped before -ing or -ed, where no list tells: rac-ing, mov-ing, us-ing, rotat-ing.
bool dropped_e(const std::string& stem) {
  if (stem.size() < 2) return false;
  const char last = stem.back(), before = stem[stem.size() - 2];
  if (last == 'v' || last == 'u' || last == 'c' || last == 'z') return true;
  if (last == 's' || last == 'g') return before != last && !(last == 'g' && before == 'n' && stem.size() < 5);
  if (stem.size() > 3 && (stem.ends_with("at") || stem.ends_with("iz") || stem.ends_with("ut")))
    return !is_vowel(stem[stem.size() - 3]);
  return last == 'l' && !is_vowel(before) && before != 'l';
}

// The base of stem + ending, ending -ing or -ed.
std::string base_of(const std::string& stem) {
  const size_t n = stem.size();
  const bool doubled = n > 2 && stem[n - 1] == stem[n - 2] && !is_vowel(stem[n - 1]);
  for (const std::string& candidate : {stem, stem + 'e', doubled ? stem.substr(0, n - 1) : stem})
    if (pos::is_verb(candidate)) return candidate;
  if (doubled && stem[n - 1] != 'l' && stem[n - 1] != 's' && stem[n - 1] != 'z' && stem[n - 1] != 'f')
    return stem.substr(0, n - 1);
  return dropped_e(stem) ? stem + 'e' : stem;
}

// Without the -s of plurals and third persons.
std::string without_s(const std::string& word) {
  const size_t n = word.size();
  if (n < 3 || !word.ends_with('s') || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is"))
    return word;
  if (word.ends_with("ies") && n > 4) return word.substr(0, n - 3) + 'y';
  for (const char* ending : {"ches", "shes", "sses", "xes", "zzes", "oes"})
    if (word.ends_with(ending)) return word.substr(0, n - 2);
  return word.substr(0, n - 1);
}

class Tagger {
 public:
  explicit Tagger(std::vector<Word> words) : words_(std::move(words)) {}

  std::vector<std::string> run() {
    std::vector<std::string> tokens;
    for (at_ = 0; at_ < words_.size(); ++at_) {
      if (words_[at_].after_mark) begin_clause();
      const std::string tag = decide();
      update_clause(tag);
      tags_.push_back(tag);
      if (word().empty()) continue;
      const std::string& word = words_[at_].text;
      const bool inflected = word != "left" && (tag == "NOUN" || tag == "VERB");
      tokens.push_back((!inflected ? word : tag == "NOUN" ? noun_lemma(word) : verb_lemma(word)) + '/' + tag);
    }
    return tokens;
  }

 private:
  const std::string& word() const { return words_[at_].text; }
  // Text of a neighbour; empty beyond the ends.
  std::string word(int offset) const {
    const size_t i = at_ + size_t(offset);
    return i < words_.size() ? words_[i].text : "";
  }
  std::string previous() const { return at_ == 0 || words_[at_].after_mark ? "" : tags_.back(); }
  bool previous_is(std::initializer_list<const char*> tags) const { return one_of(previous(), tags); }

  // Whether a noun phrase goes on after this word: an adjective or a noun that is no finite verb comes.
  bool noun_follows() const {
    if (at_ + 1 >= words_.size() || words_[at_ + 1].after_mark) return false;
    const Entry& next = words_[at_ + 1].entry;
    if (next.tag) return std::string_view(next.tag) == "NUM";
    if (next.readings & pos::kNoun) return !(next.readings & pos::kVerb) || !subject_ || verb_in_clause_;
    return (next.readings & pos::kAdjective) != 0;
  }
  bool next_opens_noun_phrase() const {
    if (at_ + 1 >= words_.size() || words_[at_ + 1].after_mark) return false;
    const Entry& next = words_[at_ + 1].entry;
    if (next.tag) return one_of(next.tag, {"DET", "NUM", "PRON"});
    return (next.readings & (pos::kNoun | pos::kAdjective)) != 0;
  }
  // Whether the next word can be a verb's base form and not just a noun.
  bool infinitive_follows() const {
    if (at_ + 1 >= words_.size() || words_[at_ + 1].after_mark) return false;
    const Entry& next = words_[at_ + 1].entry;
    if (next.tag) return one_of(word(1), {"do", "be", "have"});
    return (next.readings & pos::kVerb) && next.form == Form::base && !one_of(word(1), {"side", "left", "center"}) &&
           (word(1) != "face" || one_of(word(2), {"the", "a", "his", "their"}));
  }

  void begin_clause() { subject_ = object_ = verb_in_clause_ = false; }
  void update_clause(const std::string& tag) {
    if (one_of(tag, {"CCONJ", "SCONJ"}) || one_of(word(), {"then", "who", "which"})) begin_clause();
    if (tag == "ADP") object_ = true;
    if (tag == "VERB" || tag == "ADV") object_ = false;
    if (tag == "NOUN" || tag == "PRON") subject_ |= !object_;
    if (tag == "AUX" || (tag == "VERB" && words_[at_].entry.form != Form::gerund)) verb_in_clause_ = true;
  }

  std::string decide() const {
    if (const char* tag = by_word()) return tag;
    const Entry& entry = words_[at_].entry;
    if (entry.tag) return entry.tag;
    switch (entry.readings) {
      case pos::kNoun:
        return unknown_verb() ? "VERB" : "NOUN";
      case pos::kVerb:
        return only_verb();
      case pos::kAdverb:
        return "ADV";
      case pos::kAdjective:
        return "ADJ";
      default:
        return by_context(entry);
    }
  }

  // A word in -s that no list has, where a clause still wants its verb: "a person zorbs to the left".
  bool unknown_verb() const {
    return words_[at_].entry.guessed && without_s(word()) != word() && subject_ && !verb_in_clause_ &&
           previous_is({"NOUN", "PRON"});
  }

  const char* only_verb() const {
    const bool nominal = previous_is({"DET", "ADJ", "NUM"});
    if (nominal && words_[at_].entry.form == Form::base && !noun_follows()) return "NOUN";
    return "VERB";
  }

  // Words whose class depends on their neighbours in ways of their own; null: not one of them.
  const char* by_word() const {
    const std::string& w = word();
    if (w == "to") return infinitive_follows() ? "PART" : "ADP";
    if (w == "left" || w == "right") return side(w == "left");
    if (w == "her") return next_opens_noun_phrase() ? "DET" : "PRON";
    if (w == "both") {
      for (int i = 1; i < 6 && !word(i).empty(); ++i)
        if (word(i) == "and") return i > 1 && one_of(word(1), {"his", "their", "the", "left", "her"}) ? "CCONJ" : "DET";
      return "DET";
    }
    if (one_of(w, {"up", "down", "out", "over", "off"})) return previous_is({"ADV"}) ? "ADV" : "ADP";
    if (w == "around" || w == "behind") return next_opens_noun_phrase() ? "ADP" : "ADV";
    if (w == "back" && previous_is({"DET", "ADJ"})) return "NOUN";
    if (one_of(w, {"forward", "backward"}) && previous_is({"DET", "NUM", "ADJ"}) && noun_follows()) return "ADJ";
    if (w == "that") return previous_is({"NOUN"}) ? "PRON" : next_opens_noun_phrase() ? "DET" : "PRON";
    return nullptr;
  }
  const char* side(bool left) const {
    if (noun_follows()) return "ADJ";
    if (previous_is({"DET", "ADP", "ADJ"})) return "NOUN";
    if (left && previous_is({"PRON"})) return "VERB";  // he left
    return previous_is({"VERB", "ADV"}) ? "ADV" : "NOUN";
  }

  // Words of several readings.
  const char* by_context(const Entry& entry) const {
    const bool verb = entry.readings & pos::kVerb, noun = entry.readings & pos::kNoun;
    const bool adjective = entry.readings & pos::kAdjective;
    if (adjective && noun_follows() && !previous_is({"VERB"})) return "ADJ";
    if (adjective && noun_follows() && !verb) return "ADJ";
    if (previous_is({"DET", "NUM", "ADJ"})) {
      if (verb && !noun && noun_follows()) return "VERB";
      return noun ? "NOUN" : adjective ? "ADJ" : "NOUN";
    }
    if (previous_is({"PART"}) && verb) return "VERB";
    if (adjective && previous_is({"AUX"})) return "ADJ";
    if ((entry.readings & pos::kAdverb) && !noun_follows()) return previous_is({"AUX"}) ? "ADJ" : "ADV";
    if (!verb) return noun ? "NOUN" : "ADJ";
    if (!noun) return adjective ? "ADJ" : "VERB";
    return verb_or_noun(entry.form);
  }

  const char* verb_or_noun(Form form) const {
    if (form == Form::gerund || form == Form::past) return "VERB";
    if (previous_is({"ADP", "VERB"})) return "NOUN";
    if (previous_is({"NOUN"})) return verb_in_clause_ || !subject_ ? "NOUN" : "VERB";
    if (previous_is({"AUX"})) return form == Form::base ? "VERB" : "NOUN";
    return "VERB";
  }

  std::vector<Word> words_;
  std::vector<std::string> tags_;
  size_t at_ = 0;
  // Of the clause so far: it has a noun phrase that no preposition governs; one does; it has a finite verb.
  bool subject_ = false, object_ = false, verb_in_clause_ = false;
};

}  // namespace

std::string verb_lemma(const std::string& word) {
  if (const std::string_view irregular = pos::irregular_verb(word); !irregular.empty()) return std::string(irregular);
  const size_t n = word.size();
  if (pos::is_verb(word) || n < 4) return word;
  if (word.ends_with("ying") && n > 5 && pos::is_verb(word.substr(0, n - 3))) return word.substr(0, n - 3);
  if (word.ends_with("ing") && n > 4) return base_of(word.substr(0, n - 3));
  if (word.ends_with("ied") && n > 4) return word.substr(0, n - 3) + 'y';
  if (word.ends_with("ed") && n > 3) return base_of(word.substr(0, n - 2));
  return without_s(word);
}

std::string noun_lemma(const std::string& word) {
  if (const std::string_view irregular = pos::irregular_noun(word); !irregular.empty()) return std::string(irregular);
  return word.size() < 3 ? word : without_s(word);
}

std::vector<std::string> tag_caption(std::string_view caption) { return Tagger(split(caption)).run(); }

}  // namespace kg
