// libFuzzer target of the reader of instruction templates; the first byte chooses what the rest is: a file, one template
// in a file that is right, or changes to such a file. Any bytes parse or throw kg::Error (input), and of what parses every
// sub-task has wordings, none of them empty or with a placeholder left in its words.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "models/motiongpt/templates.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace kg;

constexpr const char* kFile = R"({"Text-to-Motion": {
  "caption": {"class": "t2m", "input": ["{Show|Give} me <Caption_Placeholder>."], "output": ["<Motion_Placeholder>"]},
  "frames": {"class": "l2m", "input": ["<Framelen_Placeholder> frames", " "], "output": ["<Motion_Placeholder>"]}},
 "Text-to-Text": {
  "seconds": {"class": "t2t", "input": ["<Caption_Placeholder>"], "output": ["<Second_Placeholder> s"]}},
 "Motion-to-Motion": {
  "rest": {"class": "predict", "input": ["<Motion_Placeholder_s1>"], "output": ["<Motion_Placeholder_s2>"]},
  "gap": {"class": "inbetween", "input": ["<Motion_Placeholder_Masked>"], "output": ["<Motion_Placeholder>"]}}})";

std::string changed(std::string bytes, std::string_view changes) {
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(changes[i]); };
    bytes[(byte(0) << 8 | byte(1)) % bytes.size()] = changes[2];
  }
  return bytes;
}

// In a sub-task that needs nothing of its inputs.
std::string with_template(const std::string& text) {
  const nlohmann::json task{{"class", "n2m"}, {"input", {text}}, {"output", {"<Motion_Placeholder>"}}};
  const nlohmann::json file{{"group", {{"name", task}}}};
  return file.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void check(const Templates& templates) {
  if (templates.tasks.empty()) std::abort();
  for (const SubTask& task : templates.tasks)
    for (const auto* list : {&task.inputs, &task.outputs}) {
      if (list->empty()) std::abort();
      for (const Wording& wording : *list)
        if (wording.parts.empty() || wording.words().find("_Placeholder") != std::string::npos) std::abort();
    }
}

void parse(std::string_view input) {
  if (input.empty()) return;
  const std::string rest(input.substr(1));
  check(parse_templates({"fuzz", input[0] == 't'   ? with_template(rest)
                                 : input[0] == 'c' ? changed(kFile, rest)
                                                   : rest}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return kg::fuzz_parser(data, size, parse); }
