// A pickle is a program for a stack machine: push a value, collect those above a mark into a container, store or fetch
// by number in a memo, name a global, call it. (Python's Lib/pickletools.py describes every opcode.)
#include "data/formats/pickle.h"

#include <bit>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "data/formats/elements.h"
#include "data/formats/pickle_text.h"
#include "tensor/error.h"

namespace kg {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kMaxValues = size_t{1} << 23;
constexpr size_t kMaxName = 512;  // bytes of a module and a name in it

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& name, size_t begin)
      : bytes_(bytes), name_(name), at_(begin), opcode_at_(begin) {}

  Pickle run() {
    while (step()) {
    }
    require(stack_.size() == 1 && marks_.empty(), "the pickle ends with ", stack_.size(), " values, expected one");
    result_.root = stack_.back();
    result_.end = at_;
    return std::move(result_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ", byte ", opcode_at_, ": ", parts...);
  }

  // The file's bytes.
  std::string_view take(uint64_t n) {
    require(n <= bytes_.size() - at_, "the pickle is cut off: ", n, " bytes are needed, ", bytes_.size() - at_,
            " are left");
    const std::string_view taken = bytes_.substr(at_, n);
    at_ += n;
    return taken;
  }
  uint64_t number(int width) {  // little-endian, unsigned
    uint64_t value = 0;
    const std::string_view raw = take(static_cast<uint64_t>(width));
    for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(raw[static_cast<size_t>(i)]);
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    require(end != bytes_.npos, "the pickle is cut off: a line does not end");
    const std::string_view text = take(end - at_);
    ++at_;
    return text;
  }

  // Stack, marks and memo.
  PickleValue& make(Kind kind) {
    require(result_.values.size() < kMaxValues, "the pickle has more than ", kMaxValues, " values");
    PickleValue& value = result_.values.emplace_back();
    value.kind = kind;
    return value;
  }
  bool push(PickleValue& value) {
    stack_.push_back(&value);
    return true;
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleValue& top() {
    require(stack_.size() > floor(), "the pickle is damaged: a value is missing on the stack");
    return *stack_.back();
  }
  PickleValue& pop() {
    PickleValue& value = top();
    stack_.pop_back();
    return value;
  }
  std::vector<const PickleValue*> pop_to_mark() {
    require(!marks_.empty(), "the pickle is damaged: a mark is missing");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleValue*> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }
  bool store(uint64_t key) {
    memo_[key] = &top();
    return true;
  }
  bool fetch(uint64_t key) {
    const auto found = memo_.find(key);
    require(found != memo_.end(), "the pickle is damaged: nothing is stored under ", key);
    return push(*found->second);
  }

  bool step();
  bool step_old(char opcode);
  bool step_structure(char opcode);
  bool step_new(unsigned char opcode);
  bool push_integer(int64_t value) {
    PickleValue& v = make(Kind::integer);
    v.integer = value;
    return push(v);
  }
  bool push_bool(bool value) {
    PickleValue& v = make(Kind::boolean);
    v.integer = value;
    return push(v);
  }
  bool push_text(Kind kind, std::string_view text) {
    PickleValue& v = make(kind);
    v.text = text;
    return push(v);
  }
  bool push_items(Kind kind, std::vector<const PickleValue*> items) {
    PickleValue& v = make(kind);
    v.items = std::move(items);
    return push(v);
  }
  bool push_tuple(size_t n) {
    require(stack_.size() - floor() >= n, "the pickle is damaged: a value is missing on the stack");
    const auto from = stack_.end() - static_cast<std::ptrdiff_t>(n);
    std::vector<const PickleValue*> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    return push_items(Kind::tuple, std::move(items));
  }
  bool push_long(std::string_view raw);
  bool push_decimal(std::string_view text, bool is_long);
  bool push_real_line();
  bool push_real_binary();
  bool push_decoded(Kind kind, const std::optional<std::string>& text) {
    require(text.has_value(), "the pickle is damaged: a string has no quotes or a bad escape");
    return push_text(kind, *text);
  }
  bool push_global(std::string_view module, std::string_view name);
  bool append(const std::vector<const PickleValue*>& items);
  bool add_pairs(const std::vector<const PickleValue*>& items);
  bool call(const PickleValue& callee, const PickleValue& arguments);
  bool make_dict(const PickleValue& arguments);
  bool make_sequence(Kind kind, const PickleValue& arguments);
  bool encode(const PickleValue& arguments);
  bool build();
  void count_copies(size_t n);

  std::string_view bytes_;
  const std::string& name_;
  size_t at_, opcode_at_;
  size_t copied_ = 0;  // items and bytes that calls repeated; an honest pickle repeats none more than once
  Pickle result_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

bool Machine::step() {
  opcode_at_ = at_;
  const char opcode = take(1)[0];
  if (opcode == '.') return false;
  return static_cast<unsigned char>(opcode) < 0x80 ? step_old(opcode) : step_new(static_cast<unsigned char>(opcode));
}

// Opcodes of protocols 0, 1 and 3: here marks and plain values.
bool Machine::step_old(char opcode) {
  switch (opcode) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case '0':
      if (stack_.size() > floor() || marks_.empty()) {
        pop();
      } else {
        marks_.pop_back();
      }
      return true;
    case '1':
      pop_to_mark();
      return true;
    case '2':
      return push(top());
    case 'N':
      return push(make(Kind::none));
    case 'I':
      return push_decimal(line(), false);
    case 'L':
      return push_decimal(line(), true);
    case 'J':
      return push_integer(static_cast<int32_t>(number(4)));
    case 'K':
      return push_integer(static_cast<int64_t>(number(1)));
    case 'M':
      return push_integer(static_cast<int64_t>(number(2)));
    case 'F':
      return push_real_line();
    case 'G':
      return push_real_binary();
    case 'S':
      return push_decoded(Kind::string, python_string(line()));
    case 'V':
      return push_decoded(Kind::string, python_unicode(line()));
    case 'T':
    case 'X':
      return push_text(Kind::string, take(number(4)));
    case 'U':
      return push_text(Kind::string, take(number(1)));
    case 'B':
      return push_text(Kind::bytes, take(number(4)));
    case 'C':
      return push_text(Kind::bytes, take(number(1)));
    default:
      return step_structure(opcode);
  }
}

