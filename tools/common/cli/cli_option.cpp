// One option: conversion from text and JSON with range checks, and its two columns of the help text.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tools/common/cli/cli.h"

namespace kg::tools {
using Json = nlohmann::ordered_json;

namespace {

// The shortest text that reads back as the same number.
template <class T>
std::string number_text(T value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

// For people: 0.0002 and 1000000 rather than 2e-04 and 1e+06.
template <class T>
std::string readable(T value) {
  if constexpr (std::is_integral_v<T>) return std::to_string(value);
  char text[64];
  std::snprintf(text, sizeof(text), "%.*g", sizeof(T) == 4 ? 6 : 10, double(value));
  return text;
}

template <class T>
bool parse_number(const std::string& text, T& value) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (begin != end && *begin == '+') ++begin;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return false;
  }
  return error == std::errc() && stop == end;
}

std::string join(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

template <class T>
inline constexpr bool is_number_type = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

}  // namespace

CliOption& CliOption::range(double low, double high) { return low_ = low, high_ = high, *this; }
CliOption& CliOption::at_least(double low) { return low_ = low, *this; }
CliOption& CliOption::above(double low) { return low_ = low, low_open_ = true, *this; }
CliOption& CliOption::choices(std::vector<std::string> names) { return choices_ = std::move(names), *this; }
CliOption& CliOption::required() { return required_ = true, *this; }
CliOption& CliOption::value_name(std::string name) { return value_name_ = std::move(name), *this; }
CliOption& CliOption::transient() { return transient_ = true, *this; }

std::string CliOption::range_text() const {
  if (std::isfinite(low_) && std::isfinite(high_)) return readable(low_) + ".." + readable(high_);
  if (std::isfinite(low_)) return (low_open_ ? "> " : ">= ") + readable(low_);
  return "";
}

std::string CliOption::allowed() const {
  if (!choices_.empty()) return "one of " + join(choices_, ", ");
  const std::string kind = std::visit(
      [](auto* target) -> std::string {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, bool>) return "true or false";
        if constexpr (std::is_integral_v<T>) return "an integer";
        if constexpr (std::is_floating_point_v<T>) return "a number";
        if constexpr (std::is_same_v<T, std::vector<double>>) return "numbers joined by commas";
        return "a text";
      },
      target_);
  const std::string range = range_text();
  return kind + (range.empty() ? "" : (range[0] == '>' ? " " : " in ") + range);
}

void CliOption::reject(const std::string& text, const std::string& place, ErrorCode code) const {
  const std::string near = choices_.empty() ? "" : nearest_name(text, choices_);
  fail(code, place, " must be ", allowed(), "; got '", text, "'", near.empty() ? "" : "; did you mean " + near + "?");
}

void CliOption::set_scalar(const std::string& text, const std::string& place, ErrorCode code) {
  if (!choices_.empty() && std::find(choices_.begin(), choices_.end(), text) == choices_.end())
    reject(text, place, code);
  std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, bool>) {
          if (text != "true" && text != "false") reject(text, place, code);
          *target = text == "true";
        } else if constexpr (is_number_type<T>) {
          T value{};
          if (!parse_number(text, value)) reject(text, place, code);
          const double x = double(value);
          if (x < low_ || x > high_ || (low_open_ && x == low_)) reject(text, place, code);
          *target = value;
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          target->push_back(text);
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          std::vector<double> values;
          std::istringstream list(text);
          for (std::string item; std::getline(list, item, ',');) {
            if (!parse_number(item, values.emplace_back()) || values.back() < low_ || values.back() > high_)
              reject(text, place, code);
          }
          *target = values;
        } else if constexpr (std::is_same_v<T, CliChoice>) {
          target->set(int(std::find(target->names.begin(), target->names.end(), text) - target->names.begin()));
        } else {
          *target = text;
        }
      },
      target_);
}

void CliOption::set(const std::vector<std::string>& texts, const std::string& place, ErrorCode code) {
  if (is_list()) std::get<std::vector<std::string>*>(target_)->clear();
  for (const std::string& text : texts) set_scalar(text, place, code);
  given_ = true;
  if (preset_) preset_(texts.back());
}

