// Part-of-speech tags for captions nobody has tagged, in the form of HumanML3D's token lists:
//   "a man kicks with his left leg."  ->  a/DET man/NOUN kick/VERB with/ADP his/DET left/ADJ leg/NOUN
// Universal tags; nouns and verbs are lemmatised, hyphens deleted, other marks and words with digits left out. By
// rules: closed word classes, the verbs and nouns of movement language, endings, and the neighbouring words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kg {

std::vector<std::string> tag_caption(std::string_view caption);

// kicks -> kick, jogging -> jog, waved -> wave, knelt -> kneel.
std::string verb_lemma(const std::string& word);
// legs -> leg, feet -> foot, knives -> knife.
std::string noun_lemma(const std::string& word);

}  // namespace kg
