// A training program as one of several processes: `mpirun -np 4 build/bin/train_tokenizer ...`.
#pragma once

#include <functional>

namespace kg::tools {

// As run_main(), for a program that may be started several times at once by mpirun; world() is then all of them. Rank 0
// alone writes to standard output, and tells of an error that all have. A rank that finds another one gone says so and
// ends at once with exit code 7.
int run_parallel_main(int argc, char** argv, const std::function<int(int, char**)>& body);

}  // namespace kg::tools
