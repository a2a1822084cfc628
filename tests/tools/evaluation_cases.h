// What the tests of evaluations share.
#pragma once

#include <algorithm>
#include <set>
#include <string>

#include "tools/common/evaluate/evaluation.h"

namespace kg {

inline tools::EvaluationOptions options_for(std::set<std::string> groups, int repeats = 5) {
  tools::EvaluationOptions options;
  options.groups = std::move(groups);
  options.repeats = repeats;
  options.quiet = true;
  return options;
}
inline bool has_note(const tools::Evaluation& evaluation, const std::string& part) {
  return std::any_of(evaluation.report.notes.begin(), evaluation.report.notes.end(),
                     [&](const std::string& note) { return note.find(part) != note.npos; });
}

}  // namespace kg
