// Sizes and training recipes of MotionGPT's language model. `paper` is the released one: the shape of FLAN-T5 base
// (Jiang et al. 2023; its configuration files); `small` and `tiny` are the same network made narrower, for CPUs.
#pragma once

#include "models/motiongpt/sequences.h"
#include "models/text/t5.h"
#include "nn/recipe.h"

namespace kg {

struct MotionGptConfig {
  LanguageConfig language;
  T5Config t5;
  int64_t read = 256;     // tokens of a prompt at most, its end included
  int64_t written = 128;  // positions of an answer at most, its end included
};
template <class V>
void fields(MotionGptConfig& c, V&& v) {
  fields(c.language, v);
  v(Field{"read", "", "", between(2, 4096)}, c.read);
  v(rare({"written", "longest-answer", "tokens of an answer", between(16, 4096)}), c.written);
  fields(c.t5, v);
}

struct MotionGptRecipe {
  MotionGptConfig model;
  SequenceConfig sequences;
  Recipe training;
};
template <class V>
void fields(MotionGptRecipe& r, V&& v) {
  fields(r.training, v);
  fields(r.sequences, v);
  fields(r.model, v);
}

enum class MotionGptStage { pretrain, instruct };
template <>
struct Names<MotionGptStage> {
  static constexpr const char* const of[] = {"pretrain", "instruct"};
};
MotionGptRecipe motiongpt_preset(const std::string& name, MotionGptStage stage);

}  // namespace kg
