#include "models/model_file.h"

#include <algorithm>

#include "data/formats/elements.h"

namespace kg {
namespace {

template <class... Parts>
[[noreturn]] void refuse(const Json& json, const Field& field, const std::string& source, const Parts&... expected) {
  fail(ErrorCode::input, source, ": model configuration has ", field.key, " = ", json.dump(), ", must be ",
       expected...);
}

void check_bounds(double value, const Json& json, const Field& field, const std::string& source) {
  const Bounds& b = field.bounds;
  if (!b.hold(value))
    refuse(json, field, source, b.open ? "above " : "from ", b.low, b.open ? "" : " on", " and at most ", b.high);
}

}  // namespace

void read_field(const Json& json, const Field& field, bool& value, const std::string& source) {
  if (!json.is_boolean()) refuse(json, field, source, "true or false");
  value = json.get<bool>();
}
void read_field(const Json& json, const Field& field, int64_t& value, const std::string& source) {
  if (!json.is_number_integer()) refuse(json, field, source, "a whole number");
  value = json.get<int64_t>();
  check_bounds(double(value), json, field, source);
}
void read_field(const Json& json, const Field& field, double& value, const std::string& source) {
  if (!json.is_number()) refuse(json, field, source, "a number");
  value = json.get<double>();
  check_bounds(value, json, field, source);
}
void read_field(const Json& json, const Field& field, std::string& value, const std::string& source) {
  if (!json.is_string()) refuse(json, field, source, "a text");
  value = json.get<std::string>();
}
void read_field(const Json& json, const Field& field, std::vector<double>& value, const std::string& source) {
  if (!json.is_array()) refuse(json, field, source, "a list of numbers");
  value.clear();
  for (const Json& item : json) read_field(item, field, value.emplace_back(), source);
}
int read_choice(const Json& json, const Field& field, const std::vector<std::string>& names,
                const std::string& source) {
  const auto found = json.is_string() ? std::find(names.begin(), names.end(), json.get<std::string>()) : names.end();
  if (found == names.end()) refuse(json, field, source, "one of ", joined(names));
  return int(found - names.begin());
}

Json read_model_config(const TensorFile& file, const std::string& source) {
  const auto found = file.metadata.find("model");
  CHECK_INPUT(found != file.metadata.end(), source, ": no model configuration in the metadata");
  try {
    return Json::parse(found->second);
  } catch (const Json::exception& e) {
    fail(ErrorCode::input, source, ": the model configuration is not JSON: ", e.what());
  }
}
const Json& read_part(const Json& json, const char* key, const std::string& source) {
  CHECK_INPUT(json.is_object() && json.contains(key) && json[key].is_object(), source, ": model configuration lacks ",
              key);
  return json[key];
}
void check_same_model(const Json& own, const Json& stored, const std::string& source) {
  CHECK_INPUT(own == stored, source, ": the checkpoint is of another model or preset.\n  it holds  ", stored.dump(),
              "\n  expected  ", own.dump(), "\nUse the preset it was trained with, or another --out.");
}

void append(TensorFile& file, const std::string& prefix, const NamedTensors& entries) {
  for (const auto& [name, tensor] : entries)
    file.tensors.emplace_back(prefix + name, tensor.to(Device::cpu).contiguous());
}
NamedTensors extract(const TensorFile& file, const std::string& prefix) {
  NamedTensors found;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  return found;
}
NamedTensors without(const TensorFile& file, const std::vector<std::string>& prefixes) {
  NamedTensors own;
  for (const auto& [name, tensor] : file.tensors)
    if (std::none_of(prefixes.begin(), prefixes.end(), [&, &n = name](const auto& p) { return n.starts_with(p); }))
      own.emplace_back(name, tensor);
  return own;
}

void append_statistics(TensorFile& file, const Statistics& s) {
  file.tensors.emplace_back("statistics.mean", s.mean);
  file.tensors.emplace_back("statistics.std", s.std);
}
Statistics read_statistics(const TensorFile& file, const std::string& source) {
  const Tensor *mean = file.find("statistics.mean"), *std = file.find("statistics.std");
  CHECK_INPUT(mean && std, source, ": the statistics of the training data are missing");
  for (const Tensor* t : {mean, std})
    CHECK_INPUT(t->rank() == 1 && t->shape() == mean->shape() && t->dtype() == Dtype::f32, source,
                ": the statistics must be two lists of as many numbers, f32, are ", t->shape(), " ",
                name_of(t->dtype()));
  const Statistics s{*mean, *std};
  check_statistics(s, source + ", statistics");
  return s;
}
void take_statistics(Statistics& own, const TensorFile& file, const std::string& source) {
  const Statistics stored = read_statistics(file, source);
  CHECK_INPUT(!own.mean.defined() ||
                  (own.mean.to_vector() == stored.mean.to_vector() && own.std.to_vector() == stored.std.to_vector()),
              source,
              ": the checkpoint was trained under other statistics than these: the data set or --root-weight has "
              "changed. Restore them, or begin a new run with another --out");
  own = stored;
}

void append_skeleton(TensorFile& file, const Skeleton& skeleton) {
  if (skeleton != humanml3d() && skeleton != kit_ml()) file.metadata["skeleton"] = skeleton_text(skeleton);
}
Skeleton read_skeleton(const TensorFile& file, int64_t features, const std::string& source) {
  const auto found = file.metadata.find("skeleton");
  const Skeleton skeleton =
      found == file.metadata.end() ? skeleton_of_features(features, source) : parse_skeleton(found->second, source);
  CHECK_INPUT(skeleton.features() == features, source, ": a model of ", features, " features, its skeleton ",
              skeleton.name, " has ", skeleton.features());
  return skeleton;
}
void check_same_skeleton(const Skeleton& own, const Skeleton& other, const std::string& source) {
  CHECK_INPUT(own == other, source, ": its motions are on the skeleton ", other.name, " (", other.joints(),
              " joints), expected ", own.name, " (", own.joints(), " joints): skeletons cannot be mixed");
}

}  // namespace kg
