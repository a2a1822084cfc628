// Algorithms chosen by time, for those who ask for it with KG_TUNE=FILE.
//
// Another algorithm adds in another order, and which one is fastest by a hair differs from run to run. A library's own
// first proposal is the same in every run, so it is what is used, unless KG_TUNE names a file: then the proposals for a
// shape are timed when it is first met, and the choice is kept in the file, for all runs with this file, this GPU and
// these libraries. So the same seed gives the same bytes as long as the file stays: it belongs to a training as its
// data do, and goes with it to another machine. Processes that train together may share it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace kg::cuda {

bool tuning();  // KG_TUNE names a file

// Which of `count` proposals to take for `key` (one line: library, version, shape): as the file has it, else the
// fastest by run(i), which launches proposal i or returns false where it is refused. While a graph is captured nothing
// can be timed: there it is the first one, for good.
size_t tuned(const std::string& key, size_t count, const std::function<bool(size_t)>& run);

}  // namespace kg::cuda
