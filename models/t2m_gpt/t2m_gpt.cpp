#include "models/t2m_gpt/t2m_gpt.h"

#include <utility>

#include "models/t2m_gpt/public_weights.h"
#include "models/text/pretrained.h"
#include "models/text/stored_text.h"

namespace kg {

T2mGpt::T2mGpt(const VqVaeConfig& tokenizer_config, const GptConfig& gpt_config, std::unique_ptr<TextEncoder> encoder,
               const Skeleton& body)
    : tokenizer(tokenizer_config, body), text(std::move(encoder)), gpt(gpt_config) {
  CHECK(gpt_config.codes == tokenizer_config.codes, "[t2m_gpt] the transformer has ", gpt_config.codes,
        " codes, the tokenizer ", tokenizer_config.codes);
  CHECK(gpt_config.condition == text->width(), "[t2m_gpt] the transformer takes a text feature of ",
        gpt_config.condition, ", the encoder gives ", text->width());
  tokenizer.model.eval();
}

void T2mGpt::to(Device device) {
  tokenizer.to(device);
  text->to(device);
  gpt.to(device);
  decoder_.reset();
}

void T2mGpt::train(bool on) {
  text->train(on && !text->frozen());
  gpt.train(on);
}

NamedParameters T2mGpt::trained_parameters() {
  NamedParameters parameters = gpt.named_parameters();
  if (!text->frozen())
    for (auto& [name, parameter] : text->named_parameters()) parameters.emplace_back("text." + name, parameter);
  return parameters;
}

// Rows are as long as can be, as all are computed; frozen features are looked up in training.
TrainingProbe T2mGpt::training_probe(int64_t batch, int64_t) {
  train(true);
  const int64_t context = gpt.config().context;
  const GptBatch rows{Tensor::zeros({batch, context}, Dtype::i32), std::vector<int64_t>(size_t(batch), context - 2)};
  for (int64_t i = 0; i < rows.ids.numel(); ++i) rows.ids.data<int32_t>()[i] = int32_t(i % gpt.config().codes);
  const Tensor ids = rows.ids.slice(1, 0, context - 1).contiguous().to(gpt.device());
  const SampleTargets targets = gpt_targets(rows, gpt.dtype(), gpt.device());
  const TextBatch words =
      text->prepare(std::vector<std::string>(size_t(batch), "a person walks forward and turns left"));
  const Var feature = text->frozen() ? detach(text->encode(words)) : Var();
  return {trained_parameters(), [=, this] {
            const Var logits = gpt(text->frozen() ? feature : text->encode(words), ids);
            gpt_accuracy(logits.value, targets);
            return gpt_loss(logits, targets);
          }};
}

std::vector<Tensor> T2mGpt::generate(const std::vector<MotionRequest>& requests, uint64_t seed) {
  NoGrad guard;
  train(false);
  if (settings.weights == DecodingWeights::bf16 && !std::exchange(rounded_, true)) {
    gpt.round_weights_to_bf16();
    decoder_.reset();  // its captured steps read the weights before
  }
  std::vector<Tensor> motions;
  for (size_t first = 0, last = 0; first < requests.size(); first = last) {  // requests of one length at once
    SampleOptions options = settings.sampling;
    options.seed = seed;
    if (const int64_t frames = requests[first].frames; frames > 0)
      options.min_tokens = options.max_tokens = (frames + kFramesPerToken - 1) / kFramesPerToken;
    // One caption at a time: a longer neighbour would pad it, and with other row counts products may round differently.
    std::vector<Tensor> conditions;
    std::vector<uint64_t> streams;
    for (; last < requests.size() && requests[last].frames == requests[first].frames; ++last) {
      if (requests[last].beginning.defined() || requests[last].end.defined()) refuse("complete motions");
      conditions.push_back(text->encode({requests[last].caption}).value);
      streams.push_back(requests[last].stream);
    }
    if (!decoder_) decoder_ = std::make_unique<Decoder>(gpt);
    for (const auto& tokens : write(*decoder_, gpt.start(concat(conditions, 0)), streams, options))
      motions.push_back(tokenizer.decode(tokens));
  }
  return motions;
}

std::vector<std::string> T2mGpt::notes(const std::vector<std::string>& captions) const { return text->notes(captions); }

std::unique_ptr<T2mGpt> T2mGpt::open(const TensorFile& file, const TextEncoderChoice& choice,
                                     const std::string& source) {
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  auto text = open_stored_text(file, choice, source);
  auto model = made_from(source, [&] {
    const auto sizes = read_config<VqVaeConfig>(read_part(config, "vqvae", source), source);
    return std::make_unique<T2mGpt>(sizes, read_config<GptConfig>(read_part(config, "gpt", source), source),
                                    std::move(text), read_skeleton(file, sizes.features, source));
  });
  model->load(file, source);
  model->train(false);
  return model;
}

TensorFile T2mGpt::save() const {
  TensorFile file = tokenizer.save();
  append(file, "", gpt.state_dict());
  text->save(file);
  file.metadata["model"] =
      Json{{"vqvae", to_json(tokenizer.model.config())}, {"gpt", to_json(gpt.config())}, {"text", text->identity()}}
          .dump();
  return file;
}

void T2mGpt::load(const TensorFile& file, const std::string& source) {
  const Json config = read_model_config(file, source);
  tokenizer.load(file, source);
  check_same_model({{"gpt", to_json(gpt.config())}},
                   {{"gpt", to_json(read_config<GptConfig>(read_part(config, "gpt", source), source))}}, source);
  gpt.load_state_dict(without(file, {"vqvae.", "statistics.", "text.", "optim."}), source);
  text->load(file, source);
}

namespace {

// With a tokenizer and the text encoder (CLIP) around it.
TensorFile import_public_gpt(const ImportSource& source) {
  const GptConfig config = public_gpt_config(source.weights, source.heads, source.file);
  const auto tokenizer = open_tokenizer(source.base);
  auto text = open_text_encoder(source.text.source, source.text.vocabulary);
  CHECK_INPUT(config.codes == tokenizer->model.config().codes, source.file, ": the transformer knows ", config.codes,
              " codes, the tokenizer ", source.base.string(), " has ", tokenizer->model.config().codes);
  CHECK_INPUT(config.condition == text->width(), source.file, ": the transformer reads text features of width ",
              config.condition, ", ", source.text.source, " makes ", text->width());
  T2mGpt model(tokenizer->model.config(), config, std::move(text), tokenizer->body);
  model.tokenizer.model.load_state_dict(tokenizer->model.state_dict(), source.base.string());
  model.tokenizer.statistics = tokenizer->statistics;
  model.gpt.load_state_dict(public_gpt_weights(source.weights, source.file), source.file);
  return model.save();
}

}  // namespace

SystemInfo T2mGpt::info() {
  return {.name = "t2m_gpt",
          .title = "T2M-GPT",
          .kind = kKind,
          .stages = {MotionTokenizer::info().stages[0],
                     {"train_t2mgpt", "gpt", "--tokenizer {PREVIOUS}", 150,
                      [](const std::string& preset) { return gpt_preset(preset).training.max_iters; }}},
          .imports = {{.name = "t2mgpt-gpt",
                       .help = "T2M-GPT's published transformer",
                       .kind = kKind,
                       .needs_base = true,
                       .needs_text = true,
                       .make = import_public_gpt}},
          .published_in = "T2M-GPT (Zhang et al. 2023), HumanML3D test set, tau = 0.5",
          .published = {{"R-Precision top 1", .491, kNotPublished, ".511"},
                        {"R-Precision top 2", .680, kNotPublished, ".703"},
                        {"R-Precision top 3", .775, kNotPublished, ".797"},
                        {"FID", .116, .004, ".002"},
                        {"MM-Dist", 3.118, kNotPublished, "2.974"},
                        {"Diversity", 9.761, kNotPublished, "9.503"}}};
}

}  // namespace kg
