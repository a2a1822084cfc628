// Captions for Bandai-Namco clips from the words in their file names: dataset-2_CONTENT_STYLE_NUMBER.
#include <array>

#include "data/sets/captures.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace kg {
namespace {

// A verb phrase that follows "a person", as one that follows "a person is".
struct Content {
  std::string_view name;
  std::array<std::string_view, 3> phrases;
};
constexpr std::array<Content, 10> kContents = {{
    {"walk", {"walks forward", "walks straight ahead", "is walking forward"}},
    {"walk-turn-left",
     {"walks forward and turns left", "walks and makes a turn to the left", "is walking and turns left"}},
    {"walk-turn-right",
     {"walks forward and turns right", "walks and makes a turn to the right", "is walking and turns right"}},
    {"run", {"runs forward", "runs straight ahead", "is running forward"}},
    {"raise-up-left-hand", {"raises the left hand", "lifts the left hand up", "puts the left hand up"}},
    {"raise-up-right-hand", {"raises the right hand", "lifts the right hand up", "puts the right hand up"}},
    {"raise-up-both-hands", {"raises both hands", "lifts both hands up", "puts both hands up"}},
    {"wave-left-hand", {"waves the left hand", "waves with the left hand", "is waving with the left hand"}},
    {"wave-right-hand", {"waves the right hand", "waves with the right hand", "is waving with the right hand"}},
    {"wave-both-hands", {"waves both hands", "waves with both hands", "is waving with both hands"}},
}};

struct Style {
  std::string_view name;
  std::array<std::string_view, 3> phrases;
};
constexpr std::array<Style, 6> kStyles = {{
    {"active", {"energetically", "in an active way", "full of energy"}},
    {"exhausted", {"wearily", "in an exhausted way", "as if exhausted"}},
    {"feminine", {"in a feminine way", "with feminine movements", "in a feminine style"}},
    {"masculine", {"in a masculine way", "with masculine movements", "in a masculine style"}},
    {"normal", {"", "", "normally"}},
    {"youthful", {"in a youthful way", "with youthful movements", "like a young person"}},
}};
constexpr std::array<std::string_view, 3> kBandaiSubjects = {"a person", "someone", "the person"};

template <class Table>
const typename Table::value_type& look_up(const Table& table, const std::string& word, const std::string& file) {
  for (const auto& entry : table)
    if (entry.name == word) return entry;
  fail(ErrorCode::input, file, ": expected a name such as dataset-2_walk_normal_001 (content, style, number); '", word,
       "' is unknown");
}

}  // namespace

std::vector<CaptionRow> bandai_captions(const std::vector<std::filesystem::path>& files) {
  std::vector<CaptionRow> rows;
  for (size_t f = 0; f < files.size(); ++f) {
    const std::string name = files[f].stem().string();
    const size_t first = name.find('_'), second = name.find('_', first + 1), third = name.find('_', second + 1);
    CHECK_INPUT(first != name.npos && second != name.npos && third != name.npos, files[f].string(),
                ": expected a name such as dataset-2_walk_normal_001 (content, style, number)");
    const Content& content = look_up(kContents, name.substr(first + 1, second - first - 1), files[f].string());
    const Style& style = look_up(kStyles, name.substr(second + 1, third - second - 1), files[f].string());
    // Three sentences that share no phrase; which subject and style go with which verb differs from clip to clip.
    const Philox random{mix(f, 1), 0};
    const size_t subject = random.below(0, 3), manner = random.below(1, 3);
    for (size_t i = 0; i < 3; ++i) {
      const std::string_view how = style.phrases[(i + manner) % 3];
      CaptionRow row{name, "phrased", std::string(kBandaiSubjects[(i + subject) % 3])};
      row.caption += ' ' + std::string(content.phrases[i]) + (how.empty() ? "" : " ") + std::string(how);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace kg
