#include "nn/state.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace kg {
namespace {
struct Misfit {
  std::string kind, name, note;
};

std::string describe(const Tensor& t) {
  std::ostringstream text;
  text << t.shape() << ' ' << name_of(t.dtype());
  return text.str();
}

bool fits(const Tensor& own, const Tensor& given) {
  return own.shape() == given.shape() && is_float(own.dtype()) == is_float(given.dtype());
}

std::vector<Misfit> find_misfits(const NamedTensors& own, const NamedTensors& entries,
                                 const std::map<std::string, Tensor>& given) {
  std::vector<Misfit> misfits;
  std::set<std::string> expected, seen;
  for (const auto& [name, target] : own) {
    expected.insert(name);
    if (!given.contains(name)) misfits.push_back({"missing", name, "expected " + describe(target)});
  }
  for (const auto& [name, tensor] : entries) {
    if (!expected.contains(name)) misfits.push_back({"unexpected", name, "it has " + describe(tensor)});
    if (!seen.insert(name).second) misfits.push_back({"repeated", name, "given more than once"});
  }
  for (const auto& [name, target] : own) {
    const auto found = given.find(name);
    if (found != given.end() && !fits(target, found->second))
      misfits.push_back({"mis-shaped", name, "it has " + describe(found->second) + ", expected " + describe(target)});
  }
  return misfits;
}

// One row a misfit; of each kind, the rows above kRowsOfAKind are only counted.
std::string table_of(const std::vector<Misfit>& misfits) {
  constexpr int kRowsOfAKind = 20;
  const auto padded = [](std::string text, size_t width) {
    return text.resize(std::max(width, text.size()), ' '), text + "  ";
  };
  size_t width = 0;
  for (const Misfit& misfit : misfits) width = std::max(width, misfit.name.size());
  width = std::min<size_t>(width, 60);
  std::string rows;
  std::map<std::string, int> count;
  for (const Misfit& misfit : misfits)
    if (++count[misfit.kind] <= kRowsOfAKind)
      rows += "\n  " + padded(misfit.kind, 10) + padded(misfit.name, width) + misfit.note;
  for (const auto& [kind, n] : count)
    if (n > kRowsOfAKind) rows += "\n  " + padded(kind, 10) + "and " + std::to_string(n - kRowsOfAKind) + " more";
  return rows;
}
}  // namespace

void load_strict(const NamedTensors& own, const NamedTensors& entries, const std::string& source) {
  const std::map<std::string, Tensor> given(entries.begin(), entries.end());
  const std::vector<Misfit> misfits = find_misfits(own, entries, given);
  CHECK_INPUT(misfits.empty(), "[load] ", source, " does not fit:", table_of(misfits),
              "\nUse a file that was saved from the same model with the same sizes.");
  for (const auto& [name, target] : own) target.copy_from(given.at(name));
}

}  // namespace kg
