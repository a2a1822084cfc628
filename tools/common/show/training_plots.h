// Pictures of a run's log: a diagram a column over the iterations, validation beside training where both have it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/export/plot.h"

namespace kg::tools {

// From a log.csv whose first column is the iteration: x and val_x share a diagram titled x. A column without a finite
// value, and the learning rate, have none. What falls by more than a factor of 30 is shown in log scale.
std::vector<Plot> training_plots(const std::filesystem::path& log);

// Each as FOLDER/training_TITLE.png; returns the names.
std::vector<std::string> write_training_plots(const std::filesystem::path& log, const std::filesystem::path& folder);

}  // namespace kg::tools
