// {"__metadata__": {"key": "value", ...}, "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
#include "data/formats/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace kg {
namespace {

FileDtype parse_dtype(const std::string& text, const std::string& where) {
  static const std::map<std::string, FileDtype> kTypes = {
      {"F64", FileDtype::f64}, {"F32", FileDtype::f32},     {"F16", FileDtype::f16}, {"BF16", FileDtype::bf16},
      {"I64", FileDtype::i64}, {"I32", FileDtype::i32},     {"I16", FileDtype::i16}, {"I8", FileDtype::i8},
      {"U8", FileDtype::u8},   {"BOOL", FileDtype::boolean}};
  const auto found = kTypes.find(text);
  CHECK_INPUT(found != kTypes.end(), where, "dtype ", text,
              " is not supported (F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL are)");
  return found->second;
}

// Receives the events of the JSON parser; what does not belong into a header is refused where it stands.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& name) : name_(name) {}
  TensorHeader header;

  bool key(string_t& text) override {
    if (level_ == Level::top) {
      require(names_.insert(text).second, "the header names ", text, " twice");
      in_metadata_ = text == "__metadata__";
      if (!in_metadata_) header.entries.push_back({text, {}, {}, 0, 0});
      has_dtype_ = has_shape_ = has_offsets_ = false;
    } else {
      key_ = text;
    }
    return true;
  }

  bool start_object(std::size_t) override {
    require(level_ == Level::start || level_ == Level::top, unexpected("an object"));
    level_ = level_ == Level::start ? Level::top : Level::entry;
    return true;
  }

  bool end_object() override {
    if (level_ == Level::entry && !in_metadata_) {
      require(has_dtype_ && has_shape_ && has_offsets_, here(), "dtype, shape and data_offsets are all needed");
    }
    level_ = level_ == Level::entry ? Level::top : Level::end;
    return true;
  }

  bool start_array(std::size_t) override {
    const bool is_shape = key_ == "shape", is_offsets = key_ == "data_offsets";
    require(level_ == Level::entry && !in_metadata_ && (is_shape || is_offsets), unexpected("an array"));
    bool& seen = is_shape ? has_shape_ : has_offsets_;
    require(!seen, here(), key_, " is given twice");
    seen = true;
    level_ = Level::array;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    level_ = Level::entry;
    TensorEntry& entry = header.entries.back();
    if (key_ == "shape") {
      entry.shape = numbers_;
    } else {
      require(numbers_.size() == 2 && numbers_[0] <= numbers_[1], here(), "data_offsets must be [begin, end]");
      entry.begin = numbers_[0];
      entry.end = numbers_[1];
    }
    return true;
  }

  bool string(string_t& text) override {
    require(level_ == Level::entry, unexpected("a string"));
    if (in_metadata_) {
      require(header.metadata.emplace(key_, text).second, "__metadata__ names ", key_, " twice");
    } else {
      require(key_ == "dtype" && !has_dtype_, unexpected("a string"));
      header.entries.back().dtype = parse_dtype(text, name_ + ": " + here());
      has_dtype_ = true;
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    require(level_ == Level::array, unexpected("a number"));
    require(numbers_.size() < 64, here(), key_, " has more than 64 numbers");
    numbers_.push_back(value);
    return true;
  }

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("true or false"); }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return refuse("a fraction"); }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::input, name_, ": the header is not valid JSON at its byte ", position, " (is the file damaged?)");
  }

 private:
  enum class Level { start, top, entry, array, end };

  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ": ", parts...);
  }
  bool refuse(const char* what) const { fail(ErrorCode::input, name_, ": ", unexpected(what)); }
  std::string unexpected(const char* what) const {
    const bool inside = level_ == Level::entry || level_ == Level::array;
    return "the header has " + std::string(what) + " where it does not belong" +
           (inside ? ", at key " + key_ + (in_metadata_ ? " of __metadata__" : " of " + header.entries.back().name)
                   : "");
  }
  std::string here() const { return "tensor " + header.entries.back().name + ": "; }

  const std::string& name_;
  Level level_ = Level::start;
  bool in_metadata_ = false;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::string key_;
  std::vector<uint64_t> numbers_;
  std::set<std::string> names_;
};

}  // namespace

TensorHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& name) {
  HeaderReader reader(name);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  TensorHeader header = std::move(reader.header);
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t at = 0;
  for (const TensorEntry& entry : header.entries) {
    CHECK_INPUT(entry.begin == at, name, ": tensor ", entry.name, " begins at byte ", entry.begin,
                " of the data, expected ", at, entry.begin < at ? " (it overlaps another)" : " (a gap)");
    CHECK_INPUT(entry.end <= data_bytes, name, ": tensor ", entry.name, " ends at byte ", entry.end,
                " of the data, the file has only ", data_bytes, " (is it cut off?)");
    at = entry.end;
  }
  CHECK_INPUT(at == data_bytes, name, ": the tensors fill ", at, " bytes, the file has ", data_bytes);
  return header;
}

}  // namespace kg