// Containers, memo, names and calls.
bool Machine::step_structure(char opcode) {
  switch (opcode) {
    case ')':
      return push_tuple(0);
    case 't':
      return push_items(Kind::tuple, pop_to_mark());
    case ']':
      return push_items(Kind::list, {});
    case 'l':
      return push_items(Kind::list, pop_to_mark());
    case '}':
      return push_items(Kind::dict, {});
    case 'd': {
      const auto items = pop_to_mark();
      push_items(Kind::dict, {});
      return add_pairs(items);
    }
    case 'a': {
      const PickleValue& item = pop();
      return append({&item});
    }
    case 'e':
      return append(pop_to_mark());
    case 's': {
      const PickleValue &value = pop(), &key = pop();
      return add_pairs({&key, &value});
    }
    case 'u':
      return add_pairs(pop_to_mark());
    case 'g':
    case 'p': {
      push_decimal(line(), false);
      const int64_t key = pop().integer;
      return opcode == 'g' ? fetch(static_cast<uint64_t>(key)) : store(static_cast<uint64_t>(key));
    }
    case 'h':
      return fetch(number(1));
    case 'j':
      return fetch(number(4));
    case 'q':
      return store(number(1));
    case 'r':
      return store(number(4));
    case 'c': {
      const std::string_view module = line();
      return push_global(module, line());
    }
    case 'i': {  // a mark, arguments; the class is named here
      const std::string_view module = line();
      const std::string_view name = line();
      push_items(Kind::tuple, pop_to_mark());
      const PickleValue& arguments = pop();
      push_global(module, name);
      return call(pop(), arguments);
    }
    case 'o': {  // a mark, class, arguments
      std::vector<const PickleValue*> items = pop_to_mark();
      require(!items.empty(), "the pickle is damaged: an object has no class");
      const PickleValue& callee = *items.front();
      items.erase(items.begin());
      push_items(Kind::tuple, std::move(items));
      return call(callee, pop());
    }
    case 'R': {
      const PickleValue &arguments = pop(), &callee = pop();
      return call(callee, arguments);
    }
    case 'b':
      return build();
    case 'P':
      push_text(Kind::string, line());
      [[fallthrough]];
    case 'Q': {
      const PickleValue& id = pop();
      return push_items(Kind::persistent, {&id});
    }
  }
  require(false, "not a pickle: opcode ", int(opcode), " is unknown");
  return false;
}

