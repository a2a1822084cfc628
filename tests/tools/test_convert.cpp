// convert as a user runs it: from every kind of file, with names and types changed, T2M-GPT's published files, and
// everything wrong.
#include "data/formats/checkpoint.h"
#include "data/formats/npy.h"
#include "data/formats/safetensors.h"
#include "data/motion/skeleton.h"
#include "models/motiongpt/motiongpt.h"
#include "models/t2m_gpt/t2m_gpt.h"
#include "tensor/random.h"
#include "tests/data/bad_input.h"
#include "tests/data/tiny_spiece.h"
#include "tests/golden/golden.h"
#include "tests/tiny_text_models.h"
#include "tests/tools/programs.h"
#include "tools/common/files/systems.h"

namespace kg {
using namespace tools;
}

namespace kg::test {
namespace {

const fs::path kArchives = kGolden / "archives";

class Convert : public testing::Test {
 protected:
  RunResult run(const std::string& arguments) const { return run_in(folder_.path(), "convert", arguments); }
  StoredFile converted(const fs::path& file, const std::string& arguments = "") {
    const RunResult result = run(quoted(file) + " --out out.safetensors " + arguments);
    EXPECT_EQ(result.code, 0) << result.output;
    EXPECT_NE(result.output.find("out.safetensors: "), std::string::npos) << result.output;
    return open_safetensors(folder_ / "out.safetensors");
  }
  void expect_refused(const std::string& arguments, int code, const std::string& part) {
    const RunResult result = run(arguments + " --out bad.safetensors");
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_NE(result.output.find(part), std::string::npos) << result.output;
    EXPECT_FALSE(fs::exists(folder_ / "bad.safetensors"));
  }
  TemporaryFolder folder_;
};

void expect_same(const Tensor& a, const Tensor& b, const std::string& name) {
  EXPECT_EQ(a.dtype(), b.dtype()) << name;
  EXPECT_EQ(a.shape(), b.shape()) << name;
  EXPECT_EQ(a.to_vector(), b.to_vector()) << name;
}

TEST_F(Convert, KeepsValuesAndTypesOfEveryFormat) {
  const TensorFile expected = read_safetensors(kArchives / "expected.safetensors");
  for (const char* name : {"zip.pt", "legacy.pt", "deflated.pt"}) {
    const StoredFile file = converted(kArchives / name);
    ASSERT_EQ(file.tensors.size(), 20u);
    for (const StoredTensor& tensor : file.tensors)
      expect_same(tensor.read(), *expected.find("net." + tensor.name), tensor.name);
    EXPECT_EQ(file.tensors[2].dtype, FileDtype::f16);
    EXPECT_EQ(file.tensors[4].dtype, FileDtype::i64);
    EXPECT_EQ(file.tensors[6].dtype, FileDtype::i16);
    EXPECT_EQ(file.metadata.at("source"), name);
  }
  EXPECT_EQ(converted(kArchives / "jit.pt").tensors.size(), 6u);
  EXPECT_EQ(converted(kGolden / "formats/deflated.npz").tensors.size(), 3u);
  const StoredFile once = converted(kGolden / "formats/mixed.safetensors");
  EXPECT_EQ(once.metadata.at("note"), "caf\u00e9 \"quoted\"");
  // The same input gives the same bytes.
  const std::string bytes = slurp(folder_ / "out.safetensors");
  converted(kGolden / "formats/mixed.safetensors");
  EXPECT_EQ(slurp(folder_ / "out.safetensors"), bytes);
}

TEST_F(Convert, ChangesNamesAndTypes) {
  const StoredFile half =
      converted(kArchives / "zip.pt", "--drop 'a.bf16' --drop 'b.*' --dtype f16 --rename c.=d. --rename a=e");
  ASSERT_EQ(half.tensors.size(), 13u);
  EXPECT_EQ(half.tensors[0].name, "e.f32");
  EXPECT_EQ(half.tensors[3].name, "d.whole");
  for (const StoredTensor& tensor : half.tensors) EXPECT_EQ(tensor.dtype, FileDtype::f16) << tensor.name;
  EXPECT_EQ(half.tensors[3].read().to_vector()[9], 1.125);
  const StoredFile brain = converted(kArchives / "zip.pt", "--dtype bf16");
  EXPECT_EQ(brain.tensors[0].dtype, FileDtype::bf16);
  EXPECT_EQ(brain.tensors[4].dtype, FileDtype::i64);  // whole numbers keep theirs
  const StoredFile ema = converted(kArchives / "sections.pt", "--section ema");
  ASSERT_EQ(ema.tensors.size(), 1u);
  EXPECT_EQ(ema.tensors[0].name, "w");
}

TEST_F(Convert, RefusesWithTheReason) {
  const std::string zip = quoted(kArchives / "zip.pt");
  expect_refused(quoted(kArchives / "sections.pt"), 3, "it has the sections net, ema, opt_net; say which is meant");
  expect_refused(zip + " --section nets", 3, "there is no section nets; it has net, optimizer");
  expect_refused(zip + " --dtype f16", 3, "tensor a.bf16: element 2 is 1");
  expect_refused(zip + " --dtype f8", 2, "--dtype");
  expect_refused(zip + " --drop 'x*'", 3, "--drop x*: no tensor is named so");
  expect_refused(zip + " --drop '*'", 3, "no tensor is left to write");
  expect_refused(zip + " --rename x=y", 3, "--rename x=y: no tensor's name begins with x");
  expect_refused(zip + " --rename a", 2, "write OLD=NEW");
  expect_refused(quoted(kArchives / "plain.pt") + " --rename a.f32=w --rename a.f64=w", 3,
                 "two tensors would be named w");
  expect_refused("none.pt", 3, "none.pt: there is no such file");
  expect_refused(quoted(kArchives / "values_2.pkl"), 3, "not a file of weights");
  spill(folder_ / "evil.pt",
        "\x80\x02"
        "cos\nsystem\n(S'touch run'\ntR.");
  expect_refused("evil.pt", 3, "not a file of weights");
  expect_refused("", 2, "file");
  spill(folder_ / "a.pt", slurp(kArchives / "zip.pt"));
  const RunResult same = run("a.pt --out ./a.pt");
  EXPECT_EQ(same.code, 2) << same.output;
  EXPECT_NE(same.output.find("is the input itself"), std::string::npos) << same.output;
  const RunResult full = run(zip + " --out /dev/full");
  EXPECT_EQ(full.code, 1) << full.output;
}

// meta/ as it comes with the published tokenizer.
Statistics write_meta(const fs::path& folder) {
  Statistics s{Tensor::empty({kFeatures}), Tensor::empty({kFeatures})};
  fill_normal(s.mean, 0, 1, Philox(1));
  fill_uniform(s.std, 0.5, 2, Philox(2));
  fs::create_directory(folder / "meta");
  write_npy(folder / "meta/mean.npy", s.mean);
  write_npy(folder / "meta/std.npy", s.std);
  return s;
}

TEST_F(Convert, MakesATokenizerOfThePublishedOne) {
  const Statistics s = write_meta(folder_.path());
  const std::string vqvae = quoted(kArchives / "t2m_gpt_vqvae.pth") + " --as t2mgpt-vqvae ";
  const RunResult result = run(vqvae + "--statistics meta --out vq.safetensors");
  ASSERT_EQ(result.code, 0) << result.output;
  const auto tokenizer = open_tokenizer(folder_ / "vq.safetensors");
  expect_same(tokenizer->statistics.std, s.std, "std");
  const TensorFile values = read_safetensors(kGolden / "t2m_gpt_public.safetensors");
  const Tensor x = denormalize_features(values.find("features")->select(0, 0), s);
  const std::vector<int32_t> ids = tokenizer->encode(x);
  EXPECT_EQ(std::vector<double>(ids.begin(), ids.end()), values.find("ids")->to_vector());

  expect_refused(vqvae, 2, "--as t2mgpt-vqvae needs --statistics DIR");
  expect_refused(vqvae + "--statistics meta --dtype f16", 2, "--as t2mgpt-vqvae takes no --dtype");
  expect_refused(vqvae + "--statistics none", 3, "none/Mean.npy");
  expect_refused(quoted(kArchives / "zip.pt") + " --statistics meta", 2, "--as weights takes no --statistics");
  expect_refused(quoted(kArchives / "t2m_gpt_gpt.pth") + " --as t2mgpt-vqvae --statistics meta", 3,
                 "the weight vqvae.encoder.model.0.weight is missing");
}

TEST_F(Convert, MakesAModelOfThePublishedOnes) {
  write_meta(folder_.path());
  write_tiny_clip(folder_ / "clip");
  const std::string gpt = quoted(kArchives / "t2m_gpt_gpt_legacy.pth") + " --as t2mgpt-gpt ";
  const std::string parts = "--tokenizer vq.safetensors --text-encoder clip:clip --heads 2 ";
  ASSERT_EQ(
      run(quoted(kArchives / "t2m_gpt_vqvae.pth") + " --as t2mgpt-vqvae --statistics meta --out vq.safetensors").code,
      0);
  const RunResult result = run(gpt + parts + "--out model.safetensors");
  ASSERT_EQ(result.code, 0) << result.output;
  const RunResult made =
      run_in(folder_.path(), "generate", "--model model.safetensors -p 'a person walks' --format npy --out out");
  EXPECT_EQ(made.code, 0) << made.output;
  EXPECT_TRUE(fs::exists(folder_ / "out/000_a_person_walks.npy"));
  const auto model = T2mGpt::open(read_checkpoint(folder_ / "model.safetensors", T2mGpt::kKind),
                                  {"clip:" + (folder_ / "clip").string(), {}}, "model");
  const TensorFile values = read_safetensors(kGolden / "t2m_gpt_public.safetensors");
  NoGrad guard;
  const Tensor logits = model->gpt(Var(*values.find("condition")), *values.find("tokens")).value,
               want = *values.find("logits");
  for (size_t i = 0; i < want.to_vector().size(); ++i) EXPECT_NEAR(logits.to_vector()[i], want.to_vector()[i], 1e-5);

  expect_refused(gpt, 2, "--as t2mgpt-gpt needs --tokenizer");
  expect_refused(gpt + "--tokenizer vq.safetensors", 2, "--as t2mgpt-gpt needs --text-encoder");
  expect_refused(gpt + parts + "--heads 3", 3, "a width of 8 does not split into 3 heads");
  expect_refused(gpt + "--tokenizer none --text-encoder clip:clip --heads 2", 3, "none is not there");
  write_tiny_bert(folder_ / "bert", true);
  expect_refused(gpt + "--tokenizer vq.safetensors --heads 2 --text-encoder bert:bert", 3,
                 "the transformer reads text features of width 12, bert:bert makes 16");
  expect_refused(quoted(kArchives / "t2m_gpt_vqvae.pth") + " --as t2mgpt-gpt " + parts, 3,
                 "trans_base.tok_emb.weight is missing");
  expect_refused(quoted(SmallModel::get().tokenizer() / "last.safetensors") + " --as t2mgpt-vqvae --statistics meta", 3,
                 "unexpected");
}

TEST_F(Convert, MakesAMotionGptOfThePublishedOne) {
  const Golden golden("motiongpt.safetensors");
  fs::create_directory(folder_ / "meta");
  write_npy(folder_ / "meta/mean.npy", golden.get("mean"));
  write_npy(folder_ / "meta/std.npy", golden.get("std"));
  const std::string spiece = "--spiece " + quoted(kArchives / "motiongpt_spiece.model");
  const std::string motiongpt = quoted(kArchives / "motiongpt.tar") + " --as motiongpt ";
  RunResult result = run(motiongpt + "--statistics meta " + spiece + " --out model.safetensors");
  ASSERT_EQ(result.code, 0) << result.output;
  const auto model = MotionGpt::open(read_checkpoint(folder_ / "model.safetensors", MotionGpt::kKind), {}, "model");
  EXPECT_EQ(model->tokenizer.encode(golden.get("caption.features")).size(), 5u);
  EXPECT_EQ(model->config().written, 128);
  NoGrad guard;
  const Tensor logits =
      model->t5(golden.get("batch.0.ids"), golden.get("batch.0.mask"), t5_decoder_ids(golden.get("batch.0.labels")))
          .value;
  EXPECT_LT(relative_error(logits, golden.get("y.logits")), 1e-5);
  const Json texts = Json::parse(golden.file().metadata.at("config"));
  EXPECT_EQ(model->caption({golden.get("caption.features")}), std::vector<std::string>{texts["caption"]});
  result = run_in(folder_.path(), "generate", "--model model.safetensors -p 'a person walks' --format npy --out out");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_TRUE(fs::exists(folder_ / "out/000_a_person_walks.npy"));

  expect_refused(motiongpt + "--statistics meta", 2, "--as motiongpt needs --spiece FILE");
  expect_refused(motiongpt + spiece, 2, "--as motiongpt needs --statistics DIR");
  expect_refused(quoted(kArchives / "zip.pt") + " " + spiece, 2, "--as weights takes no --spiece");
  spill(folder_ / "other.model", tiny_spiece());
  expect_refused(motiongpt + "--statistics meta --spiece other.model", 3, "Give the spiece.model of the T5");
  expect_refused(motiongpt + "--statistics meta --spiece none.model", 3, "none.model");
  expect_refused(quoted(kArchives / "t2m_gpt_gpt.pth") + " --as motiongpt --statistics meta " + spiece, 3,
                 "no weights begin with vae. (the motion tokenizer); there are those of trans_base, trans_head");
  const std::string norm = "lm.language_model.decoder.block.0.layer.1.layer_norm.weight";
  ASSERT_EQ(run(quoted(kArchives / "motiongpt.tar") + " --drop " + norm +
                " --rename metrics.=measures. --out wrong.safetensors")
                .code,
            0);
  const std::string wrong = "wrong.safetensors --as motiongpt --statistics meta " + spiece;
  expect_refused(wrong, 3, "missing     " + norm);
  expect_refused(wrong, 3, "unexpected  measures.TM2TMetrics.t2m_moveencoder.out_net.bias");
}

}  // namespace
}  // namespace kg::test
