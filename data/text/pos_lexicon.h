// The words that the tagger knows, by what they can be.
#pragma once

#include <string>
#include <string_view>

namespace kg::pos {

// Readings of a word, as bits.
enum Reading : unsigned {
  kVerb = 1,
  kNoun = 2,
  kAdjective = 4,
  kAdverb = 8,
};

// Forms of a verb.
enum class Form { base, third, gerund, past };

struct Entry {
  const char* tag = nullptr;  // of a word with one tag only: closed classes
  unsigned readings = 0;      // else what it can be
  bool guessed = false;       // by its ending: no list has it
  Form form = Form::base;
};

Entry look_up(const std::string& word);
bool is_verb(const std::string& base);
// The lemma of an irregular form, or an empty text.
std::string_view irregular_verb(const std::string& word);
std::string_view irregular_noun(const std::string& word);

}  // namespace kg::pos