// Opcodes of protocols 2, 4 and 5.
bool Machine::step_new(unsigned char opcode) {
  switch (opcode) {
    case 0x80: {
      const uint64_t version = number(1);
      require(version <= 5, "the pickle has protocol ", version, ", 0 to 5 are known");
      return true;
    }
    case 0x81: {
      const PickleValue &arguments = pop(), &callee = pop();
      return call(callee, arguments);
    }
    case 0x85:
    case 0x86:
    case 0x87:
      return push_tuple(opcode - 0x84u);
    case 0x88:
      return push_bool(true);
    case 0x89:
      return push_bool(false);
    case 0x8a:
      return push_long(take(number(1)));
    case 0x8b:
      return push_long(take(number(4)));
    case 0x8c:
      return push_text(Kind::string, take(number(1)));
    case 0x8d:
      return push_text(Kind::string, take(number(8)));
    case 0x8e:
    case 0x96:
      return push_text(Kind::bytes, take(number(8)));
    case 0x8f:
      return push_items(Kind::set, {});
    case 0x90:
      return append(pop_to_mark());
    case 0x91:
      return push_items(Kind::set, pop_to_mark());
    case 0x92: {
      const PickleValue &named = pop(), &arguments = pop(), &callee = pop();
      require(named.kind == Kind::dict && named.items.empty(), "a class is called with named arguments");
      return call(callee, arguments);
    }
    case 0x93: {
      const PickleValue &name = pop(), &module = pop();
      require(name.kind == Kind::string && module.kind == Kind::string, "a global's name must be text");
      return push_global(module.text, name.text);
    }
    case 0x94:
      return store(memo_.size());
    case 0x95:
      number(8);  // the length of a frame, which only helps to read ahead
      return true;
  }
  require(false, "not a pickle, or one that needs more than this file: opcode ", int(opcode), " is not read");
  return false;
}

