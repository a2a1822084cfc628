// A tensor is _rebuild_tensor_v2(storage, offset, size, stride, ...) around the persistent id ("storage", class, key,
// location, elements[, view]); a parameter wraps it once more. (PyTorch: torch/_utils.py, torch/serialization.py.)
#include "data/formats/torch_tree.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace kg {
namespace {

using Kind = PickleValue::Kind;

constexpr int kMaxDepth = 64;
constexpr size_t kShownItems = 8, kShownText = 200;

// The first kShownText bytes, whole characters only; what is not UTF-8 is made readable.
std::string beginning(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t size = utf8_size(text.substr(end));
    if (size == 0) return printable(text);
    if (end + size > kShownText) break;
    end += size;
  }
  return std::string(text.substr(0, end));
}

// The element type that NumPy spells as `code` ("f4") in little-endian order or one byte.
bool numpy_dtype(std::string_view code, FileDtype& dtype) {
  static const std::map<std::string_view, FileDtype> kTypes = {
      {"f8", FileDtype::f64}, {"f4", FileDtype::f32}, {"f2", FileDtype::f16},
      {"i8", FileDtype::i64}, {"i4", FileDtype::i32}, {"i2", FileDtype::i16},
      {"i1", FileDtype::i8},  {"u1", FileDtype::u8},  {"b1", FileDtype::boolean}};
  const auto found = kTypes.find(code);
  if (found != kTypes.end()) dtype = found->second;
  return found != kTypes.end();
}

// numpy.dtype(code, ...) with the byte order in its state.
bool read_numpy_dtype(const PickleValue& value, FileDtype& dtype) {
  if (!value.is_call("numpy.dtype") || value.items.empty() || value.items[0]->kind != Kind::string) return false;
  const PickleValue* state = value.state;
  const bool big = state && state->items.size() > 1 && state->items[1]->text == ">";
  return !big && numpy_dtype(value.items[0]->text, dtype);
}

std::string child_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

// A string or a whole number as a part of a path; empty for anything else.
std::string key_text(const PickleValue& key) {
  if (key.kind == Kind::string) return key.text;
  return key.kind == Kind::integer ? std::to_string(key.integer) : "";
}
std::string key_of(const PickleValue& dict, size_t i) {
  const std::string key = key_text(*dict.items[i]);
  return key.empty() ? "key" + std::to_string(i / 2) : key;
}

std::string text_of(double value) {
  std::ostringstream text;
  text.precision(9);
  text << value;
  return text.str();
}

class Flattener {
 public:
  Flattener(const Pickle& pickle, const std::string& name)
      : name_(name), steps_left_(1000 + 16 * pickle.values.size()) {}

  TorchTree run(const PickleValue& root) {
    if (root.kind != Kind::dict) {  // a module of a TorchScript archive, a tensor, a list
      visit(root.kind == Kind::call && !root.state ? "tensor" : "", root, 0);
      tree_.on_top = true;
      return std::move(tree_);
    }
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const std::string key = key_of(root, i);
      const size_t before = tree_.tensors.size();
      visit(key, *root.items[i + 1], 1);
      const size_t added = tree_.tensors.size() - before;
      if (added == 1 && tree_.tensors.back().path == key)
        tree_.on_top = tree_.on_top || !tree_.tensors.back().bytes;
      else if (added > 0)
        tree_.groups.push_back(key);
    }
    return std::move(tree_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ": ", parts...);
  }
  void visit(const std::string& path, const PickleValue& value, int depth);
  void visit_kind(const std::string& path, const PickleValue& value, int depth);
  void visit_dict(const std::string& path, const PickleValue& dict, int depth);
  void visit_items(const std::string& path, const PickleValue& list, int depth);
  void visit_call(const std::string& path, const PickleValue& call, int depth);
  void add_tensor(const std::string& path, const std::string& function, const std::vector<const PickleValue*>& items);
  bool add_numpy(const std::string& path, const PickleValue& call);
  void read_storage(const PickleValue& value, TorchTensor& tensor) const;
  uint64_t count(const PickleValue& value, const std::string& what) const;
  std::vector<uint64_t> counts(const PickleValue& value, const std::string& what) const;
  std::string plain_text(const PickleValue& value) const;

  const std::string& name_;
  size_t steps_left_;
  std::vector<const PickleValue*> above_;  // those that hold the one that is visited
  TorchTree tree_;
};

bool is_scalar(Kind kind) {
  return kind == Kind::none || kind == Kind::boolean || kind == Kind::integer || kind == Kind::big_integer ||
         kind == Kind::real || kind == Kind::string || kind == Kind::global;
}

