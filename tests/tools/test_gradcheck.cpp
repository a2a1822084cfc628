// The program gradcheck: a table when all is right, exit code 1 for a planted wrong gradient and a planted loose tolerance.
#include <gtest/gtest.h>

#include "tests/tools/run_program.h"

namespace kg {
namespace {

test::RunResult gradcheck(const std::string& arguments) {
  return test::run_command(KG_BIN_DIR "/gradcheck " + arguments);
}

TEST(GradcheckProgram, OneRowAnOperationOneAModel) {
  const test::RunResult result = gradcheck("--only t");
  EXPECT_EQ(result.code, 0) << result.output;
  for (const char* row : {"\nattention ", "\nT2M-GPT: tokenizer, ema ", "\nmatmul ", "are right"})
    EXPECT_NE(result.output.find(row), std::string::npos) << row;
  EXPECT_EQ(result.output.find("\nsum "), std::string::npos);
}
TEST(GradcheckProgram, FindsAPlantedGradient) {
  const test::RunResult result = gradcheck("--only planted --plant gradient");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("WRONG: planted: leaf 0, element "), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("\n0 of 1 rows are right"), std::string::npos) << result.output;
}
TEST(GradcheckProgram, FindsALooseTolerance) {
  const test::RunResult result = gradcheck("--only planted --plant tolerance");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("WRONG: the tolerance is more than a hundred times"), std::string::npos)
      << result.output;
}
TEST(GradcheckProgram, BadOptions) {
  for (const char* arguments : {"--plant nothing", "--what", "--only", "--only no_such_op"}) {
    const test::RunResult result = gradcheck(arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_NE(result.output.find("error: "), std::string::npos);
  }
  EXPECT_EQ(gradcheck("--help").code, 0);
}

}  // namespace
}  // namespace kg
