// The words of the built-in set. A caption is a subject, a verb phrase drawn from the action's list, and sometimes a
// manner or an ending. In a phrase (a|b) is a choice and {slot} is filled from the parameters:
//   {their} his, her or their; {side} left or right; {way} the direction's word; {times} once, twice, three times;
//   {n:jump} "a single jump", "two jumps".
// Sentences are read back by the same lists: an act is looked up among all that the phrases can be filled to.
#include "data/sets/procedural_captions.h"

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <utility>

#include "data/sets/procedural_motion.h"
#include "tensor/error.h"

namespace kg {
namespace {

using Phrases = std::vector<std::string>;

struct Subject {
  const char *words, *their;
};
constexpr Subject kSubjects[] = {{"a person", "their"}, {"the person", "their"}, {"someone", "their"},
                                 {"a man", "his"},      {"the man", "his"},      {"a woman", "her"},
                                 {"the woman", "her"},  {"a figure", "their"},   {"the figure", "their"}};

// The first one can also stand before the verb.
const char* kSlow[] = {"slowly", "at a slow pace", "in slow motion"};
const char* kFast[] = {"quickly", "at a fast pace", "very fast"};
const char* kNumbers[] = {"zero", "one", "two", "three", "four"};

const Phrases& walk_phrases(const MotionParameters& p) {
  static const Phrases forward{"walks forward",
                               "walks straight (ahead|forward)",
                               "walks forward in a straight line",
                               "takes (several|a few) steps forward",
                               "strolls forward",
                               "walks ahead"};
  static const Phrases backward{"walks (backward|backwards)",
                                "takes (several|a few) steps (backward|backwards|back)",
                                "walks (backward|backwards) in a straight line",
                                "walks in reverse",
                                "moves (backward|backwards) step by step",
                                "backs up on foot"};
  return p.direction == Direction::backward ? backward : forward;
}

const Phrases& run_phrases(const MotionParameters& p) {
  static const Phrases jog{"jogs (forward|ahead)", "jogs in a straight line", "jogs straight (ahead|forward)",
                           "jogs forward in a straight line"};
  static const Phrases run{"runs (forward|ahead)", "runs in a straight line", "runs straight (ahead|forward)",
                           "starts to run forward", "goes for a run straight ahead"};
  return p.speed == Speed::slow ? jog : run;
}

const Phrases& jump_phrases(const MotionParameters& p) {
  static const Phrases up{"jumps up {times}",           "jumps in place {times}",        "jumps straight up {times}",
                          "jumps into the air {times}", "leaps up into the air {times}", "does {n:jump} in place",
                          "makes {n:jump} on the spot"};
  static const Phrases forward{"jumps forward {times}",  "leaps forward {times}",
                               "makes {n:jump} forward", "does {n:forward jump}",
                               "jumps ahead {times}",    "jumps forward with both feet {times}"};
  return p.direction == Direction::forward ? forward : up;
}

const Phrases& turn_phrases(const MotionParameters& p) {
  static const Phrases quarter{"turns to (the|{their}) {side}", "makes a quarter turn to the {side}",
                               "turns {side} by ninety degrees", "turns ninety degrees to (the|{their}) {side}",
                               "rotates a quarter turn to (the|{their}) {side}"};
  static const Phrases half{"turns around to (the|{their}) {side}", "makes a half turn to (the|{their}) {side}",
                            "turns half way around to (the|{their}) {side}",
                            "turns around to face the other way, to the {side}",
                            "turns one hundred and eighty degrees to the {side}"};
  static const Phrases full{"makes a full turn to (the|{their}) {side}",
                            "turns all the way around to (the|{their}) {side}",
                            "spins around once to (the|{their}) {side}", "rotates a full turn to the {side}",
                            "turns three hundred and sixty degrees to the {side}"};
  return p.degrees == 90 ? quarter : p.degrees == 180 ? half : full;
}

const Phrases& raise_phrases(const MotionParameters& p) {
  static const Phrases one_high{"raises {their} {side} (arm|hand) above {their} head",
                                "lifts {their} {side} arm straight up (and lowers it|)",
                                "puts {their} {side} (hand|arm) up in the air (and brings it back down|)",
                                "reaches up high with {their} {side} (hand|arm)",
                                "lifts {their} {side} (arm|hand) over {their} head (and lowers it|)"};
  static const Phrases both_high{
      "raises both (arms|hands) above {their} head", "lifts both arms straight up (and lowers them|)",
      "puts both (hands|arms) up in the air (and brings them back down|)", "reaches up high with both (hands|arms)",
      "lifts both (arms|hands) over {their} head (and lowers them|)"};
  static const Phrases one_level{"raises {their} {side} arm to shoulder (height|level)",
                                 "lifts {their} {side} arm to shoulder (height|level) (and lowers it|)",
                                 "holds {their} {side} arm out at shoulder (height|level)",
                                 "stretches {their} {side} arm out at shoulder (height|level) (and lowers it|)",
                                 "brings {their} {side} (hand|arm) up to shoulder (height|level)"};
  static const Phrases both_level{"raises both arms to shoulder (height|level)",
                                  "lifts both arms to shoulder (height|level) (and lowers them|)",
                                  "holds both arms out at shoulder (height|level)",
                                  "stretches both arms out at shoulder (height|level) (and lowers them|)",
                                  "brings both (hands|arms) up to shoulder (height|level)"};
  if (p.height == Height::overhead) return p.side == Side::both ? both_high : one_high;
  return p.side == Side::both ? both_level : one_level;
}

const Phrases& plain_phrases(Action action) {
  static const std::map<Action, Phrases> phrases{
      {Action::hop,
       {"hops on {their} {side} (leg|foot) {times}", "hops {times} on the {side} (leg|foot)",
        "jumps {times} on only {their} {side} (leg|foot)", "stands on {their} {side} leg and hops {times}",
        "does {n:hop} on the {side} (leg|foot)"}},
      {Action::circle,
       {"walks in a circle {way}", "walks in a {way} circle", "walks around in a {way} circle",
        "walks {way} in a (full|large) circle", "makes a {way} circle on foot", "walks {way} around a circle"}},
      {Action::sidestep,
       {"steps sideways to (the|{their}) {way}", "takes (several|a few) steps to (the|{their}) {way}",
        "sidesteps to (the|{their}) {way}", "shuffles to (the|{their}) {way}", "moves sideways to (the|{their}) {way}",
        "walks sideways to (the|{their}) {way}"}},
      {Action::wave,
       {"waves with {their} {side} (hand|arm)", "waves {their} {side} hand",
        "raises {their} {side} (hand|arm) and waves", "lifts {their} {side} (hand|arm) to wave hello",
        "greets someone by waving {their} {side} hand", "waves hello with the {side} hand",
        "waves goodbye with {their} {side} (hand|arm)"}},
      {Action::punch,
       {"punches {times} with {their} {side} (hand|fist|arm)", "throws {n:punch} with {their} {side} (hand|fist)",
        "punches forward with {their} {side} (hand|fist) {times}", "throws {n:{side} punch}", "does {n:{side} punch}",
        "strikes {times} with {their} {side} fist"}},
      {Action::kick,
       {"kicks {times} with {their} {side} (leg|foot)", "kicks forward with {their} {side} (leg|foot) {times}",
        "does {n:kick} with {their} {side} (leg|foot)", "throws {n:front kick} with the {side} (leg|foot)",
        "does {n:{side} kick}", "kicks {their} {side} (leg|foot) out {times}"}},
      {Action::squat,
       {"squats {times}", "does {n:squat}", "squats down {times}", "squats down and stands back up {times}",
        "performs {n:squat}", "bends {their} knees to squat {times}", "does {n:deep squat}"}},
      {Action::sit,
       {"sits down", "sits down on a (chair|seat|bench)", "takes a seat", "takes a seat on a (chair|bench)",
        "sits down and stays seated", "lowers {their} body onto a (chair|seat)", "goes to sit down on a chair"}},
      {Action::stand_up,
       {"stands up from a (chair|seat|bench)", "gets up from a (chair|seat|bench)", "rises from a (chair|seat)",
        "stands up after sitting", "is seated and then stands up", "gets up from sitting",
        "is sitting on a (chair|bench) and stands up"}},
      {Action::bow,
       {"bows {times}", "bows forward {times}", "bends forward at the waist {times}", "takes {n:bow}", "makes {n:bow}",
        "bows down {times}", "bows politely {times}"}},
      {Action::crawl,
       {"crawls forward", "crawls forward on {their} hands and knees", "crawls (forward|ahead) on all fours",
        "moves forward on {their} hands and knees", "crawls across the (floor|ground)",
        "is on all fours and crawls forward"}},
      {Action::jumping_jack,
       {"does {n:jumping jack}", "performs {n:jumping jack}", "does jumping jacks {times}", "makes {n:jumping jack}",
        "does jumping jacks {times} in place"}}};
  return phrases.at(action);
}

const Phrases& phrases_for(const MotionParameters& p) {
  switch (p.action) {
    case Action::walk:
      return walk_phrases(p);
    case Action::run:
      return run_phrases(p);
    case Action::jump:
      return jump_phrases(p);
    case Action::turn:
      return turn_phrases(p);
    case Action::raise_arm:
      return raise_phrases(p);
    default:
      return plain_phrases(p.action);
  }
}

// What may follow; the first entry is nothing.
const Phrases& endings(Action action) {
  static const Phrases travel{"", "and stops", "and then stops", "and comes to a stop", "then stands still"};
  static const Phrases still{"", "while standing still", "while standing in place", "on the spot", "in place"};
  static const Phrases back{"", "and then stands still", "and returns to standing"};
  static const Phrases none{""};
  switch (action) {
    case Action::walk:
    case Action::run:
    case Action::circle:
    case Action::sidestep:
      return travel;
    case Action::wave:
    case Action::raise_arm:
      return still;
    case Action::jump:
    case Action::hop:
    case Action::turn:
    case Action::punch:
    case Action::kick:
    case Action::squat:
    case Action::bow:
    case Action::jumping_jack:
      return back;
    default:
      return none;
  }
}

Phrases times_words(int n) {
  if (n == 1) return {"once", "one time", "a single time"};
  if (n == 2) return {"twice", "two times"};
  return {std::string(kNumbers[n]) + " times"};
}
std::string times_word(int n, Dice& dice) {
  const Phrases words = times_words(n);
  return n == 1 ? words[size_t(dice.below(3))] : n == 2 ? words[dice.chance(0.6) ? 0 : 1] : words[0];
}

// "a single jump", "three jumps"
Phrases counted_words(int n, const std::string& noun) {
  if (n == 1) return {"one " + noun, "a single " + noun};
  return {std::string(kNumbers[n]) + " " + noun + (noun.ends_with("ch") ? "es" : "s")};
}
std::string counted(int n, const std::string& noun, Dice& dice) {
  const Phrases words = counted_words(n, noun);
  return words[n == 1 && !dice.chance(0.5) ? 1 : 0];
}

const char* way_word(Direction d) {
  switch (d) {
    case Direction::left:
      return "left";
    case Direction::right:
      return "right";
    case Direction::clockwise:
      return "clockwise";
    case Direction::counterclockwise:
      return "counterclockwise";
    default:
      return "";
  }
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

// A part of a phrase that stands in brackets, and what it is about.
struct Slot {
  size_t begin, end;  // brackets included
  std::string inside;
};
std::optional<Slot> find_slot(const std::string& text, const std::string& open, char close) {
  const size_t begin = text.find(open);
  if (begin == std::string::npos) return {};
  const size_t end = text.find(close, begin);
  return Slot{begin, end + 1, text.substr(begin + open.size(), end - begin - open.size())};
}
std::string with(const std::string& text, const Slot& slot, const std::string& words) {
  return text.substr(0, slot.begin) + words + text.substr(slot.end);
}
Phrases options_of(const Slot& choice) {
  Phrases options;
  std::stringstream inner(choice.inside + "|");
  for (std::string option; std::getline(inner, option, '|');) options.push_back(option);
  return options;
}

// What is the same in all fillings: whose, which side, which way.
void name_sides(std::string& text, const MotionParameters& p, const std::string& their) {
  replace_all(text, "{their}", their);
  replace_all(text, "{side}", p.side == Side::left ? "left" : "right");
  replace_all(text, "{way}", way_word(p.direction));
}

std::string fill(std::string text, const MotionParameters& p, const char* their, Dice& dice) {
  while (const auto choice = find_slot(text, "(", ')')) {
    const Phrases options = options_of(*choice);
    text = with(text, *choice, options[size_t(dice.below(int(options.size())))]);
  }
  name_sides(text, p, their);
  if (text.find("{times}") != std::string::npos) replace_all(text, "{times}", times_word(p.repetitions, dice));
  if (const auto count = find_slot(text, "{n:", '}'))
    text = with(text, *count, counted(p.repetitions, count->inside, dice));
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

// All that fill() can make of a phrase.
void add_fillings(std::string text, const MotionParameters& p, const std::string& their, Phrases& all) {
  if (const auto choice = find_slot(text, "(", ')')) {
    for (const std::string& option : options_of(*choice)) add_fillings(with(text, *choice, option), p, their, all);
    return;
  }
  name_sides(text, p, their);
  if (const auto times = find_slot(text, "{times", '}')) {
    for (const std::string& words : times_words(p.repetitions)) add_fillings(with(text, *times, words), p, their, all);
    return;
  }
  if (const auto count = find_slot(text, "{n:", '}')) {
    for (const std::string& words : counted_words(p.repetitions, count->inside))
      add_fillings(with(text, *count, words), p, their, all);
    return;
  }
  while (text.ends_with(' ')) text.pop_back();
  all.push_back(std::move(text));
}

// ---- where a manner and an ending may stand; an act is a filled phrase
bool contains(const std::string& act, const char* word) { return act.find(word) != std::string::npos; }
bool verb_first(const std::string& act) {
  return !act.starts_with("is ") && !act.starts_with("goes ") && !act.starts_with("starts ");
}
// "slowly sits down and stays seated": only before two verbs.
bool manner_before_only(const std::string& act) { return verb_first(act) && contains(act, " and "); }
// "in place" twice, or "and" twice, reads badly.
bool may_have_ending(const std::string& act) {
  return !contains(act, " and ") && !contains(act, "stand") && !contains(act, " place") && !contains(act, " spot");
}

// ---- reading
// What every act of every subject tells, by "their act".
using Acts = std::map<std::string, CaptionFacts>;
Acts make_acts() {
  Acts acts;
  for (MotionParameters p : all_parameters())
    for (const std::string their : {"their", "his", "her"}) {
      Phrases all;
      for (const std::string& phrase : phrases_for(p)) add_fillings(phrase, p, their, all);
      const Speed speed = std::exchange(p.speed, Speed::normal);
      for (const std::string& act : all) {
        CaptionFacts& facts = acts.emplace(their + " " + act, CaptionFacts{p, {}}).first->second;
        CHECK(facts.parameters == p, "[procedural] \"", act, "\" means both ", describe(p), " and ",
              describe(facts.parameters));
        facts.speeds[size_t(speed)] = true;
      }
      p.speed = speed;
    }
  return acts;
}

// An act that the grammar has, with or without a manner; nothing otherwise.
std::optional<CaptionFacts> read_act(const std::string& act, const char* their, std::optional<Speed> manner) {
  static const Acts acts = make_acts();
  const auto found = acts.find(std::string(their) + " " + act);
  if (found == acts.end()) return {};
  CaptionFacts facts = found->second;
  if (!manner) return facts;
  if (!facts.speeds[size_t(*manner)]) return {};
  facts.speeds = {};
  facts.speeds[size_t(*manner)] = true;
  return facts;
}

// What stands between the subject and the ending, and the act in it.
std::optional<CaptionFacts> read_manner(const std::string& text, const char* their, std::string* act) {
  *act = text;
  if (const auto facts = read_act(*act, their, {})) return facts;
  for (const Speed speed : {Speed::slow, Speed::fast})
    for (int i = 0; i < 3; ++i) {
      const std::string manner = (speed == Speed::slow ? kSlow : kFast)[i];
      if (i == 0 && text.starts_with(manner + " ")) {
        *act = text.substr(manner.size() + 1);
        if (const auto facts = read_act(*act, their, speed); facts && verb_first(*act)) return facts;
      }
      if (text.ends_with(" " + manner)) {
        *act = text.substr(0, text.size() - manner.size() - 1);
        if (const auto facts = read_act(*act, their, speed); facts && !manner_before_only(*act)) return facts;
      }
    }
  return {};
}

std::optional<CaptionFacts> read_ending(const std::string& text, const char* their) {
  std::string act;
  if (const auto facts = read_manner(text, their, &act)) return facts;
  for (const Action of : {Action::walk, Action::wave, Action::jump})  // one of each list
    for (const std::string& ending : endings(of)) {
      if (ending.empty() || !text.ends_with(" " + ending)) continue;
      const auto facts = read_manner(text.substr(0, text.size() - ending.size() - 1), their, &act);
      if (facts && may_have_ending(act) && &endings(facts->parameters.action) == &endings(of)) return facts;
    }
  return {};
}

// Lower case, single spaces, without quotes around it and a full stop.
std::string plain_words(std::string_view sentence) {
  std::string text;
  for (const char c : sentence) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (blank && (text.empty() || text.back() == ' ')) continue;
    text += blank ? ' ' : c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  }
  const auto drop = [&](char last) {
    while (text.ends_with(' ')) text.pop_back();
    if (text.ends_with(last)) text.pop_back();
  };
  drop('.');
  if (text.starts_with('"')) {
    drop('"');
    text.erase(0, 1);
    drop('.');
  }
  return text;
}

}  // namespace

std::string make_caption(const MotionParameters& p, Dice& dice) {
  const Subject& who = kSubjects[dice.below(int(std::size(kSubjects)))];
  const Phrases& phrases = phrases_for(p);
  const std::string act = fill(phrases[size_t(dice.below(int(phrases.size())))], p, who.their, dice);
  std::string told = act;
  if (p.speed != Speed::normal && dice.chance(0.75)) {
    const bool before = manner_before_only(act) || (verb_first(act) && dice.chance(0.3));
    const int choice = before ? 0 : dice.below(3);
    const std::string manner = p.speed == Speed::slow ? kSlow[choice] : kFast[choice];
    told = before ? manner + " " + act : act + " " + manner;
  }
  const Phrases& tails = endings(p.action);
  std::string tail = dice.chance(0.3) ? tails[size_t(dice.below(int(tails.size())))] : "";
  if (!may_have_ending(act)) tail.clear();
  return std::string(who.words) + " " + told + (tail.empty() ? "" : " " + tail);
}

std::optional<CaptionFacts> read_caption(std::string_view sentence) {
  const std::string text = plain_words(sentence);
  for (const Subject& who : kSubjects) {
    const std::string subject = std::string(who.words) + " ";
    if (!text.starts_with(subject)) continue;
    if (const auto facts = read_ending(text.substr(subject.size()), who.their)) return facts;
  }
  return {};
}

std::optional<CaptionFacts> common_facts(const std::vector<std::string>& sentences) {
  std::optional<CaptionFacts> all;
  for (const std::string& sentence : sentences) {
    const auto facts = read_caption(sentence);
    if (!facts || (all && !agree(*facts, *all))) return {};
    if (!all) all = facts;
    for (size_t s = 0; s < facts->speeds.size(); ++s) all->speeds[s] = all->speeds[s] && facts->speeds[s];
  }
  return all;
}

bool agree(const CaptionFacts& a, const CaptionFacts& b) {
  bool speed = false;
  for (size_t s = 0; s < a.speeds.size(); ++s) speed = speed || (a.speeds[s] && b.speeds[s]);
  return speed && a.parameters == b.parameters;
}

}  // namespace kg
