// File: "\x93NUMPY", major, minor, header length (u16, from version 2 u32), header (a Python dictionary), elements.
#include "data/formats/npy.h"

#include <cstring>
#include <limits>
#include <vector>

#include "data/formats/elements.h"
#include "data/formats/file.h"

namespace kg {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  std::vector<uint64_t> shape;
};

// The dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with its keys in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, size_t offset, const std::string& name)
      : text_(text), offset_(offset), name_(name) {}

  Header parse() {
    expect('{');
    bool has_descr = false, has_order = false, has_shape = false;
    while (!take('}')) {
      const std::string key = parse_string();
      expect(':');
      bool& seen = key == "descr" ? has_descr : key == "fortran_order" ? has_order : has_shape;
      require(key == "descr" || key == "fortran_order" || key == "shape", "unknown key '", key, "'");
      require(!seen, "key '", key, "' appears twice");
      seen = true;
      if (key == "descr") {
        require(peek() == '\'' || peek() == '"', "a structured array (descr is a list) is not supported");
        header_.descr = parse_string();
      } else if (key == "fortran_order") {
        require(!parse_bool(), "the array is in Fortran order; save np.ascontiguousarray(array) instead");
      } else {
        parse_shape();
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    require(has_descr && has_order && has_shape, "the header must have descr, fortran_order and shape");
    require(peek() == 0, "the header has more after its dictionary");
    return std::move(header_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ", byte ", offset_ + at_, ": ", parts...);
  }

  // The next character that is not blank, 0 at the end.
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) { require(take(c), "the header is damaged: expected '", c, "'"); }

  std::string parse_string() {
    const char quote = peek();
    require(quote == '\'' || quote == '"', "the header is damaged: expected a quoted string");
    const size_t end = text_.find(quote, at_ + 1);
    require(end != std::string_view::npos && end - at_ <= 64, "the header is damaged: a string does not end");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    for (const char c : value) require(c >= ' ' && c <= '~', "the header is damaged: a string is not plain text");
    at_ = end + 1;
    return value;
  }

  bool parse_bool() {
    peek();
    const bool is_true = text_.substr(at_).starts_with("True");
    require(is_true || text_.substr(at_).starts_with("False"), "expected True or False for fortran_order");
    at_ += is_true ? 4 : 5;
    return is_true;
  }

  void parse_shape() {
    expect('(');
    while (!take(')')) {
      require(header_.shape.size() < 32, "the shape has more than 32 axes");
      header_.shape.push_back(parse_extent());
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }

  uint64_t parse_extent() {
    require(peek() >= '0' && peek() <= '9', "the header is damaged: expected a whole number in shape");
    uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      require(value <= (std::numeric_limits<uint64_t>::max() - 9) / 10, "an extent of the shape is too large");
      value = value * 10 + static_cast<uint64_t>(text_[at_] - '0');
    }
    take('L');  // Python 2 wrote long integers so
    return value;
  }

  std::string_view text_;
  size_t offset_;  // of the text in the file
  const std::string& name_;
  size_t at_ = 0;
  Header header_;
};

FileDtype parse_descr(const std::string& descr, const std::string& name) {
  if (descr == "<f4") return FileDtype::f32;
  if (descr == "<f8") return FileDtype::f64;
  if (descr == "<i4") return FileDtype::i32;
  if (descr == "<i8") return FileDtype::i64;
  if (descr == "|u1") return FileDtype::u8;
  if (descr == "|b1") return FileDtype::boolean;
  if (descr.find('O') != std::string::npos) {
    fail(ErrorCode::input, name, ": an object array ('", descr,
         "') holds Python objects, which are not read; save plain numbers");
  }
  if (descr.starts_with(">")) {
    fail(ErrorCode::input, name, ": the array is big-endian ('", descr, "'); save array.astype('<", descr.substr(1),
         "') instead");
  }
  fail(ErrorCode::input, name, ": element type '", descr,
       "' is not supported (f4, f8, i4, i8, u1, b1 are); save array.astype('<f4') instead");
}

const char* descr_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return "<f8";
    case Dtype::f32:
      return "<f4";
    case Dtype::i32:
      return "<i4";
    case Dtype::u8:
      return "|u1";
    default:
      fail(ErrorCode::runtime, "[write_npy] NumPy has no type ", name_of(dtype), "; convert to f32 first");
  }
}

std::string npy_header(const Tensor& tensor) {
  std::string header = std::string("{'descr': '") + descr_of(tensor.dtype()) + "', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < tensor.rank(); ++i) header += (i ? ", " : "") + std::to_string(tensor.shape()[i]);
  header += tensor.rank() == 1 ? ",), }" : "), }";
  const size_t prefix = kNpyMagic.size() + 4;
  if (tensor.rank() > 0) header.append(21 - std::to_string(tensor.shape()[0]).size(), ' ');  // NumPy's room to grow
  header.append(64 - (prefix + header.size() + 1) % 64, ' ');  // elements begin at a multiple of 64
  header += '\n';
  const auto size = static_cast<uint16_t>(header.size());
  std::string bytes = std::string(kNpyMagic) + '\x01' + '\0';
  bytes += static_cast<char>(size & 255);
  bytes += static_cast<char>(size >> 8);
  return bytes + header;
}

std::string_view raw_bytes(const Tensor& contiguous) {
  return {static_cast<const char*>(contiguous.raw()), static_cast<size_t>(contiguous.bytes())};
}

}  // namespace

Tensor read_npy_bytes(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with(kNpyMagic)) {
    const std::string foreign = foreign_content(bytes);
    fail(ErrorCode::input, name,
         ", byte 0: not a NumPy array: ", foreign.empty() ? "the file does not begin with \\x93NUMPY" : foreign);
  }
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  const size_t lead = bytes.size() > 6 && byte(6) == 1 ? 10 : 12;
  CHECK_INPUT(bytes.size() >= lead, name, ": the file is cut off in its header, after ", bytes.size(), " bytes");
  CHECK_INPUT(byte(6) >= 1 && byte(6) <= 3, name, ", byte 6: format version ", byte(6),
              " is not known, expected 1, 2 or 3");
  const size_t length = byte(8) | byte(9) << 8 | (lead == 12 ? byte(10) << 16 | byte(11) << 24 : 0);
  CHECK_INPUT(length <= bytes.size() - lead, name, ", byte 8: the header is ", length,
              " bytes long, the file has only ", bytes.size() - lead, " more (is it cut off?)");
  const Header header = HeaderParser(bytes.substr(lead, length), lead, name).parse();
  const FileDtype dtype = parse_descr(header.descr, name);
  const std::string where = name + ": ";
  std::string_view elements = bytes.substr(lead + length);
  const Shape shape = checked_shape(header.shape, dtype, elements.size(), where);
  const ReadBytes read = [&](void* to, size_t n) {
    std::memcpy(to, elements.data(), n);
    elements.remove_prefix(n);
  };
  return read_elements(dtype, shape, read, where);
}

Tensor read_npy(const std::filesystem::path& path) {
  return read_npy_bytes(read_file(path, kMaxArrayBytes), path.string());
}

std::string npy_bytes(const Tensor& tensor) {
  const Tensor packed = tensor.contiguous();
  return npy_header(packed).append(raw_bytes(packed));
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const Tensor packed = tensor.contiguous();
  const std::string header = npy_header(packed);
  AtomicFile file(path);
  file.write(header);
  file.write(raw_bytes(packed));
  file.commit(false);
}

}  // namespace kg
