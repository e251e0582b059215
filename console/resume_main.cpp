#include "console/resume.hpp"

#include "actors/actor_types.hpp"
#include "actors/checkpoint_keeper.hpp"
#include "actors/config/job_changes.hpp"
#include "actors/job_plan.hpp"
#include "actors/run_recorder.hpp"
#include "console/exit_codes.hpp"

#include <algorithm>
#include <iostream>

namespace troupe::console {
namespace {

using actors::RunRecorder;

/// Throws what the keeper throws as what it is here: a job that does not fit the run.
std::uint32_t find_step(const JobOptions& options, const actors::JobPlan& plan, const RunRecorder& record) {
  const actors::CheckpointKeeper keeper(options.folder.checkpoints(), options.job, plan.training_samples());
  try {
    return keeper.find_newest(record.steps()).step;
  } catch (const std::exception& misfit) {
    throw CommandError(ExitCode::usage, misfit.what());
  }
}

/// Whether steps that are done again have the numbers of the record. Says what is new.
bool keeps_numbers(const JobOptions& options) {
  try {
    const auto changes = actors::find_changes(actors::load_job_config(options.folder.config(), {}), options.job);
    for (const actors::JobChange& change : changes) std::cerr << "resuming with " << change.describe() << "\n";
    return std::ranges::all_of(changes,
                               [](const auto& change) { return change.steps == actors::JobChange::Steps::same; });
  } catch (const actors::ConfigError& unreadable) {
    std::cerr << "troupe: warning: what is new in the job cannot be told: " << unreadable.what() << "\n";
    return false;
  }
}

}  // namespace

Resumption prepare_resume(const JobOptions& options) {
  const actors::JobPlan plan = actors::plan_job(options.job);
  RunRecorder record(options.folder.root, RunRecorder::Repeats::equal);
  const Resumption found{find_step(options, plan, record), plan.total_steps()};
  const std::uint32_t recorded = record.steps();
  if (!keeps_numbers(options) && recorded > found.step) {
    record.cut_after(found.step);
    std::cerr << "steps " << found.step + 1 << " to " << recorded << " are done again with these settings\n";
  }
  return found;
}

}  // namespace troupe::console
