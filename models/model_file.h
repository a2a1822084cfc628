// What models have in common as files: a configuration as JSON in the metadata, weights by name, the statistics that
// motions are normalised with. Each model's folder says what its own file holds. Errors (input) name `source`, the
// file.
#pragma once

#include <nlohmann/json.hpp>

#include "data/formats/safetensors.h"
#include "data/motion/statistics.h"
#include "nn/config.h"
#include "nn/module.h"

namespace kg {

using Json = nlohmann::ordered_json;

// ---- a configuration (nn/config.h) as JSON
template <Configuration C>
Json to_json(const C& config) {
  Json json = Json::object();
  fields(const_cast<C&>(config), [&json](const Field& field, auto& value) {  // it only reads
    using T = std::remove_reference_t<decltype(value)>;
    if constexpr (Configuration<T>)
      json[field.key] = to_json(value);
    else if constexpr (std::is_enum_v<T>)
      json[field.key] = name_of_value(value);
    else
      json[field.key] = value;
  });
  return json;
}

void read_field(const Json& json, const Field& field, bool& value, const std::string& source);
void read_field(const Json& json, const Field& field, int64_t& value, const std::string& source);
void read_field(const Json& json, const Field& field, double& value, const std::string& source);
void read_field(const Json& json, const Field& field, std::string& value, const std::string& source);
void read_field(const Json& json, const Field& field, std::vector<double>& value, const std::string& source);
// Which of `names` it says.
int read_choice(const Json& json, const Field& field, const std::vector<std::string>& names, const std::string& source);

// Every field must be there, of its type and within its bounds.
template <Configuration C>
C read_config(const Json& json, const std::string& source) {
  C config;
  CHECK_INPUT(json.is_object(), source, ": a model configuration must be an object");
  fields(config, [&](const Field& field, auto& value) {
    using T = std::remove_reference_t<decltype(value)>;
    const auto found = json.find(field.key);
    if (found == json.end() && field.may_miss) return;
    CHECK_INPUT(found != json.end(), source, ": model configuration lacks ", field.key);
    if constexpr (Configuration<T>)
      value = read_config<T>(*found, source);
    else if constexpr (std::is_enum_v<T>)
      value = T(read_choice(*found, field, {std::begin(Names<T>::of), std::end(Names<T>::of)}, source));
    else
      read_field(*found, field, value, source);
  });
  return config;
}

// The configuration in a file's metadata, and a part of it.
Json read_model_config(const TensorFile& file, const std::string& source);
const Json& read_part(const Json& json, const char* key, const std::string& source);
void check_same_model(const Json& own, const Json& stored, const std::string& source);

// ---- tensors
// Adds the entries to a file under prefix + name.
void append(TensorFile& file, const std::string& prefix, const NamedTensors& entries);
// The entries whose names begin with the prefix, without it.
NamedTensors extract(const TensorFile& file, const std::string& prefix);
// The entries whose names begin with none of the prefixes.
NamedTensors without(const TensorFile& file, const std::vector<std::string>& prefixes);

// ---- statistics of motions
void append_statistics(TensorFile& file, const Statistics& statistics);
Statistics read_statistics(const TensorFile& file, const std::string& source);
// An Error where a model in training has other statistics than the file; one that has none yet takes the file's.
void take_statistics(Statistics& own, const TensorFile& file, const std::string& source);

// ---- the skeleton of motions: stored where the number of features does not tell it
void append_skeleton(TensorFile& file, const Skeleton& skeleton);
Skeleton read_skeleton(const TensorFile& file, int64_t features, const std::string& source);
// An Error (input) with both where motions of one are met by a model of the other.
void check_same_skeleton(const Skeleton& own, const Skeleton& other, const std::string& source);

// What a constructor refuses in a stored configuration is bad input.
template <class Make>
auto made_from(const std::string& source, Make make) {
  try {
    return make();
  } catch (const Error& error) {
    fail(ErrorCode::input, source, ": the model configuration does not fit: ", error.what());
  }
}

}  // namespace kg
