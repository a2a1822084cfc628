// Trains the motion VQ-VAE: T2M-GPT's first stage.
#include "tools/common/processes.h"
#include "tools/common/t2m_training.h"

int main(int argc, char** argv) {
  return kg::run_parallel_main(argc, argv, [](int count, char** arguments) {
    kg::TokenizerTraining training;
    kg::Cli cli("train_tokenizer", "Trains the motion tokenizer (VQ-VAE), the first stage of T2M-GPT.",
                "train_tokenizer --data out/set --preset tiny --out runs/tokenizer");
    kg::add_options(cli, training);
    if (!cli.parse(count, arguments)) return 0;
    kg::start(training.run);
    return kg::train_tokenizer(training, cli.config());
  });
}
