#include "models/text/t5_decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kg {

// ---- one position of the decoder

namespace {
Tensor norm_rows(const RMSNorm& norm, const Tensor& x) { return rms_norm(x, norm.weight.value, norm.eps).y; }
Tensor project(const Linear& layer, const Tensor& x) { return linear_rows(x, layer.weight.value, {}); }
// (B, H D) -> (B, 1, H, D)
Tensor split_heads(const Tensor& x, int64_t heads) { return x.reshape({x.size(0), 1, heads, x.size(1) / heads}); }
}  // namespace

T5LayerCache T5Block::make_cache(const Tensor& memory, int64_t most) const {
  const int64_t batch = memory.size(0), source = memory.size(1), heads = self_attention.heads;
  const int64_t width = self_attention.k.weight.value.size(0) / heads;
  const Tensor rows = memory.reshape({batch * source, memory.size(2)});
  const auto of_source = [&](const Linear& layer) {
    return project(layer, rows).reshape({batch, source, heads, width});
  };
  const auto room = [&] { return Tensor::zeros({batch, most, heads, width}, memory.dtype(), memory.device()); };
  return {room(), room(), of_source(cross_attention->k), of_source(cross_attention->v)};
}

Tensor T5Block::step(const Tensor& in, int64_t position, const Tensor& bias, const Tensor& memory_mask,
                     const T5LayerCache& cache) const {
  const int64_t batch = in.size(0), heads = self_attention.heads;
  const auto attend = [&](const ProjectedAttention& a, const Tensor& x, const Tensor& k, const Tensor& v,
                          const Tensor& score_bias, const Tensor& mask) {
    AttentionOptions options;
    options.scale = a.scale, options.bias = score_bias, options.key_mask = mask;
    const Tensor y = attention(split_heads(project(a.q, x), heads), k, v, options).y;
    return project(a.out, y.reshape({batch, y.size(2) * y.size(3)}));
  };
  const Tensor h1 = norm_rows(norm1, in);
  cache.k.slice(1, position, position + 1).copy_from(split_heads(project(self_attention.k, h1), heads));
  cache.v.slice(1, position, position + 1).copy_from(split_heads(project(self_attention.v, h1), heads));
  Tensor x = add(
      in, attend(self_attention, h1, cache.k.slice(1, 0, position + 1), cache.v.slice(1, 0, position + 1), bias, {}));
  x = add(x, attend(*cross_attention, norm_rows(norm2, x), cache.source_k, cache.source_v, {}, memory_mask));
  const Tensor h = norm_rows(norm3, x);
  return add(x, project(wo, wi_1 ? mul(gelu_tanh(project(wi, h)), project(*wi_1, h)) : relu(project(wi, h))));
}

std::vector<T5LayerCache> T5Stack::make_caches(const Tensor& memory, int64_t most) const {
  std::vector<T5LayerCache> caches;
  for (const T5Block& block : blocks) caches.push_back(block.make_cache(memory, most));
  return caches;
}

Tensor T5Stack::step(const Tensor& embedded, int64_t position, const Tensor& memory_mask,
                     const std::vector<T5LayerCache>& caches) const {
  const int64_t keys = position + 1;
  const Tensor buckets = t5_buckets(1, keys, false, config_, position).reshape({keys}).to(embedded.device());
  const Tensor bias =
      embedding(relative_bias.value, buckets).transpose(0, 1).contiguous().reshape({1, config_.heads, 1, keys});
  Tensor x = embedded;
  for (int64_t i = 0; i < blocks.size(); ++i) x = blocks[i].step(x, position, bias, memory_mask, caches[size_t(i)]);
  return norm_rows(final_layer_norm, x);
}

std::vector<T5LayerCache> T5::make_caches(const Tensor& memory, int64_t most) const {
  return decoder.make_caches(memory, most);
}

