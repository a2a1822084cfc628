#include "data/formats/checkpoint.h"
#include "models/model_file.h"
#include "models/retrieval/bmm.h"
#include "models/retrieval/pltmr.h"
#include "models/retrieval/tmr.h"
#include "models/text/stored_text.h"

namespace kg {
namespace {

template <class Model, class Config>
std::unique_ptr<Retriever> make(const Json& config, std::unique_ptr<TextEncoder> text, const Skeleton& body,
                                const std::string& source) {
  const auto sizes = read_config<Config>(read_part(config, Model::kKind, source), source);
  return made_from(source, [&] { return std::make_unique<Model>(sizes, std::move(text), body); });
}

}  // namespace

std::unique_ptr<Retriever> open_retriever(const std::filesystem::path& run, const TextEncoderChoice& choice) {
  const std::filesystem::path path = find_checkpoint(run);
  const std::string source = path.string(), kind = checkpoint_kind(path);
  CHECK_INPUT(kind == Tmr::kKind || kind == PlTmr::kKind || kind == Bmm::kKind, source, ": holds \"", kind,
              "\", expected a retriever (tmr, pltmr or bmm)");
  const TensorFile file = read_checkpoint(path, kind);
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  auto text = open_stored_text(file, choice, source);
  const Skeleton body = read_skeleton(file, read_statistics(file, source).features(), source);
  std::unique_ptr<Retriever> model;
  if (kind == Tmr::kKind)
    model = make<Tmr, TmrConfig>(config, std::move(text), body, source);
  else if (kind == PlTmr::kKind)
    model = make<PlTmr, PlTmrConfig>(config, std::move(text), body, source);
  else
    model = make<Bmm, BmmConfig>(config, std::move(text), body, source);
  model->load(file, source);
  model->train(false);
  return model;
}

}  // namespace kg
