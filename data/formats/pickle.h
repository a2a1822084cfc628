// Python pickles, protocols 0 to 5, as data: the opcodes build a tree of values and nothing is ever called. A pickle
// may name only the classes and functions of a list (pickle_text.cpp), which stay names; any other, such as
// os.system, is refused by its name, the file and the byte where it stands.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kg {

struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,      // integer
    integer,      // integer
    big_integer,  // beyond 64 bits: text, its two's complement bytes, lowest first, or decimal digits
    real,         // real
    string,       // text (UTF-8, or bytes of a Python 2 string)
    bytes,        // text
    list,         // items
    tuple,        // items
    set,          // items
    dict,         // items: key, value, key, value, ...; OrderedDict and its like too
    global,       // text: "torch.FloatStorage"
    call,         // callee(items...), which was not called; then state, if it was given one
    persistent    // items[0]: the id of something stored elsewhere
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<const PickleValue*> items;
  const PickleValue* callee = nullptr;  // a global
  const PickleValue* state = nullptr;

  bool is_call(std::string_view name) const { return kind == Kind::call && callee->text == name; }
  // Of a dict: the value of this key, nullptr if there is none.
  const PickleValue* find(std::string_view key) const;
};
const char* name_of(PickleValue::Kind kind);

// Values may be shared and may contain themselves: who walks them bounds depth and number of steps.
struct Pickle {
  const PickleValue* root = nullptr;
  size_t end = 0;  // the byte behind the pickle
  std::deque<PickleValue> values;
};

// The pickle that begins at byte `begin`; others may follow. Memory is at most about 100 times the pickle's length.
Pickle parse_pickle(std::string_view bytes, const std::string& name, size_t begin = 0);
Pickle read_pickle(const std::filesystem::path& path);  // a file that is one pickle

// The two shapes of word lists: a list of strings, and a dict from strings to whole numbers.
std::vector<std::string> read_pickled_strings(const std::filesystem::path& path);
std::map<std::string, int64_t> read_pickled_index(const std::filesystem::path& path);

}  // namespace kg