Tensor T5::step(const Tensor& ids, int64_t position, const Tensor& memory_mask,
                const std::vector<T5LayerCache>& caches) const {
  const Tensor states = decoder.step(embedding(shared.weight.value, ids), position, memory_mask, caches);
  if (lm_head) return project(*lm_head, states);
  return linear_rows(affine(states, std::pow(double(config_.width), -0.5)), shared.weight.value, {});
}

// ---- sequences

T5Decoder::T5Decoder(const T5& model, const Tensor& memory, const Tensor& mask, int64_t most)
    : model_(model), mask_(mask), most_(most), caches_(model.make_caches(memory, most)) {}

Tensor T5Decoder::step(const std::vector<int32_t>& ids, int64_t position) {
  CHECK(position >= 0 && position < most_, "[t5] position ", position, " of a decoder for ", most_);
  const Tensor rows = Tensor::from(ids, {int64_t(ids.size())}).to(mask_.device());
  return model_.step(rows, position, mask_, caches_).to(Device::cpu).to(Dtype::f32);
}

void T5Decoder::reorder(const std::vector<int32_t>& rows) {
  const Tensor index = Tensor::from(rows, {int64_t(rows.size())}).to(mask_.device());
  for (T5LayerCache& cache : caches_)
    for (Tensor* t : {&cache.k, &cache.v, &cache.source_k, &cache.source_v}) *t = index_select(*t, 0, index);
  mask_ = index_select(mask_, 0, index);
}

namespace {
void check_writing(const T5Writing& o) {
  check_sampling(o.sampling);
  CHECK(o.sampling.max_tokens > 0, "[t5] max_tokens must be positive, is ", o.sampling.max_tokens);
}
void forbid(const Tensor& row, int32_t id) { row.data<float>()[id] = -std::numeric_limits<float>::infinity(); }
}  // namespace

std::vector<std::vector<int32_t>> t5_write(const T5& model, const Tensor& memory, const Tensor& mask,
                                           const std::vector<uint64_t>& streams, const T5Writing& o) {
  NoGrad guard;
  check_writing(o);
  const size_t batch = size_t(memory.size(0));
  CHECK(streams.size() == batch, "[t5] ", streams.size(), " streams for a batch of ", batch);
  T5Decoder decoder(model, memory, mask, o.sampling.max_tokens);
  std::vector<std::vector<int32_t>> written(batch);
  std::vector<bool> done(batch, false);
  std::vector<int32_t> last(batch, kT5Pad);
  for (int64_t position = 0; position < o.sampling.max_tokens; ++position) {
    const Tensor logits = decoder.step(last, position);
    bool open = false;
    for (size_t b = 0; b < batch; ++b) {
      if (done[b]) continue;
      const Tensor row = logits.select(0, int64_t(b));
      if (position + 1 < o.sampling.min_tokens) forbid(row, o.end);
      const Philox random{o.sampling.seed, streams[b]};
      last[b] = draw_token(row, o.sampling, double(random.uniform(uint64_t(position))));
      done[b] = last[b] == o.end;
      if (!done[b]) written[b].push_back(last[b]), open = true;
    }
    if (!open) break;
  }
  return written;
}

namespace {

struct Beam {
  std::vector<int32_t> ids;  // without the first pad
  double score = 0;          // sum of log-probabilities; divided by the length once it is finished
};

// The beams of one source.
struct BeamSearch {
  std::vector<Beam> open, finished;  // best first
  bool done = false;

