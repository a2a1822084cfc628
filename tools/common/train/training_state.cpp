// Numbers as text that reads back exactly.
#include "tools/common/train/training_state.h"

#include <charconv>

#include "tensor/error.h"

namespace kg::tools {

namespace {

// Calls fn(name, member) for each stored number, for packing and unpacking alike.
template <class State, class Fn>
void for_each_number(State& state, Fn&& fn) {
  fn("state.iteration", state.iteration);
  fn("state.random.seed", state.random.seed);
  fn("state.random.position", state.random.position);
}

}  // namespace

void pack(const TrainingState& state, std::map<std::string, std::string>& metadata) {
  for_each_number(state, [&](const char* name, auto value) { metadata[name] = std::to_string(value); });
  char digits[40];
  metadata.erase("state.best");
  if (state.has_best)
    metadata["state.best"] = std::string(digits, std::to_chars(digits, digits + sizeof(digits), state.best).ptr);
}

TrainingState unpack_training_state(const std::map<std::string, std::string>& metadata, const std::string& file) {
  TrainingState state;
  const auto read = [&](const char* name, auto& value) {
    const auto item = metadata.find(name);
    CHECK_INPUT(item != metadata.end(), "[checkpoint] ", file, " has no ", name,
                " in its metadata: it holds weights only and cannot be resumed");
    const char* end = item->second.data() + item->second.size();
    const auto [stop, error] = std::from_chars(item->second.data(), end, value);
    CHECK_INPUT(error == std::errc() && stop == end, "[checkpoint] ", file, ": ", name, " must be a number, is '",
                item->second, "'");
  };
  for_each_number(state, read);
  state.has_best = metadata.count("state.best") > 0;
  if (state.has_best) read("state.best", state.best);
  CHECK_INPUT(state.iteration >= 0, "[checkpoint] ", file, ": the iteration must not be negative");
  return state;
}

}  // namespace kg::tools
