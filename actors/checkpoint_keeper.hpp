#pragma once

#include "actors/config/job_config.hpp"
#include "actors/stage_protocol.hpp"
#include "gpt2/store/checkpoint.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace troupe::actors {

/// How a checkpoint went.
struct SaveOutcome {
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::string error;                   ///< empty = published
  std::vector<runtime::ActorId> gone;  ///< owners that died or did not answer; a full disk is no such thing
};

/// The newest complete checkpoint, and what was refused on the way to it.
struct FoundCheckpoint {
  std::uint32_t step = 0;               ///< 0 = none: begin at the beginning
  std::string directory;                ///< empty = none
  std::uint64_t updates = 0;            ///< of the optimizer
  std::vector<std::string> rejections;  ///< "path: reason", newest first
};

/// What is known of the moment a checkpoint is taken at.
struct SaveRequest {
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t best_step = 0;           ///< never pruned; 0 = none
  std::uint64_t next_position = 0;       ///< of the data order
  std::uint64_t updates = 0;             ///< of the optimizer
  std::vector<runtime::ActorId> owners;  ///< actors that write shards
  std::function<bool()> is_wanted = {};  ///< asked before it is published; empty = yes
  gpt2::PublishMoments moments = {};
};

/// Takes checkpoints: asks the owners of the parameters for their shards, publishes when all are there, prunes.
///
/// Thread-safety: single owner thread (the trainer's turn).
/// Ownership:     owns nothing but paths; `done` must be callable until it was called.
/// Errors:        a shard that could not be written, a full disk: `done` with the error; the temporary folder is
///                removed, the previous checkpoint is untouched.
/// Restart:       temporary folders of earlier processes are removed at construction.
///
/// CK-1  A checkpoint is published only when every shard's report is in and its files were verified.
/// CK-3  What is not wanted any more when its shards are in (its epoch has ended) is removed, not published.
/// CK-2  The best and the newest checkpoints are never pruned.
class CheckpointKeeper final {
public:
  using Done = std::function<void(const SaveOutcome&, runtime::Context&)>;

  /// `training_samples`: of the job's data, by which other data is recognised.
  CheckpointKeeper(std::filesystem::path root, const JobConfig& job, std::uint64_t training_samples);

  /// The newest complete checkpoint up to the step at which the run's record ends. Throws std::runtime_error when it is
  /// of another model, or of another order of samples: the run would repeat some samples and skip others unnoticed.
  [[nodiscard]] FoundCheckpoint find_newest(std::uint32_t last_recorded) const;
  void save(const SaveRequest& request, Done done, runtime::Context& context);

private:
  struct Collected;
  static void collect(const runtime::ActorId& owner, const runtime::Result<ShardSaved>& answer, Collected& collected);
  [[nodiscard]] SaveOutcome publish(const Collected& collected) const;

  const std::filesystem::path root_;
  const JobConfig job_;
  const std::string order_;
};

}  // namespace troupe::actors
