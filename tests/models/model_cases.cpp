#include "tests/models/model_cases.h"

#include "models/evaluator/evaluator.h"
#include "models/motiongpt/batches.h"
#include "models/motiongpt/motiongpt.h"
#include "models/retrieval/bmm.h"
#include "models/retrieval/pltmr.h"
#include "models/retrieval/tmr.h"
#include "models/t2m_gpt/gpt.h"
#include "models/text/bert.h"
#include "models/text/clip.h"
#include "models/text/t5.h"
#include "models/text/word_transformer.h"
#include "models/tokenizer/vqvae.h"
#include "nn/losses.h"
#include "tests/data/tiny_spiece.h"
#include "tests/models/retrieval/six_joints.h"

namespace kg {
namespace {

Tensor normals(const Shape& shape, uint64_t stream) {
  const Tensor t = Tensor::empty(shape, Dtype::f64);
  fill_normal(t, 0, 1, {12, stream});
  return t;
}
Tensor ids(const std::vector<int32_t>& values, const Shape& shape) { return Tensor::from(values, shape); }

// The model in f64, from its own stream of random numbers.
template <class M, class... Args>
std::shared_ptr<M> make(Args&&... args) {
  default_generator() = {21, 0};
  auto model = std::make_shared<M>(std::forward<Args>(args)...);
  model->to(Dtype::f64);
  return model;
}
// `loss` draws the same random numbers each time: dropout is on.
ModelLoss loss_of(const std::vector<const Module*>& modules, std::function<Var()> loss) {
  ModelLoss m{[loss = std::move(loss)] {
                default_generator() = {23, 0};
                return loss();
              },
              {}};
  for (const Module* module : modules)
    for (const auto& [name, parameter] : module->named_parameters()) m.parameters.push_back(parameter);
  return m;
}

// A straight-through gradient is no derivative of the loss, which jumps from code to code. It is the derivative of the
// loss with the codes and the step from vector to code held fast: without a graph, that loss is computed here.
ModelLoss tokenizer(CodebookUpdate update) {
  VqVaeConfig config;
  config.features = 23, config.width = 4, config.codes = 5, config.update = update, config.commitment = 0.25;
  const auto model = make<VqVae>(config);
  model->eval();
  const Tensor x = normals({2, 8, 23}, 1);
  fill_normal(model->quantizer().codebook.value, 0, 0.3, {12, 2});
  const VqVae::Output out = (*model)(x);
  CHECK(out.quantized.used() > 1, "[tokenizer] uses one code only");
  const Tensor encoded = out.encoded.value, codes = out.quantized.y.value, chosen = out.quantized.ids;
  return loss_of({model.get()}, [=] {
    if (grad_enabled()) return model->loss((*model)(x), x).total;
    VqVae::Output fast;
    fast.encoded = model->encoder()(x);
    fast.quantized.y = fast.encoded + Var(sub(codes, encoded));
    fast.quantized.loss = mse_loss(fast.encoded, codes);
    const Var& codebook = model->quantizer().codebook;
    if (codebook.requires_grad())
      fast.quantized.loss =
          fast.quantized.loss + mse_loss(reshape(embedding(codebook, chosen), codes.shape()), encoded);
    fast.reconstruction = model->decoder()(fast.quantized.y);
    return model->loss(fast, x).total;
  });
}

ModelLoss transformer_and_text_encoder() {
  GptConfig config;
  config.codes = 5, config.condition = 6, config.width = 8, config.heads = 2, config.layers = 2;
  config.feedforward = 12, config.context = 7, config.dropout = 0.2;
  WordTransformerConfig words;
  words.width = 6, words.layers = 1, words.heads = 2, words.feedforward = 8, words.dropout = 0.2;
  const std::vector<std::string> captions = {"a person walks", "someone jumps up and down twice"};
  const auto gpt = make<Gpt>(config);
  const auto text = make<WordTransformer>(WordVocabulary::build(captions), words);
  // tokens, end (5), pads (6)
  const GptBatch batch{ids({1, 4, 0, 5, 6, 6, 6, 2, 2, 3, 0, 1, 4, 5}, {2, 7}), {3, 6}};
  const Tensor inputs = batch.ids.slice(1, 0, 6).contiguous();
  return loss_of({gpt.get(), text.get()}, [=] { return gpt_loss((*gpt)(text->encode(captions), inputs), batch); });
}

ModelLoss movement_autoencoder() {
  const auto model = make<MovementAutoencoder>(
      EvaluatorConfig{.features = 9, .movement = 4, .motion = 6, .text = 5, .embedding = 7, .words = 4});
  const Tensor x = normals({2, 12, 9}, 3);
  return loss_of({model.get()}, [=] { return model->loss(x).total; });
}
ModelLoss text_and_motion_encoders() {
  const auto movement = make<MovementEncoder>(5, 4);
  const auto motion = make<BiGruEncoder>(4, 6, 7);
  const auto text = make<TextEncoderBiGru>(4, 3, 5, 7);
  const Tensor frames = normals({3, 12, 5}, 4), words = normals({3, 4, 4}, 5), classes = Tensor::zeros({3, 4, 3});
  for (int64_t i = 0; i < 12; ++i) classes.data<float>()[i * 3 + i % 3] = 1;
  return loss_of({movement.get(), motion.get(), text.get()}, [=] {
    const Var texts = (*text)(words, classes.to(Dtype::f64), ids({4, 1, 3}, {3}));
    return matching_loss(texts, (*motion)((*movement)(frames), ids({3, 2, 1}, {3})), ids({1, 2, 0}, {3})).total;
  });
}

// Sentences of 5 and 3 tokens.
const std::vector<int32_t> kSentences = {2, 5, 7, 6, 9, 2, 8, 9, 0, 0};
Tensor sentences() { return ids(kSentences, {2, 5}); }
Tensor mask() { return Tensor::from<uint8_t>({1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, {2, 5}); }

ModelLoss clip() {
  ClipTextConfig config;
  config.vocabulary = 10, config.width = 8, config.layers = 2, config.heads = 2, config.feedforward = 12;
  config.positions = 6, config.projection = 5, config.dropout = 0.2;
  const auto model = make<ClipText>(config);
  const Tensor end = clip_end(sentences()).to(Dtype::f64), target = normals({2, 5}, 6);
  return loss_of({model.get()}, [=] { return mse_loss((*model)(sentences(), end), target); });
}
ModelLoss bert(bool distil) {
  BertConfig config;
  config.distil = distil, config.pooler = !distil, config.token_types = distil ? 0 : 2;
  config.vocabulary = 10, config.width = 8, config.layers = 2, config.heads = 2, config.feedforward = 12;
  config.positions = 6, config.dropout = 0.2;
  const auto model = make<Bert>(config);
  const Tensor target = normals({2, distil ? 5 : 1, 8}, 7);
  return loss_of({model.get()}, [=] {
    const Var states = model->hidden(sentences(), mask());
    return mse_loss(distil ? states : reshape(model->pooled(states), {2, 1, 8}), target);
  });
}
ModelLoss t5(bool gated) {
  T5Config config;
  config.vocabulary = 10, config.width = 8, config.feedforward = 12, config.heads = 2, config.head_width = 3;
  config.layers = config.decoder_layers = 2, config.buckets = 8, config.far = 6, config.dropout = 0.2;
  config.gated = gated, config.tied = !gated;
  const auto model = make<T5>(config);
  const Tensor labels = ids({4, 3, 1, 7, 1, -100}, {2, 3});
  return loss_of({model.get()},
                 [=] { return cross_entropy_loss((*model)(sentences(), mask(), t5_decoder_ids(labels)), labels); });
}

// A motion with two hidden spans, as in pre-training, and an instruction: the loss is a mean over the targets of both.
ModelLoss motiongpt() {
  const MotionLanguage language({"tiny", tiny_spiece()}, {.codes = 4, .sentinels = 2});
  const Filling filling{.codes = {1, 3, 0, 0, 2}, .caption = "walks"};
  const LanguagePair hidden =
      corrupt_spans(language.encode(language.motion(filling.codes), 8), {{2, 1}, {1, 2}}, language);
  const SubTask task = pretraining_templates().tasks.back();  // a sentence to a motion
  const LanguageBatch batch =
      language_batch({hidden, supervised_pair(task, filling, language, {}, {1, 2}, {3, 4})}, language.pad());
  T5Config config;
  config.vocabulary = language.size(), config.width = 8, config.feedforward = 12, config.heads = 2;
  config.head_width = 3, config.layers = config.decoder_layers = 2, config.buckets = 8, config.far = 6;
  config.dropout = 0.2, config.end = language.end();
  const auto model = make<T5>(config);
  scale_new_head(*model);
  const Tensor weight = Tensor::full({1}, 1 / double(batch.targets), Dtype::f64);
  return loss_of({model.get()}, [=] {
    return language_loss((*model)(batch.ids, batch.mask, t5_decoder_ids(batch.labels)), batch.labels, weight);
  });
}

// ---- retrievers
const std::vector<std::string> kPairs = {"a person walks", "someone jumps up", "a man turns"};
std::unique_ptr<TextEncoder> words() {
  return std::make_unique<WordTransformer>(
      WordVocabulary::build(kPairs),
      WordTransformerConfig{.width = 6, .layers = 1, .heads = 2, .feedforward = 8, .max_words = 8, .dropout = 0.2});
}
PartNetworkConfig parts() {
  PartNetworkConfig c;
  c.part = {.width = 4, .layers = 1, .heads = 2, .feedforward = 6, .dropout = 0.2};
  c.frames = 5, c.projection = 3, c.pool = TextPool::mean;
  return c;
}
// Motions of 5, 3 and 4 frames.
RetrievalBatch pairs(const Retriever& model) {
  const auto motion = [](int64_t frames, uint64_t stream) { return normals({frames, 71}, stream).to(Dtype::f32); };
  RetrievalBatch b;
  b.motion = model.prepare({motion(5, 8), motion(3, 9), motion(4, 10)});
  b.text = model.text->prepare(kPairs);
  b.targets = ids({0, 1, 2}, {3}), b.ids = ids({4, 9, 4}, {3});
  return b;
}
ModelLoss retriever(std::shared_ptr<Retriever> model, const Module& network, const RetrievalBatch& batch) {
  ModelLoss m = loss_of({&network, model->text.get()}, [=] { return model->loss(batch)[0].second; });
  std::erase_if(m.parameters, [](const Var* p) { return !p->requires_grad(); });
  return m;
}
ModelLoss pltmr(bool hide_padding) {
  PlTmrConfig config;
  config.network = parts();
  config.network.mask_padding = hide_padding;
  default_generator() = {21, 0};
  const auto model = std::make_shared<PlTmr>(config, words(), six_joints());
  model->to(Dtype::f64);
  return retriever(model, model->network(), pairs(*model));
}
ModelLoss bmm(bool normalize) {
  BmmConfig config;
  config.network = parts();
  config.queue = 4, config.normalize = config.mask_same = normalize;
  config.temperature = normalize ? 0.07 : 1;  // so large that no probability is 1 but for rounding
  default_generator() = {21, 0};
  const auto model = std::make_shared<Bmm>(config, words(), six_joints());
  model->start(words());
  model->to(Dtype::f64);
  return retriever(model, model->network(), pairs(*model));
}
ModelLoss tmr() {
  TmrConfig config;
  config.network = {.width = 4, .layers = 1, .heads = 2, .feedforward = 6, .dropout = 0.2};
  config.frames = 6, config.kl = config.latent = 0.1;
  default_generator() = {21, 0};
  const auto model = std::make_shared<Tmr>(config, words(), six_joints());
  model->to(Dtype::f64);
  RetrievalBatch batch = pairs(*model);
  batch.noise = normals({2, 3, 4}, 11);
  batch.mask = Tensor::from<uint8_t>({0, 0, 1, 0, 0, 0, 1, 0, 0}, {3, 3});
  return retriever(model, model->network(), batch);
}

}  // namespace

const std::vector<ModelCase>& model_cases() {
  static const std::vector<ModelCase> cases = {
      {"T2M-GPT", "tokenizer, ema_reset", [] { return tokenizer(CodebookUpdate::ema_reset); }},
      {"T2M-GPT", "tokenizer, ema", [] { return tokenizer(CodebookUpdate::ema); }},
      {"T2M-GPT", "tokenizer, reset", [] { return tokenizer(CodebookUpdate::reset); }},
      {"T2M-GPT", "tokenizer, learned", [] { return tokenizer(CodebookUpdate::learned); }},
      {"T2M-GPT", "transformer and text encoder", transformer_and_text_encoder},
      {"Evaluator", "movement autoencoder", movement_autoencoder},
      {"Evaluator", "text and motion encoders", text_and_motion_encoders, 3e-10},
      {"TMR", "autoencoder and contrast", tmr},
      {"PL-TMR", "parts and words", [] { return pltmr(false); }, 1e-10},
      {"PL-TMR", "parts and words, padding hidden", [] { return pltmr(true); }, 1e-10},
      {"BMM", "as released", [] { return bmm(false); }, 1e-10},
      {"BMM", "normalised, keys of one item masked", [] { return bmm(true); }, 1e-10},
      {"CLIP", "text tower", clip, 1e-10},
      {"BERT", "pooled", [] { return bert(false); }, 1e-10},
      {"DistilBERT", "states", [] { return bert(true); }, 1e-10},
      {"T5", "1.0, tied", [] { return t5(false); }, 3e-10},
      {"T5", "1.1, gated", [] { return t5(true); }},
      {"MotionGPT", "T5, hidden spans and an instruction", motiongpt},
  };
  return cases;
}

GradcheckResult check(const ModelCase& model) {
  const ModelLoss m = model.make();
  return gradcheck(m.loss, m.parameters, {.tolerance = model.tolerance});
}

}  // namespace kg
