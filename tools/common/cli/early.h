// What a program has to know of its command line before it knows its options, such as which model they are of.
#pragma once

#include <string>
#include <vector>

namespace kg::tools {

// What an option, by one of its names, of which one letter stands behind one dash, says on a command line; empty where
// it is not there.
std::string argument_of(int argc, char** argv, const std::vector<std::string>& names);
// The same, or else what the file says that --config or --resume names, under any of the names. What is wrong with that
// file is said later, when it is read for all options.
std::string early_value(int argc, char** argv, const std::vector<std::string>& names);

}  // namespace kg::tools
