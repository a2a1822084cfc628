// Checkpoints in the layout of T2M-GPT's authors (tests/golden/make_public_t2m_gpt.py): sizes, weights, and what the
// loaded models compute against PyTorch.
#include "models/t2m_gpt/public_weights.h"

#include <gtest/gtest.h>

#include "data/formats/weights.h"
#include "models/tokenizer/public_weights.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"

namespace kg {
namespace {

NamedTensors read(const std::string& file, const std::string& section = "") {
  return read_weights(std::string(KG_TEST_DIR "/golden/archives/") + file, section).tensors;
}

TEST(PublicWeights, VqVaeEncodesAndDecodesAsInPyTorch) {
  const Golden golden("t2m_gpt_public.safetensors");
  const NamedTensors net = read("t2m_gpt_vqvae.pth", "net");
  const VqVaeConfig config = public_vqvae_config(net, "net");
  EXPECT_EQ(config.features, 263);
  EXPECT_EQ(config.width, 8);
  EXPECT_EQ(config.codes, 16);
  EXPECT_EQ(config.update, CodebookUpdate::ema_reset);
  VqVae model(config);
  model.load_state_dict(public_vqvae_weights(net), "net");
  model.eval();
  NoGrad guard;
  const Tensor ids = model.encode(golden.get("features"));
  expect_same_ids(ids, golden.get("ids"), "ids");
  EXPECT_LT(relative_error(model.decode(ids), golden.get("decoded")), 1e-5);
  // Ready to be trained on: the moving averages start from the codebook.
  EXPECT_EQ(model.quantizer().initialized.item(), 1);
  EXPECT_EQ(model.quantizer().code_sum.to_vector(), model.quantizer().codebook.value.to_vector());
  EXPECT_EQ(model.quantizer().code_count.to_vector(), std::vector<double>(16, 1));
}

TEST(PublicWeights, GptGivesTheLogitsOfPyTorch) {
  const Golden golden("t2m_gpt_public.safetensors");
  for (const char* file : {"t2m_gpt_gpt.pth", "t2m_gpt_gpt_legacy.pth"}) {
    const NamedTensors trans = read(file);
    const GptConfig config = public_gpt_config(trans, 2, file);
    EXPECT_EQ(config.codes, 16);
    EXPECT_EQ(config.condition, 12);
    EXPECT_EQ(config.width, 8);
    EXPECT_EQ(config.layers, 4);
    EXPECT_EQ(config.feedforward, 32);
    EXPECT_EQ(config.context, 8);
    Gpt model(config);
    model.load_state_dict(public_gpt_weights(trans, file), file);
    model.eval();
    NoGrad guard;
    const Var logits = model(Var(golden.get("condition")), golden.get("tokens"));
    EXPECT_LT(relative_error(logits.value, golden.get("logits")), 1e-5) << file;
  }
}

TEST(PublicWeights, LearnedCodebooksHaveAnotherName) {
  NamedTensors net = read("t2m_gpt_vqvae.pth");
  for (auto& [name, tensor] : net)
    if (name == "vqvae.quantizer.codebook") name = "vqvae.quantizer.embedding.weight";
  const VqVaeConfig config = public_vqvae_config(net, "net");
  EXPECT_EQ(config.update, CodebookUpdate::learned);
  VqVae model(config);
  model.load_state_dict(public_vqvae_weights(net), "net");
  EXPECT_EQ(model.quantizer().size(), 16);
}

TEST(PublicWeights, OtherModelsAreRefused) {
  const NamedTensors net = read("t2m_gpt_vqvae.pth"), trans = read("t2m_gpt_gpt.pth");
  const auto expect = [](const std::function<void()>& call, const std::string& part) {
    const std::string message = error_of(ErrorCode::input, call);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect([&] { public_vqvae_config(trans, "a.pth"); }, "a.pth: the weight vqvae.encoder.model.0.weight is missing");
  expect([&] { public_gpt_config(net, 2, "a.pth"); }, "a.pth: the weight trans_base.tok_emb.weight is missing");
  expect([&] { public_gpt_config(trans, 3, "a.pth"); }, "a width of 8 does not split into 3 heads");
  const auto changed = [&](const std::string& ending, double value) {
    NamedTensors other = trans;
    for (auto& [name, tensor] : other)
      if (name.ends_with(ending)) tensor = Tensor::full(tensor.shape(), value);
    return other;
  };
  expect([&] { public_gpt_weights(changed("base.blocks.1.attn.mask", 1), "a"); },
         "trans_base.blocks.1.attn.mask is no causal mask");
  expect([&] { public_gpt_weights(changed("pos_embed.embed", 0.5), "a"); }, "is not the sinusoidal table");
  NamedTensors uneven = trans;
  std::erase_if(uneven, [](const auto& entry) { return entry.first.starts_with("trans_head.blocks.1."); });
  expect([&] { public_gpt_config(uneven, 2, "a"); }, "2 blocks before and 1 in the head");
}

}  // namespace
}  // namespace kg
