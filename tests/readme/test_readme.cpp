// The README's block of C++ is the one that is compiled.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace kg {
namespace {

std::string slurp(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t first = text.find(begin);
  if (first == text.npos) return "";
  return text.substr(first + begin.size(), text.find(end, first + begin.size()) - first - begin.size());
}

TEST(Readme, ShowsTheExampleAsItIs) {
  const std::string shown = between(slurp(KG_TEST_DIR "/../README.md"), "```cpp\n", "```");
  const std::string compiled = between(slurp(KG_TEST_DIR "/readme/example.cpp"), "// [readme]\n", "  // [readme end]");
  EXPECT_FALSE(shown.empty());
  std::string indented;
  std::istringstream lines(shown);
  for (std::string line; std::getline(lines, line);) indented += (line.empty() ? "" : "  ") + line + "\n";
  EXPECT_EQ(indented, compiled);
}

}  // namespace
}  // namespace kg
