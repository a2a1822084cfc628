#include "models/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kg {
namespace {

struct Beam {
  std::vector<int32_t> ids;
  double score = 0;   // sum of log-probabilities; divided by the length once it is finished
  int32_t place = 0;  // among the open ones, of the beam that it goes on from
};

// The beams of one row.
struct BeamSearch {
  std::vector<Beam> open = std::vector<Beam>(1), finished = {};  // best first
  bool done = false;

  // Logits (beams, V) of the open beams -> the best continuations. `last`: none may go on.
  void advance(const Tensor& logits, bool last, int32_t end);

 private:
  std::vector<Beam> best_continuations(const Tensor& logits, size_t count) const;
  void finish(Beam beam, int64_t beams);
};

void BeamSearch::finish(Beam beam, int64_t beams) {
  beam.score /= double(beam.ids.size());
  const auto place =
      std::find_if(finished.begin(), finished.end(), [&](const Beam& f) { return f.score < beam.score; });
  finished.insert(place, std::move(beam));
  if (int64_t(finished.size()) > beams) finished.pop_back();
}

std::vector<Beam> BeamSearch::best_continuations(const Tensor& logits, size_t count) const {
  struct Next {
    double score;
    int32_t place, id;
  };
  std::vector<Next> next;
  const int64_t vocabulary = logits.size(1);
  for (size_t i = 0; i < open.size(); ++i) {
    const float* row = logits.data<float>() + int64_t(i) * vocabulary;
    const float top = *std::max_element(row, row + vocabulary);
    double total = 0;
    for (int64_t v = 0; v < vocabulary; ++v) total += std::exp(double(row[v] - top));
    const double log_total = std::log(total) + double(top);
    for (int64_t v = 0; v < vocabulary; ++v)
      next.push_back({open[i].score + double(row[v]) - log_total, int32_t(i), int32_t(v)});
  }
  count = std::min(count, next.size());
  std::partial_sort(next.begin(), next.begin() + int64_t(count), next.end(), [](const Next& a, const Next& b) {
    return a.score != b.score ? a.score > b.score : std::pair(a.place, a.id) < std::pair(b.place, b.id);
  });
  std::vector<Beam> best;
  for (size_t i = 0; i < count; ++i) {
    best.push_back({open[size_t(next[i].place)].ids, next[i].score, next[i].place});
    best.back().ids.push_back(next[i].id);
  }
  return best;
}

void BeamSearch::advance(const Tensor& logits, bool last, int32_t end) {
  const int64_t beams = logits.size(0);
  std::vector<Beam> best = best_continuations(logits, size_t(2 * beams));
  open.clear();
  for (size_t i = 0; i < best.size(); ++i)
    if (last || best[i].ids.back() == end) {
      if (int64_t(i) < beams) finish(std::move(best[i]), beams);  // those after them only stand by
    } else if (int64_t(open.size()) < beams) {
      open.push_back(std::move(best[i]));
    }
  done = open.empty() || (int64_t(finished.size()) == beams &&
                          open.front().score / double(open.front().ids.size()) <= finished.back().score);
}

}  // namespace

Sequences beam_search(Decoder& decoder, const DecodeState& start, int64_t beams, const SampleOptions& o) {
  CHECK(beams > 0, "[beam_search] needs a beam at least, got ", beams);
  const int32_t end = decoder.model().end_id();
  std::vector<BeamSearch> searches(size_t(start.rows()));
  // Beam i of search s has row s * beams + i, used or not: with the same rows at every position, captured steps hold.
  decoder.start(start.repeated(beams));
  std::vector<int32_t> ids(size_t(decoder.rows()), decoder.model().first_id()), order(ids.size());
  const auto done = [](const BeamSearch& s) { return s.done; };
  for (int64_t left = most_tokens(decoder, o); left > 0; --left) {
    if (std::all_of(searches.begin(), searches.end(), done)) break;
    const Tensor logits = decoder.step(ids);
    CHECK(2 * beams <= logits.size(1), "[beam_search] ", beams, " beams need twice as many tokens, there are ",
          logits.size(1));
    if (decoder.position() <= o.min_tokens) logits.select(1, end).fill(-std::numeric_limits<double>::infinity());
    std::iota(order.begin(), order.end(), 0);
    for (size_t s = 0; s < searches.size(); ++s) {
      if (searches[s].done) continue;
      const int64_t first = int64_t(s) * beams;
      searches[s].advance(logits.slice(0, first, first + beams), left == 1, end);
      for (size_t i = 0; i < searches[s].open.size(); ++i) {
        const Beam& beam = searches[s].open[i];
        order[size_t(first) + i] = int32_t(first) + beam.place, ids[size_t(first) + i] = beam.ids.back();
      }
    }
    decoder.reorder(order);
  }
  Sequences written;
  for (BeamSearch& search : searches) {
    std::vector<int32_t>& best = search.finished.front().ids;
    if (best.back() == end) best.pop_back();
    written.push_back(std::move(best));
  }
  return written;
}

}  // namespace kg