void CliOption::set(const Json& value, const std::string& place) {
  const auto text_of = [&](const Json& item) {
    const bool number = std::visit([](auto* t) { return is_number_type<std::remove_pointer_t<decltype(t)>>; }, target_);
    const bool fits = is_flag() ? item.is_boolean() : number ? item.is_number() : item.is_string();
    if (!fits) reject(item.dump(), place, ErrorCode::input);
    return item.is_string() ? item.get<std::string>() : item.dump();
  };
  std::vector<std::string> texts;
  if (std::holds_alternative<std::vector<double>*>(target_)) {
    if (!value.is_array()) reject(value.dump(), place, ErrorCode::input);
    std::string text = value.dump();
    texts.push_back(text.substr(1, text.size() - 2));
  } else if (is_list()) {
    if (!value.is_array()) fail(ErrorCode::input, place, " must be a list of texts; got ", value.dump());
    for (const Json& item : value) texts.push_back(text_of(item));
  } else {
    texts.push_back(text_of(value));
  }
  set(texts, place, ErrorCode::input);
}

Json CliOption::value() const {
  return std::visit(
      [](auto* target) -> Json {
        using T = std::remove_pointer_t<decltype(target)>;
        // An f32 is stored by its own shortest digits: 0.0002, not 0.00019999999494757503.
        if constexpr (std::is_same_v<T, float>) return Json(std::stod(number_text(*target)));
        if constexpr (std::is_same_v<T, std::filesystem::path>) return Json(target->string());
        if constexpr (std::is_same_v<T, CliChoice>) return Json(target->names[size_t(target->get())]);
        if constexpr (!std::is_same_v<T, float> && !std::is_same_v<T, std::filesystem::path> &&
                      !std::is_same_v<T, CliChoice>)
          return Json(*target);
      },
      target_);
}

std::string CliOption::left_column() const {
  std::string value = value_name_;
  if (value.empty() && !is_flag()) {
    value = !choices_.empty() ? join(choices_, "|")
                              : std::visit(
                                    [](auto* target) -> std::string {
                                      using T = std::remove_pointer_t<decltype(target)>;
                                      if constexpr (std::is_integral_v<T>) return "N";
                                      if constexpr (std::is_floating_point_v<T>) return "X";
                                      if constexpr (std::is_same_v<T, std::filesystem::path>) return "PATH";
                                      return "TEXT";
                                    },
                                    target_);
  }
  if (positional_) return "  " + (value_name_.empty() ? name() : value_name_) + (is_list() ? " ..." : "");
  const bool on = is_flag() && *std::get<bool*>(target_);  // a flag that is on is shown by its way off
  const std::string shown = (on ? "--no-" : "--") + name() + (value.empty() ? "" : " " + value);
  return "  " + (letter_.empty() ? "    " : "-" + letter_ + ", ") + shown;
}

std::string CliOption::right_column() const {
  std::string text = help_;
  const std::string range = range_text();
  std::string note = required_ ? "required" : "";
  if (!required_ && !is_flag() && !is_list()) {
    note = std::visit(
        [](auto* target) -> std::string {
          using T = std::remove_pointer_t<decltype(target)>;
          if constexpr (is_number_type<T>) return readable(*target);
          if constexpr (std::is_same_v<T, std::string>) return *target;
          if constexpr (std::is_same_v<T, std::filesystem::path>) return target->string();
          if constexpr (std::is_same_v<T, CliChoice>) return target->names[size_t(target->get())];
          std::string numbers;
          if constexpr (std::is_same_v<T, std::vector<double>>)
            for (double x : *target) numbers += (numbers.empty() ? "" : ",") + readable(x);
          return numbers;
        },
        target_);
  }
  if (!range.empty()) note += (note.empty() ? "" : "; ") + range;
  return note.empty() ? text : text + " [" + note + "]";
}

}  // namespace kg::tools
