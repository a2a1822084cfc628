// What the tests of the retrievers share: a skeleton of six joints, a text encoder that reads given ids, and the golden
// file (tests/golden/make_retrieval_golden.py) with its batch, weights and flat gradients.
#pragma once

#include <map>
#include <nlohmann/json.hpp>

#include "models/retrieval/retriever.h"
#include "models/text/bert.h"
#include "nn/optim.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"
#include "tests/models/retrieval/six_joints.h"

namespace kg {

inline BertConfig toy_distilbert() {
  BertConfig c;
  c.distil = true, c.pooler = false, c.token_types = 0;
  c.vocabulary = 9, c.width = 6, c.layers = 1, c.heads = 2, c.feedforward = 8, c.positions = 7, c.dropout = 0;
  return c;
}

// A BERT without a tokenizer: batches are made of ids.
class BertText : public TextEncoder {
 public:
  explicit BertText(const BertConfig& config, bool frozen = false) : model(config) {
    reg("model", model);
    frozen_ = frozen;
    if (frozen) set_requires_grad(false), eval();
  }
  TextBatch prepare(const std::vector<std::string>&, int64_t) const override { fail(ErrorCode::runtime, "no words"); }
  std::vector<int> tokens(const std::string&) const override { fail(ErrorCode::runtime, "no words"); }
  Var states(const TextBatch& batch) const override { return model.hidden(batch.words, batch.mask); }
  int64_t width() const override { return model.config().width; }
  int64_t state_width() const override { return model.config().width; }
  int64_t max_tokens() const override { return model.config().positions; }
  int64_t vocabulary_size() const override { return model.config().vocabulary; }
  void set_trainable(bool) override {}
  Json identity() const override { fail(ErrorCode::runtime, "no identity"); }
  std::vector<std::string> notes(const std::vector<std::string>&) const override { return {}; }

  Bert model;

 private:
  std::string stored_vocabulary() const override { return ""; }
  void check_same(const TensorFile&, const Json&, const std::string&) const override {}
};

inline const Golden& retrieval_golden() {
  static const Golden file("retrieval.safetensors");
  return file;
}
inline RetrievalBatch golden_batch(Dtype dtype) {
  const Golden& g = retrieval_golden();
  RetrievalBatch b;
  const Tensor seen = Tensor::zeros({3, 5}, Dtype::u8);
  for (int64_t i = 0; i < 3; ++i) seen.select(0, i).slice(0, 0, g.get("frames").data<int32_t>()[i]).fill(1);
  b.motion = {g.get("motion", dtype), seen};
  b.text.words = g.get("ids"), b.text.mask = g.get("mask");
  b.targets = Tensor::from<int32_t>({0, 1, 2}, {3});
  return b;
}

// Parameters by their names in the golden file.
inline std::map<std::string, Var*> golden_names(const Module& network, const TextEncoder* text) {
  std::map<std::string, Var*> all;
  for (const auto& [name, parameter] : network.named_parameters()) all[name] = parameter;
  if (text)
    for (const auto& [name, parameter] : text->named_parameters())
      all["text." + name.substr(std::string("model.").size())] = parameter;
  return all;
}
// w.NAME into all of them, and every w. of the prefix has one.
inline void load_golden_weights(const std::map<std::string, Var*>& parameters, const std::string& prefix) {
  size_t found = 0;
  for (const auto& [name, tensor] : retrieval_golden().file().tensors) found += name.starts_with(prefix + ".w.");
  for (const auto& [name, parameter] : parameters) {
    if (name == "logit_scale") {
      parameter->value.fill(double(float(std::log(1 / 0.07))));
      continue;
    }
    const Tensor w = retrieval_golden().get(prefix + ".w." + name);
    ASSERT_EQ(w.shape(), parameter->value.shape()) << name;
    parameter->value.copy_from(w);
    --found;
  }
  EXPECT_EQ(found, 0u) << "weights of " << prefix << " that the model lacks";
}
// Each parameter's part of a flat tensor of the golden file against value(parameter).
template <class Value>
void expect_golden_flat(const std::map<std::string, Var*>& parameters, const std::string& name, double tolerance,
                        double floor, Value value) {
  const Tensor want = retrieval_golden().get(name);
  int64_t at = 0;
  for (const auto& [own, parameter] : parameters) {
    const Tensor part = want.slice(0, at, at + parameter->numel()).reshape(parameter->shape());
    EXPECT_LT(relative_error(value(own, *parameter), part, floor), tolerance) << name << " " << own;
    at += parameter->numel();
  }
  EXPECT_EQ(at, want.numel());
}
inline void expect_golden_gradients(const std::map<std::string, Var*>& parameters, const std::string& name,
                                    double tolerance) {
  double largest = 1;  // a gradient that is zero but for rounding is measured against it
  for (const double g : retrieval_golden().get(name).to_vector()) largest = std::max(largest, std::abs(g));
  expect_golden_flat(parameters, name, tolerance, 1e-3 * largest, [](const std::string&, const Var& p) {
    return p.grad().defined() ? p.grad() : zeros_like(p.value);
  });
}
inline void expect_golden_deltas(const std::map<std::string, Var*>& parameters,
                                 const std::map<std::string, Tensor>& start, const std::string& name, double lr) {
  expect_golden_flat(parameters, name, 1e-6, lr,
                     [&](const std::string& own, const Var& p) { return sub(p.value, start.at(own)); });
}
inline std::map<std::string, Tensor> values_of(const std::map<std::string, Var*>& parameters) {
  std::map<std::string, Tensor> values;
  for (const auto& [name, parameter] : parameters) values[name] = parameter->value.clone();
  return values;
}
inline void expect_golden_terms(const LossTerms& terms, const std::string& name, double tolerance) {
  const std::vector<double> want = retrieval_golden().get(name).to_vector();
  ASSERT_LE(want.size(), terms.size());
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(terms[i].second.item(), want[i], tolerance * std::abs(want[i])) << name << " " << terms[i].first;
}

inline Tensor normals(const Shape& shape, uint64_t stream) {
  const Tensor t = Tensor::empty(shape);
  fill_normal(t, 0, 1, {41, stream});
  return t;
}

}  // namespace kg
