#pragma once

#include "console/job_runner.hpp"

#include <cstdint>

namespace troupe::console {

/// Where a run goes on.
struct Resumption {
  std::uint32_t step = 0;  ///< of the newest checkpoint that is sound and not ahead of the run's record; 0 = none
  std::uint32_t total_steps = 0;
};

/// Makes the folder of a run ready to go on as `options.job`, which may differ from the run's own job: says on stderr
/// what does, and where steps would come out with other numbers, takes those after the checkpoint out of the record
/// (they are done again), with their checkpoints. When the run has all its steps already, only finds that. Throws
/// CommandError: usage for a checkpoint of another model or another order of samples, failed when checkpoints are there
/// and none can be used.
///
/// RS-1  A job that is refused changes nothing in the folder.
[[nodiscard]] Resumption prepare_resume(const JobOptions& options);

}  // namespace troupe::console
