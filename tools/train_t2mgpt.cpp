// Trains the text-conditioned transformer over motion tokens: T2M-GPT's second stage.
#include "tools/common/processes.h"
#include "tools/common/t2m_training.h"

int main(int argc, char** argv) {
  return kg::run_parallel_main(argc, argv, [](int count, char** arguments) {
    kg::GptTraining training;
    kg::Cli cli("train_t2mgpt", "Trains T2M-GPT's transformer on the tokens of a trained tokenizer.",
                "train_t2mgpt --data out/set --tokenizer runs/tokenizer --preset tiny --out runs/gpt");
    kg::add_options(cli, training);
    if (!cli.parse(count, arguments)) return 0;
    kg::start(training.run);
    return kg::train_t2m_gpt(training, cli.config());
  });
}
