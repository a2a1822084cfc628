#include "models/motiongpt/templates.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace kg {
namespace {

using nlohmann::json;

// What a class of sub-tasks needs: one of the placeholders of `input` in each input, one of `output` in each output.
struct Class {
  const char* name;
  std::vector<Slot> input, output;
};
const Class kClasses[] = {{"t2m", {Slot::caption}, {Slot::motion}},
                          {"l2m", {}, {Slot::motion}},
                          {"n2m", {}, {Slot::motion}},
                          {"m2t", {Slot::motion}, {Slot::caption}},
                          {"m2l", {Slot::motion}, {Slot::frames, Slot::seconds}},
                          {"t2t", {}, {Slot::caption, Slot::frames, Slot::seconds}},
                          {"n2t", {}, {Slot::caption}},
                          {"predict", {Slot::beginning}, {Slot::rest}},
                          {"inbetween", {Slot::masked}, {Slot::motion}}};

std::string names_of(const std::vector<Slot>& slots) {
  std::string names;
  for (const Slot slot : slots) names += (names.empty() ? "" : " or ") + std::string(kSlotNames[int(slot)]);
  return names;
}

// The placeholder at the front of `text`, of which it takes `size` bytes.
std::optional<Slot> slot_at(std::string_view text, size_t& size, bool& misnamed, const std::string& where) {
  const size_t end = text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", 1);
  if (end == std::string_view::npos || end == 1 || text[end] != '>') return std::nullopt;
  size = end + 1;
  const std::string_view name = text.substr(0, size);
  misnamed |= name == "<Framelen_Placeholder>";
  if (name == "<Framelen_Placeholder>") return Slot::frames;
  const auto known = std::find(std::begin(kSlotNames), std::end(kSlotNames), name);
  CHECK_INPUT(
      known != std::end(kSlotNames), where, ": unknown placeholder ", name, "; there are ",
      names_of({Slot::caption, Slot::motion, Slot::beginning, Slot::rest, Slot::masked, Slot::frames, Slot::seconds}));
  return Slot(known - std::begin(kSlotNames));
}

std::vector<std::string> choices_of(std::string_view inside, const std::string& where) {
  CHECK_INPUT(inside.find('<') == std::string_view::npos && inside.find('|') != std::string_view::npos, where, ": {",
              inside, "} must be alternatives of plain text, such as {walk|go}");
  std::vector<std::string> choices;
  for (size_t bar = 0; bar != std::string_view::npos; inside.remove_prefix(std::min(bar + 1, inside.size()))) {
    bar = inside.find('|');
    choices.emplace_back(inside.substr(0, bar));
    if (bar == std::string_view::npos) break;
  }
  return choices;
}

Wording parse_wording(std::string_view text, bool& misnamed, const std::string& where) {
  Wording wording;
  std::string plain;
  const auto add = [&](Wording::Part part) {
    if (!plain.empty()) wording.parts.push_back({{std::exchange(plain, "")}, {}});
    if (part.slot || !part.choices.empty()) wording.parts.push_back(std::move(part));
  };
  while (!text.empty()) {
    size_t size = 1;
    if (text[0] == '{') {
      const size_t end = text.find_first_of("{}", 1);
      CHECK_INPUT(end != std::string_view::npos && text[end] == '}', where, ": { without its }");
      add({choices_of(text.substr(1, end - 1), where), {}});
      size = end + 1;
    } else if (const auto slot = text[0] == '<' ? slot_at(text, size, misnamed, where) : std::nullopt) {
      add({{}, slot});
    } else {
      CHECK_INPUT(text[0] != '}', where, ": } without its {");
      plain += text[0];
    }
    text.remove_prefix(size);
  }
  add({});
  CHECK_INPUT(wording.words().find("_Placeholder") == std::string::npos, where, ": a placeholder without its < >");
  return wording;
}

const json& member(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  CHECK_INPUT(found != object.end(), where, ": lacks \"", key, "\"");
  return *found;
}

struct OddCounts {
  int misnamed = 0, empty = 0, open = 0;  // with <Framelen_Placeholder>, without text, without a placeholder
};

std::vector<Wording> parse_list(const json& list, const std::vector<Slot>& needed, OddCounts& counts,
                                const std::string& where) {
  CHECK_INPUT(list.is_array() && !list.empty(), where, ": must be a list of templates, and not empty");
  std::vector<Wording> wordings;
  for (size_t i = 0; i < list.size(); ++i) {
    const json& text = list[i];
    const std::string place = where + " template " + std::to_string(i + 1);
    CHECK_INPUT(text.is_string(), place, ": must be a text, is a JSON ", text.type_name());
    if (text.get_ref<const std::string&>().find_first_not_of(" \t\r\n") == std::string::npos) {
      ++counts.empty;
      continue;
    }
    bool has_misnamed = false;
    wordings.push_back(parse_wording(text.get_ref<const std::string&>(), has_misnamed, place));
    counts.misnamed += has_misnamed;
    const bool has = std::any_of(needed.begin(), needed.end(), [&](Slot slot) { return wordings.back().has(slot); });
    CHECK_INPUT(needed.empty() || has, place, ": needs ", names_of(needed));
  }
  CHECK_INPUT(!wordings.empty(), where, ": all templates are empty");
  return wordings;
}

void parse_task(SubTask task, const json& entry, Templates& out, const std::string& file) {
  const std::string where = file + ": " + task.group + ", " + task.name;
  CHECK_INPUT(entry.is_object(), where, ": must be an object with class, input and output");
  for (const auto& [key, value] : entry.items())
    CHECK_INPUT(key == "class" || key == "input" || key == "output", where, ": unknown entry \"", key, "\"");
  const json& kind = member(entry, "class", where);
  const auto known =
      std::find_if(std::begin(kClasses), std::end(kClasses), [&](const Class& c) { return kind == c.name; });
  CHECK_INPUT(known != std::end(kClasses), where, ": unknown class ", kind.dump(),
              "; there are t2m, l2m, n2m, m2t, m2l, t2t, n2t, predict and inbetween");
  task.kind = known->name;
  OddCounts counts;
  task.outputs = parse_list(member(entry, "output", where), known->output, counts, where + ", output");
  const bool to_length = task.kind == "t2t" && !task.outputs[0].has(Slot::caption);
  task.inputs = parse_list(member(entry, "input", where), to_length ? std::vector{Slot::caption} : known->input, counts,
                           where + ", input");
  for (const Wording& w : task.inputs)
    counts.open += (task.kind == "t2t" || task.kind == "l2m") &&
                   std::none_of(w.parts.begin(), w.parts.end(), [](const auto& part) { return part.slot; });
  const auto note = [&](int count, const char* what) {
    if (count > 0) out.notes.push_back(where + ": " + std::to_string(count) + what);
  };
  note(counts.misnamed, " templates with <Framelen_Placeholder>, read as <Frame_Placeholder>");
  note(counts.empty, " templates without text, left out");
  note(counts.open, " input templates do not tell the length");
  out.tasks.push_back(std::move(task));
}

}  // namespace

