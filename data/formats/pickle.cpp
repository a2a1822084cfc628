// Values of pickle.h and whole files; pickle_machine.cpp runs the opcodes.
#include "data/formats/pickle.h"

#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg {
namespace {

using Kind = PickleValue::Kind;

constexpr uint64_t kMaxPickleBytes = uint64_t{1} << 30;

}  // namespace

const char* name_of(PickleValue::Kind kind) {
  constexpr const char* kNames[] = {
      "None", "bool", "int",   "large int",          "float",        "string", "bytes", "list", "tuple",
      "set",  "dict", "class", "constructed object", "stored object"};
  return kNames[static_cast<size_t>(kind)];
}

const PickleValue* PickleValue::find(std::string_view key) const {
  if (kind != Kind::dict) return nullptr;
  for (size_t i = 0; i + 1 < items.size(); i += 2)
    if (items[i]->kind == Kind::string && items[i]->text == key) return items[i + 1];
  return nullptr;
}

Pickle read_pickle(const std::filesystem::path& path) {
  const std::string bytes = read_file(path, kMaxPickleBytes), name = path.string();
  const std::string foreign = foreign_content(bytes);
  CHECK_INPUT(foreign.empty(), name, ": not a pickle: ", foreign);
  Pickle pickle = parse_pickle(bytes, name);
  CHECK_INPUT(pickle.end == bytes.size(), name, ": ", bytes.size() - pickle.end, " bytes follow the pickle's end");
  return pickle;
}

std::vector<std::string> read_pickled_strings(const std::filesystem::path& path) {
  const Pickle pickle = read_pickle(path);
  const Kind kind = pickle.root->kind;
  CHECK_INPUT(kind == Kind::list || kind == Kind::tuple, path.string(), ": holds a ", name_of(kind),
              ", expected a list of strings");
  std::vector<std::string> strings;
  for (const PickleValue* item : pickle.root->items) {
    CHECK_INPUT(item->kind == Kind::string, path.string(), ": item ", strings.size(), " is a ", name_of(item->kind),
                ", expected a string");
    strings.push_back(item->text);
  }
  return strings;
}

std::map<std::string, int64_t> read_pickled_index(const std::filesystem::path& path) {
  const Pickle pickle = read_pickle(path);
  CHECK_INPUT(pickle.root->kind == Kind::dict, path.string(), ": holds a ", name_of(pickle.root->kind),
              ", expected a dict from strings to numbers");
  const auto& items = pickle.root->items;
  std::map<std::string, int64_t> index;
  for (size_t i = 0; i < items.size(); i += 2) {
    CHECK_INPUT(items[i]->kind == Kind::string && items[i + 1]->kind == Kind::integer, path.string(), ": entry ", i / 2,
                " is a ", name_of(items[i]->kind), " with a ", name_of(items[i + 1]->kind),
                ", expected a string with an int");
    CHECK_INPUT(index.emplace(items[i]->text, items[i + 1]->integer).second, path.string(), ": '",
                printable(items[i]->text), "' appears twice");
  }
  return index;
}

}  // namespace kg
