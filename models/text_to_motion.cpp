#include "models/text_to_motion.h"

namespace kg {

void TextToMotion::refuse(const char* what) const { fail(ErrorCode::usage, "this model cannot ", what); }

std::vector<Tensor> TextToMotion::generate(const std::vector<MotionRequest>&, uint64_t) {
  refuse("make motions from sentences");
}
std::vector<Completion> TextToMotion::complete(const std::vector<MotionRequest>&, uint64_t) {
  refuse("complete motions");
}
std::vector<std::string> TextToMotion::caption(const std::vector<Tensor>&) { refuse("write captions of motions"); }
Answer TextToMotion::answer(const Question&, uint64_t) { refuse("answer prompts in free words"); }
Tensor TextToMotion::reconstruct(const Tensor&) { refuse("reconstruct motions: it has no tokenizer"); }
std::vector<Retrieved> TextToMotion::retrieved(const MotionRequest&) { refuse("look up motions"); }
TrainingProbe TextToMotion::training_probe(int64_t, int64_t) { return {}; }
std::vector<std::string> TextToMotion::notes(const std::vector<std::string>&) const { return {}; }

}  // namespace kg
