// The words of the built-in captions as parts of speech. Tags are the universal ones that HumanML3D's text files carry.
#include <map>
#include <sstream>

#include "data/sets/procedural.h"
#include "tensor/error.h"

namespace kg {
namespace {

// word or word=lemma. ACT words are nouns after a determiner, number or adjective ("two kicks") and verbs elsewhere
// ("a man kicks"); DESC words are adjectives there ("a fast pace") and adverbs elsewhere; SIDE and TO: see tag_of().
constexpr const char* kWords = R"(
DET   a the their his her both all
PRON  someone it them
CCONJ and
SCONJ while
AUX   is
INTJ  hello goodbye
NUM   one two three four hundred eighty sixty ninety
ADP   out in at on with up down from around over above across into by for after onto
ADV   then very once twice only still back ahead backward backwards sideways
      slowly quickly politely
ADJ   single several few full large deep other high seated
DESC  clockwise counterclockwise forward fast slow straight front half quarter
SIDE  left right
TO    to
NOUN  circle person woman man figure pace times=time time motion hand hands=hand foot feet=foot leg arm arms=arm fist knees=knee
      chair bench place fours=four floor ground line spot degrees=degree air head body waist way level shoulder height
      reverse jacks=jack
ACT   jump jumps=jump step steps=step hops=hop kick kicks=kick punch punches=punch squat squats=squat bow bows=bow
      turn turns=turn run runs=run jogs=jog leaps=leap circle seat waves=wave wave walks=walk shuffles=shuffle
VERB  does=do stands=stand standing=stand makes=make takes=take throws=throw performs=perform returns=return
      crawls=crawl stops=stop comes=come stop lifts=lift sitting=sit sits=sit sit moves=move raises=raise lowers=lower
      bends=bend gets=get goes=go brings=bring strikes=strike sidesteps=sidestep rises=rise waving=wave greets=greet
      starts=start stays=stay rotates=rotate holds=hold stretches=stretch reaches=reach puts=put strolls=stroll
      backs=back spins=spin face jumping=jump
)";

struct Entry {
  std::string tag, lemma;
};

const std::map<std::string, Entry>& table() {
  static const std::map<std::string, Entry> entries = [] {
    std::map<std::string, Entry> map;
    std::istringstream text(kWords);
    std::string tag;
    for (std::string word; text >> word;) {
      if (word[0] >= 'A' && word[0] <= 'Z') {
        tag = word;
        continue;
      }
      const size_t equals = word.find('=');
      const std::string lemma = equals == std::string::npos ? word : word.substr(equals + 1);
      map[word.substr(0, equals)] = {tag, lemma};
    }
    return map;
  }();
  return entries;
}

const Entry& look_up(const std::string& word) {
  const auto found = table().find(word);
  CHECK_INPUT(found != table().end(), "[tag_caption] '", word, "' is not a word of the built-in captions");
  return found->second;
}

std::vector<std::string> split_words(const std::string& caption) {
  std::vector<std::string> words;
  std::istringstream text(caption);
  for (std::string word; text >> word;) {
    while (!word.empty() && (word.back() == ',' || word.back() == '.')) word.pop_back();
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

// `before`: the tag of the word before; `after`: the table's tag of the word after, or empty.
std::string tag_of(const std::string& tag, const std::string& before, const std::string& after) {
  const bool noun_follows = after == "NOUN" || after == "ACT";
  if (tag == "ACT") return before == "DET" || before == "NUM" || before == "ADJ" ? "NOUN" : "VERB";
  if (tag == "DESC") return noun_follows && before != "VERB" ? "ADJ" : "ADV";
  if (tag == "SIDE") return noun_follows ? "ADJ" : before == "DET" ? "NOUN" : "ADV";
  if (tag == "TO") return after == "VERB" || after == "ACT" ? "PART" : "ADP";
  return tag;
}

}  // namespace

std::string tag_caption(const std::string& caption) {
  const std::vector<std::string> words = split_words(caption);
  std::string tagged, before;
  for (size_t i = 0; i < words.size(); ++i) {
    const Entry& entry = look_up(words[i]);
    const std::string tag = tag_of(entry.tag, before, i + 1 < words.size() ? look_up(words[i + 1]).tag : "");
    tagged += (i ? " " : "") + entry.lemma + "/" + tag;
    before = tag;
  }
  return tagged;
}

std::vector<std::string> caption_vocabulary() {
  std::vector<std::string> words;
  for (const auto& [word, entry] : table()) words.push_back(word);
  return words;
}

}  // namespace kg
