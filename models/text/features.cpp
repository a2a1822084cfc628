#include "models/text/features.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>

#include "data/formats/checkpoint.h"
#include "models/model_file.h"

namespace kg {
namespace {

constexpr const char *kFeaturesKind = "text_features", *kStatesKind = "text_states";

// Encodes captions of about one length together; take(n, values) is given row n of what run(captions) makes.
template <class Run, class Take>
void in_batches(const TextEncoder& text, const std::vector<std::string>& captions, int64_t batch, Run run, Take take) {
  NoGrad guard;
  const size_t n = captions.size();
  std::vector<size_t> length, order(n);
  for (const std::string& caption : captions) length.push_back(text.tokens(caption).size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return length[a] < length[b]; });
  for (size_t first = 0; first < n; first += size_t(batch)) {
    const size_t last = std::min(n, first + size_t(batch));
    std::vector<std::string> some;
    for (size_t i = first; i < last; ++i) some.push_back(captions[order[i]]);
    const Tensor rows = run(some).value.to(Device::cpu);
    for (size_t i = first; i < last; ++i) take(order[i], rows.select(0, int64_t(i - first)));
  }
}

// The cache's file for this content; its name begins with the kind of encoder.
std::filesystem::path cache_path(const TextEncoder& text, const std::vector<std::string>& captions,
                                 const std::filesystem::path& cache, const char* kind) {
  CHECK(text.frozen(), "[text features] an encoder that is trained on has no lasting features");
  Json identity = text.identity();
  TensorFile key;
  for (const std::string& caption : captions) {
    const std::vector<int> ids = text.tokens(caption);
    key.tensors.emplace_back("", Tensor::from(ids, {int64_t(ids.size())}));
  }
  const std::string encoder = identity.at("kind").get<std::string>();
  identity.erase("file"), identity.erase("words");  // the same one may lie anywhere
  key.metadata["encoder"] = identity.dump();
  key.metadata["content"] = kind;
  char name[40];
  std::snprintf(name, sizeof name, "-%016llx.safetensors", static_cast<unsigned long long>(content_checksum(key)));
  return cache / (encoder + name);
}

// Reads `path`, or makes its content and writes it.
template <class Make>
TensorFile cached(const std::filesystem::path& path, const char* kind, size_t captions, const Say& say, Make make) {
  if (std::filesystem::exists(path)) {
    TensorFile file = read_checkpoint(path, kind);
    if (say) say("text features: " + path.string());
    return file;
  }
  const auto start = std::chrono::steady_clock::now();
  TensorFile file;
  make(file);
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  CHECK(!error, "[text features] cannot make the folder ", path.parent_path().string(), ": ", error.message());
  write_checkpoint(path, kind, file);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (say)
    say("text features: " + std::to_string(captions) + " captions in " + std::to_string(int(seconds.count() + 0.5)) +
        " s, kept in " + path.string());
  return file;
}

}  // namespace

Tensor encode_captions(const TextEncoder& text, const std::vector<std::string>& captions, int64_t batch) {
  const Tensor features = Tensor::empty({int64_t(captions.size()), text.width()});
  in_batches(
      text, captions, batch, [&](const std::vector<std::string>& some) { return text.encode(some); },
      [&](size_t n, const Tensor& row) { features.select(0, int64_t(n)).copy_from(row.to(Dtype::f32)); });
  return features;
}

CaptionStates encode_caption_states(const TextEncoder& text, const std::vector<std::string>& captions, int64_t batch) {
  CaptionStates out{{}, {0}};
  for (const std::string& caption : captions)
    out.offsets.push_back(out.offsets.back() + int32_t(text.tokens(caption).size()));
  out.states = Tensor::empty({out.offsets.back(), text.state_width()}, Dtype::bf16);
  in_batches(
      text, captions, batch, [&](const std::vector<std::string>& some) { return text.states(text.prepare(some)); },
      [&](size_t n, const Tensor& rows) {
        const int64_t begin = out.offsets[n], end = out.offsets[n + 1];
        out.states.slice(0, begin, end).copy_from(rows.slice(0, 0, end - begin).to(Dtype::bf16));
      });
  return out;
}

Tensor cached_features(const TextEncoder& text, const std::vector<std::string>& captions,
                       const std::filesystem::path& cache, const Say& say) {
  const std::filesystem::path path = cache_path(text, captions, cache, kFeaturesKind);
  const TensorFile file = cached(path, kFeaturesKind, captions.size(), say, [&](TensorFile& made) {
    made.tensors.emplace_back("features", encode_captions(text, captions));
  });
  const Shape shape{int64_t(captions.size()), text.width()};
  const Tensor* found = file.find("features");
  CHECK_INPUT(found && found->shape() == shape && found->dtype() == Dtype::f32, path.string(), ": holds no features ",
              shape, "; remove it");
  return *found;
}

