// Configurations are written once. Beside a configuration stands one function that names each of its fields:
//   template <class V>
//   void fields(GptConfig& c, V&& v) {
//     v(Field{"width", "width,embed-dim-gpt", "transformer width", between(1, 16384)}, c.width);
//   }
// Everything else comes from it: JSON and its checked reader (models/model_file.h), "is it the same model?", and the
// options of a command line with help, ranges and defaults (tools/common/cli). A field may be a bool, a whole number, a
// double, a string, a list of doubles, an enum with Names, or a configuration of its own.
#pragma once

#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>

namespace kg {

// The numbers that a field may have; both ends are allowed unless `open`.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool open = false;  // low itself is not allowed
  bool hold(double x) const { return (open ? x > low : x >= low) && x <= high; }
};
constexpr Bounds at_least(double low) { return {low}; }
constexpr Bounds above(double low) { return {.low = low, .open = true}; }
constexpr Bounds between(double low, double high) { return {low, high}; }
inline constexpr double kLargestSize = 1 << 20;  // of a width, a number of layers, ...
constexpr Bounds size_bounds() { return between(1, kLargestSize); }

struct Field {
  const char* key;          // in JSON
  const char* option = "";  // names of the command line's option, as Cli::add() takes them; empty: it has none
  const char* help = "";
  Bounds bounds = {};
  bool may_miss = false;  // files of earlier versions lack it: the default holds
  bool rare = false;      // its option is listed by --help-all only
};
constexpr Field rare(Field field) {
  field.rare = true;
  return field;
}

// The words for an enum's values, in their order: template <> struct Names<Kind> { static constexpr const char* const
// of[] = {"step", "cosine"}; }.
template <class E>
struct Names;

template <class E>
const char* name_of_value(E value) {
  return Names<E>::of[static_cast<int>(value)];
}

template <class E>
std::optional<E> value_named(const std::string& name) {
  for (size_t i = 0; i < std::size(Names<E>::of); ++i)
    if (name == Names<E>::of[i]) return E(i);
  return {};
}

// Whether a type has a fields() of its own.
template <class T>
concept Configuration = requires(T& config) {
  fields(config, [](const Field&, auto&) {});
};

}  // namespace kg
