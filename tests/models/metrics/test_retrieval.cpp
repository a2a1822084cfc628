// Recall and median rank in every protocol: by hand, against NumPy, under permutations, and with bad input.
#include "models/metrics/retrieval.h"

#include <numeric>

#include "data/sets/sampling.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"

namespace kg {
namespace {

std::vector<int64_t> ids_of(const Tensor& tensor) {
  std::vector<int64_t> ids;
  for (const double id : tensor.to_vector()) ids.push_back(int64_t(id));
  return ids;
}

std::vector<std::string> names_of(const Tensor& tensor) {
  std::vector<std::string> names;
  for (const double id : tensor.to_vector()) names.push_back("caption " + std::to_string(int(id)));
  return names;
}

std::vector<double> numbers(const Retrieval& got) {
  std::vector<double> all;
  for (const RetrievalScores& scores : {got.text_to_motion, got.motion_to_text}) {
    all.insert(all.end(), scores.recall.begin(), scores.recall.end());
    all.push_back(scores.median_rank);
  }
  return all;
}

void expect_scores(const Retrieval& got, const std::vector<double>& want, const std::string& what) {
  const std::vector<double> values = numbers(got);
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(values[i], want[i], 1e-10) << what << " " << i;
}

// Four texts; ranks by hand: 1, 2, 3 and 4.
const Tensor kFour = Tensor::from<double>({.9, .1, .2, .3,   //
                                           .5, .4, .3, .2,   //
                                           .8, .7, .6, .1,   //
                                           .9, .8, .7, .2},  //
                                          {4, 4});

TEST(TargetRanks, ByHand) {
  EXPECT_EQ(target_ranks(kFour), (std::vector<double>{1, 2, 3, 4}));
  const RetrievalScores scores = retrieve(kFour).text_to_motion;
  EXPECT_EQ(scores.recall, (std::array<double, 5>{25, 50, 75, 100, 100}));
  EXPECT_EQ(scores.median_rank, 2.5);
  EXPECT_EQ(scores.queries, 4);
  EXPECT_EQ(target_ranks(kFour.transpose(0, 1)), (std::vector<double>{1.5, 3, 2, 2.5}));
  EXPECT_EQ(recall_curve({1, 2, 3, 4}, 3), (std::vector<double>{25, 50, 75}));
}

TEST(TargetRanks, EqualOnesShareTheirRanks) {
  EXPECT_EQ(target_ranks(Tensor::zeros({5, 5})), std::vector<double>(5, 3));
  const RetrievalScores blind = retrieve(Tensor::zeros({32, 32})).text_to_motion;
  EXPECT_EQ(blind.recall[4], 0);
  EXPECT_EQ(blind.median_rank, 16.5);
}

TEST(Retrieval, RightItemsByHand) {
  // Items 0 and 3 share a caption: query 3 finds item 0 at once.
  const Retrieval same = retrieve_same_caption(kFour, {"a", "b", "c", "a"});
  EXPECT_EQ(same.text_to_motion.recall[0], 50);
  EXPECT_EQ(same.text_to_motion.median_rank, 1.5);
  Tensor captions = Tensor::zeros({4, 4});
  captions.data<float>()[3 * 4 + 0] = .96f;
  EXPECT_EQ(numbers(retrieve_by_threshold(kFour, captions))[0], 50);
  EXPECT_EQ(numbers(retrieve_by_threshold(kFour, captions, .97)), numbers(retrieve(kFour)));
  EXPECT_EQ(numbers(retrieve_subset(kFour, {1, 2}))[5], 1.5);  // ranks 1 and 2
  EXPECT_EQ(numbers(retrieve_small_batches(kFour, {1, 2, 0}, 2))[0], 50);
}

TEST(Retrieval, Golden) {
  const Golden golden("metrics.safetensors");
  const auto want = [&](const std::string& name) { return golden.get("retrieval." + name).to_vector(); };
  EXPECT_LT(
      relative_error(cosine_similarity(golden.get("retrieval.text"), golden.get("retrieval.motion").slice(0, 0, 9)),
                     golden.get("retrieval.cosine")),
      1e-14);
  const Tensor similarity = golden.get("retrieval.similarity");
  const std::vector<int64_t> order = ids_of(golden.get("retrieval.order"));
  expect_scores(retrieve(similarity), want("all"), "all");
  expect_scores(retrieve_by_threshold(similarity, golden.get("retrieval.captions")), want("threshold"), "threshold");
  expect_scores(retrieve_same_caption(similarity, names_of(golden.get("retrieval.names"))), want("same_caption"),
                "same caption");
  expect_scores(retrieve_subset(similarity, {order.begin(), order.begin() + 25}), want("subset"), "subset");
  const Retrieval batches = retrieve_small_batches(similarity, order);
  expect_scores(batches, want("batches"), "batches");
  EXPECT_EQ(batches.text_to_motion.queries, 64);
  EXPECT_NE(want("all"), want("threshold"));
  EXPECT_NE(want("all"), want("same_caption"));
}

TEST(Retrieval, InvariantUnderOrderAndLength) {
  const Golden golden("metrics.safetensors");
  const Tensor similarity = golden.get("retrieval.similarity");
  EXPECT_EQ(numbers(retrieve_subset(similarity, random_order(70, {4, 4}))), numbers(retrieve(similarity)));
  const std::vector<std::string> all_different = [] {
    std::vector<std::string> names;
    for (int i = 0; i < 70; ++i) names.push_back(std::to_string(i));
    return names;
  }();
  EXPECT_EQ(numbers(retrieve_same_caption(similarity, all_different)), numbers(retrieve(similarity)));
  const Tensor text = golden.get("retrieval.text", Dtype::f64), longer = text.clone();
  for (int64_t i = 0; i < text.numel(); ++i) longer.data<double>()[i] *= double(1 + i / 5);
  EXPECT_LT(relative_error(cosine_similarity(longer, text), cosine_similarity(text, text)), 1e-14);
}

TEST(Retrieval, BadInputIsNamed) {
  const auto says = [](const std::string& part, const std::function<void()>& call) {
    EXPECT_NE(error_of(ErrorCode::input, call).find(part), std::string::npos) << part;
  };
  says("must be (N, N)", [] { retrieve(Tensor::zeros({3, 4})); });
  says("row 1 is not finite", [] { retrieve(Tensor::from<double>({1, 2, NAN, 3}, {2, 2})); });
  says("0 rows", [] { retrieve(Tensor::zeros({0, 0})); });
  says("motion vectors: row 0 is zero", [] { cosine_similarity(Tensor::ones({2, 2}), Tensor::zeros({2, 2})); });
  says("text vectors have 2 numbers, motion vectors 3", [] {
    cosine_similarity(Tensor::ones({2, 2}), Tensor::ones({2, 3}));
  });
  says("similarities of motions and of captions", [] { retrieve_by_threshold(kFour, Tensor::zeros({3, 3})); });
  says("3 captions for 4 items", [] { retrieve_same_caption(kFour, {"a", "b", "c"}); });
  says("item 4 of 0..3", [] { retrieve_subset(kFour, {1, 4}); });
  says("item 1", [] { retrieve_subset(kFour, {1, 1}); });
  says("no items", [] { retrieve_subset(kFour, {}); });
  says("4 items are fewer than one batch of 32", [] { retrieve_small_batches(kFour, {0, 1, 2, 3}); });
  says("no queries", [] { retrieval_scores({}); });
}

}  // namespace
}  // namespace kg
