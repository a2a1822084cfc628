// Trains the evaluator networks, in whose space the metrics of generated motions are computed.
#include "tools/common/evaluator_training.h"

int main(int argc, char** argv) {
  return kg::run_main(argc, argv, [](int count, char** arguments) {
    kg::EvaluatorTraining training;
    kg::Cli cli("train_evaluator", "Trains the evaluator networks that metrics of motions are measured with.",
                "train_evaluator --data out/set --preset small --out runs/evaluator");
    kg::add_options(cli, training);
    if (!cli.parse(count, arguments)) return 0;
    kg::start(training.run);
    return kg::train_evaluator(training, cli.config());
  });
}
