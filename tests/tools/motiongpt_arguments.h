// train_motiongpt at toy size, on the data and the tokenizer of SmallModel.
#pragma once

#include "tests/tools/programs.h"

namespace kg::test {

inline constexpr const char* kMotionGptSizes =
    " --threads 1 --quiet --preset tiny --width 16 --heads 2 --head-width 8 --feedforward 24 --layers 1 "
    "--decoder-layers 1 --pieces 500 --batch-size 4 ";

inline std::string motiongpt_arguments() {
  return "--stage pretrain --data " + quoted(SmallModel::get().set()) + " --tokenizer " +
         quoted(SmallModel::get().tokenizer()) + kMotionGptSizes;
}

}  // namespace kg::test
