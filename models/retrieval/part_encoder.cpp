#include "models/retrieval/part_encoder.h"

namespace kg {

PartEncoder::PartEncoder(const std::vector<std::vector<int>>& parts, int64_t longest, const SequenceEncoderConfig& c) {
  CHECK(!parts.empty(), "[part encoder] there are no parts");
  for (const std::vector<int>& part : parts) {
    encoders.add(int64_t(part.size()), 1, longest, c);
    features.push_back(Tensor::from(part, {int64_t(part.size())}));
  }
  reg("parts", encoders);
  for (size_t p = 0; p < features.size(); ++p) reg_buffer("features_" + std::to_string(p), features[p], false);
}

Var PartEncoder::operator()(const Var& x, const Tensor& mask) const {
  std::vector<Var> answers;
  for (int64_t p = 0; p < encoders.size(); ++p)
    answers.push_back(select(encoders[p](index_select(x, 2, features[size_t(p)]), mask), 1, 0));
  return concat(answers, 1);
}

}  // namespace kg
