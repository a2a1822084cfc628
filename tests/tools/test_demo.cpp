// The demo at its smallest size: what stands in its folder afterwards.
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

TEST(Demo, SlowSmallestRunMakesItsPage) {
  TemporaryFolder folder;
  EXPECT_EQ(run_in(folder.path(), "demo", "-p '' --out demo").code, 3);
  EXPECT_FALSE(fs::exists(folder / "demo"));  // not after minutes of training
  const std::string sizes = "--clips 30 --iters 3,3 --out demo ";
  const RunResult result = run_in(folder.path(), "demo", sizes);
  ASSERT_EQ(result.code, 0) << result.output;
  const std::string page = slurp(folder / "demo/index.html");
  EXPECT_EQ(count_of(page, "<section"), 3u);
  EXPECT_EQ(count_of(page, "<b>nearest training clip</b>"), 3u);
  for (const char* extension : {".gif", ".bvh", ".npy", ".png"}) {
    int found = 0;
    for (const auto& entry : fs::directory_iterator(folder / "demo")) found += entry.path().extension() == extension;
    EXPECT_EQ(found, extension == std::string(".npy") ? 6 : 3) << extension;
  }
  // Again with --resume: nothing is left to train, and the page is the same.
  const std::string weights = slurp(folder / "demo/gpt/last.safetensors");
  const RunResult again = run_in(folder.path(), "demo", sizes + "--resume");
  ASSERT_EQ(again.code, 0) << again.output;
  EXPECT_TRUE(slurp(folder / "demo/gpt/last.safetensors") == weights);
  EXPECT_TRUE(slurp(folder / "demo/index.html") == page);
}

}  // namespace
}  // namespace kg::test
