// BERTScore (Zhang et al., ICLR 2020): captions compared by the cosines of their tokens' embeddings. Only the score
// stands here; a language model of the BERT family makes the embeddings.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

// The weight of a token: ln((N + 1) / (df + 1)) from N references of which df hold it, so that the tokens that frame
// every text have none. N = 0: every weight is 1.
class IdfWeights {
 public:
  IdfWeights() = default;
  explicit IdfWeights(const std::vector<std::vector<int>>& references);  // ids of tokens
  double of(int token) const;
  std::vector<double> of(const std::vector<int>& tokens) const;

 private:
  std::map<int, int64_t> documents_;
  int64_t references_ = 0;
};

struct TokenEmbeddings {
  Tensor vectors;               // (tokens, D), of any length but zero
  std::vector<double> weights;  // one a token, not negative
};

struct BertScore {
  double precision = 0, recall = 0, f1 = 0;
};
// Every token takes its most similar one of the other text; weighted means over the candidate's tokens (precision) and
// the reference's (recall). A text whose weights are all 0 scores 0.
BertScore bert_score(const TokenEmbeddings& candidate, const TokenEmbeddings& reference);
// The best of each number over several references.
BertScore best_of(const std::vector<BertScore>& scores);
// (x - b) / (1 - b) with the score that unrelated texts have on average: a readable scale.
BertScore rescale(const BertScore& score, const BertScore& baseline);

}  // namespace kg
