// Word lists of movement language and what follows from a word's ending.
#include "data/text/pos_lexicon.h"

#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "data/text/pos_tagger.h"

namespace kg::pos {
namespace {

struct TagWords {
  const char* tag;
  const char* words;
};

// Words with one tag.
constexpr TagWords kClosed[] = {
    {"DET", "a an the this these those some any each every another no all his their its my your our thier which both"},
    {"ADP",
     "with in on up down out over around to of at from as for by towards toward above into across onto off after near "
     "than along against until "
     "through between below under before without like upon beside besides underneath beneath during past via per among "
     "amongst within throughout unto except despite till about atop alongside behind inside outside infront"},
    {"CCONJ", "and or but nor"},
    {"SCONJ", "while if where whilst when because though although since whether unless how why"},
    {"PRON",
     "he she it they i you we him them me us himself herself themselves itself themself hisself theirselves oneself "
     "something someone somebody anything anyone everything everyone nothing nobody who whom what yourself myself "
     "theirs mine hers yours whoever whatever"},
    {"AUX",
     "is are am was were be been being has had have do does did can could will would should may might must shall"},
    {"PART", "not"},
    {"NUM",
     "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty seventy "
     "eighty ninety "
     "hundred thousand zero"},
    {"ADV",
     "then slowly backwards forwards forward backward again still slightly together quickly forth twice thrice very "
     "away "
     "once carefully casually apart repeatedly finally just upward upwards downward downwards almost only suddenly "
     "somewhere else lightly ahead completely briefly happily inward inwards outward outwards maybe gently vigorously "
     "normally directly steadily simultaneously well confidently immediately far even also continuously fully faster "
     "aside really later widely quite somewhat sometimes here there sideways diagonally too soon now never always "
     "often "
     "perhaps already instead rather anymore halfway foward onwards onward afterwards afterward backforth "
     "sidewards sidways meanwhile otherwise anyway everywhere nowhere twofold abit leftward rightward "
     "leftwards rightwards homeward skyward however so back counterwise perpendicularly yet ever apart hastily"},
    {"INTJ", "oh hey hello hi yes ok okay bye goodbye yeah"},
};

// Adjectives.
constexpr const char* kAdjectives =
    "few other original small circular same several large opposite big quick multiple normal little low high upper "
    "short "
    "slight full red blue green white black defensive similar ready different uneven horizontal vertical curved semi "
    "tight single imaginary drunk various deep moderate flat complete such wider sharp neutral relaxed jagged heavy "
    "initial unseen active random able many much rapid giant shy whole double narrow human strange bigger casual good "
    "bad "
    "light energetic certain loose tiny cautious longer careful warm huge additional third fourth fifth steep own "
    "unable "
    "last next total effective angry happy sad dizzy larger smaller long wide open slow fast straight diagonal "
    "bent stationary upright medium hard more most less least first second half individual invisible sideway "
    "clear quiet soft strong weak old young new tall round square main previous current nearby inner outer "
    "opposing legged handed armed footed lefthanded righthanded crosslegged fancy gentle graceful "
    "aggressive tired exhausted nervous scared sore calm funny silly weird crazy dramatic elegant "
    "formal rear left right usual extra true false real simple easy difficult possible front "
    "unsteady steady stable unstable zombielike robotic athletic martial dominant parallel perpendicular overhead "
    "underhand overhand free empty visible close clean smooth rough stiff brisk swift sudden nimble "
    "proud confident lazy bored excited alert shoulderwide opposable backandforth sick ill busy cold hot wet sure "
    "aware afraid asleep alone intoxicated downcast outstretched seated entire exact equal separate continuous "
    "constant "
    "intricate elevated shaped tentative semicircular thin thick rhythmic frontal lateral central final "
    "female male leftmost rightmost";

// Adjectives that are adverbs as well, by their place.
constexpr const char* kAdjectiveAdverbs =
    "straight fast slow high low hard wide long close more most less first second last right";

// Verbs that are nothing else, base forms.
constexpr const char* kVerbs =
    "raise put take get make go bring do hold pick lift lower sit begin start stop keep appear seem continue use throw "
    "look place extend perform proceed bend crouch kneel lean stretch grab lie lay lend let come become give set sway "
    "catch reach pour wipe rub bounce pretend try help carry drop open close adjust rotate return face shake wash "
    "clean "
    "resume complete imitate mimic gesture signal alternate straighten regain repeat release dodge avoid follow pace "
    "cross uncross clasp unclasp recover struggle practice exercise tilt twist tap rise climb descend ascend stand "
    "veer "
    "walk jog run sprint stumble stagger trip swing wave clap kick punch throw jump hop leap skip crawl creep sneak "
    "stomp march strut stroll wander shuffle sidestep spin pivot turn swivel twirl balance wobble limp waddle dance "
    "waltz "
    "swim bow squat lunge step move push pull tug drag shove slide glide slip fall collapse roll flip somersault duck "
    "juggle dribble shoot hit strike slap swat swipe block box fight defend attack protect guard salute greet shrug "
    "nod "
    "beckon point scratch pat pet touch feel press squeeze grip grasp clutch snatch grapple hug embrace kiss drink eat "
    "chew sip cook stir scrub brush sweep mop dust polish wring dry rinse comb shave dress zip button tie untie strum "
    "play conduct type write draw paint drive steer ride row paddle pedal fly flap soar hover float hang swoop land "
    "stay remain wait rest relax sleep wake awaken sag slump slouch hunch curl fold unfold tuck spread widen narrow "
    "join separate switch change shift transfer exchange pass toss hurl chuck lob pitch flick fling bowl putt "
    "serve swing aim load fire reload drop stack arrange organize gather collect search seek find lose discover "
    "inspect "
    "examine observe watch see stare glance gaze peek peer look view listen hear smell taste talk speak say tell ask "
    "answer call yell shout scream laugh cry weep cheer applaud celebrate pray meditate think wonder decide choose "
    "attempt manage fail succeed prepare ready steady finish end pause halt freeze hesitate act behave react respond "
    "copy mime fake simulate emulate represent demonstrate show display indicate express convey describe explain "
    "present "
    "include contain allow enable cause force require need want love hate enjoy wish hope intend plan tend "
    "circle curve arc bob flail thrash jerk jolt twitch tremble shiver shudder convulse spasm wiggle wriggle squirm "
    "writhe sink dip rock tip topple totter teeter lurch sprawl plop plunk flop crash bump knock bang pound hammer "
    "smash "
    "break crack tear rip cut slice chop dig plant pluck peel twist screw unscrew wind unwind wrap unwrap pack unpack "
    "fill empty spill splash spray squirt scoop shovel rake hoe mow trim prune water milk feed pinch poke prod jab "
    "stab "
    "thrust parry deflect evade escape flee chase pursue approach near leave arrive enter exit depart retreat advance "
    "back backstep backpedal backtrack retrace reverse circle orbit navigate maneuver traverse cross trudge plod trek "
    "hike "
    "tiptoe prance gallop trot canter frolic bound vault hurdle dive plunge tumble cartwheel moonwalk jive shimmy "
    "sashay "
    "groove twerk boogie curtsy genuflect bless pace tread stamp scuff scrape scurry scamper dart dash rush hurry race "
    "charge barge hobble saunter swagger amble stride lumber meander zigzag weave squeeze straddle mount dismount "
    "hoist "
    "heave haul tow pump flex contract extend stretch warm cool loosen tighten massage knead itch scratch soothe "
    "rearrange align center level even raise elevate boost prop support brace stabilize maintain sustain pose posture "
    "freestyle improvise vary increase decrease reduce slow accelerate speed quicken hasten lead guide direct point "
    "motion attempt accept receive offer deliver present share lock unlock hook unhook strap unstrap buckle pedal read "
    "count measure weigh check test try sample happen occur exist live die kill hurt injure wound ache suffer vomit "
    "cough sneeze breathe inhale exhale blow suck bite lick swallow spit yawn snore startle surprise scare frighten "
    "threaten tease taunt provoke box spar wrestle tackle pin flinch cower cringe recoil shield cover uncover hide "
    "reveal "
    "expose fidget fiddle tinker toy trace outline sketch mark sign stamp seal glue stick attach detach connect clip "
    "clamp "
    "fasten suspend dangle drape hang swing sling perch squat settle nestle snuggle cuddle cradle nurse rock comfort "
    "console assist dab smear spread apply rub wear mix beat whisk blend bake fry boil pray play act intend backflip "
    "frontflip grapevine pirouette skate ski surf sled sail golf bat putt dunk rebound volley spike bounce shadowbox";

// Verbs whose base and third person are nouns as often.
constexpr const char* kVerbNouns =
    "step turn walk run jump kick punch wave move squat spin swing stretch bend twist lunge hop skip dance pace circle "
    "motion gesture clap throw catch stop start rest stand look balance swim bow roll flip slide fall drink touch push "
    "pull shake shuffle jog march stride leap crawl pivot sidestep pose support exercise practice play fight box "
    "attack "
    "defense block shot dodge duck jab hook cross point curve arc bounce tap pat brush stroke press hit strike slap "
    "swat "
    "stumble trip limp stagger waddle lift return repeat pause halt break end finish change shift switch rise drop "
    "lean "
    "tilt twirl somersault cartwheel waltz salute nod shrug hug handstand backflip moonwalk jerk wobble wiggle rock "
    "sway "
    "reach hold grip grasp sweep swipe pass toss pitch bowl row ride climb dive glide fly race rush dash sprint stroll "
    "hike lap button phone call signal sign mark place face back level center cover shield guard water land side "
    "circuit crouch kneel sit set try drive paint work dribble juggle shower scratch wash punch serve spike knock bump "
    "slip stir mix cut chop answer talk show display view watch swivel thrust volley vault dip bob cheer laugh cry "
    "shout yell scream smile frown breath sneak block hurdle groove jive curtsy prance gallop trot veer zigzag flap "
    "attempt approach advance retreat exit dismount spread fold trail plant dress type help love hope need use wait "
    "recoil charge kiss poke spar golf bat ball paddle dust comb dry clip strap pump weave stack split tumble yawn";

// Nouns with the endings of other classes, and what is not to be taken for a verb.
constexpr const char* kNouns =
    "thing something ceiling railing building ring string wing king morning evening handling clothing being swing "
    "boxing "
    "swimming bowling clothing surrounding belly butterfly body bed shed seed weed speed reed need sled bead family "
    "jelly "
    "bully ally fly assembly monopoly bus glass dress grass press cross boss bass hiss kiss mass pass class "
    "canvas gas stress compass series stairs jeans scissors pants glasses circus cactus bonus focus thigh arm leg knee "
    "hip shoulder elbow head hand foot feet waist wrist chest side front top bottom middle center position place line "
    "path pattern direction degree angle figure person man woman people men women boy girl guy child children kid dog "
    "animal bird chicken robot monkey zombie ballet salsa karate jack jacks pushup situp pullup tennis baseball "
    "football "
    "basketball soccer golf guitar violin piano drum phone camera door window wall floor ground table chair box ball "
    "step-ladder ladder stair object item weight bar pole beam rope bag cup bottle glass plate knife fork spoon bowl "
    "food water air sky sun rain time moment second minute way manner style pose stance posture height level "
    "surface area room space spot gap distance circle square triangle oval arc curve bit lot couple pair set series "
    "clockwise counterclockwise anticlockwise counter semicircle semi-circle jumpingjack headphone tightrope handrail "
    "shelf cabinet counter sink stove dish towel shirt jacket hat shoe sock sweater coat belt sleeve pocket zipper "
    "hair "
    "face eye nose ear mouth chin cheek neck throat back stomach hip butt bottom thigh calf ankle heel toe palm finger "
    "thumb fist forearm bicep torso core tpose star house horse kind type sort";

// Irregular forms of verbs: form, lemma.
constexpr const char* kIrregularVerbs =
    "went go gone go goes go took take taken take made make gave give given give got get gotten get came come brought "
    "bring bringing bring held hold stood stand sat sit sitting sit put put putting put ran run running run threw "
    "throw "
    "thrown throw caught catch fell fall fallen fall fell fall swam swim swum swim swung swing spun spin kept keep "
    "left "
    "leave let let letting let led lead lay lay laid lay lain lie lying lie dying die tying tie knelt kneel crept "
    "creep "
    "slept sleep swept sweep wept weep felt feel met meet said say saw see seen see told tell thought think found find "
    "fought fight bought buy taught teach sought seek lost lose sent send spent spend bent bend lent lend built build "
    "shot shoot hit hit hitting hit cut cut cutting cut hurt hurt set set setting set spread spread shut shut split "
    "split "
    "began begin begun begin rose rise risen rise rode ride riding ride ridden ride wrote write written write drove "
    "drive driven drive "
    "broke break broken break spoke speak spoken speak woke wake woken wake chose choose chosen choose froze freeze "
    "frozen "
    "freeze stole steal wore wear worn wear tore tear torn tear bore bear drew draw drawn draw flew fly flown fly grew "
    "grow grown grow knew know known know blew blow blown blow shook shake shaken shake ate eat eaten eat drank drink "
    "drunk drink sang sing sprang spring sank sink strode stride slid slide hid hide hidden hide bit bite bitten bite "
    "became become struck strike stuck stick hung hang dug dig wound wind leapt leap leant lean dealt deal meant mean "
    "heard hear read read bound bind ground grind clung cling flung fling slung sling strung string stung sting wrung "
    "wring done do doing do having have mimicking mimic mimicked mimic outstretched outstretch outstreched outstreche "
    "arisen arise shone shine sewn sew shown show swollen swell";

constexpr const char* kIrregularNouns =
    "feet foot teeth tooth men man women woman children child knives knife shelves shelf halves half calves calf "
    "wolves "
    "wolf leaves leaf lives life loaves loaf wives wife selves self scarves scarf mice mouse geese goose dice die "
    "people "
    "people pants pant jeans jean stairs stair series series tennis tennis bus bus gas gas canvas canvas focus focus "
    "circus circus buses bus gases gas classes class glasses glass dresses dress crosses cross passes pass axes axis "
    "shoes shoe toes toe heroes hero potatoes potato ties tie pies pie movies movie cookies cookie zombies zombie "
    "always always chess chess chaos chaos lens lens karate karate sos sos";

using Map = std::unordered_map<std::string, Entry>;
using Pairs = std::unordered_map<std::string, std::string>;

void add(Map& map, const char* words, unsigned readings) {
  std::istringstream list(words);
  for (std::string word; list >> word;) map[word].readings |= readings;
}

std::unordered_set<std::string> to_set(const char* words) {
  std::istringstream list(words);
  std::unordered_set<std::string> set;
  for (std::string word; list >> word;) set.insert(word);
  return set;
}

Pairs to_pairs(const char* words) {
  std::istringstream list(words);
  Pairs pairs;
  for (std::string form, lemma; list >> form >> lemma;) pairs[form] = lemma;
  return pairs;
}

const Map& words() {
  static const Map map = [] {
    Map m;
    add(m, kAdjectives, kAdjective);
    add(m, kAdjectiveAdverbs, kAdverb);
    add(m, kNouns, kNoun);
    for (const TagWords& closed : kClosed) {
      std::istringstream list(closed.words);
      for (std::string word; list >> word;) m[word].tag = closed.tag;
    }
    return m;
  }();
  return map;
}

const std::unordered_set<std::string>& verbs() {
  static const std::unordered_set<std::string> set = [] {
    std::unordered_set<std::string> all = to_set(kVerbs);
    all.merge(to_set(kVerbNouns));
    return all;
  }();
  return set;
}

bool is_verb_noun(const std::string& base) {
  static const std::unordered_set<std::string> set = to_set(kVerbNouns);
  return set.contains(base);
}

Form form_of(const std::string& word, const std::string& lemma) {
  if (word.ends_with("ing") && word != lemma) return Form::gerund;
  if (word == lemma) return Form::base;
  return word.ends_with('s') && !word.ends_with("ss") ? Form::third : Form::past;
}

// What the ending of a word says when no list has it.
unsigned by_ending(const std::string& word) {
  const auto ends = [&](auto... ending) { return (word.ends_with(ending) || ...); };
  if (ends("ly", "wards", "ward", "wise")) return kAdverb;
  if (ends("ing", "ed") && word.size() > 4) return kVerb;
  if (ends("ous", "ful", "less", "ive", "able", "ible", "ish", "ical", "like") && word.size() > 5) return kAdjective;
  return kNoun;
}

}  // namespace

bool is_verb(const std::string& base) { return verbs().contains(base); }

std::string_view irregular_verb(const std::string& word) {
  static const Pairs pairs = to_pairs(kIrregularVerbs);
  const auto found = pairs.find(word);
  return found == pairs.end() ? std::string_view() : found->second;
}

std::string_view irregular_noun(const std::string& word) {
  static const Pairs pairs = to_pairs(kIrregularNouns);
  const auto found = pairs.find(word);
  return found == pairs.end() ? std::string_view() : found->second;
}

Entry look_up(const std::string& word) {
  Entry entry;
  const auto found = words().find(word);
  if (found != words().end()) entry = found->second;
  if (entry.tag) return entry;
  const std::string lemma = verb_lemma(word);
  if (is_verb(lemma) || !irregular_verb(word).empty()) {
    entry.readings |= kVerb;
    entry.form = form_of(word, lemma);
    const bool nominal = entry.form == Form::base || entry.form == Form::third;
    if (nominal && is_verb_noun(lemma)) entry.readings |= kNoun;
  }
  const auto singular = words().find(noun_lemma(word));
  if (singular != words().end()) entry.readings |= singular->second.readings & kNoun;
  if (!entry.readings) {
    entry.guessed = true;
    entry.readings = by_ending(word);
    if (entry.readings & kVerb) entry.form = word.ends_with("ing") ? Form::gerund : Form::past;
  }
  return entry;
}

}  // namespace kg::pos