bool Wording::has(Slot slot) const {
  return std::any_of(parts.begin(), parts.end(), [&](const Part& part) { return part.slot == slot; });
}
std::string Wording::words() const {
  std::string words;
  for (const Part& part : parts) {
    if (part.slot) words += ' ';
    for (size_t i = 0; i < part.choices.size(); ++i) words += (i > 0 ? " " : "") + part.choices[i];
  }
  return words;
}

Templates parse_templates(const NamedBytes& file) {
  const json groups = parse_json(file);
  CHECK_INPUT(groups.is_object() && !groups.empty(), file.name, ": must be an object of groups of sub-tasks");
  Templates out;
  for (const auto& [group, tasks] : groups.items()) {
    CHECK_INPUT(tasks.is_object() && !tasks.empty(), file.name, ": ", group, ": must be an object of sub-tasks");
    for (const auto& [name, entry] : tasks.items()) parse_task({group, name, {}, {}, {}}, entry, out, file.name);
  }
  return out;
}
Templates read_templates(const std::string& path) { return parse_templates(read_vocabulary(path)); }

Templates instruction_templates() { return parse_templates({"templates.json", kInstructionTemplates}); }
Templates pretraining_templates() {
  return parse_templates({"the templates of pre-training", R"({
    "Text-to-Motion": {"caption": {"class": "t2m",
      "input": ["<Caption_Placeholder>"], "output": ["<Motion_Placeholder>"]}},
    "Motion-to-Text": {"caption": {"class": "m2t",
      "input": ["<Motion_Placeholder>"], "output": ["<Caption_Placeholder>"]}},
    "Motion-to-Motion": {"prediction": {"class": "predict",
      "input": ["Predict motion: <Motion_Placeholder_s1>"], "output": ["<Motion_Placeholder_s2>"]}}})"});
}

}  // namespace kg
