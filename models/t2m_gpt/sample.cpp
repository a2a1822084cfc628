#include "models/t2m_gpt/sample.h"

#include <algorithm>
#include <limits>

namespace kg {

Decoder::Decoder(const Gpt& gpt, int64_t batch) : gpt_(gpt), batch_(batch), caches_(gpt.make_caches(batch)) {
  for (int64_t i = 0; i < gpt.config().context; ++i) positions_.emplace_back();
}

Tensor Decoder::step(const Tensor& condition, const std::vector<int32_t>& ids, int64_t position) {
  const Device device = condition.device();
  if (device == Device::cpu) return gpt_.step(condition, Tensor::from(ids, {batch_}), position, caches_).to(Dtype::f32);
  if (position == 0) {
    if (!condition_.defined()) condition_ = empty_like(condition), ids_ = Tensor::empty({batch_}, Dtype::i32, device);
    condition_.copy_from(condition);
  }
  ids_.copy_from(Tensor::from(ids, {batch_}));
  Position& p = positions_[size_t(position)];
  const auto run = [&] { p.logits = gpt_.step(condition_, ids_, position, caches_); };
  if (p.graph.captured())
    p.graph.replay();
  else if (p.warm)
    p.graph.capture(run);
  else
    run();
  p.warm = true;
  return p.logits.to(Device::cpu).to(Dtype::f32);
}

std::vector<std::vector<int32_t>> sample(const Gpt& gpt, const Tensor& condition, const std::vector<uint64_t>& streams,
                                         const SampleOptions& o) {
  Decoder decoder(gpt, condition.size(0));
  return sample(decoder, condition, streams, o);
}
std::vector<std::vector<int32_t>> sample(Decoder& decoder, const Tensor& condition,
                                         const std::vector<uint64_t>& streams, const SampleOptions& o) {
  const Gpt& gpt = decoder.gpt();
  const int64_t batch = condition.size(0), context = gpt.config().context;
  CHECK(decoder.batch() == batch, "[sample] a batch of ", batch, " for a decoder of ", decoder.batch());
  CHECK(int64_t(streams.size()) == batch, "[sample] ", streams.size(), " streams for a batch of ", batch);
  check_sampling(o);
  const int64_t limit = o.max_tokens > 0 ? std::min(o.max_tokens, context - 1) : context - 1;
  std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(batch));
  std::vector<bool> done(size_t(batch), false);
  std::vector<int32_t> last(static_cast<size_t>(batch), 0);
  for (int64_t position = 0; position < limit; ++position) {
    const Tensor logits = decoder.step(condition, last, position);
    bool open = false;
    for (int64_t b = 0; b < batch; ++b) {
      if (done[size_t(b)]) continue;
      const Tensor row = logits.select(0, b);
      if (position < o.min_tokens) row.select(0, gpt.end_id()).fill(-std::numeric_limits<double>::infinity());
      const Philox random{o.seed, streams[size_t(b)]};
      const int32_t id = draw_token(row, o, double(random.uniform(uint64_t(position))));
      if (id == gpt.end_id()) {
        done[size_t(b)] = true;
        continue;
      }
      tokens[size_t(b)].push_back(id);
      last[size_t(b)] = id;
      open = true;
    }
    if (!open) break;
  }
  return tokens;
}

}  // namespace kg
