// Several processes that share a batch have the loss, the gradients and the queue of one that has all of it: held
// against the golden file, as threads.
#include "models/retrieval/bmm.h"
#include "models/retrieval/contrastive.h"
#include "models/retrieval/pltmr.h"
#include "models/retrieval/tmr.h"
#include "tests/models/retrieval/toys.h"
#include "tests/nn/ranks.h"

namespace kg {
namespace {

PartNetworkConfig parts() {
  PartNetworkConfig c;
  c.part = {.width = 4, .layers = 2, .heads = 2, .feedforward = 6, .dropout = 0};
  c.frames = 5, c.projection = 3, c.head_dropout = 0;
  return c;
}
std::unique_ptr<Retriever> make(const std::string& kind) {
  if (kind == "pltmr")
    return std::make_unique<PlTmr>(PlTmrConfig{parts(), true}, std::make_unique<BertText>(toy_distilbert()),
                                   six_joints());
  if (kind == "tmr") {
    TmrConfig c;
    c.network = parts().part;
    c.frames = 9;
    c.reconstruction = 1.5, c.kl = 0.02, c.latent = 0.03, c.contrast = 0.1;
    return std::make_unique<Tmr>(c, std::make_unique<BertText>(toy_distilbert(), true), six_joints());
  }
  BmmConfig c;
  c.network = parts();
  c.queue = 7, c.mask_same = true;
  return std::make_unique<Bmm>(c, std::make_unique<BertText>(toy_distilbert()), six_joints());
}
std::map<std::string, Var*> parameters_of(const Retriever& model) {
  if (const auto* pltmr = dynamic_cast<const PlTmr*>(&model)) return golden_names(pltmr->network(), model.text.get());
  if (const auto* bmm = dynamic_cast<const Bmm*>(&model)) return golden_names(bmm->network(), model.text.get());
  return golden_names(dynamic_cast<const Tmr&>(model).network(), nullptr);
}
// This rank's pairs of the golden batch.
RetrievalBatch part_of_batch(const std::string& kind) {
  const Golden& g = retrieval_golden();
  const RetrievalBatch all = golden_batch(Dtype::f64);
  const Part part = part_of(3);
  const auto own = [&](const Tensor& t, int axis = 0) { return t.slice(axis, part.begin, part.end).contiguous(); };
  RetrievalBatch b;
  b.count = 3;
  b.motion = {own(all.motion.frames), own(all.motion.mask)};
  b.text.words = own(all.text.words), b.text.mask = own(all.text.mask);
  b.targets = own(all.targets);
  b.ids = g.get("bmm.ids");
  if (kind != "tmr") return b;
  b.states = own(g.get("tmr.states", Dtype::f64));
  b.noise = own(g.get("tmr.noise", Dtype::f64), 1);
  b.mask = own(false_negative_mask(g.get("tmr.vectors"), 0.8));
  b.longest = Tensor::full({1}, 5);
  return b;
}

void check_rank(const std::string& kind, const std::string& golden) {
  const auto model = make(kind);
  const auto parameters = parameters_of(*model);
  load_golden_weights(parameters, kind);
  auto* bmm = dynamic_cast<Bmm*>(model.get());
  if (bmm) bmm->start(std::make_unique<BertText>(toy_distilbert()));
  model->to(Dtype::f64);
  if (bmm) {
    bmm->queue().motion.rows().copy_from(retrieval_golden().get("bmm.queue.motion"));
    bmm->queue().text.rows().copy_from(retrieval_golden().get("bmm.queue.text"));
    bmm->queue().ids.rows().copy_from(retrieval_golden().get("bmm.queue.ids").reshape({7, 1}));
  }
  AdamW optimizer(model->groups(0, 1), {});
  optimizer.zero_grad();
  const Part part = part_of(3);
  const LossTerms terms = model->loss(part_of_batch(kind));
  backward_over_ranks(terms[0].second, part, optimizer.parameters());
  model->after_step();
  expect_golden_gradients(parameters, golden + ".g", 1e-9);
  const std::vector<double> want = retrieval_golden().get(golden + ".loss").to_vector();
  for (size_t i = 0; i < want.size(); ++i) {
    const double mean = mean_over_ranks({terms[i].second.item()}, part.share())[0];
    EXPECT_NEAR(mean, want[i], 1e-9 * std::abs(want[i])) << golden << " " << terms[i].first;
  }
  if (bmm) {
    EXPECT_EQ(bmm->queue().motion.place(), 3);  // all pairs' keys, on every rank
    EXPECT_EQ(bmm->queue().ids.rows().to_vector(), (std::vector<double>{4, 9, 4, 9, 9, -1, 5}));
    check_alike(bmm->queue().motion.rows().to_vector());
  }
}

TEST(RetrievalRanks, TwoAndThreeAreOne) {
  retrieval_golden();  // read before the threads begin
  for (const int ranks : {1, 2, 3})
    for (const auto& [kind, golden] :
         {std::pair{"pltmr", "pltmr.plain"}, std::pair{"bmm", "bmm.same"}, std::pair{"tmr", "tmr"}}) {
      SCOPED_TRACE(std::string(kind) + " " + std::to_string(ranks));
      const std::string model = kind, file = golden;
      test::run_ranks(ranks, [&](int) { check_rank(model, file); });
    }
}

TEST(RetrievalRanks, RowsThatAreNotThisRanks) {
  EXPECT_THROW(rows_over_ranks(Var(Tensor::zeros({2, 3})), 3), Error);
  EXPECT_THROW(test::run_ranks(2, [](int) { rows_over_ranks(Var(Tensor::zeros({3, 3})), 3); }), Error);
}

}  // namespace
}  // namespace kg