void Flattener::visit(const std::string& path, const PickleValue& value, int depth) {
  require(is_utf8(path), "a name is not UTF-8: ", printable(path));
  require(depth <= kMaxDepth, "the pickle nests more than ", kMaxDepth, " levels, at ", printable(path));
  require(steps_left_-- > 0, "the pickle repeats its own parts too often, at ", printable(path));
  // A part that points back at what holds it, as settings point at their parents, is passed over.
  if (std::find(above_.begin(), above_.end(), &value) != above_.end()) return;
  above_.push_back(&value);
  visit_kind(path, value, depth);
  above_.pop_back();
}

void Flattener::visit_kind(const std::string& path, const PickleValue& value, int depth) {
  switch (value.kind) {
    case Kind::dict:
      return visit_dict(path, value, depth);
    case Kind::list:
    case Kind::tuple:
    case Kind::set:
      return visit_items(path, value, depth);
    case Kind::call:
      return visit_call(path, value, depth);
    case Kind::persistent:
      return;  // a storage on its own
    default:
      tree_.metadata.emplace(path, plain_text(value));
  }
}

void Flattener::visit_dict(const std::string& path, const PickleValue& dict, int depth) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    visit(child_path(path, key_of(dict, i)), *dict.items[i + 1], depth + 1);
  }
}

// A list of plain values becomes one text, any other is a dict by number.
void Flattener::visit_items(const std::string& path, const PickleValue& list, int depth) {
  const auto& items = list.items;
  if (std::all_of(items.begin(), items.end(), [](const PickleValue* item) { return is_scalar(item->kind); })) {
    std::string text;
    for (size_t i = 0; i < std::min(items.size(), kShownItems); ++i) text += (i ? ", " : "") + plain_text(*items[i]);
    if (items.size() > kShownItems) text += ", ... " + std::to_string(items.size()) + " items";
    tree_.metadata.emplace(path, "[" + text + "]");
    return;
  }
  for (size_t i = 0; i < items.size(); ++i) visit(child_path(path, std::to_string(i)), *items[i], depth + 1);
}

void Flattener::visit_call(const std::string& path, const PickleValue& call, int depth) {
  const std::string& function = call.callee->text;
  const auto& items = call.items;
  const auto argument = [&](size_t i) -> const PickleValue& {
    require(i < items.size(), printable(path), ": ", function, " has only ", items.size(), " arguments");
    return *items[i];
  };
  if (function == "torch._utils._rebuild_tensor_v2" || function == "torch._utils._rebuild_tensor") {
    add_tensor(path, function, items);
  } else if (function.starts_with("torch._utils._rebuild_parameter") || function == "torch.nn.parameter.Parameter") {
    visit(path, argument(0), depth + 1);
  } else if (function == "torch._tensor._rebuild_from_type_v2") {  // (function, class, its arguments, state)
    require(argument(0).text == "torch._utils._rebuild_tensor_v2", printable(path), ": a tensor of an unknown kind");
    add_tensor(path, argument(0).text, argument(2).items);
  } else if (function.starts_with("torch.jit._pickle.") && function != "torch.jit._pickle.restore_type_tag") {
    visit(path, argument(0), depth + 1);
  } else if (add_numpy(path, call)) {
    return;
  } else if (call.state) {  // an object: its attributes
    visit(path, *call.state, depth + 1);
  } else {
    for (size_t i = 0; i < items.size(); ++i)
      if (!is_scalar(items[i]->kind)) visit(child_path(path, std::to_string(i)), *items[i], depth + 1);
  }
}

uint64_t Flattener::count(const PickleValue& value, const std::string& what) const {
  require(value.kind == Kind::integer && value.integer >= 0, what, " must be a whole number, is ", name_of(value.kind),
          value.kind == Kind::integer ? " " + std::to_string(value.integer) : "");
  return static_cast<uint64_t>(value.integer);
}
std::vector<uint64_t> Flattener::counts(const PickleValue& value, const std::string& what) const {
  require(value.kind == Kind::tuple || value.kind == Kind::list, what, " must be a tuple, is ", name_of(value.kind));
  std::vector<uint64_t> numbers;
  for (const PickleValue* item : value.items) numbers.push_back(count(*item, what));
  return numbers;
}

