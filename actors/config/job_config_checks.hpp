#pragma once

#include "actors/config/job_config.hpp"

#include <string>

namespace troupe::actors {

/// Whether the keys of a job fit together. Empty, or the first thing that does not fit, with numbers and a way out.
/// Looks at the job alone: files, devices and memory are checked where they are used.
[[nodiscard]] std::string find_misfit(const JobConfig& job);

}  // namespace troupe::actors
