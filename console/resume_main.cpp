#include "console/resume.hpp"

#include "actors/actor_types.hpp"
#include "actors/checkpoint_keeper.hpp"
#include "actors/config/job_changes.hpp"
#include "actors/job_plan.hpp"
#include "actors/run_recorder.hpp"
#include "console/exit_codes.hpp"
#include "gpt2/store/checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <limits>
#include <optional>
#include <vector>

namespace troupe::console {
namespace {

using actors::RunRecorder;

/// Throws what the keeper throws as what it is here: a job that does not fit the run.
actors::FoundCheckpoint find_checkpoint(const actors::CheckpointKeeper& keeper, std::uint32_t last_recorded) {
  try {
    return keeper.find_newest(last_recorded);
  } catch (const std::exception& misfit) {
    throw CommandError(ExitCode::usage, misfit.what());
  }
}

/// Where there should be checkpoints, "none" and "none that can be read" are not the same.
void check_folder(const std::filesystem::path& checkpoints) {
  std::error_code error;
  const std::filesystem::directory_iterator readable(checkpoints, error);
  if (error) throw CommandError(ExitCode::failed, "cannot read " + checkpoints.string() + ": " + error.message());
}

/// What is new in the job; nothing, with a warning, when the run's own config cannot be read.
std::optional<std::vector<actors::JobChange>> changes_of(const JobOptions& options) {
  try {
    return actors::find_changes(actors::load_job_config(options.folder.config(), {}), options.job);
  } catch (const actors::ConfigError& unreadable) {
    std::cerr << "troupe: warning: what is new in the job cannot be told: " << unreadable.what() << "\n";
    return std::nullopt;
  }
}

/// Whether steps that are done again have the numbers of the record. Says what is new.
bool keeps_numbers(const JobOptions& options) {
  const auto changes = changes_of(options);
  if (!changes) return false;
  for (const actors::JobChange& change : *changes) std::cerr << "resuming with " << change.describe() << "\n";
  return std::ranges::all_of(*changes,
                             [](const auto& change) { return change.steps == actors::JobChange::Steps::same; });
}

/// What was computed with the old settings after `found` goes. Once more after a crash in the middle of it, this does
/// what was left to do.
void forget_steps_after(const JobOptions& options, const actors::FoundCheckpoint& found, RunRecorder& record) {
  const std::uint32_t recorded = record.steps();
  gpt2::remove_checkpoints_after(options.folder.checkpoints(), found.step);
  record.cut_after(found.step);
  record.sync();
  if (recorded > found.step) {
    std::cerr << "steps " << found.step + 1 << " to " << recorded << " are done again with these settings\n";
  }
}

}  // namespace

/// Where there are checkpoints, beginning at the beginning is not what was asked for.
void require_usable(const actors::FoundCheckpoint& found) {
  if (found.step > 0 || found.rejections.empty()) return;
  throw CommandError(ExitCode::failed,
                     "no checkpoint can be used, and every step would be done again; begin a new run, or mend: " +
                         found.rejections.front());
}

/// A record that is gone would take every checkpoint with it: they would be ahead of it.
void require_record(const RunFolder& folder, std::uint32_t newest) {
  if (newest == 0) return;
  for (const std::filesystem::path& file : {folder.metrics(), folder.root / "ledger.jsonl"}) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file, error);
    if (!error && size > 0) continue;
    throw CommandError(ExitCode::failed, file.string() + " is missing or empty, and there is a checkpoint of step " +
                                             std::to_string(newest) + ": put it back, or begin a new run");
  }
}

Resumption prepare_resume(const JobOptions& options) {
  const actors::JobPlan plan = actors::plan_job(options.job);
  check_folder(options.folder.checkpoints());
  const actors::CheckpointKeeper keeper(options.folder.checkpoints(), options.job, plan.training_samples());
  // RS-1: before the recorder, which mends torn files.
  const actors::FoundCheckpoint newest = find_checkpoint(keeper, std::numeric_limits<std::uint32_t>::max());
  require_usable(newest);
  require_record(options.folder, newest.step);
  const actors::FoundCheckpoint found = find_checkpoint(keeper, RunRecorder::count_steps(options.folder.root));
  const Resumption resumption{found.step, plan.total_steps()};
  if (resumption.step >= resumption.total_steps) {
    for (const actors::JobChange& change : changes_of(options).value_or(std::vector<actors::JobChange>{})) {
      std::cerr << "not used, as no step is done with it: " << change.describe() << "\n";
    }
    return resumption;
  }
  require_usable(found);
  RunRecorder record(options.folder.root, RunRecorder::Repeats::equal);
  if (!keeps_numbers(options)) forget_steps_after(options, found, record);
  record.cut_validations_after(found.step);
  return resumption;
}

}  // namespace troupe::console