CaptionStates cached_states(const TextEncoder& text, const std::vector<std::string>& captions,
                            const std::filesystem::path& cache, const Say& say) {
  const std::filesystem::path path = cache_path(text, captions, cache, kStatesKind);
  const TensorFile file = cached(path, kStatesKind, captions.size(), say, [&](TensorFile& made) {
    const CaptionStates all = encode_caption_states(text, captions);
    made.tensors.emplace_back("states", all.states);
    made.tensors.emplace_back("offsets", Tensor::from(all.offsets, {int64_t(all.offsets.size())}));
  });
  const Tensor *states = file.find("states"), *offsets = file.find("offsets");
  CHECK_INPUT(
      states && states->rank() == 2 && states->size(1) == text.state_width() && states->dtype() == Dtype::bf16 &&
          offsets && offsets->dtype() == Dtype::i32 && offsets->shape() == Shape{int64_t(captions.size()) + 1},
      path.string(), ": holds no states of ", captions.size(), " captions, ", text.state_width(), " wide; remove it");
  const int32_t* first = offsets->data<int32_t>();
  CaptionStates all{*states, {first, first + offsets->numel()}};
  for (size_t n = 0; n < captions.size(); ++n) {
    const int64_t length = int64_t(all.offsets[n + 1]) - all.offsets[n];
    CHECK_INPUT(all.offsets[0] == 0 && length == int64_t(text.tokens(captions[n]).size()), path.string(),
                ": holds states of ", length, " tokens of \"", captions[n], "\"; remove it");
  }
  CHECK_INPUT(all.offsets.back() == states->size(0), path.string(), ": holds ", states->size(0), " states, expected ",
              all.offsets.back(), "; remove it");
  return all;
}

// ---- in training

TextCondition::TextCondition(const TextEncoder& text, std::vector<std::string> captions, Device device,
                             const std::filesystem::path& cache, Kind kind, const Say& say)
    : text_(text), kind_(kind) {
  if (device != Device::cpu)
    for (const std::string& caption : captions) longest_ = std::max(longest_, int64_t(text.tokens(caption).size()));
  if (!text.frozen()) return;
  std::sort(captions.begin(), captions.end());
  captions.erase(std::unique(captions.begin(), captions.end()), captions.end());
  for (const std::string& caption : captions) rows_.emplace(caption, int32_t(rows_.size()));
  if (kind == Kind::pooled)
    features_ = cached_features(text, captions, cache, say);
  else
    states_ = cached_states(text, captions, cache, say);
}

std::vector<Tensor> TextCondition::inputs(const std::vector<std::string>& captions, Dtype dtype) const {
  if (!text_.frozen()) {
    const TextBatch batch = text_.prepare(captions, longest_);
    return {batch.words, batch.mask, batch.share};
  }
  std::vector<int32_t> rows;
  for (const std::string& caption : captions) {
    const auto found = rows_.find(caption);
    CHECK(found != rows_.end(), "[text features] \"", caption, "\" is none of the captions that were announced");
    rows.push_back(found->second);
  }
  if (kind_ == Kind::states) return state_inputs(rows, dtype);
  return {index_select(features_, 0, Tensor::from(rows, {int64_t(rows.size())})).to(dtype)};
}

// States (B, L, state_width), zero at pads, and their mask (B, L).
std::vector<Tensor> TextCondition::state_inputs(const std::vector<int32_t>& rows, Dtype dtype) const {
  const auto begin = [&](int32_t row) { return int64_t(states_.offsets[size_t(row)]); };
  int64_t longest = longest_;
  for (const int32_t row : rows) longest = std::max(longest, begin(row + 1) - begin(row));
  const int64_t batch = int64_t(rows.size());
  const Tensor states = Tensor::zeros({batch, longest, text_.state_width()}, dtype);
  const Tensor mask = Tensor::zeros({batch, longest}, Dtype::u8);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t first = begin(rows[size_t(b)]), last = begin(rows[size_t(b)] + 1);
    states.select(0, b).slice(0, 0, last - first).copy_from(states_.states.slice(0, first, last).to(dtype));
    mask.select(0, b).slice(0, 0, last - first).fill(1);
  }
  return {states, mask};
}

size_t TextCondition::input_count() const { return !text_.frozen() ? 3 : kind_ == Kind::states ? 2 : 1; }

Var TextCondition::operator()(const Tensor* in) const {
  if (text_.frozen()) return Var(in[0]);
  const TextBatch batch{in[0], in[1], in[2]};
  return kind_ == Kind::states ? text_.states(batch) : text_.encode(batch);
}

Tensor TextCondition::mask(const Tensor* in) const {
  CHECK(kind_ == Kind::states, "[text features] pooled features have no mask");
  return in[1];
}

}  // namespace kg