// Two's complement, little-endian, any length.
bool Machine::push_long(std::string_view raw) {
  if (raw.size() > 8) return push_text(Kind::big_integer, raw);
  uint64_t value = !raw.empty() && (raw.back() & 0x80) ? ~uint64_t{0} : 0;
  for (size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(raw[i]);
  return push_integer(std::bit_cast<int64_t>(value));
}

// I00 and I01 are the booleans of protocol 0; L is followed by an L of Python 2.
bool Machine::push_decimal(std::string_view text, bool is_long) {
  if (!is_long && (text == "00" || text == "01")) return push_bool(text == "01");
  if (is_long && text.ends_with('L')) text.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size() && !text.empty();
  require(whole && error != std::errc::invalid_argument, "the pickle is damaged: '", printable(text),
          "' is not a number");
  if (error == std::errc::result_out_of_range) return push_text(Kind::big_integer, text);
  return push_integer(value);
}

bool Machine::push_real_line() {
  const std::string_view text = line();
  PickleValue& value = make(Kind::real);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value.real);
  require(end == text.data() + text.size() && error == std::errc(), "the pickle is damaged: '", printable(text),
          "' is not a number");
  return push(value);
}
bool Machine::push_real_binary() {  // big-endian
  uint64_t bits = 0;
  for (const char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
  PickleValue& value = make(Kind::real);
  value.real = std::bit_cast<double>(bits);
  return push(value);
}

bool Machine::push_global(std::string_view module, std::string_view name) {
  require(module.size() + name.size() < kMaxName, "a name of ", module.size() + name.size(), " bytes");
  const std::string full = python3_module(module) + "." + std::string(name);
  require(pickle_may_name(full), "the pickle asks for ", printable(full),
          ", which is not among the data types that are read; nothing was run. If you trust the file, load it where it "
          "came from and save only the tensors (model.state_dict())");
  return push_text(Kind::global, std::string_view(full));
}

bool Machine::append(const std::vector<const PickleValue*>& items) {
  PickleValue& to = top();
  require(to.kind == Kind::list || to.kind == Kind::set, "the pickle adds items to a ", name_of(to.kind));
  to.items.insert(to.items.end(), items.begin(), items.end());
  return true;
}
bool Machine::add_pairs(const std::vector<const PickleValue*>& items) {
  PickleValue& to = top();
  require(to.kind == Kind::dict, "the pickle sets keys of a ", name_of(to.kind));
  require(items.size() % 2 == 0, "the pickle is damaged: a key has no value");
  to.items.insert(to.items.end(), items.begin(), items.end());
  return true;
}

void Machine::count_copies(size_t n) {
  copied_ += n;
  require(copied_ <= bytes_.size(), "the pickle repeats its own parts too often");
}

// Containers and text become values; any other call stays a call.
bool Machine::call(const PickleValue& callee, const PickleValue& arguments) {
  require(callee.kind == Kind::global, "the pickle calls a ", name_of(callee.kind), ", expected the name of a class");
  require(arguments.kind == Kind::tuple, "the arguments of ", callee.text, " are a ", name_of(arguments.kind),
          ", expected a tuple");
  const std::string_view name = callee.text;
  if (name == "collections.OrderedDict" || name == "builtins.dict" || name.ends_with(".AttributeDict"))
    return make_dict(arguments);
  if (name == "collections.defaultdict") return push_items(Kind::dict, {});  // the argument is the default's type
  if (name == "collections.Counter") return make_dict(arguments);
  if (name == "builtins.set" || name == "builtins.frozenset") return make_sequence(Kind::set, arguments);
  if (name == "builtins.list" || name == "collections.deque") return make_sequence(Kind::list, arguments);
  if (name == "builtins.tuple" || name == "torch.Size") return make_sequence(Kind::tuple, arguments);
  if (name == "_codecs.encode") return encode(arguments);
  if (name == "builtins.bytes" && arguments.items.empty()) return push_text(Kind::bytes, std::string_view());
  PickleValue& value = make(Kind::call);
  value.callee = &callee;
  if (name == "copyreg._reconstructor") {  // (class, base, its state): the class without arguments
    require(!arguments.items.empty() && arguments.items[0]->kind == Kind::global, "an object has no class");
    value.callee = arguments.items[0];
  } else {
    count_copies(arguments.items.size());
    value.items = arguments.items;
  }
  return push(value);
}

// dict(), dict(other) or dict([(key, value), ...]).
bool Machine::make_dict(const PickleValue& arguments) {
  PickleValue& dict = make(Kind::dict);
  if (!arguments.items.empty()) {
    const PickleValue& from = *arguments.items[0];
    count_copies(2 * from.items.size());
    if (from.kind == Kind::dict) dict.items = from.items;
    for (const PickleValue* pair : from.items) {
      if (from.kind == Kind::dict) break;
      const bool is_pair = (pair->kind == Kind::tuple || pair->kind == Kind::list) && pair->items.size() == 2;
      require(is_pair, "a dict is made from what are not pairs");
      dict.items.insert(dict.items.end(), pair->items.begin(), pair->items.end());
    }
  }
  return push(dict);
}

bool Machine::make_sequence(Kind kind, const PickleValue& arguments) {
  if (arguments.items.empty()) return push_items(kind, {});
  const PickleValue& from = *arguments.items[0];
  const bool sequence = from.kind == Kind::list || from.kind == Kind::tuple || from.kind == Kind::set;
  require(sequence, "a ", name_of(kind), " is made from a ", name_of(from.kind));
  count_copies(from.items.size());
  return push_items(kind, from.items);
}

// _codecs.encode(text, "latin1"): how protocols before 3 write bytes, each as the character of its number.
bool Machine::encode(const PickleValue& arguments) {
  const auto& items = arguments.items;
  require(items.size() == 2 && items[0]->kind == Kind::string && items[1]->text == "latin1",
          "_codecs.encode is known only for (text, 'latin1')");
  count_copies(items[0]->text.size());
  const std::optional<std::string> bytes = latin1(items[0]->text);
  require(bytes.has_value(), "bytes are written with characters beyond 255");
  return push_decoded(Kind::bytes, bytes);
}

bool Machine::build() {
  const PickleValue& state = pop();
  PickleValue& object = top();
  if (object.kind == Kind::call) object.state = &state;
  // Attributes of a dict, such as _metadata of a state dict, are not read.
  require(object.kind == Kind::call || object.kind == Kind::dict, "the pickle gives attributes to a ",
          name_of(object.kind));
  return true;
}

}  // namespace

Pickle parse_pickle(std::string_view bytes, const std::string& name, size_t begin) {
  CHECK_INPUT(begin < bytes.size(), name, ": a pickle is missing at byte ", begin, " (is the file cut off?)");
  return Machine(bytes, name, begin).run();
}

}  // namespace kg
