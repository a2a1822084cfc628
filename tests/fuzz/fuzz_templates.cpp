// libFuzzer target of the templates of instructions: any bytes parse or throw kg::Error (input), as a file and as one
// template among good ones.
#include <nlohmann/json.hpp>

#include "models/motiongpt/templates.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto use = [](const std::string& bytes) {
    for (const kg::SubTask& task : kg::parse_templates({"fuzz", bytes}).tasks)
      for (const kg::Wording& wording : task.inputs) wording.words();
  };
  kg::fuzz_parser(data, size, [&](std::string_view text) { use(std::string(text)); });
  return kg::fuzz_parser(data, size, [&](std::string_view text) {
    const nlohmann::json task = {{"class", "n2m"}, {"input", {text}}, {"output", {"<Motion_Placeholder>"}}};
    use(nlohmann::json{{"group", {{"task", task}}}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  });
}