  // The 2 * beams best continuations of the open beams by rows of logits; `parents` receives which beam each open one
  // goes on from.
  void advance(const Tensor& logits, int64_t first_row, int64_t beams, bool last, const T5Writing& o,
               std::vector<int32_t>& parents);
  void finish(Beam beam, int64_t beams);
};

void BeamSearch::finish(Beam beam, int64_t beams) {
  beam.score /= double(beam.ids.size());
  const auto place =
      std::find_if(finished.begin(), finished.end(), [&](const Beam& f) { return f.score < beam.score; });
  finished.insert(place, std::move(beam));
  if (int64_t(finished.size()) > beams) finished.pop_back();
}

void BeamSearch::advance(const Tensor& logits, int64_t first_row, int64_t beams, bool last, const T5Writing& o,
                         std::vector<int32_t>& parents) {
  struct Next {
    double score;
    int32_t parent, id;
  };
  std::vector<Next> next;
  const int64_t vocabulary = logits.size(1);
  for (size_t i = 0; i < open.size(); ++i) {
    const float* row = logits.data<float>() + (first_row + int64_t(i)) * vocabulary;
    const float top = *std::max_element(row, row + vocabulary);
    double total = 0;
    for (int64_t v = 0; v < vocabulary; ++v) total += std::exp(double(row[v] - top));
    const double log_total = std::log(total) + double(top);
    for (int64_t v = 0; v < vocabulary; ++v)
      next.push_back({open[i].score + double(row[v]) - log_total, int32_t(i), int32_t(v)});
  }
  const size_t kept = std::min(next.size(), size_t(2 * beams));
  std::partial_sort(next.begin(), next.begin() + int64_t(kept), next.end(), [](const Next& a, const Next& b) {
    return a.score != b.score ? a.score > b.score : std::pair(a.parent, a.id) < std::pair(b.parent, b.id);
  });
  std::vector<Beam> going;
  for (size_t i = 0; i < kept; ++i) {
    Beam beam{open[size_t(next[i].parent)].ids, next[i].score};
    beam.ids.push_back(next[i].id);
    if (next[i].id == o.end || last) {
      if (int64_t(i) < beams) finish(std::move(beam), beams);  // those after them only stand by
    } else if (int64_t(going.size()) < beams) {
      parents.push_back(next[i].parent);
      going.push_back(std::move(beam));
    }
  }
  open = std::move(going);
  done = last || open.empty() ||
         (int64_t(finished.size()) == beams &&
          open.front().score / double(open.front().ids.size()) <= finished.back().score);
}

}  // namespace

std::vector<std::vector<int32_t>> t5_beam_search(const T5& model, const Tensor& memory, const Tensor& mask,
                                                 int64_t beams, const T5Writing& o) {
  NoGrad guard;
  check_writing(o);
  CHECK(beams > 0 && 2 * beams <= model.config().vocabulary, "[t5] a beam search with ", beams, " beams");
  T5Decoder decoder(model, memory, mask, o.sampling.max_tokens);
  std::vector<BeamSearch> searches(static_cast<size_t>(memory.size(0)));
  std::vector<int32_t> last(searches.size(), kT5Pad);
  for (BeamSearch& search : searches) search.open.emplace_back();
  for (int64_t position = 0; position < o.sampling.max_tokens && !last.empty(); ++position) {
    const Tensor logits = decoder.step(last, position);
    if (position + 1 < o.sampling.min_tokens)
      for (int64_t row = 0; row < logits.size(0); ++row) forbid(logits.select(0, row), o.end);
    std::vector<int32_t> rows;  // of the decoder, that go on
    last.clear();
    int32_t first = 0;
    for (BeamSearch& search : searches) {
      if (search.done) continue;
      const int32_t used = int32_t(search.open.size());
      std::vector<int32_t> parents;
      search.advance(logits, first, beams, position + 1 == o.sampling.max_tokens, o, parents);
      for (size_t i = 0; i < search.open.size() && !search.done; ++i) {
        rows.push_back(first + parents[i]);
        last.push_back(search.open[i].ids.back());
      }
      first += used;
    }
    if (!rows.empty()) decoder.reorder(rows);
  }
  std::vector<std::vector<int32_t>> written;
  for (BeamSearch& search : searches) {
    std::vector<int32_t> ids = std::move(search.finished.front().ids);
    if (ids.back() == o.end) ids.pop_back();
    written.push_back(std::move(ids));
  }
  return written;
}

}  // namespace kg
