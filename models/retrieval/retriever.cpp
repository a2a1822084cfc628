#include "models/retrieval/retriever.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "data/formats/checkpoint.h"
#include "models/model_file.h"
#include "models/text/pooling.h"

namespace kg {
namespace {

constexpr size_t kAtOnce = 32;

// Rows of embed(first, last), some at a time, each of length 1.
template <class Embed>
Tensor rows_of(size_t count, int64_t width, Embed embed) {
  const Tensor out = Tensor::empty({int64_t(count), width});
  for (size_t first = 0; first < count; first += kAtOnce) {
    const size_t last = std::min(count, first + kAtOnce);
    const Var rows = embed(int64_t(first), int64_t(last));
    out.slice(0, int64_t(first), int64_t(last))
        .copy_from(l2_normalize(in_dtype(rows, accumulator(rows.dtype()))).value.to(Device::cpu).to(Dtype::f32));
  }
  return out;
}

}  // namespace

Retriever::Retriever(std::unique_ptr<TextEncoder> encoder, const Skeleton& body)
    : text(std::move(encoder)), body_(body) {
  CHECK(text, "[retriever] needs a text encoder");
}

void Retriever::check_motions(const std::vector<Tensor>& motions) const {
  for (size_t i = 0; i < motions.size(); ++i) {
    const Tensor& m = motions[i];
    CHECK_INPUT(m.rank() == 2 && m.size(0) > 0 && m.size(1) == body_.features() && m.dtype() == Dtype::f32,
                "[retriever] motion ", i, " must be (frames, ", body_.features(), ") f32 of the skeleton ", body_.name,
                ", is ", m.shape(), " ", name_of(m.dtype()));
    CHECK_INPUT(crops() || m.size(0) <= max_frames(), "[retriever] motion ", i, " has ", m.size(0),
                " frames, the model reads at most ", max_frames(), "; cut it into parts");
  }
}

MotionInput Retriever::prepare(const std::vector<Tensor>& motions, int64_t length) const {
  CHECK(!motions.empty(), "[retriever] there are no motions");
  check_motions(motions);
  int64_t time = crops() ? max_frames() : length;
  for (const Tensor& m : motions) time = std::max(time, std::min(m.size(0), max_frames()));
  const auto count = int64_t(motions.size());
  const Tensor frames = Tensor::zeros({count, time, int64_t(body_.features())}),
               mask = Tensor::zeros({count, time}, Dtype::u8);
  for (int64_t b = 0; b < count; ++b) {
    const Tensor& m = motions[size_t(b)];
    const int64_t seen = std::min(m.size(0), max_frames());
    frames.select(0, b).slice(0, 0, seen).copy_from(m.slice(0, 0, seen).to(Device::cpu));
    mask.select(0, b).slice(0, 0, seen).fill(1);
  }
  return {frames.to(network().dtype()).to(network().device()), mask.to(network().device())};
}

Tensor Retriever::motion_features(const std::vector<Tensor>& motions) const {
  CHECK(!network().training(), "[retriever] call train(false) before embedding");
  CHECK(statistics.features() == body_.features(), "[retriever] has no statistics to normalise motions with");
  check_motions(motions);
  NoGrad guard;
  return rows_of(motions.size(), width(), [&](int64_t first, int64_t last) {
    std::vector<Tensor> some;
    for (int64_t i = first; i < last; ++i) some.push_back(normalize_features(motions[size_t(i)], statistics));
    return embed_motion(prepare(some));
  });
}

Tensor Retriever::text_features(const std::vector<std::string>& captions) const {
  CHECK(!network().training() && !text->training(), "[retriever] call train(false) before embedding");
  NoGrad guard;
  return rows_of(captions.size(), width(), [&](int64_t first, int64_t last) {
    const TextBatch batch = text->prepare({captions.begin() + first, captions.begin() + last});
    return embed_text(text->states(batch), batch.mask);
  });
}

Var Retriever::text_states(const RetrievalBatch& batch) const {
  return batch.states.defined() ? Var(batch.states) : text->states(batch.text);
}

std::vector<ParameterGroup> Retriever::groups(double weight_decay, double text_lr) {
  std::vector<ParameterGroup> groups{{network().named_parameters(), weight_decay}};
  if (text->frozen()) return groups;
  ParameterGroup& own = groups.emplace_back(ParameterGroup{{}, weight_decay, text_lr});
  for (const auto& [name, parameter] : text->named_parameters()) own.parameters.emplace_back("text." + name, parameter);
  return groups;
}

void Retriever::train(bool on) {
  network().train(on);
  text->train(on && !text->frozen());
}
void Retriever::to(Device device) {
  network().to(device);
  text->to(device);
}
void Retriever::to(Dtype dtype) {
  network().to(dtype);
  text->to(dtype);
}

// ---- as a file

TensorFile Retriever::save() const {
  TensorFile file;
  append(file, "", network().state_dict());
  append_statistics(file, statistics);
  append_skeleton(file, body_);
  text->save(file);
  file.metadata["model"] = Json{{kind(), configuration()}, {"text", text->identity()}}.dump();
  return file;
}

void Retriever::load(const TensorFile& file, const std::string& source) {
  const Json stored = read_model_config(file, source);
  check_same_model({{kind(), configuration()}}, {{kind(), read_part(stored, kind(), source)}}, source);
  take_statistics(statistics, file, source);
  check_same_skeleton(body_, read_skeleton(file, statistics.features(), source), source);
  network().load_state_dict(without(file, {"text.", "statistics.", "optim."}), source);
  text->load(file, source);
}

std::string Retriever::identity() const {
  TensorFile file = save();
  Json model = Json::parse(file.metadata["model"]);
  for (const char* place : {"file", "words"}) model["text"].erase(place);
  file.metadata["model"] = model.dump();
  std::ostringstream hash;
  hash << kind() << "-" << std::hex << std::setfill('0') << std::setw(16) << content_checksum(file);
  return hash.str();
}

}  // namespace kg