void Flattener::read_storage(const PickleValue& value, TorchTensor& tensor) const {
  const std::string where = printable(tensor.path) + ": its storage";
  require(value.kind == Kind::persistent && value.items[0]->kind == Kind::tuple, where, " is a ", name_of(value.kind));
  const auto& id = value.items[0]->items;
  require(id.size() >= 5 && id[0]->text == "storage" && id[1]->kind == Kind::global, where, " has no class");
  require(storage_dtype(id[1]->text, tensor.dtype), where, " is a ", printable(id[1]->text),
          "; elements of this type are not read");
  require(id[2]->kind == Kind::string || id[2]->kind == Kind::integer, where, " has no key");
  tensor.storage = key_text(*id[2]);
  tensor.storage_elements = count(*id[4], where + "'s size");
  // Old files: the storage is a part of another, (its key, begin, elements); the whole one is in the archive.
  if (id.size() < 6 || id[5]->kind != Kind::tuple) return;
  const auto& view = id[5]->items;
  require(view.size() == 3, where, " is a damaged view");
  const uint64_t begin = count(*view[1], where + "'s begin");
  const uint64_t elements = count(*view[2], where + "'s size");
  require(begin <= tensor.storage_elements && elements <= tensor.storage_elements - begin, where, " is a damaged view");
  tensor.offset += begin;
}

void Flattener::add_tensor(const std::string& path, const std::string& function,
                           const std::vector<const PickleValue*>& items) {
  require(items.size() >= 4, printable(path), ": ", function, " has only ", items.size(), " arguments");
  TorchTensor tensor;
  tensor.path = path;
  tensor.offset = count(*items[1], printable(path) + ": its offset");
  tensor.shape = counts(*items[2], printable(path) + ": its shape");
  tensor.strides = counts(*items[3], printable(path) + ": its strides");
  require(tensor.shape.size() == tensor.strides.size(), printable(path), " has ", tensor.shape.size(), " axes and ",
          tensor.strides.size(), " strides");
  read_storage(*items[0], tensor);
  tree_.tensors.push_back(std::move(tensor));
}

// A scalar becomes metadata, an array of numbers a tensor. Arrays of objects and text are passed over.
bool Flattener::add_numpy(const std::string& path, const PickleValue& call) {
  TorchTensor tensor;
  tensor.path = path;
  if (call.is_call("numpy.core.multiarray.scalar")) {  // (dtype, bytes)
    if (call.items.size() != 2 || !read_numpy_dtype(*call.items[0], tensor.dtype)) return true;
    const std::string& bytes = call.items[1]->text;
    if (bytes.size() != static_cast<size_t>(size_of(tensor.dtype))) return true;
    const ReadBytes read = [&](void* to, size_t n) { std::memcpy(to, bytes.data(), n); };
    tree_.metadata.emplace(path, text_of(read_elements(tensor.dtype, {}, read, name_ + ": ").item()));
    return true;
  }
  if (!call.is_call("numpy.core.multiarray._reconstruct")) return false;
  // The state is (version, shape, dtype, is it in Fortran order, bytes).
  if (!call.state || call.state->items.size() != 5) return true;
  const auto& state = call.state->items;
  const bool plain =
      read_numpy_dtype(*state[2], tensor.dtype) && state[3]->integer == 0 && state[4]->kind == Kind::bytes;
  if (!plain) return true;
  tensor.bytes = &state[4]->text;
  tensor.shape = counts(*state[1], printable(path) + ": its shape");
  tensor.storage_elements = tensor.bytes->size() / static_cast<size_t>(size_of(tensor.dtype));
  tensor.strides.resize(tensor.shape.size());
  uint64_t step = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    tensor.strides[i] = step;
    require(tensor.shape[i] == 0 || step <= tensor.storage_elements / tensor.shape[i], printable(path),
            ": the array is cut off");
    step *= tensor.shape[i];
  }
  tree_.tensors.push_back(std::move(tensor));
  return true;
}

std::string Flattener::plain_text(const PickleValue& value) const {
  switch (value.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.integer ? "True" : "False";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::real:
      return text_of(value.real);
    case Kind::string:
    case Kind::global:
      return beginning(value.text);
    default:
      return name_of(value.kind);
  }
}

}  // namespace

TorchTree flatten_torch(const Pickle& pickle, const std::string& name) {
  return Flattener(pickle, name).run(*pickle.root);
}

bool storage_dtype(std::string_view global, FileDtype& dtype) {
  static const std::map<std::string_view, FileDtype> kTypes = {
      {"DoubleStorage", FileDtype::f64},    {"FloatStorage", FileDtype::f32}, {"HalfStorage", FileDtype::f16},
      {"BFloat16Storage", FileDtype::bf16}, {"LongStorage", FileDtype::i64},  {"IntStorage", FileDtype::i32},
      {"ShortStorage", FileDtype::i16},     {"CharStorage", FileDtype::i8},   {"ByteStorage", FileDtype::u8},
      {"BoolStorage", FileDtype::boolean}};
  const auto found = kTypes.find(global.substr(global.rfind('.') + 1));
  if (found != kTypes.end()) dtype = found->second;
  return found != kTypes.end();
}

}  // namespace kg
